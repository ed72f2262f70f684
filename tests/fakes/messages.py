"""One good message of each kind, for tests to send, to vary and to damage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from edge.contract.messages import (
    DoorState,
    Enrollment,
    EventAck,
    QualitySummary,
    RecognitionEvent,
    Request,
    Response,
)

AT = datetime(2031, 5, 4, 3, 2, 1, 250_000, UTC)

EVENT = RecognitionEvent(
    event=UUID("6a3f0c4e-9d0b-4a52-8a55-0f6f2c1d7e90"),
    visit="v-17",
    door="front",
    phase="started",
    outcome="known",
    person="p7",
    name="Søren Kierkegaard",
    verified=True,
    stranger=None,
    reason=None,
    provisional=False,
    score=41.5,
    margin=12.25,
    liveness="not_checked",
    frames=9,
    good_frames=4,
    started_at=AT,
    ended_at=None,
    clock_set=True,
    quality=QualitySummary(width_px=88.0, sharpness=140.0, brightness=120.5, away_deg=6.0, presence=0.99),
    release="factory-1",
    runtime="ai-edge-litert 2.3.0",
)
ACK = EventAck(ids=(EVENT.event,), by="archive")
STATE = DoorState(
    door="front",
    version="0.1.0",
    release="factory-1",
    embedder_sha256="ab" * 32,
    runtime="ai-edge-litert 2.3.0",
    camera="ok",
    people=12,
    queued=0,
    dropped=0,
    last_frame_age_s=0.1,
    clock_set=True,
    degraded=("disk is full",),
)
ENROLLMENT = Enrollment(
    door="front",
    session="e-3",
    state="refused",
    reason="too_dark",
    shots=2,
    shots_needed=4,
    provisional=False,
    person=None,
    name=None,
    at=AT,
    clock_set=True,
)
REQUEST = Request(verb="rename", transaction="t-1", data={"person": "p7", "name": "Ada"})
RESPONSE = Response(verb="rename", status="ok", error=None, data={"person": "p7"}, transaction="t-1")
ALL = (EVENT, ACK, STATE, ENROLLMENT, REQUEST, RESPONSE)


def new_event(**changes: Any) -> RecognitionEvent:
    """Another event, with an id of its own."""
    return replace(EVENT, event=uuid4(), **changes)
