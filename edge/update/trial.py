"""Whether a head on trial is healthy: it names visitors as often, and as clearly, as the head before it. Pure.

What is compared is each firm visit's answer. Heads score on scales of their own, so the margin of a visitor is told as
`reach`: in distances between this table's median stranger and its threshold. Of visits the last are remembered, as
numbers alone: whose they were is nobody's business here, and nothing has to be erased with a person.

The rule. The trial is given up once, from five visits on,
- the share of visitors who are known is below the remembered one by more than a fifth and two standard errors, or
- the median reach of the known ones (five at least, on both sides) is less than half of the remembered one.
It is committed when neither holds, enough time has passed, enough visits were seen, and frames flow. A quiet door
commits after the longest time: there is nothing against the head, which has passed the self-test on this very door.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median
from typing import Annotated, ClassVar, Literal

import numpy as np

from edge.contract.codec import count
from edge.contract.messages import Message, Schema
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Known, Stranger
from edge.recognition.visit import VisitEvent

_REMEMBERED = 64
# Drawn at chance, a head that is as good as before is given up within ten visits in 1.4 % of trials.
_LEAST = 5  # visits, or known ones, below which nothing is concluded
_SHARE = 0.2
_ERRORS = 2.0
_REACH = 0.5
_STALE_S = 60.0


@dataclass(frozen=True, slots=True)
class TrialRules:
    """least_s, visits: before which nothing is committed. longest_s: after which a quiet door commits all the same."""

    least_s: float = 3600.0
    visits: int = 10
    longest_s: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits(Message):
    """The last firm visits, the oldest first. reaches: of somebody known the reach, of a stranger null."""

    KIND: ClassVar[str] = "visits"
    MAX_BYTES: ClassVar[int] = 16_384
    schema: Schema = "1.0"
    reaches: Annotated[tuple[float | None, ...], count(0, _REMEMBERED)] = ()

    def with_visit(self, reach: float | None) -> Visits:
        """And one more."""
        return replace(self, reaches=(*self.reaches, reach)[-_REMEMBERED:])

    def __len__(self) -> int:
        return len(self.reaches)

    @property
    def known(self) -> list[float]:
        """The reaches of those who were known."""
        return [reach for reach in self.reaches if reach is not None]

    @property
    def share(self) -> float:
        """Of those who were known; shrunk a little to one half, as few visits say little."""
        return (len(self.known) + 1) / (len(self) + 2)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to become of a trial. reason: why it is given up, else None."""

    act: Literal["wait", "commit", "give_up"]
    reason: str | None = None


def seen(visits: Visits, event: VisitEvent, model: ActiveModel) -> Visits:
    """With a visit that has ended under `model`; one that never had a firm answer says nothing."""
    decision = event.decision
    if event.phase != "ended" or event.provisional or not isinstance(decision, Known | Stranger):
        return visits
    if isinstance(decision, Stranger):
        # Where nobody is enrolled everybody is a stranger under any head.
        return visits.with_visit(None) if len(model.gallery) else visits
    return visits.with_visit(_finite(decision.margin / _scale(model)))


def judge(now: Visits, before: Visits, rules: TrialRules, lasted_s: float, frame_age_s: float | None) -> Judgement:
    """How it stands with a trial.

    now: visits of the trial alone. before: those remembered from before it. lasted_s: since it began.
    frame_age_s: since the last frame; None before the first.
    """
    if (reason := _fallen(now, before)) is not None:
        return Judgement("give_up", reason)
    flowing = frame_age_s is not None and frame_age_s <= _STALE_S
    enough = lasted_s >= rules.least_s and len(now) >= rules.visits
    if flowing and (enough or lasted_s >= max(rules.longest_s, rules.least_s)):
        return Judgement("commit")
    return Judgement("wait")


def _fallen(now: Visits, before: Visits) -> str | None:
    if min(len(now), len(before)) >= _LEAST:
        error = math.sqrt(before.share * (1 - before.share) * (1 / len(now) + 1 / len(before)))
        share, was = len(now.known) / len(now), len(before.known) / len(before)
        if share < was - _SHARE - _ERRORS * error:
            return f"of {len(now)} visitors {share:.0%} were known, {was:.0%} of {len(before)} before"
    if min(len(now.known), len(before.known)) >= _LEAST:
        reach, was = median(now.known), median(before.known)
        if reach < _REACH * was:
            return f"known visitors reach {reach:.2f} above the threshold in the median, {was:.2f} before"
    return None


def _scale(model: ActiveModel) -> float:
    """From the table's median stranger to its threshold."""
    return max(model.threshold - float(np.median(model.ceiling.best)), 1e-6)


def _finite(reach: float) -> float:
    return min(max(reach, -1e6), 1e6) if math.isfinite(reach) else 0.0
