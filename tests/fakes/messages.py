"""One good message of each kind, for tests to send, to vary and to damage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from edge.contract.fleet import FleetAck, FleetExemplar, FleetView, PersonErased, PersonReport, text_of
from edge.contract.messages import (
    DoorState,
    Enrollment,
    EventAck,
    QualitySummary,
    RecognitionEvent,
    Request,
    Response,
)
from edge.contract.release import ReleaseDescription, ReleaseFile
from edge.contract.update import ChunkStatus, UpdateChunk, UpdateNotice, UpdateRequest, UpdateState

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
VIEW = FleetView(
    x=text_of(bytes([127, 0, 129, 5])),
    scale=0.0078125,
    norm=31.5,
    width_px=88.0,
    eye_distance_px=41.0,
    sharpness=140.0,
    brightness=120.5,
    contrast=38.0,
    clipped=0.01,
    away_deg=6.0,
    presence=0.99,
)
REPORT = PersonReport(
    report=UUID("0a1f0c4e-9d0b-5a52-8a55-0f6f2c1d7e91"),
    door="front",
    person="p7",
    revision=1_935_000_000_000,
    at=AT,
    clock_set=True,
    embedder_sha256="ab" * 32,
    runtime="ai-edge-litert 2.3.0",
    verified=True,
    exemplars=(
        FleetExemplar(exemplar="cd" * 16, taken_at=AT, clean=VIEW, night=(replace(VIEW, brightness=20.0),)),
        FleetExemplar(exemplar="ef" * 16, taken_at=AT, clean=replace(VIEW, x=text_of(bytes([1, 2, 3, 127]))), night=()),
    ),
)
ERASED = PersonErased(
    report=UUID("1b1f0c4e-9d0b-5a52-8a55-0f6f2c1d7e92"),
    door="front",
    person="p7",
    revision=1_935_000_000_001,
    at=AT,
    clock_set=True,
)
FLEET_ACK = FleetAck(ids=(REPORT.report, ERASED.report), by="trainer")
RELEASE = ReleaseDescription(
    release="plda-780ee6c50ddf",
    kind="head",
    counter=7,
    compatible="ab" * 32,
    embedder_sha256="ab" * 32,
    dim=128,
    min_daemon="0.1.0",
    max_rss_mb=64,
    canary_sha256="cd" * 32,
    gate_sha256="ef" * 32,
    files=(
        ReleaseFile(name="face.head.tflite", sha256="12" * 32, length=70_400),
        ReleaseFile(name="face.head.json", sha256="cd" * 32, length=9_000),
    ),
    at=AT,
)
NOTICE = UpdateNotice(release="plda-780ee6c50ddf", kind="head", counter=7, at=AT)
PIECE_REQUEST = UpdateRequest(number=41, file="targets/heads/aa.plda-780ee6c50ddf.zip", offset=65_536)
PIECE = UpdateChunk(number=41, status=ChunkStatus.OK, total=65_540, offset=65_536, data=b"tail")
UPDATE_STATE = UpdateState(
    door="front",
    release="factory-1",
    counter=0,
    target="plda-780ee6c50ddf",
    state="downloading",
    attempt=0,
    reason=None,
    progress=0.25,
    missing_layers=("landlock",),
    at=AT,
    clock_set=True,
)
OF_THE_DOOR = (EVENT, ACK, STATE, ENROLLMENT, REQUEST, RESPONSE)
OF_THE_FLEET = (REPORT, ERASED, FLEET_ACK)
OF_UPDATES = (RELEASE, NOTICE, PIECE_REQUEST, UPDATE_STATE)
ALL = (*OF_THE_DOOR, *OF_THE_FLEET, *OF_UPDATES)


def new_event(**changes: Any) -> RecognitionEvent:
    """Another event, with an id of its own."""
    return replace(EVENT, event=uuid4(), **changes)
