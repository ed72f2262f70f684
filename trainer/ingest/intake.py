"""Where the link's thread leaves messages and the worker takes them, some at a time. The broker bounds how many."""

from __future__ import annotations

import threading
import time
from collections import deque

from edge.ports import Incoming


class Intake:
    """A `ports.LinkListener`. connection: number of the one that there is; counts up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages: deque[Incoming] = deque()
        self._woken = False
        self.connection = 0

    def on_connected(self, connection: int) -> None:
        with self._changed:
            self.connection = connection

    def on_disconnected(self) -> None:
        """What was not acknowledged comes again with the next connection."""
        with self._changed:
            self.connection += 1
            self._messages.clear()

    def on_message(self, message: Incoming) -> None:
        with self._changed:
            self._messages.append(message)
            self._changed.notify()

    def on_delivered(self, token: str, refused: str | None) -> None:
        """No token is ever given."""

    def wake(self) -> None:
        """Let `take` return; from any thread or a signal handler's thread."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def take(self, most: int, wait_s: float, idle_s: float) -> list[Incoming]:
        """Messages in their order: when `most` are there, or `wait_s` after the first, or none after `idle_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages or self._woken, idle_s)
            deadline = time.monotonic() + wait_s
            while self._messages and len(self._messages) < most and not self._woken:
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            self._woken = False
            return [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
