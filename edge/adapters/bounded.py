"""Calls into drivers, each with a limit of time. Leaves what to do about a call that hangs to its caller.

A thread that waits in a driver cannot be stopped from outside. So the calls are made on a thread of their own, and
after the limit the caller goes on without it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Bounded:
    """One worker thread, started by the first call, for calls in their order. It keeps no program from ending."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pending: Future[Any] | None = None

    @property
    def stuck(self) -> bool:
        """True while a call whose caller gave up still has not come back."""
        return self._pending is not None and not self._pending.done()

    def call(self, work: Callable[[], T], timeout_s: float) -> T:
        """The value of `work()`, or whatever it raises.

        Work whose caller gave up may still finish later: its value must not be the only way to release something.

        Raises:
            TimeoutError: it has not come back after `timeout_s`, or an earlier call is still stuck.
        """
        if self.stuck:
            raise TimeoutError(f"{self._name} has not come back from an earlier call")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._pending = future = Future[T]()
        self._work.put((future, work))
        return future.result(timeout_s)

    def finish(self) -> None:
        """Let the thread end as soon as it is free; the next call starts another."""
        if self._thread is not None and not self.stuck:
            self._work.put(None)
            self._thread = None

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            future, work = item
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - carried over to the caller, who raises it
                future.set_exception(error)
            del item, future, work  # else a picture stays in memory until the next call
