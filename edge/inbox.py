"""The one way into the daemon's thread: presses, requests and news of the link wait here until the next frame is done.

Bounded and never blocking, so that neither the broker's thread nor the button's ever waits for recognition.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge.contract.messages import Request, Response

T = TypeVar("T")
_MOST = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with the way to answer it. local: it came from this machine's own socket, not from the network."""

    request: Request
    reply: Callable[[Response], None]
    local: bool


class Inbox(Generic[T]):
    """A bounded queue of commands, many writers, one reader."""

    def __init__(self, most: int = _MOST) -> None:
        self._queue: queue.Queue[T] = queue.Queue(most)

    def put(self, command: T) -> bool:
        """Hand in a command; False when the inbox is full, which is for the sender to tell."""
        try:
            self._queue.put_nowait(command)
        except queue.Full:
            return False
        return True

    def drain(self) -> list[T]:
        """All that wait now, the oldest first."""
        commands: list[T] = []
        while len(commands) < _MOST:
            try:
                commands.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return commands
