"""Taking people out of a template store and into another: for exports, imports and the doors of one site.

What travels is opened but packed (`PersonRecord`); whoever carries it encrypts it again. Taking in is idempotent:
people and exemplars keep their ids, what is there already is left as it is, and what was erased here stays erased
unless the operator says otherwise.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator

from edge.errors import StoreError
from edge.store.codec import Card, CodecError, unpack_exemplar, unpack_views
from edge.store.keys import SealError
from edge.store.rows import SealedRows
from edge.store.templates import TemplateStore
from edge.store.types import AddedRecords, PersonRecord, clean_name

_PERSON_ID = re.compile(r"p_[a-z2-7]{8}")
_EXEMPLAR_ID = re.compile(r"[0-9a-f]{32}")


def take_out(store: TemplateStore, damage: list[str], only: Collection[str] | None = None) -> Iterator[PersonRecord]:
    """Everybody, or the people of these ids, one at a time; a line goes to `damage` for each row that does not open."""
    connection, rows = store.session.connection, store.session.rows
    with store.session.explaining("reading the templates"):
        ids = [row[0] for row in connection.execute("SELECT id FROM people ORDER BY rowid")]
        for person in ids:
            if only is None or person in only:
                yield from _take_one(rows, person, damage)


def take_in(store: TemplateStore, records: Iterable[PersonRecord], *, revive: bool = False) -> AddedRecords:
    """Add people and exemplars that are not there yet, all in one transaction.

    Of people who were merged, the one into whom is there already, or among these.
    revive: take in also what was erased here before.

    Raises:
        StoreError: a record is not what it should be, or the disk does not take it; nothing was added.
    """
    with store.session.write("taking people in") as rows:
        intake = _Intake(store.session.connection, rows, revive=revive)
        for record in records:
            intake.add(record)
        intake.merge()
        counts = (intake.people, intake.exemplars, intake.already_there)
        return AddedRecords(*counts, tuple(intake.erased), frozenset(intake.changed))


class _Intake:
    """The counts and the state of one taking in."""

    def __init__(self, connection: sqlite3.Connection, rows: SealedRows, *, revive: bool) -> None:
        self._connection = connection
        self._rows = rows
        self._revive = revive
        self._merges: dict[str, str] = {}
        self.people = self.exemplars = self.already_there = 0
        self.erased: list[str] = []
        self.changed: set[str] = set()

    def add(self, record: PersonRecord) -> None:
        check_record(record)
        if self._stays_gone(record.id):
            return
        if self._rows.has_person(record.id):
            self.already_there += 1
        else:
            card = Card(clean_name(record.name), verified=record.verified, created_s=record.created_s)
            self._rows.add_person(record.id, card, seen_s=record.seen_s)
            self.people += 1
            self.changed.add(record.id)
            if record.merged_into is not None:
                self._merges[record.id] = record.merged_into
        holder = self._rows.person(record.id)
        for exemplar in record.exemplars:
            if self._stays_gone(exemplar.id):
                continue
            if self._rows.has_exemplar(exemplar.id):
                self.already_there += 1
                continue
            self._rows.add_record(holder, exemplar)
            self.exemplars += 1
            self.changed.add(record.id)

    def merge(self) -> None:
        """Merge the newcomers as they were merged where they come from, once everybody is there."""
        for source, into in self._merges.items():
            if self._rows.has_person(into) and into not in self._rows.group(source):
                row = self._rows.person(source)
                self._rows.change(row, row.card, into)

    def _stays_gone(self, name: str) -> bool:
        if self._connection.execute("SELECT 1 FROM gone WHERE id = ?", (name,)).fetchone() is None:
            return False
        if self._revive:
            self._connection.execute("DELETE FROM gone WHERE id = ?", (name,))
            return False
        self.erased.append(name)
        return True


def _take_one(rows: SealedRows, person: str, damage: list[str]) -> Iterator[PersonRecord]:
    try:
        row = rows.person(person)
    except (SealError, CodecError) as error:
        damage.append(f"{person}: left out, their row is damaged ({error})")
        return
    kept = rows.records(row, damage)
    card = row.card
    yield PersonRecord(row.id, card.name, card.verified, card.created_s, row.seen_s, row.merged_into, tuple(kept))


def check_record(record: PersonRecord) -> None:
    """See that a record is one.

    Raises:
        StoreError: it is not; nothing of it may be taken in.
    """
    clean_name(record.name)
    times = [record.created_s] if record.seen_s is None else [record.created_s, record.seen_s]
    if not _PERSON_ID.fullmatch(record.id) or not all(map(math.isfinite, times)):
        raise StoreError(f"taking people in failed: {record.id[:40]!r} is no person's record")
    for exemplar in record.exemplars:
        if not _EXEMPLAR_ID.fullmatch(exemplar.id):
            raise StoreError(f"taking people in failed: {exemplar.id[:40]!r} is no exemplar's id")
        try:
            unpack_exemplar(
                exemplar.record, exemplar_id=exemplar.id, origin=record.id, kind=exemplar.kind, review=exemplar.review
            )
            if exemplar.views is not None:
                unpack_views(exemplar.views)
        except CodecError as error:
            raise StoreError(f"taking people in failed: exemplar {exemplar.id} of {record.id}: {error}") from None
