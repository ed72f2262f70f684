"""Carries out what the enrollment session decides: writes, shows, tells. The session itself is `session.py`.

Owned by the daemon's thread. *Done* goes out only after the store has committed, since the session says it only then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from edge.contract.messages import Enrollment as EnrollmentMessage
from edge.contract.messages import EnrollmentState
from edge.enrollment.pictures import Provenance, ShotViews, exemplar_of
from edge.enrollment.policy import Facts, Policy, PolicyName, may_enroll, may_undo
from edge.enrollment.refusals import Reason
from edge.enrollment.session import Enrollment
from edge.enrollment.steps import (
    Cancelled,
    Committed,
    Done,
    Failed,
    Progress,
    Refused,
    Show,
    Step,
    Store,
    Undo,
    Undone,
    Wish,
)
from edge.errors import DoorwardError, RefusedError, StoreError
from edge.events import clock_set
from edge.log import get_logger
from edge.ports import Clock, Panel
from edge.recognition.quality import QualityGate
from edge.recognition.recognizer import ActiveModel
from edge.recognition.shots import Shots
from edge.recognition.types import Frame, Image, Probe
from edge.roster import Roster
from edge.store.types import NewExemplar, View, clean_name

_log = get_logger("enrollment")
Told: TypeAlias = Progress | Done | Undone | Cancelled | Refused


@dataclass(frozen=True, slots=True)
class Enrollers:
    """What enrolling needs beside the session.

    views: makes the degraded views of a shot, for the fleet's statistics.
    tell: takes a step's message. new_session: a fresh id for each session.
    firm: what a good template must reach; somebody none of whose pictures does may be enrolled anew. None: nobody.
    """

    door: str
    embedder: str
    runtime: str
    names: bool
    views: Callable[[Image, Probe], Sequence[View]]
    tell: Callable[[EnrollmentMessage], None]
    new_session: Callable[[], str]
    firm: QualityGate | None = None


class Enrolling:
    """One door's enrollments."""

    def __init__(
        self, session: Enrollment, policy: Policy, roster: Roster, panel: Panel, clock: Clock, parts: Enrollers
    ) -> None:
        self._session = session
        self._policy = policy
        self._roster = roster
        self._panel = panel
        self._clock = clock
        self._parts = parts
        self._window_until_s: float | None = None
        self._sponsors: dict[str, float] = {}
        self._views = ShotViews(parts.views)
        self._id = parts.new_session()
        self._enrolled_s: float | None = None

    @property
    def policy(self) -> PolicyName:
        """Which one is in force."""
        return self._policy.name

    @property
    def active(self) -> bool:
        return self._session.active

    def press(self, now_s: float) -> None:
        """The button: begin, or cancel."""
        self._begin_id()
        self._carry_out(now_s, self._session.press(now_s, self._wish(now_s, None)))

    def hold(self, now_s: float) -> Told | None:
        """The button held: ask for an undo, or confirm it. What came of it; None while the store has an order."""
        self._begin_id()
        last: str | None = None
        refusal = may_undo(self._policy, self._facts(), now_s, self._enrolled_s)
        refused: tuple[Reason, str] | None = None if refusal is None else ("not_allowed", refusal)
        try:
            last = self._roster.last_enrolled()
        except StoreError as error:
            refused = ("store_failed", str(error))
        return self._carry_out(now_s, self._session.hold(now_s, last, refused))

    def request(self, now_s: float, name: str | None, *, anyway: bool = False) -> str:
        """A request to enroll whoever stands there; the session's id.

        Raises:
            RefusedError, StoreError: not now; the text says why. Of a session that goes on, nobody is told anything.
            StoreRefusedError: the name is none that the store takes.
        """
        if name is not None:
            clean_name(name)
        self.tick(now_s)
        if self._session.active:
            raise RefusedError(Refused("busy").message())
        self._begin_id()
        wish = replace(self._wish(now_s, name), anyway=anyway)
        told = self._carry_out(now_s, self._session.request(now_s, wish))
        if isinstance(told, Refused):
            raise error_of(told)
        return self._id

    def cancel(self, now_s: float) -> Cancelled | None:
        """Give up what is going on; None where nothing is."""
        told = self._carry_out(now_s, self._session.cancel())
        return told if isinstance(told, Cancelled) else None

    def faces(self, now_s: float, probes: Sequence[Probe], model: ActiveModel, frame: Frame) -> None:
        """The faces of one frame."""
        self._carry_out(now_s, self._session.faces(now_s, probes, model, (), frame))
        self._views.keep(self._session.shots)

    def tick(self, now_s: float) -> None:
        """Let time pass without a frame."""
        self._carry_out(now_s, self._session.tick(now_s))

    def open_window(self, until_s: float) -> None:
        """An operator lets people enroll until then, monotonic seconds."""
        self._window_until_s = until_s

    def saw_verified(self, now_s: float, visit: str) -> None:
        """Somebody verified is there, firmly recognized: they may sponsor. visit: of theirs."""
        recent = {v: s for v, s in self._sponsors.items() if now_s - s <= self._policy.sponsor_within_s}
        self._sponsors = recent | {visit: now_s}

    def doubt(self, visit: str) -> None:
        """Whoever's visit this is, it was not who they were taken for: they sponsor nobody."""
        self._sponsors.pop(visit, None)

    def _facts(self) -> Facts:
        return Facts(self._window_until_s, max(self._sponsors.values(), default=None))

    def _begin_id(self) -> None:
        if not self._session.active:
            self._id = self._parts.new_session()

    def _wish(self, now_s: float, name: str | None) -> Wish:
        not_allowed = may_enroll(self._policy, self._facts(), now_s)
        if not_allowed is not None:
            return Wish(name, ("not_allowed", not_allowed))
        if self._roster.refusal is not None:
            return Wish(name, ("store_failed", self._roster.refusal))
        return Wish(name, renewable=self._renewable())

    def _renewable(self) -> frozenset[str]:
        """Those who were enrolled from poor pictures alone, as by night."""
        gate = self._parts.firm
        if gate is None:
            return frozenset()
        people = self._roster.people.values()
        return frozenset(p.id for p in people if all(gate.refusal(e.quality, e.embedding.norm) for e in p.exemplars))

    def _carry_out(self, now_s: float, steps: Sequence[Step]) -> Told | None:
        """Do each step; an order's answer brings further steps. The last thing that was told, if anything was."""
        told: Told | None = None
        for step in steps:
            match step:
                case Show():
                    self._panel.show(step.pattern)
                case Store():
                    told = self._carry_out(now_s, self._session.answered(step.ticket, self._store(step, now_s)))
                case Undo():
                    told = self._carry_out(now_s, self._session.answered(step.ticket, self._undo(step)))
                case _:
                    self._report(step)
                    told = step
        return told

    def _store(self, order: Store, now_s: float) -> Committed | Failed:
        wall_s = self._clock.wall_s()
        try:
            exemplars = self._exemplars(order.shots, wall_s)
            if order.renews is not None:
                person = self._roster.renew(order.renews, exemplars, wall_s)
            else:
                person = self._roster.enroll(order.name, exemplars, wall_s, verified=order.name is not None)
        except StoreError as error:
            return Failed(str(error))
        self._enrolled_s = now_s
        return Committed(person.id)

    def _undo(self, order: Undo) -> Committed | Failed:
        try:
            if self._roster.last_enrolled() != order.person:
                return Failed("another enrollment came in between")
            self._roster.undo(self._clock.wall_s())
        except StoreError as error:
            return Failed(str(error))
        return Committed(order.person)

    def _exemplars(self, shots: Shots, wall_s: float) -> list[NewExemplar]:
        provenance = Provenance(self._parts.embedder, self._parts.runtime, wall_s)
        return [exemplar_of(shot.probe, provenance, self._views.of(shot)) for shot in shots]

    def _report(self, step: Told) -> None:
        self._parts.tell(self._message(step))
        match step:
            case Refused():
                _log.info("refused", session=self._id, reason=step.reason, detail=step.message())
            case Progress():
                _log.info(step.state, session=self._id, reason=step.reason, shots=step.shots, of=step.of)
            case Done() | Undone():
                _log.info(type(step).__name__.lower(), session=self._id, person=step.person)
            case Cancelled():
                _log.info("cancelled", session=self._id, what=step.of)

    def _message(self, step: Told) -> EnrollmentMessage:
        person = getattr(step, "person", None)
        known = self._roster.people.get(person) if person else None
        return EnrollmentMessage(
            door=self._parts.door,
            session=self._id,
            state=_state_of(step),
            reason=getattr(step, "reason", None),
            shots=step.shots if isinstance(step, Progress) else 0,
            shots_needed=step.of if isinstance(step, Progress) else 0,
            person=person,
            name=known.name if known and self._parts.names else None,
            provisional=isinstance(step, Done) and step.provisional,
            at=datetime.fromtimestamp(max(self._clock.wall_s(), 0.0), UTC),
            clock_set=clock_set(self._clock),
        )


def error_of(refused: Refused) -> DoorwardError:
    """What a request is answered with."""
    return (StoreError if refused.reason == "store_failed" else RefusedError)(refused.message())


def _state_of(step: Told) -> EnrollmentState:
    match step:
        case Progress():
            return step.state
        case Done():
            return "done"
        case Undone():
            return "undone"
        case Cancelled():
            return "cancelled"
        case Refused():
            return "timed_out" if step.timed_out else "refused"
