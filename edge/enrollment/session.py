"""The enrollment session: a pure state machine fed by presses, holds, frames, time, and the store's answers.

Press: enroll the person in front. Press again: cancel. Hold: ask whether to undo the last enrollment; hold again: undo.
It decides and says what is to be done (`steps.py`); the daemon writes, shows and sends. Which pictures are
good is left to `recognition/shots.py`, who may press to `policy.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.enrollment.look import Look, LookRules, Taken
from edge.enrollment.panel_patterns import PatternName
from edge.enrollment.refusals import Reason, hint_pattern, refused_pattern
from edge.enrollment.steps import (
    Answer,
    Cancelled,
    Done,
    Failed,
    Progress,
    ProgressState,
    Refused,
    Show,
    Step,
    Store,
    Undo,
    Undone,
    Wish,
)
from edge.recognition.recognizer import ActiveModel
from edge.recognition.shots import ShotRules, Shots, enrolled_as, firm_gate, poor_gate
from edge.recognition.types import Frame, Probe


@dataclass(frozen=True, slots=True)
class EnrollmentRules:
    """look: of the time before the camera. confirm_within_s: the second hold must come so soon.

    answer_within_s: a store that has not answered by then has failed, as far as the panel is told.
    """

    look: LookRules = field(default_factory=LookRules)
    confirm_within_s: float = 10.0
    answer_within_s: float = 10.0


def rules_for(
    *,
    shots: int,
    timeout_s: float,
    min_interval_s: float,
    typical_norm: float | None = None,
    poor_will_do: bool = True,
) -> EnrollmentRules:
    """The rules that follow from a door's settings and its embedder. typical_norm: see `shots.firm_gate`.

    Whoever just holds still is done within half of the time-out, and usually within a second a shot.
    """
    alike_after_s = max(min_interval_s, min(1.0, timeout_s / (2 * shots)))
    wanted = ShotRules(shots, min_interval_s, alike_after_s, firm_gate(typical_norm), poor_gate(typical_norm))
    return EnrollmentRules(LookRules(timeout_s=timeout_s, poor_will_do=poor_will_do, shots=wanted))


@dataclass(frozen=True, slots=True, eq=False)
class _Looking:
    wish: Wish
    look: Look


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """For the store's answer to an order."""

    order: Store | Undo
    since_s: float


@dataclass(frozen=True, slots=True)
class _Asking:
    """For the second hold."""

    person: str
    since_s: float


_State = _Looking | _Waiting | _Asking | None


