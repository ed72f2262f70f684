"""Puts releases in force on a running door: has them brought, swaps heads between two frames, judges trials, goes back.

Owned by the daemon's thread, which calls `turn` after each frame; nothing here blocks it. Records, files, loading and
projecting are `release_work.py`'s, on one background thread; which release is brought, and when, is `bringing.py`'s.
The swap is one assignment: head, table and threshold go together, with whoever was enrolled meanwhile. How it stands
with a trial is judged in `trial.py`, what a start begins with in `force.py`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from edge.contract.update import UpdateState
from edge.errors import RefusedError
from edge.inbox import Inbox
from edge.log import get_logger
from edge.ports import Clock
from edge.recognition.recognizer import ActiveModel
from edge.recognition.visit import VisitEvent
from edge.roster import Roster
from edge.update.bringing import Bringing
from edge.update.force import FACTORY_RELEASE
from edge.update.machine import Record, Target
from edge.update.news import News
from edge.update.pin import Pin
from edge.update.release_state import Facts, state_of
from edge.update.release_work import Done, ReleaseWork, Table
from edge.update.reprojection import caught_up, changes
from edge.update.slots import Slots
from edge.update.trial import TrialRules, Visits, judge, seen

_log = get_logger("releases")

_AT_ONCE = 4  # people who changed meanwhile and are projected between two frames: some ms each
_AGAIN_S = 300.0  # after something that was in the way, as a full disk
_REMEMBER_EVERY_S = 3600.0
_TELL_EVERY_S = 1.0
_NICENESS = 10
_NEVER_S = float("-inf")


class TellsState(Protocol):
    """Where the door's word about releases goes; keeps it retained."""

    def state(self, message: UpdateState) -> None: ...


@dataclass(frozen=True, slots=True)
class ReleaseRules:
    """root_file: whom to trust, where nobody is trusted yet."""

    door: str
    root_file: Path | None = None
    trial: TrialRules = field(default_factory=TrialRules)


@dataclass(frozen=True, slots=True)
class ReleaseParts:
    """What it works with. news: from the link and the updater's process."""

    slots: Slots
    work: ReleaseWork
    bringing: Bringing
    pin: Pin
    roster: Roster
    news: Inbox[News]
    clock: Clock
    post: TellsState | None = None


@dataclass(slots=True)
class _Trial:
    """began_s: when its head came in. since_s: the time of the frame before; visits that began earlier do not count."""

    began_s: float
    since_s: float
    visits: Visits = field(default_factory=Visits)


