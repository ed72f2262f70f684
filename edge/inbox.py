"""The one way into the daemon's thread: presses, requests and news of the link wait here until the next frame is done.

Bounded and never blocking, so that neither the broker's thread nor the button's ever waits for recognition.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Generic, TypeVar
from uuid import UUID

from edge.contract.messages import Request, Response

T = TypeVar("T")
_MOST = 256


def _ignore(_line: str) -> None:
    """Of one who does not wait to hear."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with the way to answer it.

    local: it came from this machine's own socket, not from the network.
    attached: a file that the request is about; whoever takes the request closes it.
    progress: takes a line now and then of what takes long.
    """

    request: Request
    reply: Callable[[Response], None]
    local: bool
    attached: BinaryIO | None = None
    progress: Callable[[str], None] = _ignore


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The trainer is done with the messages `ids`. done: to be called once that is noted, or cannot be."""

    ids: tuple[UUID, ...]
    done: Callable[[], None]


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
