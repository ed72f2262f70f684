"""Releases and rollouts as values, as the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.contract.release import ReleaseDescription
from edge.contract.update import UpdateStep
from trainer.releases.rings import Status

# signed: no door knows of it. paused: no further ring gets it. stopped: doors that are not done go back. done: it went
# to everybody. superseded: another one went out before it was done.
ReleaseStatus = Literal["signed", "running", "paused", "stopped", "done", "superseded", "withdrawn"]
UNDER_WAY: frozenset[ReleaseStatus] = frozenset({"running", "paused", "stopped"})


@dataclass(frozen=True, slots=True)
class Release:
    """A release and how far it is.

    rings: as they were when it was published; ring: the last that it went to.
    why: what made it stop or wait. even_refused: why somebody signed what the gate did not let through.
    withdrawn_counter: the counter under which its withdrawal is signed.
    """

    description: ReleaseDescription
    status: ReleaseStatus
    signed_s: float
    published_s: float | None
    rings: str
    ring: int
    ring_opened_s: float | None
    why: str
    even_refused: str | None
    withdrawn_counter: int | None

    @property
    def id(self) -> str:
        return self.description.release

    @property
    def counter(self) -> int:
        return self.description.counter


@dataclass(frozen=True, slots=True)
class RolloutDoor:
    """A door that a release goes to. changed_s: since when its status is so. reason: the door's own words.

    rolled_back: it had the release in force and undid it. excused: it does not count any more.
    """

    release: str
    door: str
    ring: int
    status: Status
    changed_s: float
    rolled_back: bool
    excused: bool
    attempt: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class DoorUpdate:
    """What a door last said of releases, as `edge.contract.update.UpdateState` tells. received_s: when it came."""

    door: str
    release: str
    counter: int
    target: str | None
    state: UpdateStep
    attempt: int
    reason: str | None
    progress: float
    missing_layers: tuple[str, ...]
    at_s: float
    clock_set: bool
    received_s: float
