"""Events that wait for their receiver, in SQLite: in order, bounded, surviving kill -9 and a power cut once committed.

At the bound the oldest go, counted and told. A damaged file is set aside, and what can be read of it is kept. While the
disk is full or failing, events are held in memory under the same bounds and can be sent from there. For one thread;
when to commit and what to send is left to `delivery.py`, which owns that thread.

Writing is kept rare for the sake of SD cards: whoever calls `commit` decides, and one call is one transaction.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edge.adapters.outbox_file import COLUMNS, Entry, connect, damaged, files, set_aside
from edge.errors import StoreError
from edge.log import get_logger
from edge.store.durable import shred

_log = get_logger("outbox")


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """The bounds. max_bytes: of the payloads together."""

    max_rows: int = 10_000
    max_bytes: int = 16 * 2**20


@dataclass(frozen=True, slots=True)
class OutboxReport:
    """How the outbox is.

    rows, bytes: what waits, in the file and in memory. dropped: let go at the bound, since the file was made.
    commits: transactions since the start. trouble: why nothing can be written, else None.
    set_aside: where a damaged file was moved to, else None.
    """

    rows: int = 0
    bytes: int = 0
    dropped: int = 0
    commits: int = 0
    trouble: str | None = None
    set_aside: Path | None = None


class Outbox:
    """See the module. Making one opens nothing."""

    def __init__(self, path: Path, limits: OutboxLimits | None = None) -> None:
        self._path = path
        self._limits = limits or OutboxLimits()
        self._db: sqlite3.Connection | None = None
        self._pending: dict[str, Entry] = {}
        self._removed: set[str] = set()
        self._sent: set[str] = set()
        self._rows = self._bytes = self._last_seq = 0
        self._dropped = self._dropped_unsaved = self._commits = 0
        self._tell_at = 1
        self._trouble: str | None = None
        self._set_aside: Path | None = None

    def open(self) -> None:
        """Open or make the file. Never raises: what is wrong is in the report, and events are held in memory."""
        try:
            db = connect(self._path)
            self._load(db)
            self._db, self._trouble = db, None
        except (sqlite3.DatabaseError, OSError) as error:
            self._failed(error)

    def close(self) -> None:
        """Close the file; what is not committed is lost."""
        if self._db is not None:
            self._db.close()
        self._db = None

    def put(self, event_id: str, topic: str, payload: bytes, person: str | None = None) -> None:
        """Take an event into the next commit; one that is there already is passed over."""
        if len(payload) > self._limits.max_bytes:
            self._count_dropped(1)
        elif event_id not in self._pending:
            self._last_seq += 1
            self._pending[event_id] = Entry(self._last_seq, event_id, topic, payload, person)
            self._bound_pending()

    @property
    def has_news(self) -> bool:
        """Events wait to be committed."""
        return bool(self._pending)

    @property
    def has_chores(self) -> bool:
        """Removals and marks wait to be committed; losing them costs a second delivery only."""
        return bool(self._removed or self._sent or self._dropped_unsaved)

    def commit(self) -> bool:
        """Write all that waits in one transaction. False if that failed; it is kept for the next try."""
        if not (self.has_news or self.has_chores):
            return self._trouble is None
        if self._db is None:
            self.open()
        try:
            self._write()
        except (sqlite3.DatabaseError, OSError) as error:
            self._failed(error)
            return False
        self._commits += 1
        self._trouble = None
        return True

    def unsent(self, after: int, limit: int) -> list[Entry]:
        """The next events that were never handed over, after place `after`; only committed ones, but in trouble."""
        query = f"SELECT {COLUMNS} FROM outbox WHERE sent = 0 AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - constants
        gone = self._removed | self._sent
        found = [e for e in self._select(query, (after, limit + len(gone))) if e.event_id not in gone]
        if self._trouble is not None:
            found += [e for e in self._pending.values() if e.seq > after and e.event_id not in gone]
        return found[:limit]

    def unacknowledged(self, up_to: int, limit: int) -> list[Entry]:
        """The oldest events, to place `up_to`, that were handed over and never acknowledged; committed ones."""
        query = f"SELECT {COLUMNS} FROM outbox WHERE sent = 1 AND seq <= ? ORDER BY seq LIMIT ?"  # noqa: S608 - constants
        found = self._select(query, (up_to, limit + len(self._removed)))
        return [e for e in found if e.event_id not in self._removed][:limit]

    def last_sent(self) -> int:
        """Place of the newest event that was handed over and not acknowledged; 0 without one."""
        query = f"SELECT {COLUMNS} FROM outbox WHERE sent = 1 ORDER BY seq DESC LIMIT 1"  # noqa: S608 - constants
        return next((e.seq for e in self._select(query, ())), 0)

    def mark_sent(self, event_id: str) -> None:
        """The broker has it; its receiver has not said so yet."""
        self._sent.add(event_id)

    def forget_sent(self) -> None:
        """Hand over again what was handed over: for when the broker's acknowledgement is to suffice from now on."""
        self._execute("UPDATE outbox SET sent = 0 WHERE sent = 1")

    def remove(self, event_ids: Iterable[str]) -> None:
        """They are delivered; unknown ones are passed over."""
        for event_id in event_ids:
            self._pending.pop(event_id, None)
            self._removed.add(event_id)

    def drop(self, event_id: str) -> None:
        """It can never be delivered: remove and count it."""
        self.remove([event_id])
        self._count_dropped(1)

    def erase_person(self, person: str) -> int:
        """Overwrite every event about `person`: in the file, its log, and a damaged file set aside. How many it were.

        Raises:
            StoreError: the file cannot be written, so that they may still be there.
        """
        held = [e.event_id for e in self._pending.values() if e.person == person]
        for event_id in held:
            del self._pending[event_id]
        if self._db is None:
            self.open()
        try:
            gone, still_read = self._overwrite(person)
        except (sqlite3.DatabaseError, OSError) as error:
            self._failed(error)
            raise StoreError(f"{self._path}: events about the person cannot be erased: {error}") from None
        if still_read:
            raise StoreError(f"{self._path}: another program reads it, so that erased events are still in its log")
        return gone + len(held)

    def report(self) -> OutboxReport:
        held = self._pending.values()
        return OutboxReport(
            rows=self._rows + len(held),
            bytes=self._bytes + sum(len(e.payload) for e in held),
            dropped=self._dropped,
            commits=self._commits,
            trouble=self._trouble,
            set_aside=self._set_aside,
        )

    def _overwrite(self, person: str) -> tuple[int, bool]:
        """How many events went, and whether the log could not be overwritten for a reader."""
        if self._db is None:
            raise sqlite3.OperationalError(self._trouble or "closed")
        for path in files(damaged(self._path)):
            shred(path)
        gone = self._db.execute("DELETE FROM outbox WHERE person = ? RETURNING LENGTH(payload)", (person,)).fetchall()
        self._rows, self._bytes = self._rows - len(gone), self._bytes - sum(length for (length,) in gone)
        return len(gone), bool(self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

    def _load(self, db: sqlite3.Connection) -> None:
        totals = "SELECT COUNT(*), COALESCE(SUM(LENGTH(payload)), 0), COALESCE(MAX(seq), 0) FROM outbox"
        self._rows, self._bytes, last_seq = db.execute(totals).fetchone()
        saved = db.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchone()[0]
        self._dropped = saved + self._dropped_unsaved
        self._last_seq = max(self._last_seq, last_seq)
        if self._rows and self._pending:  # numbered while the file could not be read: they come after what is in it
            self._renumber(list(self._pending.values()))

    def _renumber(self, entries: list[Entry]) -> None:
        """These are what is pending, in this order, after all that was numbered before."""
        first = self._last_seq + 1
        self._pending = {e.event_id: replace(e, seq=seq) for seq, e in enumerate(entries, first)}
        self._last_seq += len(entries)

    def _write(self) -> None:
        db = self._db
        if db is None:
            raise sqlite3.OperationalError(self._trouble or "closed")
        rows, size = self._rows, self._bytes
        db.execute("BEGIN IMMEDIATE")
        try:
            for e in self._pending.values():
                insert = f"INSERT OR IGNORE INTO outbox ({COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - constants
                if db.execute(insert, (e.seq, e.event_id, e.topic, e.payload, e.person)).rowcount:
                    rows, size = rows + 1, size + len(e.payload)
            db.executemany("UPDATE outbox SET sent = 1 WHERE event_id = ?", [(i,) for i in self._sent])
            for event_id in self._removed:
                delete = "DELETE FROM outbox WHERE event_id = ? RETURNING LENGTH(payload)"
                for (length,) in db.execute(delete, (event_id,)).fetchall():
                    rows, size = rows - 1, size - length
            rows, size, let_go = self._bound(db, rows, size)
            more = self._dropped_unsaved + let_go
            db.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (more,))
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.DatabaseError):
                db.execute("ROLLBACK")
            raise
        self._rows, self._bytes, self._dropped_unsaved = rows, size, 0
        self._pending.clear()
        self._sent.clear()
        self._removed.clear()
        self._count_dropped(let_go, saved=True)

    def _bound(self, db: sqlite3.Connection, rows: int, size: int) -> tuple[int, int, int]:
        """Delete the oldest until the bounds hold: rows and bytes left, and how many went."""
        let_go, last = 0, 0
        for seq, length in db.execute("SELECT seq, LENGTH(payload) FROM outbox ORDER BY seq"):
            if rows <= self._limits.max_rows and size <= self._limits.max_bytes:
                break
            rows, size, let_go, last = rows - 1, size - length, let_go + 1, seq
        if let_go:
            db.execute("DELETE FROM outbox WHERE seq <= ?", (last,))
        return rows, size, let_go

    def _bound_pending(self) -> None:
        """The same for what is in memory, which only grows while nothing can be written."""
        size = sum(len(e.payload) for e in self._pending.values()) if self._trouble is not None else 0
        while len(self._pending) > self._limits.max_rows or size > self._limits.max_bytes:
            size -= len(self._pending.pop(next(iter(self._pending))).payload)
            self._count_dropped(1)

    def _count_dropped(self, number: int, *, saved: bool = False) -> None:
        self._dropped += number
        self._dropped_unsaved += 0 if saved else number
        if number and self._dropped >= self._tell_at:
            _log.error("the outbox is full: the oldest events were let go", so_far=self._dropped)
            self._tell_at = 2 * self._dropped  # each line tells of twice as many, or a full outbox would fill the log

    def _select(self, query: str, values: tuple[int, ...]) -> list[Entry]:
        return [Entry(*row) for row in self._execute(query, values)]

    def _execute(self, query: str, values: tuple[int, ...] = ()) -> list[tuple[int, str, str, bytes, str | None]]:
        if self._db is None:
            return []
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            self._failed(error)
            return []

    def _failed(self, error: Exception) -> None:
        """A full or failing disk is waited for; a damaged file is replaced."""
        self.close()
        if isinstance(error, sqlite3.OperationalError | OSError):
            if self._trouble is None:
                _log.error("events cannot be written and are held in memory", file=self._path, reason=error)
            self._trouble = str(error)
            return
        self._replace_damaged(str(error))

    def _replace_damaged(self, why: str) -> None:
        try:
            saved = set_aside(self._path)
            db = connect(self._path)
        except (sqlite3.DatabaseError, OSError) as error:
            self._trouble = f"damaged ({why}) and not to be replaced: {error}"
        else:
            self._set_aside, self._trouble = damaged(self._path), None
            self._renumber([*saved, *self._pending.values()])
            self._load(db)
            self._db = db
        if self._trouble is None:
            kept, saved_events = damaged(self._path), len(self._pending)
            _log.error("the outbox is damaged", file=self._path, reason=why, kept_as=kept, events_saved=saved_events)
        else:
            _log.error("the outbox cannot be replaced", file=self._path, reason=self._trouble)
