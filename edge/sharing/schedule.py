"""In which order and how fast people are told of: a few at once, again after a while, ever more rarely. Pure.

Time comes in as a value, monotonic seconds. Who is not acknowledged in time goes to the end of the queue, so that one
message that is never answered holds up nobody else. What is told is left to `wishes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """window: messages that wait for the trainer's answer at once.

    resend_s, resend_at_most_s: first and longest wait for an answer; it doubles while none comes at all.
    """

    window: int = 4
    resend_s: float = 30.0
    resend_at_most_s: float = 900.0


class Schedule:
    """Whom to tell of next."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._queue: dict[str, None] = {}  # in its order; who is under way is not in it
        self._under_way: dict[str, None] = {}
        self._pause_s = pace.resend_s
        self._deadline_s = float("-inf")

    @property
    def waiting(self) -> int:
        """People who are to be told of, and those whose message is not answered yet."""
        return len(self._queue) + len(self._under_way)

    def want(self, person: str, *, news: bool) -> None:
        """Somebody is to be told of. news: what was sent of them, if anything was, is not it any more."""
        if news:
            self._under_way.pop(person, None)
        if person not in self._under_way:
            self._queue.setdefault(person)

    def drop(self, person: str) -> None:
        """There is nothing to tell of them."""
        self._queue.pop(person, None)
        self._under_way.pop(person, None)

    def next(self, now_s: float) -> str | None:
        """Whom to tell of now; None while there is nobody, or enough is under way."""
        if self._under_way and now_s >= self._deadline_s:
            self._queue |= self._under_way
            self._under_way.clear()
            self._pause_s = min(2 * self._pause_s, self._pace.resend_at_most_s)
        if len(self._under_way) >= self._pace.window:
            return None
        return next(iter(self._queue), None)

    def sent(self, person: str, now_s: float) -> None:
        """Their message is on its way."""
        self._queue.pop(person, None)
        self._under_way[person] = None
        self._deadline_s = now_s + self._pause_s

    def answered(self, person: str, now_s: float) -> None:
        """The trainer is done with it, so it is there: the others may hope for an answer soon."""
        self.drop(person)
        self._pause_s = self._pace.resend_s
        self._deadline_s = now_s + self._pause_s

    def begin_anew(self) -> None:
        """A new connection: what was under way by the old one may be lost, and goes first."""
        self._queue = self._under_way | self._queue
        self._under_way = {}
        self._pause_s = self._pace.resend_s
