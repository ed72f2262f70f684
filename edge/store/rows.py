"""Sealed rows: single statements against a template database, sealing what goes in and opening what comes out.

Opens no transaction and decides nothing: `templates` composes these into operations.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edge.store.codec import (
    Card,
    CodecError,
    pack_card,
    pack_exemplar,
    pack_views,
    unpack_card,
    unpack_exemplar,
    unpack_views,
)
from edge.store.keys import DeviceKey, PersonKey, SealError, bind
from edge.store.types import (
    ExemplarRecord,
    Kind,
    NewExemplar,
    Person,
    StoredExemplar,
    StoredPeople,
    StoreRefusedError,
    View,
)

_ALL_PEOPLE = "SELECT id, wrapped_key, card, merged_into, seen_s FROM people ORDER BY rowid"
_SOME_PEOPLE = (
    "SELECT id, wrapped_key, card, merged_into, seen_s FROM people"
    " WHERE id IN (SELECT value FROM json_each(?)) ORDER BY rowid"
)
_ALL_EXEMPLARS = "SELECT person, id, kind, review, record, views FROM exemplars ORDER BY rowid"
_SOME_EXEMPLARS = (
    "SELECT person, id, kind, review, record, views FROM exemplars"
    " WHERE person IN (SELECT value FROM json_each(?)) ORDER BY rowid"
)
_GROUP = (
    "WITH RECURSIVE members (id) AS (SELECT ? UNION SELECT people.id FROM people JOIN members"
    " ON people.merged_into = members.id) SELECT id FROM members"
)


_CHAIN = (
    "WITH RECURSIVE chain (id, next) AS (SELECT id, merged_into FROM people WHERE id = ? UNION"
    " SELECT people.id, people.merged_into FROM people JOIN chain ON people.id = chain.next) SELECT id FROM chain"
)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person's row, opened."""

    id: str
    card: Card
    merged_into: str | None
    seen_s: float | None
    key: PersonKey


@dataclass(slots=True)
class _Reading:
    """What a pass over the rows gathers."""

    rows: dict[str, PersonRow] = field(default_factory=dict)
    exemplars: dict[str, list[StoredExemplar]] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)


