"""What goes into the fleet's store and comes out of it, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from trainer.store.packing import Views

Reported = Literal["stored", "older", "gone"]
Erased = Literal["erased", "nobody", "older"]


@dataclass(frozen=True, slots=True, eq=False)
class FleetPerson:
    """Somebody as one door reported them. exemplars: by the exemplar's id."""

    door: str
    person: str
    fold: int
    verified: bool
    exemplars: Mapping[str, Views] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Poison:
    """A message that cannot be stored as what it claims to be.

    door, topic: as it came. person: whom it tells of, where that can be read, so that their erasure finds it.
    reason: one line. size, sha256: of the whole payload. head: its beginning.
    """

    door: str
    topic: str
    person: str | None
    reason: str
    size: int
    sha256: str
    head: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetAside:
    """A poison message as it is kept. times: how often the same one came."""

    id: int
    door: str
    topic: str
    reason: str
    at_s: float
    times: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Pooling:
    """What came of adding new people to the sums. damaged: whose row does not open or does not fit, left out."""

    added: int
    damaged: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A refresh that is to be started. at_s: now. former_s: when the one before was, None for never."""

    at_s: float
    former_s: float | None


@dataclass(frozen=True, slots=True)
class Refresh:
    """One refresh. counts: people, pictures and the like, by name. candidate: the head's id, where there was one."""

    at_s: float
    embedder: str
    decision: str
    candidate: str | None
    report: str | None
    counts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Door:
    """A door as last heard of. state_s: when its state came; None where none did, and then all below is None."""

    id: str
    first_seen_s: float
    last_seen_s: float
    state_s: float | None
    version: str | None
    release: str | None
    embedder: str | None
    runtime: str | None
    camera: str | None
    people: int | None
    queued: int | None
    dropped: int | None
    last_frame_age_s: float | None
    clock_set: bool | None
    degraded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfEmbedder:
    """People by one embedder. pooled: whose contribution is in the sums; damaged: who were left out."""

    people: int
    pooled: int
    damaged: int
    exemplars: int
    dimensions: int


@dataclass(frozen=True, slots=True)
class Status:
    """What a store holds. embedders: by sha256. set_aside: reasons and how often each came, the most frequent first."""

    store: str
    schema: str
    key_id: str
    doors: tuple[Door, ...]
    embedders: Mapping[str, OfEmbedder]
    erased: int
    events: int
    set_aside: Mapping[str, int]
    last_refresh: Refresh | None
    remains: bool

    @property
    def people(self) -> int:
        return sum(one.people for one in self.embedders.values())

    def to_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        return asdict(self)
