"""Where a door keeps what is about releases, and who its people are for a self-test. Part of the composition root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.inference.head import head_path
from edge.inference.spec import ModelSpec
from edge.store.types import Person, StoredPeople
from edge.update.forgotten import Enrolled
from edge.update.slots import Slots

_HEAD = "*.head.json"


@dataclass(frozen=True, slots=True)
class ReleasePlace:
    """Below the state folder: `releases/` with the slots, `floor.db` and `incoming/` (`fetch.py`) and the locks."""

    folder: Path

    @classmethod
    def below(cls, state: Path) -> ReleasePlace:
        return cls(state / "releases")

    @property
    def slots(self) -> Slots:
        return Slots(self.folder)

    @property
    def floor(self) -> Path:
        """Whom this door trusts, and below what it never goes back."""
        return self.folder / "floor.db"

    @property
    def incoming(self) -> Path:
        """Downloads, whole and partial."""
        return self.folder / "incoming"

    @property
    def visits(self) -> Path:
        """How clearly the last visitors were known, for the next trial; numbers alone."""
        return self.folder / "visits.json"

    @property
    def pin(self) -> Path:
        """The release that an operator wants to stay with."""
        return self.folder / "pin"

    @property
    def updater_lock(self) -> Path:
        """Held by the updater's process as long as it runs."""
        return self.folder / "updater.lock"


def head_in_force(slots: Slots, embedder: ModelSpec) -> Path:
    """The description file of the head that scores: of the release in force, else the one beside the embedder.

    Raises:
        ModelError: the release in force is damaged.
    """
    slot = slots.in_force()
    found = sorted(slot.folder.glob(_HEAD)) if slot is not None else []
    return found[0] if found else head_path(embedder)


def enrolled(people: StoredPeople, embedder_sha256: str) -> Sequence[Enrolled]:
    """Everybody with their exemplars by one embedder; somebody without any is in it, with none."""
    return [_enrolled(person, embedder_sha256) for person in people.people.values()]


def _enrolled(person: Person, embedder: str) -> Enrolled:
    theirs, denied = (
        tuple(kept.embedding for kept in kept_ones if kept.embedder == embedder)
        for kept_ones in (person.exemplars, person.denied)
    )
    return Enrolled(person.id, theirs, denied)