class Enrollment:
    """One door's session, or none going on. Every method takes monotonic seconds and returns the steps to carry out."""

    def __init__(self, rules: EnrollmentRules) -> None:
        self._rules = rules
        self._wanted = rules.look.shots.count
        self._state: _State = None
        self._tickets = 0
        self._unanswered: dict[int, Store | Undo] = {}

    @property
    def active(self) -> bool:
        """Whether somebody is being enrolled, or an enrollment undone."""
        return self._state is not None

    @property
    def looking(self) -> bool:
        """Whether it wants frames."""
        return isinstance(self._state, _Looking)

    @property
    def shots(self) -> Shots:
        """The good pictures that it holds so far; none once they are ordered to be stored."""
        return self._state.look.firm if isinstance(self._state, _Looking) else ()

    def press(self, now_s: float, wish: Wish) -> list[Step]:
        """A press: begins an enrollment, or cancels what is going on."""
        if self._state is None:
            return self._begin(now_s, wish)
        return self.cancel()

    def request(self, now_s: float, wish: Wish) -> list[Step]:
        """A request to enroll, which unlike a press never cancels somebody else's session."""
        ended = self.tick(now_s)
        if self._state is not None:
            return [*ended, Refused("busy")]
        return [*ended, *self._begin(now_s, wish)]

    def cancel(self) -> list[Step]:
        """Give up. What is with the store already cannot be given up any more."""
        if isinstance(self._state, _Looking):
            return self._end(Cancelled("enrollment"), "cancelled")
        if isinstance(self._state, _Asking):
            return self._end(Cancelled("undo"), "cancelled")
        return []

    def hold(self, now_s: float, undoable: str | None, refusal: tuple[Reason, str] | None = None) -> list[Step]:
        """A long press.

        undoable: the person of the last enrollment, or None. refusal: why it may not be undone now.
        While somebody is being enrolled it cancels, so that one who presses too long undoes nobody.
        """
        if isinstance(self._state, _Looking):
            return self.cancel()
        ended = self.tick(now_s)
        if ended or isinstance(self._state, _Waiting):
            return ended
        if refusal is not None:
            return self._refuse(Refused(*refusal))
        return self._ask(now_s, undoable)

    def faces(
        self,
        now_s: float,
        probes: Sequence[Probe],
        model: ActiveModel,
        photos: Sequence[bool] = (),
        frame: Frame | None = None,
    ) -> list[Step]:
        """The faces of one frame.

        photos: for each probe whether it looks like a photograph; empty where nobody checks.
        frame: kept with a shot that is taken from it.
        """
        if not isinstance(self._state, _Looking):
            return self.tick(now_s)
        look, hint_before = self._state.look, self._state.look.hint
        taken = look.see(now_s, probes, photos, model, frame)
        steps = self._tell(look, hint_before, taken=taken)
        return steps + self.tick(now_s)

    def tick(self, now_s: float) -> list[Step]:
        """Let time pass; to be called between frames, and also while there are none."""
        state = self._state
        if isinstance(state, _Looking):
            return self._look_on(now_s, state)
        if isinstance(state, _Waiting) and now_s - state.since_s >= self._rules.answer_within_s:
            return self._refuse(Refused("store_failed", "no answer from the store in time", timed_out=True))
        if isinstance(state, _Asking) and now_s - state.since_s >= self._rules.confirm_within_s:
            return self._end(Cancelled("undo"), "cancelled")
        return []

    def answered(self, ticket: int, answer: Answer) -> list[Step]:
        """What became of an order. A late answer is told too, and leaves a session that began since then alone.

        An answer to a ticket that was never given, or twice, is nothing.
        """
        order = self._unanswered.pop(ticket, None)
        if order is None:
            return []
        current = isinstance(self._state, _Waiting) and self._state.order is order
        if current:
            self._state = None
        idle = [Show("idle")] if current else []
        return [*idle, *_outcome(order, answer)]

    def _ask(self, now_s: float, undoable: str | None) -> list[Step]:
        """Ask whether to undo, or take the second hold for a yes."""
        if undoable is None:
            return self._refuse(Refused("nothing_to_undo"))
        if isinstance(self._state, _Asking) and self._state.person == undoable:
            return self._order(now_s, Undo(self._ticket(), undoable))
        # Asked about anew where another enrollment has come in between: nobody undoes what they were not asked about.
        self._state = _Asking(undoable, now_s)
        return [self._progress("asking"), Show("ask_undo")]

    def _begin(self, now_s: float, wish: Wish) -> list[Step]:
        if wish.refusal is not None:
            return self._refuse(Refused(*wish.refusal))
        self._state = _Looking(wish, Look(self._rules.look, now_s))
        return [self._progress("looking"), Show("looking")]

    def _tell(self, look: Look, hint_before: Reason | None, *, taken: bool) -> list[Step]:
        """What a frame has changed that somebody should know."""
        steps: list[Step] = []
        if taken:
            steps += [self._progress("shot_taken", shots=len(look.firm)), Show("shot_taken")]
        if look.hint != hint_before:
            steps.append(self._progress("looking", look.hint, len(look.firm)))
            steps.append(Show("looking" if look.hint is None else hint_pattern(look.hint)))
        return steps

    def _look_on(self, now_s: float, state: _Looking) -> list[Step]:
        """Whether the shots are complete, or the time is up."""
        taken, model = state.look.complete(now_s), state.look.model
        if taken is not None and model is not None:
            return self._finish(now_s, state, taken, model)
        if state.look.over(now_s):
            shots = f"{len(state.look.firm)} of {self._wanted} pictures were good"
            return self._refuse(Refused(state.look.most_frequent, shots, timed_out=True))
        return []

    def _finish(self, now_s: float, state: _Looking, taken: Taken, model: ActiveModel) -> list[Step]:
        """A complete set: refuse it, or order it to be stored."""
        if state.look.looks_like_photo:
            return self._refuse(Refused("looks_like_photo"))
        same = enrolled_as([shot.probe.embedding for shot in taken.shots], model)
        renews = same.person if same is not None and same.person in state.wish.renewable else None
        if same is not None and renews is None and not state.wish.anyway:
            return self._refuse(Refused("already_enrolled", person=same.person))
        return self._order(now_s, Store(self._ticket(), state.wish.name, taken.shots, taken.provisional, renews))

    def _order(self, now_s: float, order: Store | Undo) -> list[Step]:
        self._state = _Waiting(order, now_s)
        self._unanswered[order.ticket] = order
        if isinstance(order, Store):
            return [self._progress("storing", shots=self._wanted), order]
        return [self._progress("undoing"), Show("looking"), order]

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    def _progress(self, state: ProgressState, reason: Reason | None = None, shots: int = 0) -> Progress:
        return Progress(state, reason, shots, self._wanted)

    def _refuse(self, refused: Refused) -> list[Step]:
        return self._end(refused, refused_pattern(refused.reason))

    def _end(self, outcome: Cancelled | Refused, pattern: PatternName) -> list[Step]:
        self._state = None
        return [outcome, Show("idle"), Show(pattern)]


def _outcome(order: Store | Undo, answer: Answer) -> list[Step]:
    """Said only here, after the store's own word."""
    if isinstance(answer, Failed):
        return [Refused("store_failed", answer.detail), Show("refused_store")]
    if isinstance(order, Undo):
        return [Undone(answer.person), Show("undone")]
    return [Done(answer.person, order.provisional, order.renews is not None), Show("done")]
