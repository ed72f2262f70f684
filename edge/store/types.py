"""What the template store holds, as values: people, their exemplars, and the names they may bear.

Pure: reads and writes nothing. The bytes are `codec`'s, the database is `templates`'.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edge.errors import RefusedError, StoreError
from edge.recognition.types import Embedding, Exemplar, Quality

CLOCK_FLOOR_S = 1_704_067_200.0
"""2024-01-01 UTC: an earlier time was written before the network had set the clock, and tells nothing."""

LONGEST_NAME = 64  # what the contract's messages take


class StoreRefusedError(StoreError):
    """The store is well, and what was asked cannot be done: nobody of that id, a name that is none, merged already."""

    exit_code = RefusedError.exit_code


class Kind(StrEnum):
    """What an exemplar is kept for."""

    ENROLLED = "enrolled"
    DENIED = "denied"
    """A picture that was taken for the person and was somebody else: it must not be taken for them again."""


def new_exemplar_id() -> str:
    """32 hexadecimal digits, the same on every door that the exemplar is copied to."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An embedding with the quality of the picture that it was made from."""

    embedding: Embedding = field(repr=False)
    quality: Quality


@dataclass(frozen=True, slots=True, eq=False)
class NewExemplar:
    """A picture that is to be enrolled.

    embedding: raw (before any head).
    embedder: sha256 of the embedder file, 64 hexadecimal digits.
    runtime: name and version of what ran it; two runtimes agree only nearly.
    taken_s: seconds since 1970 UTC.
    views: the same picture made worse on purpose, embedded, for the fleet's statistics.
    """

    embedding: Embedding = field(repr=False)
    quality: Quality
    embedder: str
    runtime: str
    taken_s: float
    views: tuple[View, ...] = field(default=(), repr=False)
    id: str = field(default_factory=new_exemplar_id)


@dataclass(frozen=True, slots=True, eq=False)
class StoredExemplar:
    """An exemplar as the store gives it back: int8 precision, `x` of length 1 again.

    origin: the person it was enrolled under; another than its holder after a merge.
    review: the event that put it under review, or None.
    """

    id: str
    origin: str
    kind: Kind
    embedding: Embedding = field(repr=False)
    quality: Quality
    embedder: str
    runtime: str
    taken_s: float
    review: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody the door was shown.

    verified: somebody who may has named or confirmed them; a stranger can press a button too.
    created_s, seen_s: seconds since 1970 UTC; seen_s is None until they come by.
    exemplars: enrolled pictures, those of merged people too, the oldest first.
    denied: pictures that were taken for them wrongly.
    origins: ids that were merged into this person.
    """

    id: str
    name: str = field(repr=False)
    verified: bool
    created_s: float
    seen_s: float | None
    exemplars: tuple[StoredExemplar, ...] = field(repr=False)
    denied: tuple[StoredExemplar, ...] = field(default=(), repr=False)
    origins: tuple[str, ...] = ()

    @property
    def under_review(self) -> tuple[StoredExemplar, ...]:
        return tuple(exemplar for exemplar in self.exemplars if exemplar.review is not None)

    @property
    def last_sign_s(self) -> float | None:
        """When they were last certainly about; None if every time is from a clock that was not set."""
        times = [self.created_s, *(exemplar.taken_s for exemplar in self.exemplars)]
        latest = max(times if self.seen_s is None else [*times, self.seen_s])
        return latest if latest >= CLOCK_FLOOR_S else None

    def gallery(self, embedder: str) -> tuple[Exemplar, ...]:
        """Their exemplars by one embedder, as the recognizer takes them."""
        return tuple(Exemplar(self.id, kept.embedding) for kept in self.exemplars if kept.embedder == embedder)


@dataclass(frozen=True, slots=True, eq=False)
class StoredPeople:
    """Everybody, by id. Merged people appear only in the one they were merged into.

    damage: one line for each row that could not be read, fit for a user; empty when all is well.
    repaired: the same for rows that were damaged and are in order again: back from a snapshot, or views dropped.
    blind: ids of exemplars whose views do not open; the exemplars themselves do.
    """

    people: Mapping[str, Person]
    damage: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()

    def gallery(self, embedder: str) -> tuple[Exemplar, ...]:
        """Everybody's exemplars by one embedder (its sha256)."""
        return tuple(exemplar for person in self.people.values() for exemplar in person.gallery(embedder))

    def provisional(self) -> tuple[Person, ...]:
        """Those whom nobody has named or confirmed."""
        return tuple(person for person in self.people.values() if not person.verified)

    def unseen_since(self, wall_s: float) -> tuple[Person, ...]:
        """Those last about before `wall_s`. Not those whose every time was written by an unset clock."""
        return tuple(
            person for person in self.people.values() if (last := person.last_sign_s) is not None and last < wall_s
        )

    def find(self, text: str) -> tuple[Person, ...]:
        """Those whom `text` may mean: one by id (a merged one's too), else all who bear that name, in any case."""
        for person in self.people.values():
            if text == person.id or text in person.origins:
                return (person,)
        wanted = unicodedata.normalize("NFKC", text).strip().casefold()
        return tuple(
            person for person in self.people.values() if unicodedata.normalize("NFKC", person.name).casefold() == wanted
        )


@dataclass(frozen=True, slots=True)
class ExemplarRecord:
    """An exemplar outside its store, opened but not unpacked: what exports and other doors carry.

    record, views: as `codec` packs them.
    """

    id: str
    kind: Kind
    review: str | None
    record: bytes = field(repr=False)
    views: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person outside their store. merged_into: the id of the person they were merged into, or None."""

    id: str
    name: str = field(repr=False)
    verified: bool
    created_s: float
    seen_s: float | None
    merged_into: str | None
    exemplars: tuple[ExemplarRecord, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The last enrollment, which may be undone. new_person: undoing it takes the person away too."""

    person: str
    exemplars: tuple[str, ...]
    new_person: bool
    wall_s: float


@dataclass(frozen=True, slots=True)
class AddedRecords:
    """What came of taking in records.

    erased: ids that were erased here before and were therefore left out.
    changed: ids of people who are new, or have something new.
    """

    people: int = 0
    exemplars: int = 0
    already_there: int = 0
    erased: tuple[str, ...] = ()
    changed: frozenset[str] = field(default=frozenset(), compare=False)

    def __add__(self, later: AddedRecords) -> AddedRecords:
        """Both together; ids are not counted again."""
        return AddedRecords(
            self.people + later.people,
            self.exemplars + later.exemplars,
            self.already_there + later.already_there,
            (*self.erased, *later.erased),
            self.changed | later.changed,
        )


def clean_name(text: str) -> str:
    """A name as it is kept: Unicode NFC, single spaces, no control characters.

    Raises:
        StoreRefusedError: empty, longer than 64 characters, or with characters that cannot be shown.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Co", "Cn"} for letter in text):
        raise StoreRefusedError("a person's name may not hold control characters, line breaks or tabs")
    name = " ".join(text.split())
    if not name:
        raise StoreRefusedError("a person's name may not be empty")
    if len(name) > LONGEST_NAME:
        raise StoreRefusedError(f"a person's name may have {LONGEST_NAME} characters, this one has {len(name)}")
    return name
