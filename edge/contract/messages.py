"""The messages between a door and the world: versioned, frozen, strict. No embedding and no picture is in any of these.

Embeddings travel to the trainer alone, in the messages of `fleet.py`; pictures never do. How messages are parsed is
left to `codec.py`, where they travel to `topics.py`.

Version rule: `schema` is "major.minor". A reader refuses another major. Of a newer minor it passes over the keys that
it does not know; of its own or an older minor it refuses them. So a new key with a default, or one that a reader may
miss, is a new minor; a key that goes, changes its meaning, or a new word of a closed list is a new major.
Field names carry their units; times are ISO 8601 UTC, to the millisecond.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from edge.contract.codec import JsonObject, between, chars, count, from_object, matches, to_object
from edge.contract.strict_json import dump, parse_object
from edge.errors import MessageError

Id = Annotated[str, matches(r"[A-Za-z0-9_.:-]{1,64}", "1 to 64 of A-Z, a-z, 0-9, _ . : -")]
Sha256 = Annotated[str, matches(r"[0-9a-f]{64}", "64 of 0-9, a-f")]
Word = Annotated[str, chars(0, 64)]
Name = Annotated[str, chars(1, 64)]
Share = Annotated[float, between(0, 1)]
Counter = Annotated[int, between(0, 2**53)]
Seconds = Annotated[float, between(0, 1e9)]
Schema = Annotated[str, matches(r"[1-9][0-9]{0,3}\.[0-9]{1,4}", "major.minor, as in 1.0")]

Phase = Literal["started", "updated", "ended"]
Outcome = Literal["known", "stranger", "unclear"]
Liveness = Literal["not_checked", "live", "photo"]
# The words of `edge.recognition.quality.REASONS`; a test holds them together.
QualityReason = Literal["too_small", "turned_away", "too_dark", "too_bright", "blurred", "low_quality"]
EnrollmentState = Literal[
    "looking", "shot_taken", "storing", "asking", "undoing", "refused", "done", "cancelled", "timed_out", "undone"
]
EnrollmentReason = Literal[
    "no_face",
    "several_faces",
    "too_small",
    "turned_away",
    "too_dark",
    "too_bright",
    "blurred",
    "low_quality",
    "too_alike",
    "different_person",
    "looks_like_photo",
    "already_enrolled",
    "not_allowed",
    "busy",
    "store_failed",
    "nothing_to_undo",
    "no_picture",
]
CameraState = Literal["opening", "ok", "lost"]


class Message:
    """What every JSON message can do. KIND names it in error lines; MAX_BYTES bounds it on the wire."""

    __slots__ = ()
    KIND: ClassVar[str]
    VERSION: ClassVar[tuple[int, int]] = (1, 0)
    MAX_BYTES: ClassVar[int] = 8192

    def to_json(self, most: int | None = None) -> bytes:
        """The message as compact JSON. most: bytes, where it goes another way than over a broker.

        Raises:
            MessageError: a value in it is one that a reader would have to refuse.
        """
        body, most = to_object(self), most or self.MAX_BYTES
        self._check(from_object(self.KIND, type(self), body))
        payload = dump(body)
        if len(payload) > most:
            raise MessageError(f"{self.KIND}: has {len(payload)} bytes; at most {most} are allowed")
        return payload

    @classmethod
    def from_json(cls, payload: bytes, most: int | None = None) -> Self:
        """The message in `payload`. most: bytes, where it came another way than over a broker.

        Raises:
            MessageError: it is not one; the line names the kind of message and the key.
        """
        body = parse_object(cls.KIND, payload, most or cls.MAX_BYTES)
        if "schema" not in body:
            raise MessageError(f"{cls.KIND}: key 'schema': is missing")
        return cls._from_body(body)

    def conflict(self) -> str | None:
        """Keys that contradict one another, in a few words; None where all is well."""
        return None

    @classmethod
    def _from_body(cls, body: dict[str, Any]) -> Self:
        newer = _is_newer(cls.KIND, body.get("schema"), cls.VERSION)
        return cls._check(from_object(cls.KIND, cls, body, unknown_allowed=newer))

    @classmethod
    def _check(cls, message: Self) -> Self:
        conflict = message.conflict()
        if conflict is not None:
            raise MessageError(f"{cls.KIND}: {conflict}")
        return message


def _is_newer(kind: str, schema: object, version: tuple[int, int]) -> bool:
    """Whether `schema` is a newer minor version of ours; one of another form is refused later, by its type."""
    parts = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", schema) if isinstance(schema, str) else None
    if parts is None:
        return False
    major, minor = int(parts[1]), int(parts[2])
    if major != version[0]:
        raise MessageError(f"{kind}: key 'schema': version {major}.{minor} is not known here; {version[0]}.x is")
    return minor > version[1]


class Availability(StrEnum):
    """Plain text, not JSON, as Home Assistant and others read it."""

    ONLINE = "online"
    OFFLINE = "offline"

    def to_json(self) -> bytes:
        return self.value.encode()

    @classmethod
    def from_json(cls, payload: bytes) -> Availability:
        """Raises: MessageError for another word."""
        for word in cls:
            if payload == word.value.encode():
                return word
        raise MessageError(f"availability: must be online or offline, found {len(payload)} other bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySummary:
    """How good the best picture of a visit is; units as in `edge.recognition.types.Quality`."""

    width_px: Annotated[float, between(0, 10_000)]
    sharpness: Annotated[float, between(0, 1e9)]
    brightness: Annotated[float, between(0, 255)]
    away_deg: Annotated[float, between(0, 360)]
    presence: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionEvent(Message):
    """Somebody is, or was, at the door. One visit gives one `started`, maybe `updated`, one `ended`, of one `visit` id.

    event: this message's own id; a reader that has seen it drops the second copy.
    person, name: of somebody known, else null; name also where the door is told to keep names back.
    stranger: a stranger's stable id for a day, else null. reason: why it is unclear, else null.
    verified: the person was enrolled or confirmed by somebody entitled, and not only by pressing the button.
    provisional: told before there were enough good pictures; an `updated` follows.
    score: of the best candidate, in the units of the release's head, null where nobody is enrolled.
    margin: how far the score lies above the threshold.
    liveness: an answer of its own. `known` with `not_checked` may be a printed photo.
    clock_set: the times can be trusted; ended_at is null until the visit ends.
    release, runtime: which head and which inference engine told it.
    """

    KIND: ClassVar[str] = "event"
    schema: Schema = "1.0"
    event: UUID
    visit: Id
    door: Id
    phase: Phase
    outcome: Outcome
    person: Id | None
    name: Name | None
    verified: bool
    stranger: Id | None
    reason: QualityReason | None
    provisional: bool
    score: float | None
    margin: float | None
    liveness: Liveness
    frames: Counter
    good_frames: Counter
    started_at: datetime
    ended_at: datetime | None
    clock_set: bool
    quality: QualitySummary
    release: Word
    runtime: Word

    def conflict(self) -> str | None:
        pairs = (
            (self.person is not None, self.outcome == "known", "person", "outcome is known"),
            (self.reason is not None, self.outcome == "unclear", "reason", "outcome is unclear"),
            (self.ended_at is not None, self.phase == "ended", "ended_at", "phase is ended"),
        )
        return next(
            (f"key '{key}': must be given if {when}, and else be null" for a, b, key, when in pairs if a != b), None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAck(Message):
    """A receiver has the events `ids` safely in its own store. by: which receiver, null where there is but one."""

    KIND: ClassVar[str] = "events/ack"
    MAX_BYTES: ClassVar[int] = 65536
    schema: Schema = "1.0"
    ids: Annotated[tuple[UUID, ...], count(1, 1000)]
    by: Word | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorState(Message):
    """How a door is, retained.

    queued, dropped: events that wait, and events that the outbox had to let go since it was made.
    last_frame_age_s: null before the first frame. degraded: what does not work, in a few words each; empty is well.
    unshared (since 1.1): people whom the trainer has yet to acknowledge something of; null where nothing is shared.
    """

    KIND: ClassVar[str] = "state"
    VERSION: ClassVar[tuple[int, int]] = (1, 1)
    schema: Schema = "1.1"
    door: Id
    version: Word
    release: Word
    embedder_sha256: Sha256
    runtime: Word
    camera: CameraState
    people: Counter
    queued: Counter
    dropped: Counter
    last_frame_age_s: Seconds | None
    clock_set: bool
    degraded: Annotated[tuple[Annotated[str, chars(1, 200)], ...], count(0, 16)]
    unshared: Counter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment(Message):
    """One step of an enrollment session. person, name: once it is done, or whom the face is already enrolled as.

    provisional: it was done from poor pictures, as by night; shown again by better light, the person is enrolled anew.
    """

    KIND: ClassVar[str] = "enrollment"
    schema: Schema = "1.0"
    door: Id
    session: Id
    state: EnrollmentState
    reason: EnrollmentReason | None
    shots: Annotated[int, between(0, 100)]
    shots_needed: Annotated[int, between(0, 100)]
    provisional: bool
    person: Id | None
    name: Name | None
    at: datetime
    clock_set: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Message):
    """Something asked of a door. Every key may be left out, so that a person can type one; so may all of it.

    verb: the topic's last part, which says it too; where both do they must agree.
    transaction: chosen by the asker, echoed in the response.
    data: what the verb needs; the verb's own parser reads it with `codec.from_object`.
    """

    KIND: ClassVar[str] = "request"
    MAX_BYTES: ClassVar[int] = 65536
    schema: Schema = "1.0"
    verb: Annotated[str, matches(r"[a-z][a-z0-9_]{0,31}", "1 to 32 of a-z, 0-9, _")]
    transaction: Annotated[str, chars(0, 128)] | None = None
    data: JsonObject

    @classmethod
    def of_topic(cls, verb: str, payload: bytes) -> Request:
        """The request on topic `request/<verb>`.

        Raises:
            MessageError: it is not one, or speaks of another verb.
        """
        body: dict[str, Any] = {"verb": verb, "data": {}}
        if payload:
            body |= parse_object(cls.KIND, payload, cls.MAX_BYTES)
        request = cls._from_body(body)
        if request.verb != verb:
            raise MessageError(f"request: key 'verb': says {request.verb}, but the topic says {verb[:40]}")
        return request


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Message):
    """The answer to a request. error: one line where status is `error`, else null.

    code (since 1.1): of an error, the exit code of the command line that stands for its kind; else null.
    """

    KIND: ClassVar[str] = "response"
    VERSION: ClassVar[tuple[int, int]] = (1, 1)
    MAX_BYTES: ClassVar[int] = 524_288  # a page of a list of people; well under the brokers' 2,000,000
    schema: Schema = "1.1"
    verb: Word
    status: Literal["ok", "error"]
    error: Annotated[str, chars(1, 1000)] | None
    data: JsonObject
    transaction: Annotated[str, chars(0, 128)] | None
    code: Annotated[int, between(1, 255)] | None = None

    def conflict(self) -> str | None:
        if (self.status == "error") != (self.error is not None):
            return "key 'error': must be given if status is error, and else be null"
        if self.code is not None and self.error is None:
            return "key 'code': must be null unless status is error"
        return None
