"""What an operator says to a rollout: go on to the next ring, wait, go on after all. And what it looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.errors import RefusedError
from trainer.releases.rings import FAILED, Rings, Status, next_ring, tally
from trainer.releases.rollouts import RolloutRules, at_doors, unfit, verdict_of
from trainer.store.records import Door
from trainer.store.release_records import UNDER_WAY, DoorUpdate, Release, ReleaseStatus, RolloutDoor
from trainer.store.releases import Releases
from trainer.store.store import FleetStore


def promote(store: FleetStore, release: str | None, *, everybody: bool = False) -> Release:
    """Let a release go to its next ring now, or to all of them.

    Raises:
        RefusedError: none is under way, it is paused or stopped, or it went to all already.
    """
    with store.write() as writer:
        kept = writer.releases
        kept.lock()
        found = _under_way(kept, release, ("running",), "`release resume` first")
        rings = Rings.parse(found.rings)
        if found.ring == len(rings) - 1:
            raise RefusedError(f"{found.id}: went to the last ring already")
        doors = at_doors(kept.doors_of(found.id), (), 0.0)
        kept.open_ring(found.id, len(rings) - 1 if everybody else next_ring(rings, found.ring, doors))
        return _again(kept, found)


def pause(store: FleetStore, release: str | None) -> Release:
    """Let no further ring have it; doors that were told go on. Raises: RefusedError: none is under way."""
    with store.write() as writer:
        kept = writer.releases
        kept.lock()
        found = _under_way(kept, release, ("running",), "it does not go on anyway")
        kept.mark(found.id, "paused", "paused by an operator")
        return _again(kept, found)


def resume(store: FleetStore, release: str | None) -> Release:
    """Go on with what was paused or stopped; doors that failed do not count any more. Raises: RefusedError."""
    with store.write() as writer:
        kept = writer.releases
        kept.lock()
        found = _under_way(kept, release, ("paused", "stopped"), "it goes on already")
        kept.resume(found.id)
        return _again(kept, found)


@dataclass(frozen=True, slots=True)
class Standing:
    """A release and how it stands. next: what it waits for; empty where nothing is to come. doors: how many where."""

    release: Release
    doors: Mapping[Status, int]
    next: str


def standings(store: FleetStore, rules: RolloutRules) -> list[Standing]:
    """Every release, the newest first. Raises: StoreError."""
    with store.reading_releases() as kept:
        fleet = kept.fleet()
        return [_standing(kept, release, rules, fleet) for release in kept.all()]


@dataclass(frozen=True, slots=True)
class FleetRow:
    """A door. said: its last word on releases. row: of the newest release that it is to have; unfit: why it cannot."""

    door: Door
    said: DoorUpdate | None
    row: RolloutDoor | None
    unfit: str | None

    @property
    def unwell(self) -> bool:
        """Whether somebody should have a look."""
        row = self.row
        return self.unfit is not None or (row is not None and (row.status in FAILED or row.rolled_back))


def fleet_rows(store: FleetStore) -> list[FleetRow]:
    """Every door, by name, with the newest published release in mind. Raises: StoreError."""
    with store.reading_releases() as kept:
        doors = kept.fleet()
        published = [one for one in kept.all() if one.published_s is not None]
        said = {one.door: one for one in kept.updates()}
        rows: dict[str, RolloutDoor] = {}
        for release in published:
            for row in kept.doors_of(release.id) if len(rows) < len(doors) else ():
                rows.setdefault(row.door, row)
    return [FleetRow(door, said.get(door.id), rows.get(door.id), _unfit(door, published, rows)) for door in doors]


def _unfit(door: Door, published: Sequence[Release], rows: Mapping[str, RolloutDoor]) -> str | None:
    return unfit(door, published[0].description) if published and door.id not in rows else None


def _standing(kept: Releases, release: Release, rules: RolloutRules, fleet: Sequence[Door]) -> Standing:
    doors = tally(at_doors(kept.doors_of(release.id), (), 0.0))
    waits = verdict_of(kept, release, rules, fleet).reason if release.status == "running" else release.why
    return Standing(release, doors, waits)


def _under_way(kept: Releases, release: str | None, wanted: Sequence[ReleaseStatus], way_out: str) -> Release:
    releases = kept.all()
    if release is None:
        found = next((one for one in releases if one.status in UNDER_WAY), None)
        if found is None:
            raise RefusedError("no rollout is under way; `release status` shows what there is")
    else:
        found = next((one for one in releases if one.id == release), None)
        if found is None:
            raise RefusedError(f"{release}: there is no such release; `release status` shows what there is")
    if found.status not in wanted:
        raise RefusedError(f"{found.id}: is {found.status}; {way_out}")
    return found


def _again(kept: Releases, release: Release) -> Release:
    return next(one for one in kept.all() if one.id == release.id)