class SealedRows:
    """The rows of one connection under one device key."""

    def __init__(self, connection: sqlite3.Connection, key: DeviceKey) -> None:
        self._connection = connection
        self._key = key

    def add_person(
        self, person: str, card: Card, *, merged_into: str | None = None, seen_s: float | None = None
    ) -> None:
        """A new person, with a new key."""
        key = PersonKey.generate()
        sealed = key.seal(pack_card(card), _card_place(person, merged_into))
        self._connection.execute(
            "INSERT INTO people (id, wrapped_key, card, merged_into, seen_s) VALUES (?, ?, ?, ?, ?)",
            (person, self._key.wrap(key, person), sealed, merged_into, seen_s),
        )

    def person(self, person: str) -> PersonRow:
        """One row, opened.

        Raises:
            StoreRefusedError: nobody of that id.
            SealError, CodecError: it does not open.
        """
        row = self._connection.execute(
            "SELECT id, wrapped_key, card, merged_into, seen_s FROM people WHERE id = ?", (person,)
        ).fetchone()
        if row is None:
            raise StoreRefusedError(f"{person}: nobody of that id is enrolled here")
        return self.open_person(row)

    def open_person(self, row: tuple[str, bytes, bytes, str | None, float | None]) -> PersonRow:
        """A raw row `id, wrapped_key, card, merged_into, seen_s`, opened.

        Raises:
            SealError, CodecError: it does not open.
        """
        person, wrapped, sealed, merged_into, seen_s = row
        key = self._key.unwrap(wrapped, person)
        card = unpack_card(key.open(sealed, _card_place(person, merged_into)))
        return PersonRow(person, card, merged_into, seen_s, key)

    def change(self, row: PersonRow, card: Card, merged_into: str | None) -> None:
        """Write a person's card anew, one revision on."""
        newer = replace(card, revision=row.card.revision + 1)
        sealed = row.key.seal(pack_card(newer), _card_place(row.id, merged_into))
        self._connection.execute(
            "UPDATE people SET card = ?, merged_into = ? WHERE id = ?", (sealed, merged_into, row.id)
        )

    def add_exemplar(self, row: PersonRow, exemplar: NewExemplar, kind: Kind) -> None:
        """Seal a new exemplar into a row of its own.

        Raises:
            ValueError: its embedding is not one.
        """
        record = ExemplarRecord(exemplar.id, kind, None, pack_exemplar(exemplar), pack_views(exemplar.views))
        self.add_record(row, record)

    def add_record(self, row: PersonRow, record: ExemplarRecord) -> None:
        """Seal an exemplar that is packed already."""
        place = (row.id, record.id)
        views = None if record.views is None else row.key.seal(record.views, _place(*place, record.kind, "views"))
        self._connection.execute(
            "INSERT INTO exemplars (id, person, kind, review, record, views) VALUES (?, ?, ?, ?, ?, ?)",
            (
                record.id,
                row.id,
                record.kind,
                record.review,
                row.key.seal(record.record, _place(*place, record.kind, "record")),
                views,
            ),
        )

    def records(self, row: PersonRow, damage: list[str]) -> list[ExemplarRecord]:
        """A person's own exemplars, opened but packed; a line goes to `damage` for each that does not open."""
        raw = self._connection.execute(
            "SELECT id, kind, review, record, views FROM exemplars WHERE person = ? ORDER BY rowid", (row.id,)
        ).fetchall()
        opened: list[ExemplarRecord] = []
        for exemplar, kind, review, record, views in raw:
            try:
                plain = row.key.open(record, _place(row.id, exemplar, kind, "record"))
                plain_views = None if views is None else row.key.open(views, _place(row.id, exemplar, kind, "views"))
            except SealError as error:
                damage.append(f"{exemplar}: an exemplar of {row.id} was left out, it is damaged ({error})")
            else:
                opened.append(ExemplarRecord(exemplar, Kind(kind), review, plain, plain_views))
        return opened

    def open_exemplar(self, person: PersonRow, row: tuple[str, str, str | None, bytes]) -> StoredExemplar:
        """A raw row `id, kind, review, record`, opened.

        Raises:
            SealError, CodecError: it does not open.
        """
        exemplar, kind, review, sealed = row
        plain = person.key.open(sealed, _place(person.id, exemplar, kind, "record"))
        return unpack_exemplar(plain, exemplar_id=exemplar, origin=person.id, kind=Kind(kind), review=review)

    def views_open(self, person: PersonRow, exemplar: str, kind: str, sealed: bytes | None) -> bool:
        """Whether an exemplar's views are whole; having none is."""
        try:
            return sealed is None or bool(person.key.open(sealed, _place(person.id, exemplar, kind, "views")))
        except SealError:
            return False

    def drop_views(self, exemplars: Sequence[str]) -> None:
        self._connection.executemany("UPDATE exemplars SET views = NULL WHERE id = ?", [(kept,) for kept in exemplars])

    def views(self, exemplar: str) -> tuple[View, ...]:
        """The made-worse views of one exemplar.

        Raises:
            StoreRefusedError: no such exemplar.
            SealError, CodecError: they do not open.
        """
        found = self._connection.execute(
            "SELECT person, kind, views FROM exemplars WHERE id = ?", (exemplar,)
        ).fetchone()
        if found is None:
            raise StoreRefusedError(f"{exemplar}: no exemplar of that id is kept here")
        person, kind, sealed = found
        if sealed is None:
            return ()
        return unpack_views(self.person(person).key.open(sealed, _place(person, exemplar, kind, "views")))

    def origin(self, exemplar: str) -> str:
        """The id of the person an exemplar was enrolled under.

        Raises:
            StoreRefusedError: no such exemplar.
        """
        found = self._connection.execute("SELECT person FROM exemplars WHERE id = ?", (exemplar,)).fetchone()
        if found is None:
            raise StoreRefusedError(f"{exemplar}: no exemplar of that id is kept here")
        return str(found[0])

    def put_under_review(self, people: Sequence[str], exemplars: Sequence[str], event: str) -> None:
        """Mark those of the exemplars that are enrolled for one of these people."""
        theirs = json.dumps(list(people))
        self._connection.executemany(
            "UPDATE exemplars SET review = ? WHERE id = ? AND kind = ? AND person IN (SELECT value FROM json_each(?))",
            [(event, exemplar, Kind.ENROLLED, theirs) for exemplar in exemplars],
        )

    def end_review(self, exemplar: str) -> None:
        self._connection.execute("UPDATE exemplars SET review = NULL WHERE id = ?", (exemplar,))

    def note_seen(self, seen: Mapping[str, float]) -> None:
        """Move people's last sighting forward, never back."""
        self._connection.executemany(
            "UPDATE people SET seen_s = max(coalesce(seen_s, ?1), ?1) WHERE id = ?2",
            [(wall_s, person) for person, wall_s in seen.items()],
        )

    def has_person(self, person: str) -> bool:
        return self._connection.execute("SELECT 1 FROM people WHERE id = ?", (person,)).fetchone() is not None

    def has_exemplar(self, exemplar: str) -> bool:
        return self._connection.execute("SELECT 1 FROM exemplars WHERE id = ?", (exemplar,)).fetchone() is not None

    def is_taken(self, person: str) -> bool:
        """Whether the id is, or was, somebody's."""
        query = "SELECT 1 FROM people WHERE id = ?1 UNION SELECT 1 FROM gone WHERE id = ?1"
        return self._connection.execute(query, (person,)).fetchone() is not None

    def erasable(self, person: str) -> list[str]:
        """The group of somebody who is to be erased; their rows need not open.

        Raises:
            StoreRefusedError: nobody of that id, or merged into somebody.
        """
        found = self._connection.execute("SELECT merged_into FROM people WHERE id = ?", (person,)).fetchone()
        if found is None:
            raise StoreRefusedError(f"{person}: nobody of that id is enrolled here")
        if found[0] is not None:
            raise StoreRefusedError(f"{person}: was merged into {found[0]}: erase that one, or unmerge {person} first")
        return self.group(person)

    def holder(self, person: str) -> str:
        """The id that somebody goes by, at the end of the merges."""
        chain = [row[0] for row in self._connection.execute(_CHAIN, (person,))]
        return str(chain[-1]) if chain else person

    def merged_directly(self, person: str) -> list[str]:
        return [row[0] for row in self._connection.execute("SELECT id FROM people WHERE merged_into = ?", (person,))]

    def group(self, person: str) -> list[str]:
        """The person's id and those of everybody merged into them, directly or through others."""
        return [row[0] for row in self._connection.execute(_GROUP, (person,))]

    def read(self, only: Collection[str] | None = None) -> StoredPeople:
        """Everybody, or the people of these ids, with those rows reported that do not open."""
        reading = _Reading()
        some = None if only is None else json.dumps(list(only))
        for row in self._connection.execute(_ALL_PEOPLE if some is None else _SOME_PEOPLE, (some,) if some else ()):
            try:
                reading.rows[row[0]] = self.open_person(row)
            except (SealError, CodecError) as error:
                reading.damage.append(
                    f"{row[0]}: this person's row is damaged ({error}): erase {row[0]}, and enroll them again"
                )
        query = _ALL_EXEMPLARS if some is None else _SOME_EXEMPLARS
        for person, *row in self._connection.execute(query, (some,) if some else ()):
            self._read_exemplar(reading, person, row)
        return StoredPeople(_gather(reading), tuple(reading.damage), blind=tuple(reading.blind))

    def _read_exemplar(self, reading: _Reading, person: str, row: list[Any]) -> None:
        holder = reading.rows.get(person)
        if holder is None:
            return  # the person's own row was reported
        *first, views = row
        try:
            reading.exemplars.setdefault(person, []).append(self.open_exemplar(holder, tuple(first)))
        except (SealError, CodecError, ValueError) as error:
            reading.damage.append(
                f"{row[0]}: an exemplar of {person} is damaged ({error}): reject {row[0]}, and add one to {person}"
            )
            return
        if not self.views_open(holder, row[0], row[1], views):
            reading.blind.append(row[0])


