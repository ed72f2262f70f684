"""Any sequence of presses, holds, frames, answers and waits: what the session may never do, whatever comes."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.enrollment.session import Enrollment, rules_for
from edge.enrollment.steps import Cancelled, Committed, Done, Failed, Refused, Show, Step, Store, Undo, Undone, Wish
from edge.recognition.recognizer import ActiveModel
from tests.fakes.enrollees import Enrollee, model

TIMEOUT_S = 8.0
PEOPLE = {name: Enrollee(name) for name in ("Ada", "Bo", "Cy")}
TABLES = (model(), model(PEOPLE["Ada"]), model(PEOPLE["Cy"], embedder="another"))
NAMES = st.sampled_from(sorted(PEOPLE))


class Session(RuleBasedStateMachine):
    """A session with a store that commits, fails, or never answers, at any time."""

    @initialize(shots=st.integers(3, 5), poor_will_do=st.booleans())
    def open(self, shots: int, poor_will_do: bool) -> None:
        self.bounds = rules_for(
            shots=shots, timeout_s=TIMEOUT_S, min_interval_s=0.3, typical_norm=70.0, poor_will_do=poor_will_do
        )
        self.session = Enrollment(self.bounds)
        self.shots = shots
        self.now_s = 0.0
        self.began_s: float | None = None
        self.model: ActiveModel = TABLES[0]
        self.orders: dict[int, Store | Undo] = {}
        self.answered: set[int] = set()
        self.committed = 0
        self.told = 0

    def take(self, steps: list[Step]) -> None:
        for step in steps:
            if step == Show("ask_undo"):
                self.began_s = self.now_s
            if isinstance(step, Store | Undo):
                assert step.ticket not in self.orders
                self.orders[step.ticket] = step
                self.began_s = self.now_s
            if isinstance(step, Store):
                assert len(step.shots) == self.shots
                assert step.provisional <= self.bounds.look.poor_will_do
            if isinstance(step, Done | Undone):
                self.told += 1
            if isinstance(step, Cancelled | Refused):
                assert not isinstance(step, Refused) or "\n" not in step.message()
        assert self.told <= self.committed, "told before it was committed"

    def timed(self, steps: list[Step], was_active: bool) -> None:
        if not was_active and self.session.active:
            self.began_s = self.now_s
        self.take(steps)
        if not self.session.active:
            self.began_s = None

    @rule(name=st.none() | NAMES, anyway=st.booleans(), allowed=st.booleans(), asked=st.booleans())
    def press(self, name: str | None, anyway: bool, allowed: bool, asked: bool) -> None:
        wish = Wish(name, None if allowed else ("not_allowed", "closed"), frozenset({"Ada"}), anyway)
        was_active = self.session.active
        act = self.session.request if asked else self.session.press
        self.timed(act(self.now_s, wish), was_active)

    @rule()
    def cancel(self) -> None:
        self.timed(self.session.cancel(), self.session.active)
        assert not self.session.looking

    @rule(undoable=st.none() | NAMES)
    def hold(self, undoable: str | None) -> None:
        was_active = self.session.active
        before = self.session.looking
        self.timed(self.session.hold(self.now_s, undoable), was_active)
        if not before and self.session.active and not was_active:
            assert undoable is not None

    @rule(
        names=st.lists(NAMES, max_size=2),
        frames=st.integers(1, 40),
        night=st.booleans(),
        photo=st.booleans(),
        every_s=st.sampled_from([0.05, 0.1, 0.5]),
    )
    def watch(self, names: list[str], frames: int, night: bool, photo: bool, every_s: float) -> None:
        for _ in range(frames):
            self.now_s += every_s
            people = [PEOPLE[name] for name in names]
            probes = [who.by_night() if night else who.probe() for who in people]
            was_active = self.session.active
            self.timed(self.session.faces(self.now_s, probes, self.model, [photo] * len(probes)), was_active)
            self.never_lasts_longer_than_it_may()

    @rule(table=st.sampled_from(TABLES))
    def swap(self, table: ActiveModel) -> None:
        self.model = table

    @rule(seconds=st.floats(0, 15))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.timed(self.session.tick(self.now_s), self.session.active)

    @rule(ticket=st.integers(0, 6), commits=st.booleans())
    def answer(self, ticket: int, commits: bool) -> None:
        if ticket in self.orders and ticket not in self.answered:
            self.answered.add(ticket)
            self.committed += commits
        answer = Committed("somebody") if commits else Failed("disk full")
        self.timed(self.session.answered(ticket, answer), self.session.active)
        assert self.told == self.committed, "what is committed is told, and once"

    @invariant()
    def no_order_is_lost(self) -> None:
        assert set(self.session._unanswered) == set(self.orders) - self.answered

    @invariant()
    def never_lasts_longer_than_it_may(self) -> None:
        if self.session.active:
            assert self.began_s is not None
            longest_s = max(TIMEOUT_S, self.bounds.confirm_within_s, self.bounds.answer_within_s)
            assert self.now_s - self.began_s < longest_s + 1e-6
        if self.session.looking:
            assert self.began_s is not None
            assert self.now_s - self.began_s < TIMEOUT_S


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=60, stateful_step_count=30)
