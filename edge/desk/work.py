"""Work that takes longer than a frame may wait, in slices: a generator, between whose steps the door looks at frames.

It yields a line of progress, or None, and returns what it found. Which verbs work so is theirs to say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from edge.adapters.answers import refusal
from edge.contract.messages import Response
from edge.errors import LinkError
from edge.inbox import Asked
from edge.log import get_logger

T = TypeVar("T")
Work: TypeAlias = Generator[str | None, None, T]

_log = get_logger("requests")


def finish(work: Work[T], progress: Callable[[str], None]) -> T:
    """What the work returns, done without a pause."""
    while True:
        try:
            news = next(work)
        except StopIteration as end:
            found: T = end.value
            return found
        if news is not None:
            progress(news)


class Jobs:
    """The requests that a door is at. Owned by the daemon's thread, which gives it a slice of each turn."""

    def __init__(self, work_of: Callable[[Asked], Work[Response]]) -> None:
        self._work_of = work_of
        self._waiting: deque[tuple[Asked, Work[Response]]] = deque()

    @property
    def waiting(self) -> bool:
        """Whether there is anything to go on with."""
        return bool(self._waiting)

    def begin(self, asked: Asked) -> None:
        """The first slice, which of most requests is all."""
        _log.debug("asked", verb=asked.request.verb, local=asked.local)
        self._slice(asked, self._work_of(asked))

    def go_on(self) -> None:
        """One slice of the work that has waited longest."""
        if self._waiting:
            self._slice(*self._waiting.popleft())

    def stop(self) -> None:
        """Leave what is not done, and say so to whoever waits for it."""
        for asked, work in self._waiting:
            work.close()
            reason = (
                f"{asked.request.verb} was cut short, since the door stops; what is done so far stays: ask again later"
            )
            asked.reply(refusal(asked.request.verb, reason, asked.request.transaction, code=LinkError.exit_code))
        self._waiting.clear()

    def _slice(self, asked: Asked, work: Work[Response]) -> None:
        try:
            news = next(work)
        except StopIteration as end:
            asked.reply(end.value)
            return
        if news is not None:
            _log.info("at work", verb=asked.request.verb, progress=news)
            asked.progress(news)
        self._waiting.append((asked, work))
