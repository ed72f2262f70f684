"""What a worker does beside its messages: watchdog, old events, erased bytes still to be scrubbed, due refreshes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.errors import RefusedError, StoreError
from edge.log import get_logger
from trainer.ingest.notify import notify
from trainer.schedule import Schedule
from trainer.store.records import Claim
from trainer.store.store import FleetStore

_log = get_logger("ingest")

_DAY_S = 86_400
_TIDY_EVERY_S, _FORGET_EVERY_S, _LOOK_EVERY_S = 300.0, 3600.0, 30.0
_AFTER_FAILURE_S = 3600.0
_OUTCOMES = (0, RefusedError.exit_code)  # a head or none; the gate refused it, or another refresh was running


class Chore:
    """Something to do now and then. A store that fails costs this turn alone."""

    def __init__(self, what: str, every_s: float, do: Callable[[], None]) -> None:
        self._what = what
        self._every_s = every_s
        self._do = do
        self._next_s = 0.0

    def turn(self, now_s: float) -> None:
        """Do it if it is time. now_s: monotonic."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s
        try:
            self._do()
        except StoreError as error:
            _log.warning(f"{self._what} failed; tried again later", reason=error)


class Refreshes:
    """Starts a refresh when the schedule says so, in a process of its own; of several workers one does.

    command: what to run. One that fails is due again after a while, at once for another worker.
    """

    def __init__(
        self,
        store: FleetStore,
        schedule: Schedule,
        command: Sequence[str],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._schedule = schedule
        self._command = list(command)
        self._clock_s = clock_s
        self._running: tuple[subprocess.Popen[bytes], Claim] | None = None
        self._not_before_s = 0.0

    def look(self) -> None:
        """Raises: StoreError."""
        if self._running is not None and not self._ended(*self._running):
            return
        if self._schedule.period is None or self._clock_s() < self._not_before_s:
            return
        with self._store.write() as writer:
            claim = writer.claim_refresh(
                lambda now_s, last_s: self._schedule.due(_local(now_s), _local_or_none(last_s))
            )
        if claim is not None:
            self._start(claim)

    def close(self) -> None:
        """End one that runs: it is made up for at the next start, and loses nothing that it pooled."""
        if self._running is None:
            return
        process, claim = self._running
        process.terminate()
        process.wait()
        try:
            self._ended(process, claim)
        except StoreError as error:
            _log.warning("the refresh that was ended is not made up for", reason=error)

    def _start(self, claim: Claim) -> None:
        _log.info("a refresh begins")
        try:
            self._running = subprocess.Popen(self._command, stdin=subprocess.DEVNULL), claim
        except OSError as error:
            _log.warning("a refresh cannot be started", reason=error)
            self._give_back(claim)

    def _ended(self, process: subprocess.Popen[bytes], claim: Claim) -> bool:
        """Whether it has. Raises: StoreError, and then it is to be asked again."""
        code = process.poll()
        if code is None:
            return False
        if code not in _OUTCOMES:
            self._give_back(claim)
        (_log.warning if code else _log.info)("the refresh has ended", exit_code=code)
        self._running = None
        return True

    def _give_back(self, claim: Claim) -> None:
        with self._store.write() as writer:
            writer.give_back(claim)
        self._not_before_s = self._clock_s() + _AFTER_FAILURE_S


def refresh_command(settings: Path | None) -> list[str]:
    """The refresh with the same settings file."""
    named = ["--settings", str(settings)] if settings is not None else []
    return [sys.executable, "-m", "trainer", "refresh", *named]


@dataclass(frozen=True, slots=True)
class Chores:
    """All of them, for each turn of the worker. alive: whether the link's thread goes round."""

    chores: Sequence[Chore]
    alive: Callable[[], bool]

    def __call__(self) -> None:
        if self.alive():
            notify("WATCHDOG=1")
        now_s = time.monotonic()
        for chore in self.chores:
            chore.turn(now_s)


def chores_of(
    store: FleetStore,
    retention_days: int,
    refreshes: Refreshes,
    alive: Callable[[], bool],
    wall_s: Callable[[], float],
    more: Sequence[Chore] = (),
) -> Chores:
    """The usual ones, and more. retention_days: 0 keeps events for ever."""

    def forget() -> None:
        count = store.forget_events(wall_s() - retention_days * _DAY_S) if retention_days else 0
        if count:
            _log.info("old figures of events were deleted", rows=count)

    def tidy() -> None:
        store.tidy()

    return Chores(
        (
            Chore("deleting old events", _FORGET_EVERY_S, forget),
            Chore("tidying the store", _TIDY_EVERY_S, tidy),
            Chore("looking for a due refresh", _LOOK_EVERY_S, refreshes.look),
            *more,
        ),
        alive,
    )


def _local(wall_s: float) -> datetime:
    return datetime.fromtimestamp(wall_s, UTC).astimezone().replace(tzinfo=None)


def _local_or_none(wall_s: float | None) -> datetime | None:
    return None if wall_s is None else _local(wall_s)