class Activation:
    """See the module. Nothing is begun before the first `turn`."""

    def __init__(self, rules: ReleaseRules, parts: ReleaseParts, *, on_trial: bool = False) -> None:
        """on_trial: the roster's model is of a release on trial, as after a start in the middle of one."""
        self._rules, self._parts, self._bringing = rules, parts, parts.bringing
        self._began_on_trial = on_trial
        self._record: Record | None = None
        self._stale = True  # the record is to be looked at
        self._visits, self._saved = Visits(), Visits()
        self._trial: _Trial | None = None
        self._back: str | None = None
        self._unwritten: str | None = None
        self._problem: str | None = None
        self._work_due_s = _NEVER_S
        self._tell_due_s = self._save_due_s = _NEVER_S
        self._frame_s = _NEVER_S
        self._pool: ThreadPoolExecutor | None = None
        self._job: tuple[Future[Done], Callable[[Done, float], None]] | None = None
        self._said: UpdateState | None = None

    def frame(self, time_s: float) -> None:
        """A frame was recognized."""
        self._frame_s = time_s

    def saw(self, event: VisitEvent, model: ActiveModel) -> None:
        """A visit's event, and the model that it was decided by."""
        if self._trial is None:
            self._visits = seen(self._visits, event, model)
        elif event.started_s > self._trial.since_s:
            self._trial.visits = seen(self._trial.visits, event, model)

    def turn(self, now_s: float) -> None:
        """What there is to be done between two frames. now_s: of the same clock as the frames' times."""
        was_running = self._bringing.running
        for news in self._parts.news.drain():
            self._take(news, now_s)
        if self._bringing.ended_unsaid(was_running=was_running):
            self._bringing.ended(None, now_s)
            self._stale = True
        self._finish(now_s)
        if self._job is None:
            self._decide(now_s)
        self._tell(now_s)

    def close(self) -> None:
        """End what is under way; all of it goes on at the next start."""
        self._bringing.close()
        if self._pool is not None:
            self._pool.submit(self._parts.work.remember, self._visits)
            self._pool.shutdown(wait=True)
            self._pool = None

    def status(self) -> dict[str, Any]:
        """How it stands, for an operator."""
        model, state = self._parts.roster.model, self._state()
        return {
            "release": model.release,
            "head": model.gallery.head.id,
            "enabled": self._bringing.enabled,
            "pin": self._parts.pin.release,
            "announced": self._bringing.announced,
            "state": state.state,
            "target": state.target,
            "reason": state.reason or self._problem or self._bringing.problem,
            "attempt": state.attempt,
            "progress": state.progress,
            "trial_visits": None if self._trial is None else len(self._trial.visits),
            "missing_layers": list(state.missing_layers),
        }

    def install(self, release: str | None, now_s: float) -> str:
        """Bring a release now, also one that was refused before; which. None takes the one that is announced.

        Raises:
            RefusedError: there is nothing to install, or something stands in the way.
            StoreError: the disk takes nothing.
        """
        target = self._bringing.target_of(release)
        if self._bringing.pinned_off(target.release):
            raise RefusedError(f"the door is pinned to {self._parts.pin.release}; `doorward releases unpin` first")
        self._parts.slots.allow_again(target.release)
        record = self._record = self._parts.slots.record()
        if (why := record.wants(target)) is not None:
            raise RefusedError(f"nothing to install: {why}")
        self._bringing.want(target, now_s)
        return target.release

    def roll_back(self, reason: str) -> str:
        """Begin to give up what is on its way or on trial, else what is in force; which that is.

        Raises:
            RefusedError: the head that was installed with the program is in force, and nothing else is going on.
        """
        record = self._record = self._parts.slots.record()
        held = record.held(record.in_force)
        going_on = record.under_way or record.step == "trial"
        given_up: Target | None = record.target if going_on else held.target if held is not None else None
        if given_up is None:
            raise RefusedError("there is nothing to roll back: the head that was installed is in force")
        self._back, self._bringing.wanted = reason, None
        return given_up.release

    def pin(self, release: str | None) -> str:
        """Stay with a release, None with the one in force; which. Raises: see `Pin.set`."""
        record = self._parts.slots.record()
        held = record.held(record.in_force)
        wanted = release or (held.target.release if held is not None else FACTORY_RELEASE)
        self._parts.pin.set(wanted)
        return wanted

    def unpin(self, now_s: float) -> None:
        """Take what comes again. Raises: see `Pin.lift`."""
        self._parts.pin.lift()
        self._hear(now_s)

    def _take(self, news: News, now_s: float) -> None:
        if self._bringing.take(news, now_s):
            self._stale = True

    def _hear(self, now_s: float) -> None:
        if self._record is None:
            return  # it is heard once it is known where things stand
        self._bringing.hear(self._record, now_s)
        if self._bringing.withdrawn(self._record):
            self._back = "it was withdrawn"

    def _decide(self, now_s: float) -> None:
        """Begin one thing, if there is one to be done."""
        record, bringing = self._record, self._bringing
        release = record.target.release if record is not None and record.target is not None else None
        if record is None or self._stale:
            self._stale = False
            self._begin(self._parts.work.look, self._looked)
        elif self._back is not None:
            self._go_back(self._back)
        elif now_s < self._work_due_s:
            return
        elif record.step in ("activating", "trial") and bringing.pinned_off(release):
            self._back = f"the door is pinned to {self._parts.pin.release}"
        elif self._trial is not None:
            self._judge(self._trial, now_s)
        elif record.step in ("activating", "trial") and not bringing.running:
            self._back = self._unwritten
            if self._back is None:
                people, visits = dict(self._parts.roster.people), self._visits
                self._begin(lambda: self._parts.work.activate(people, visits), self._turned)
        elif (target := bringing.due(now_s)) is not None:
            self._fetch(target)
        elif self._visits != self._saved and now_s >= self._save_due_s:
            self._save_due_s, self._saved, visits = now_s + _REMEMBER_EVERY_S, self._visits, self._visits
            self._begin(lambda: self._parts.work.remember(visits), self._looked)

    def _go_back(self, reason: str) -> None:
        if self._bringing.running:
            self._bringing.stop()  # it writes the record too; when it is gone it is this one's turn
            return
        self._back = None
        people = dict(self._parts.roster.people)
        self._begin(lambda: self._parts.work.go_back(people, reason), self._turned)

    def _judge(self, trial: _Trial, now_s: float) -> None:
        frame_age_s = now_s - self._frame_s
        judged = judge(trial.visits, self._visits, self._rules.trial, now_s - trial.began_s, frame_age_s)
        if judged.act == "give_up":
            self._back = judged.reason
        elif judged.act == "commit":
            visits = trial.visits
            self._begin(lambda: self._parts.work.commit(visits), self._committed)

    def _fetch(self, target: Target) -> None:
        """Whom to trust first, and then the process."""

        def trusted(done: Done, _now_s: float) -> None:
            self._record, self._problem = done.record, done.problem
            if self._bringing.wanted != target:
                return
            if done.record.wants(target) is None:
                self._bringing.start(target)
            else:
                self._bringing.wanted = None

        self._begin(lambda: self._parts.work.trust(self._rules.root_file), trusted)

    def _begin(self, work: Callable[[], Done], then: Callable[[Done, float], None]) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "releases", initializer=_give_way)
        self._job = self._pool.submit(work), then

    def _finish(self, now_s: float) -> None:
        """Take what the background has done, if it has."""
        if self._job is None or not self._job[0].done():
            return
        (future, then), self._job = self._job, None
        try:
            done = future.result()
        except Exception:  # noqa: BLE001 - a door must not end of an update; it looks again, later
            _log.exception("work on a release failed unexpectedly")
            self._work_due_s = now_s + _AGAIN_S
            self._record = self._record or Record()
            return
        then(done, now_s)

    def _looked(self, done: Done, now_s: float) -> None:
        self._record = done.record
        if done.visits is not None and not len(self._visits):
            self._visits = self._saved = done.visits
        if self._began_on_trial and done.record.step == "trial":
            self._trial = _Trial(now_s, self._frame_s)
        self._began_on_trial = False
        self._hear(now_s)

    def _turned(self, done: Done, now_s: float) -> None:
        """A head was made ready; or it was not, and the door goes on as it is."""
        self._record, self._problem, self._unwritten = done.record, done.problem, done.unwritten
        if done.problem is not None:
            self._work_due_s = now_s + _AGAIN_S
            _log.warning("a release could not be put in force or given up as planned", reason=done.problem)
        if done.record.step != "trial":
            _log.info("a release was given up", state=done.record.step, reason=done.record.reason)
        if done.table is not None:
            self._swap(done.table, now_s)
        self._hear(now_s)

    def _swap(self, table: Table, now_s: float) -> None:
        """Between two frames: bring in who changed meanwhile, and recognize by it from the next frame on."""
        people = dict(self._parts.roster.people)
        since = changes(table.people, people)
        if len(since) > _AT_ONCE:
            self._begin(lambda: self._parts.work.catch_up(table, since, people), self._caught_up)
            return
        self._parts.roster.adopt(caught_up(table.model, since))
        self._trial = _Trial(now_s, self._frame_s) if table.trial else None
        _log.info("another head recognizes", release=table.model.release, trial=table.trial, people=len(people))

    def _caught_up(self, done: Done, now_s: float) -> None:
        if done.table is not None:
            self._swap(done.table, now_s)

    def _committed(self, done: Done, now_s: float) -> None:
        self._record, self._problem = done.record, done.problem
        if done.problem is not None:
            self._work_due_s = now_s + _AGAIN_S
            _log.warning("a healthy release waits", reason=done.problem)
        elif self._trial is not None:
            _log.info("a release is in force", release=self._parts.roster.model.release)
            self._visits, self._trial = self._trial.visits, None
        self._hear(now_s)

    def _state(self) -> UpdateState:
        bringing, announced = self._bringing, self._bringing.announced
        facts = Facts(
            told=bringing.told,
            problem=bringing.problem if not bringing.running else None,
            wanted=bringing.wanted.release if bringing.wanted is not None else None,
            held_back=announced if announced is not None and bringing.pinned_off(announced) else None,
            pin=self._parts.pin.release,
            layers=bringing.layers,
        )
        return state_of(self._rules.door, self._record or Record(), facts, self._parts.clock)

    def _tell(self, now_s: float) -> None:
        """What changed, once a second at most."""
        if self._parts.post is None or self._record is None or now_s < self._tell_due_s:
            return
        self._tell_due_s = now_s + _TELL_EVERY_S
        state = self._state()
        if self._said is None or replace(state, at=self._said.at) != self._said:
            self._said = state
            self._parts.post.state(state)


def _give_way() -> None:
    """The background thread yields the processor to recognition; Linux counts niceness by thread."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
