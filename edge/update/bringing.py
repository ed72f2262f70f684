"""Which release a door wants, when it has it brought, and what the process that brings it says. Puts nothing in force.

What is announced is only a reason to look: what is installed is decided by what is signed, in that process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.contract.update import UpdateNotice
from edge.errors import RefusedError
from edge.log import get_logger
from edge.update.machine import Record, Target
from edge.update.news import ChildEnded, ChildTold, News, NoNotice, Noticed
from edge.update.pin import Pin
from edge.update.updater import Told

_log = get_logger("releases")
_AGAIN_S, _LONGEST_AGAIN_S = 300.0, 6 * 3600.0  # after something that was in the way, doubling
_PAUSED_S = 3600.0  # after something that somebody has to see to


class RunsUpdater(Protocol):
    """The updater's process, one at most. What it says comes as news."""

    @property
    def running(self) -> bool: ...

    def start(self, target: Target) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BringingRules:
    """enabled: take what is announced. jitter_s: wait a random time up to so long first, or up to what is asked for."""

    enabled: bool = False
    jitter_s: float = 600.0


class Bringing:
    """See the module. Owned by one thread."""

    def __init__(self, rules: BringingRules, updater: RunsUpdater, pin: Pin, chance: Callable[[], float]) -> None:
        """chance: gives 0..1."""
        self._rules, self._updater, self._pin, self._chance = rules, updater, pin, chance
        self.notice: UpdateNotice | None = None
        self.wanted: Target | None = None
        self.told: Told | None = None
        self.layers: tuple[str, ...] = ()
        self.problem: str | None = None
        self._fetching: Target | None = None
        self._due_s = 0.0
        self._failures = 0

    @property
    def enabled(self) -> bool:
        """Whether what is announced is taken without a word of an operator."""
        return self._rules.enabled

    @property
    def running(self) -> bool:
        """Whether the process is at work, which writes the record too."""
        return self._updater.running

    @property
    def announced(self) -> str | None:
        """The release that this door is to look at."""
        return self.notice.release if self.notice is not None and not self.notice.withdrawn else None

    def pinned_off(self, release: str | None) -> bool:
        """Whether the door is to stay with another one."""
        pinned = self._pin.release
        return pinned is not None and pinned != release

    def hear(self, record: Record, now_s: float) -> None:
        """Act upon the notice that there is."""
        notice = self.notice
        if notice is None or notice.withdrawn or not self._rules.enabled:
            return
        target = Target(release=notice.release, kind=notice.kind, counter=notice.counter)
        if self.wanted == target or record.wants(target) is not None or self.pinned_off(target.release):
            return
        spread_s = max(self._rules.jitter_s, float(notice.spread_s))
        self.wanted, self._due_s, self._failures = target, now_s + self._chance() * spread_s, 0

    def withdrawn(self, record: Record) -> bool:
        """Whether what the door is at was withdrawn, and is to be given up."""
        notice = self.notice
        if notice is None or not notice.withdrawn:
            return False
        if self.wanted is not None and self.wanted.release == notice.release:
            self.wanted = None
        about = record.target is not None and record.target.release == notice.release
        return about and (record.under_way or record.step == "trial")

    def want(self, target: Target, now_s: float) -> None:
        """Bring this one, now."""
        self.wanted, self._due_s, self._failures, self.problem = target, now_s, 0, None

    def target_of(self, release: str | None) -> Target:
        """What an operator means. Raises: RefusedError where nothing is announced and none was named."""
        notice = self.notice if self.announced is not None else None
        if notice is not None and release in (None, notice.release):
            return Target(release=notice.release, kind=notice.kind, counter=notice.counter)
        if release is None:
            raise RefusedError("no release is announced to this door; name one")
        return Target(release=release, kind="head", counter=0)

    def due(self, now_s: float) -> Target | None:
        """What is to be brought now."""
        return self.wanted if now_s >= self._due_s and not self._updater.running else None

    def start(self, target: Target) -> None:
        """Have it brought."""
        self._fetching, self.told, self.problem = target, None, None
        self._updater.start(target)

    def stop(self) -> None:
        """End the process, if there is one; it is gone when it is not `running`."""
        self._updater.stop()

    def close(self) -> None:
        """The same, and wait for it."""
        self._updater.close()

    def ended_unsaid(self, *, was_running: bool) -> bool:
        """The process is gone, and its word about that was lost. was_running: before the news were taken."""
        return self._fetching is not None and not was_running

    def take(self, news: News, now_s: float) -> bool:
        """Whether the record is to be looked at again."""
        match news:
            case Noticed(notice):
                if notice != self.notice:
                    _log.info("a release is announced", release=notice.release, withdrawn=notice.withdrawn)
                self.notice = notice
            case NoNotice():
                self.notice = self.wanted = None
            case ChildTold(told):
                self.told, self.layers = told, told.missing_layers or self.layers
                return False
            case ChildEnded(problem):
                self.ended(problem, now_s)
        return True

    def ended(self, problem: str | None, now_s: float) -> None:
        """Whether it is tried again, and when; how far it came, the record says. problem: where it did not say."""
        told, self.told, fetched, self._fetching = self.told, None, self._fetching, None
        if fetched is None:
            return
        step = told.step if told is not None and problem is None else "failed"
        self.problem = problem or (told.reason if told is not None else "the updater ended without a word")
        if step == "failed":
            self._failures += 1
            wait_s = min(_AGAIN_S * 2.0 ** min(self._failures - 1, 16), _LONGEST_AGAIN_S)
            self._due_s = now_s + wait_s * (0.5 + 0.5 * self._chance())
        elif step == "paused":
            self._due_s = now_s + _PAUSED_S
        else:
            self.wanted = None
        _log.info("the updater has ended", release=fetched.release, step=step, reason=self.problem)
