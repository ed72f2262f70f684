"""What the trainer was told of whom: a row a person in the template store, and nothing of what was told in it.

A row is written before its message is sent, so that who has none was never told of. What differs from the store, or is
not acknowledged, is sent again from the store itself: no embedding waits anywhere in the clear, and an erasure empties
the queue by itself. The row of somebody erased is left until the trainer has acknowledged that, and the erasure's
receipt names the trainer as a place until then. What to tell is `edge.sharing`'s.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from edge.store.receipts import ErasedPlace
from edge.store.schema import read_meta, write_meta
from edge.store.session import StoreSession

NOTHING = ""
_PLACE = "trainer"
_READ = "SELECT person, revision, fingerprint, embedder, report, acknowledged FROM told ORDER BY rowid"
_NOTE = (
    "INSERT OR REPLACE INTO told (person, revision, fingerprint, embedder, report, acknowledged)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_ACKNOWLEDGE = "UPDATE told SET acknowledged = 1 WHERE report IN (SELECT value FROM json_each(?))"
_IS_OVER = "SELECT fingerprint = '' AND acknowledged FROM told WHERE person IN (SELECT value FROM json_each(?))"
_TAKE_OUT = "DELETE FROM told WHERE person IN (SELECT value FROM json_each(?))"
# Of somebody erased, once no receipt waits for it any more; a person who is still there may be shared again.
_FORGET = (
    "DELETE FROM told WHERE fingerprint = '' AND acknowledged AND person NOT IN (SELECT id FROM people)"
    " AND NOT EXISTS (SELECT 1 FROM erasures)"
)


@dataclass(frozen=True, slots=True)
class Told:
    """What was last told of one person, or was about to be.

    revision: of the message; counts up over all people, and is never given twice.
    fingerprint: of what was told, `NOTHING` where that is that nothing of theirs may be kept.
    embedder: sha256 of the embedder in use then. report: the message's id, a UUID.
    """

    person: str
    revision: int
    fingerprint: str
    embedder: str
    report: str
    acknowledged: bool

    @property
    def is_over(self) -> bool:
        """The trainer has said that it keeps nothing of theirs."""
        return self.fingerprint == NOTHING and self.acknowledged


class ToldRows:
    """The rows of one store. Every method raises `StoreError` where the disk or the file is the trouble."""

    def __init__(self, session: StoreSession) -> None:
        self._session = session

    def read(self) -> dict[str, Told]:
        """All of them, by person."""
        with self._session.explaining("reading what the trainer was told"):
            rows = self._session.connection.execute(_READ).fetchall()
        return {row[0]: _row(row) for row in rows}

    def next_revision(self, wall_s: float) -> int:
        """A revision that was never given, also where the store is an older copy of itself and the clock is set."""
        with self._session.explaining("reading what the trainer was told"):
            last = read_meta(self._session.connection, "told_revision")
        return max(int(last) + 1 if last is not None else 1, int(wall_s * 1000))

    def note(self, told: Told) -> None:
        """Write a person's row; when this returns the message may be sent."""
        row = (told.person, told.revision, told.fingerprint, told.embedder, told.report, told.acknowledged)
        with self._session.write(f"noting what is told of {told.person}", counted=False):
            self._session.connection.execute(_NOTE, row)
            write_meta(self._session.connection, "told_revision", str(told.revision))

    def acknowledge(self, reports: Collection[str]) -> None:
        """The trainer is done with these messages."""
        some = json.dumps(list(reports))
        with self._session.write("noting what the trainer acknowledged", counted=False):
            self._session.connection.execute(_ACKNOWLEDGE, (some,))
            self._session.connection.execute(_FORGET)

    def whereabouts(self, person: str) -> Literal["here", "merged", "gone"]:
        """Whether a person has a row, readable or not, and whether that is merged into another."""
        query = "SELECT merged_into FROM people WHERE id = ?"
        with self._session.explaining(f"looking for {person}"):
            found = self._session.connection.execute(query, (person,)).fetchone()
        if found is None:
            return "gone"
        return "here" if found[0] is None else "merged"


def _row(row: tuple[str, int, str, str, str, int]) -> Told:
    person, revision, fingerprint, embedder, report, acknowledged = row
    return Told(person, revision, fingerprint, embedder, report, bool(acknowledged))


def erased_from_trainer(connection: sqlite3.Connection, people: Collection[str]) -> list[ErasedPlace]:
    """The trainer as a place that these people, who are erased here, are erased from; none if it never knew of them.

    Raises:
        sqlite3.Error: the disk does not take it.
    """
    some = json.dumps(list(people))
    over = [bool(row[0]) for row in connection.execute(_IS_OVER, (some,))]
    if not over:
        return []
    if not all(over):
        return [ErasedPlace(_PLACE, 0, over.count(False), "is to be told, and has not acknowledged it yet")]
    connection.execute(_TAKE_OUT, (some,))
    return [ErasedPlace(_PLACE, len(over), 0, "acknowledged")]