def _gather(reading: _Reading) -> dict[str, Person]:
    holders: dict[str, list[PersonRow]] = {}
    for row in reading.rows.values():
        holders.setdefault(_holder(row, reading.rows), []).append(row)
    order = [person for person in reading.rows if person in holders]
    return {person: _person(reading.rows[person], holders[person], reading.exemplars) for person in order}


def _holder(row: PersonRow, rows: dict[str, PersonRow]) -> str:
    """The id that a merged person goes by; their own when the chain's end is damaged or goes in a ring."""
    seen = {row.id}
    current = row
    while current.merged_into is not None:
        following = rows.get(current.merged_into)
        if following is None or following.id in seen:
            return current.id if following is None else row.id
        seen.add(following.id)
        current = following
    return current.id


def _person(holder: PersonRow, members: list[PersonRow], exemplars: dict[str, list[StoredExemplar]]) -> Person:
    kept = [exemplar for member in members for exemplar in exemplars.get(member.id, ())]
    kept.sort(key=lambda exemplar: exemplar.taken_s)
    seen = [member.seen_s for member in members if member.seen_s is not None]
    return Person(
        id=holder.id,
        name=holder.card.name,
        verified=holder.card.verified,
        created_s=holder.card.created_s,
        seen_s=max(seen, default=None),
        exemplars=tuple(exemplar for exemplar in kept if exemplar.kind is Kind.ENROLLED),
        denied=tuple(exemplar for exemplar in kept if exemplar.kind is Kind.DENIED),
        origins=tuple(member.id for member in members if member.id != holder.id),
    )


def _card_place(person: str, merged_into: str | None) -> bytes:
    return bind(person, person, f"card merged into {merged_into or 'nobody'}")


def _place(person: str, exemplar: str, kind: str, column: str) -> bytes:
    return bind(person, exemplar, f"{kind} {column}")
