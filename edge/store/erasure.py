"""Erasing people from the template store and everywhere beside it, with a receipt; and checking a receipt again.

The order makes a crash harmless. First the snapshots are scrubbed and databases that were set aside are shredded: if
it ends there, the person is still enrolled and nothing was acknowledged. Then one transaction deletes key and rows and
notes the erasure as begun. What remains (write-ahead log, other places) is removed, the files are searched, and the
receipt is filed; if it ends before that, the next start does it.

Deleting overwrites (`secure_delete`). What a flash card keeps of overwritten blocks is out of any program's reach;
there the wrapped keys still need the device key.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edge.errors import DoorwardError, StoreError
from edge.store.durable import shred
from edge.store.keys import DeviceKey
from edge.store.receipts import (
    ErasedPlace,
    Place,
    Receipt,
    check_receipt,
    find_marks,
    issue_receipt,
    marks_of,
)
from edge.store.schema import StorePaths, is_damage, reading, reason_of, transaction, write_meta
from edge.store.snapshots import Snapshots, count_rows, delete_rows
from edge.store.told import erased_from_trainer

_DATABASE = "templates"
_SEALED_OF_PEOPLE = "SELECT wrapped_key, card FROM people WHERE id IN (SELECT value FROM json_each(?))"
_SEALED_OF_EXEMPLARS = "SELECT record, views FROM exemplars WHERE person IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class _Begun:
    """An erasure whose rows are gone and whose remains are not yet."""

    number: int
    people: tuple[str, ...]
    erased_s: float
    places: tuple[ErasedPlace, ...]
    marks: tuple[bytes, ...]


class Eraser:
    """Erases from one store. `erase` needs no transaction around it and opens its own."""

    def __init__(
        self,
        paths: StorePaths,
        connection: sqlite3.Connection,
        key: DeviceKey,
        snapshots: Snapshots,
        places: Sequence[Place],
    ) -> None:
        self._paths = paths
        self._connection = connection
        self._key = key
        self._snapshots = snapshots
        self._places = places

    def erase(self, people: Sequence[str], *, wall_s: float, beside: Callable[[], None] | None = None) -> Receipt:
        """Erase these ids. A receipt that is not complete says what was left; `finish` tries again.

        beside: what else belongs into the transaction that deletes them, so that a crash leaves both or neither.

        Raises:
            sqlite3.Error, OSError: the disk failed before the rows were deleted, and nothing was erased.
            StoreError: they are erased, but the receipt could not be filed; `finish` does it.
        """
        marks = self._marks(people)
        emptied = self._empty_copies(people, (), wall_s)
        begun = self._delete(people, wall_s, emptied, marks, beside)
        try:
            return self._close(begun, self._remove_remains(begun))
        except (sqlite3.Error, OSError) as error:
            reason = reason_of(error, self._paths.receipts)
            raise StoreError(
                f"{begun.people[0]} is erased, but not yet its remains: {reason}; restart to finish"
            ) from None

    def remove_exemplars(self, exemplars: Sequence[str], *, wall_s: float) -> None:
        """Take single exemplars out of the store and its snapshots.

        Raises:
            sqlite3.Error, OSError: nothing was taken out of the store.
        """
        self._empty_copies((), exemplars, wall_s)
        with transaction(self._connection):
            delete_rows(self._connection, (), exemplars, wall_s=wall_s)
            write_meta(self._connection, "last_enrollment", None)
        self._empty_log()

    def finish(self) -> list[Receipt]:
        """Complete what a crash, or a place that was away, left of earlier erasures; answers those now complete.

        Raises:
            sqlite3.Error, OSError: the disk does not take it.
        """
        rows = self._connection.execute("SELECT number, body FROM erasures ORDER BY number").fetchall()
        tried = [(begun, self._remove_remains(begun)) for begun in map(_parse_begun, rows)]
        return [self._close(begun, places) for begun, places in tried if all(place.left == 0 for place in places)]

    def _marks(self, people: Sequence[str]) -> list[bytes]:
        """Pieces of all that was sealed for these people; a snapshot may hold an older card, sealed otherwise."""
        marks = dict.fromkeys(_marks_in(self._connection, people))
        for path in self._snapshots.newest_first():
            try:
                with reading(path) as snapshot:
                    marks.update(dict.fromkeys(_marks_in(snapshot, people)))
            except (sqlite3.Error, OSError):
                continue  # damaged: scrubbing will shred it
        return list(marks)

    def _empty_copies(self, people: Sequence[str], exemplars: Sequence[str], wall_s: float) -> list[ErasedPlace]:
        emptied = [
            ErasedPlace(scrubbed.name, scrubbed.items, 0, "removed as a whole" if scrubbed.removed else "")
            for scrubbed in self._snapshots.scrub(people, exemplars, wall_s=wall_s)
        ]
        for path in [*self._paths.set_aside(), *self._paths.leftovers()]:
            shred(path)
            emptied.append(ErasedPlace(path.name, 1, 0, "removed as a whole"))
        self._empty_log()  # on a full disk, the room that deleting needs
        return emptied

    def _delete(
        self,
        people: Sequence[str],
        wall_s: float,
        emptied: Sequence[ErasedPlace],
        marks: Sequence[bytes],
        beside: Callable[[], None] | None,
    ) -> _Begun:
        with transaction(self._connection):
            if beside is not None:
                beside()
            items = delete_rows(self._connection, people, (), wall_s=wall_s)
            # What was enrolled last may be theirs: an erasure ends what can be undone.
            write_meta(self._connection, "last_enrollment", None)
            begun = _Begun(0, tuple(people), wall_s, (ErasedPlace(_DATABASE, items, 0), *emptied), tuple(marks))
            cursor = self._connection.execute("INSERT INTO erasures (body) VALUES (?)", (_begun_text(begun),))
        return replace(begun, number=int(cursor.lastrowid or 0))

    def _remove_remains(self, begun: _Begun) -> tuple[ErasedPlace, ...]:
        note = self._empty_log()
        elsewhere = [_erase_place(place, begun.people) for place in self._places]
        elsewhere += erased_from_trainer(self._connection, begun.people)
        named = {place.place for place in begun.places}
        others = [ErasedPlace(path.name, 0, 0) for path in self._snapshots.newest_first() if path.name not in named]
        searched = [self._searched(place, begun.marks) for place in (*begun.places, *others)]
        log = ErasedPlace("write-ahead log", 1, find_marks(self._paths.wal, begun.marks), note)
        told = [place for place in searched if place.place in named or place.note]
        return (*told, log, *elsewhere)

    def _close(self, begun: _Begun, places: Sequence[ErasedPlace]) -> Receipt:
        receipt = issue_receipt(
            self._paths.receipts,
            self._key,
            people=begun.people,
            erased_s=begun.erased_s,
            places=places,
            marks=begun.marks,
        )
        if receipt.complete:
            with transaction(self._connection):
                self._connection.execute("DELETE FROM erasures WHERE number = ?", (begun.number,))
        return receipt

    def _searched(self, place: ErasedPlace, marks: Sequence[bytes]) -> ErasedPlace:
        """A place with what a search of its file finds. Deleting overwrites, so as a rule that is nothing."""
        if place.place == _DATABASE:
            left = find_marks(self._paths.database, marks)
            return replace(place, left=self._make_anew(marks) if left else 0)
        path = self._paths.snapshots / place.place
        if find_marks(path, marks) == 0:
            return place
        self._snapshots.remove(path)
        return replace(place, note="removed as a whole")

    def _make_anew(self, marks: Sequence[bytes]) -> int:
        """Write the whole file again, with nothing in it but what is live; answers how many marks are left even so."""
        with contextlib.suppress(sqlite3.OperationalError):  # no room: then they are left, and the receipt says so
            self._connection.execute("VACUUM")
        self._empty_log()
        return find_marks(self._paths.database, marks)

    def _empty_log(self) -> str:
        """Move the write-ahead log into the file and cut it to nothing; answers what stood in the way."""
        try:
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            if is_damage(error):
                raise
            return str(error)
        return "a reader holds it" if busy else ""


def verify_receipt(
    receipt: Receipt, paths: StorePaths, key: DeviceKey, snapshots: Snapshots, places: Sequence[Place] = ()
) -> list[str]:
    """Look again, everywhere, for what a receipt says is gone. One line a finding; empty when the receipt holds.

    Only reads, so it runs beside a daemon too.
    """
    wrong = check_receipt(receipt, paths.receipts, key)
    if not receipt.complete:
        left = ", ".join(place.place for place in receipt.places if place.left)
        wrong.append(f"the erasure was not complete: something was left in {left}")
    for path in [paths.database, *snapshots.newest_first()]:
        wrong += _rows_left(path, receipt.people)
    marks = tuple(bytes.fromhex(mark) for mark in receipt.marks)
    for path in paths.all_files():
        wrong += _marks_left(path, marks)
    for place in places:
        if count := place.count(receipt.people):
            wrong.append(f"{place.name}: {count} left")
    return wrong


def _begun_text(begun: _Begun) -> str:
    body = asdict(begun) | {"marks": [mark.hex() for mark in begun.marks]}
    return json.dumps(body)


def _parse_begun(row: tuple[int, str]) -> _Begun:
    number, text = row
    try:
        body = json.loads(text)
        return _Begun(
            number,
            tuple(map(str, body["people"])),
            float(body["erased_s"]),
            tuple(ErasedPlace(**place) for place in body["places"]),
            tuple(map(bytes.fromhex, body["marks"])),
        )
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"the note of erasure {number} is damaged: erase those people again") from None


def _marks_in(connection: sqlite3.Connection, people: Sequence[str]) -> list[bytes]:
    some = json.dumps(list(people))
    sealed: list[bytes] = []
    for query in (_SEALED_OF_PEOPLE, _SEALED_OF_EXEMPLARS):
        sealed += [blob for row in connection.execute(query, (some,)) for blob in row if blob is not None]
    return [mark for blob in sealed for mark in marks_of(blob)]


def _erase_place(place: Place, people: Collection[str]) -> ErasedPlace:
    try:
        return place.erase(tuple(people))
    except (DoorwardError, OSError) as error:
        return ErasedPlace(place.name, 0, 1, f"not erased: {error}")


def _rows_left(path: Path, people: Sequence[str]) -> list[str]:
    try:
        with reading(path) as connection:
            rows = count_rows(connection, people, ())
    except (sqlite3.Error, OSError) as error:
        return [f"{path.name}: cannot be searched: {error}"]
    return [f"{path.name}: {rows} rows are left"] if rows else []


def _marks_left(path: Path, marks: Sequence[bytes]) -> list[str]:
    try:
        found = find_marks(path, marks)
    except OSError as error:
        return [f"{path.name}: cannot be searched: {error}"]
    return [f"{path.name}: {found} pieces of the erased templates are left"] if found else []
