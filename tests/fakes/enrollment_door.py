"""A door with an enrollment session and a clock, to play situations at: press, stand there, step aside, wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from edge.enrollment.panel_patterns import PATTERNS, PatternName
from edge.enrollment.refusals import Reason
from edge.enrollment.session import Enrollment, rules_for
from edge.enrollment.steps import (
    Committed,
    Failed,
    Progress,
    Show,
    Step,
    Store,
    Undo,
    Wish,
)
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Frame, Probe
from tests.fakes.enrollees import Enrollee, model

FRAME_S = 0.1
TIMEOUT_S = 20.0
SHOTS = 4
RULES = rules_for(shots=SHOTS, timeout_s=TIMEOUT_S, min_interval_s=0.4, typical_norm=70.0)
NOBODY = model()
StepT = TypeVar("StepT")


@dataclass
class Door:
    """A session with a clock and everything that it said; stores nothing by itself."""

    session: Enrollment = field(default_factory=lambda: Enrollment(RULES))
    model: ActiveModel = NOBODY
    now_s: float = 1000.0
    said: list[Step] = field(default_factory=list)

    def press(self, wish: Wish | None = None) -> None:
        self.said += self.session.press(self.now_s, wish or Wish())

    def request(self, wish: Wish) -> None:
        self.said += self.session.request(self.now_s, wish)

    def hold(self, undoable: str | None = "ada", refusal: tuple[Reason, str] | None = None) -> None:
        self.said += self.session.hold(self.now_s, undoable, refusal)

    def frame(self, *probes: Probe, photos: Sequence[bool] = (), frame: Frame | None = None) -> None:
        self.now_s += FRAME_S
        self.said += self.session.faces(self.now_s, probes, self.model, photos, frame)

    def watch(self, who: Enrollee, seconds: float) -> None:
        """They stand there; watching ends when the session no longer looks."""
        for _ in range(round(seconds / FRAME_S)):
            if self.session.looking:
                self.frame(who.probe())

    def empty(self, seconds: float) -> None:
        """Frames without a face."""
        for _ in range(round(seconds / FRAME_S)):
            self.frame()

    def wait(self, seconds: float) -> None:
        """No frames at all."""
        self.now_s += seconds
        self.said += self.session.tick(self.now_s)

    def answer(self, answer: Committed | Failed, ticket: int | None = None) -> None:
        orders = self.all(Store) + self.all(Undo)
        self.said += self.session.answered(orders[-1].ticket if ticket is None else ticket, answer)

    def all(self, kind: type[StepT]) -> list[StepT]:
        return [step for step in self.said if isinstance(step, kind)]

    def last(self, kind: type[StepT]) -> StepT:
        return self.all(kind)[-1]

    @property
    def hints(self) -> list[Reason | None]:
        """What was told to be in the way, in order."""
        return [step.reason for step in self.all(Progress) if step.state == "looking"][1:]

    @property
    def patterns(self) -> list[PatternName]:
        return [step.pattern for step in self.all(Show)]

    @property
    def base(self) -> PatternName:
        """What the panel goes on showing."""
        return [name for name in self.patterns if PATTERNS[name].repeats][-1]


ADA, BO = Enrollee("Ada"), Enrollee("Bo")
