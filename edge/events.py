"""From a visit's event to the message that the contract gives it. Sends nothing; takes time as values.

A message carries a name only where the settings allow it, and never an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from edge.contract.messages import Outcome, QualitySummary, RecognitionEvent
from edge.ports import Clock
from edge.recognition.types import Decision, Known, LookAgain, Probe, Stranger
from edge.recognition.visit import VisitEvent

# Before this the clock was never set: a Pi without a network starts at 1970 or at the time it was last shut down.
_EARLIEST_BELIEVABLE_S = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
_OUTCOMES: dict[type[Decision], Outcome] = {Known: "known", Stranger: "stranger", LookAgain: "unclear"}


@dataclass(frozen=True, slots=True)
class PersonLabel:
    """What an event may say of a person. verified: named or confirmed by somebody entitled."""

    name: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Telling:
    """What every event of this door says alike.

    names: False keeps people's names out of the messages.
    runtime: the inference engine, with its version.
    """

    door: str
    runtime: str
    names: bool


def clock_set(clock: Clock) -> bool:
    """Whether the wall clock can be believed."""
    return clock.wall_s() >= _EARLIEST_BELIEVABLE_S


def message_of(
    event: VisitEvent,
    telling: Telling,
    release: str,
    people: Mapping[str, PersonLabel],
    clock: Clock,
    new_uuid: Callable[[], UUID],
) -> RecognitionEvent:
    """The message for one event of a visit. people: by person id."""
    decision = event.decision
    person = decision.person if isinstance(decision, Known) else None
    label = people.get(person) if person else None
    return RecognitionEvent(
        event=new_uuid(),
        visit=event.visit,
        door=telling.door,
        phase=event.phase,
        outcome=_OUTCOMES[type(decision)],
        person=person,
        name=label.name if label and telling.names else None,
        verified=label.verified if label else False,
        stranger=event.stranger,
        reason=decision.reason if isinstance(decision, LookAgain) else None,
        provisional=event.provisional,
        score=_finite(decision.score) if isinstance(decision, Known | Stranger) else None,
        margin=decision.margin if isinstance(decision, Known) else None,
        liveness="not_checked",
        frames=event.frames,
        good_frames=event.good_frames,
        started_at=_wall(event.started_s, clock),
        ended_at=_wall(event.last_seen_s, clock) if event.phase == "ended" else None,
        clock_set=clock_set(clock),
        quality=_summary(event.best),
        release=release,
        runtime=telling.runtime,
    )


def _wall(monotonic_s: float, clock: Clock) -> datetime:
    ago_s = clock.monotonic_s() - monotonic_s
    return datetime.fromtimestamp(max(clock.wall_s() - ago_s, 0.0), UTC)


def _finite(score: float) -> float | None:
    return score if score > float("-inf") else None


def _summary(probe: Probe) -> QualitySummary:
    quality = probe.quality
    return QualitySummary(
        width_px=quality.width_px,
        sharpness=quality.sharpness,
        brightness=quality.brightness,
        away_deg=quality.away,
        presence=quality.presence,
    )
