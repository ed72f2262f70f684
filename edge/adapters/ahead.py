"""An iterator on a thread of its own, a few items ahead of whoever takes them, who never waits long for one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Generic, Self, TypeVar

T = TypeVar("T")
# So long whoever takes waits for an item before they turn to something else: far less than a frame takes, and enough
# for the thread to get on.
_WAIT_S = 0.01
_LOOK_S = 0.1
_JOIN_S = 2.0


class _End:
    """After the last item. error: what ended it too early."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Gives the items in their order, None while the next is not ready, and raises what the iterator raises.

    A context: on leaving it, the thread ends with the item that it is at.
    """

    def __init__(self, items: Iterable[T], most: int = 2) -> None:
        """most: how many items may lie ready."""
        self._items = items
        self._ready: Queue[T | _End] = Queue(most)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join(_JOIN_S)

    def __iter__(self) -> Iterator[T | None]:
        while True:
            try:
                item = self._ready.get(timeout=_WAIT_S)
            except Empty:
                yield None
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _run(self) -> None:
        try:
            for item in self._items:
                self._put(item)
                if self._leaving.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            self._put(_End(error))
        else:
            self._put(_End(None))

    def _put(self, item: T | _End) -> None:
        while not self._leaving.is_set():
            try:
                self._ready.put(item, timeout=_LOOK_S)
            except Full:
                continue
            return
