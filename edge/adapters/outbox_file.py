"""The outbox's file: how it is opened, checked, and set aside when it is damaged. What it is for is in `outbox.py`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, topic TEXT NOT NULL, payload BLOB NOT NULL,
    person TEXT, sent INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS unsent ON outbox (seq) WHERE sent = 0;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO counters VALUES ('dropped', 0);
"""
# FULL: a commit is on the card, not in the cache, when it returns. secure_delete: what goes is overwritten.
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA busy_timeout=2000",
    "PRAGMA journal_size_limit=1048576",
)
COLUMNS = "seq, event_id, topic, payload, person"


@dataclass(frozen=True, slots=True)
class Entry:
    """An event that waits. seq: its place in the order. person: whom it is about, to be found when they are erased."""

    seq: int
    event_id: str
    topic: str
    payload: bytes
    person: str | None


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the file, readable by its owner alone. Transactions are begun and ended by the caller.

    Raises:
        sqlite3.OperationalError, OSError: the disk is full, failing or read-only.
        sqlite3.DatabaseError: the file is damaged, or of another version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    for pragma in _PRAGMAS:
        db.execute(pragma)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _VERSION):
        raise sqlite3.DatabaseError(f"made by another version of Doorward ({version})")
    wrong = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if wrong != "ok":
        raise sqlite3.DatabaseError(str(wrong))
    if version == 0:
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT")


def set_aside(path: Path) -> list[Entry]:
    """Move a damaged file to `damaged(path)`, over an earlier one, and read what it still tells."""
    for old, new in zip(files(path), files(damaged(path)), strict=True):
        new.unlink(missing_ok=True)
        if old.exists():
            old.replace(new)
    return _salvage(damaged(path))


def damaged(path: Path) -> Path:
    """Where a damaged file is kept, for whoever wants to look into it."""
    return path.with_name(f"{path.name}.damaged")


def files(path: Path) -> list[Path]:
    """A database and what SQLite keeps beside it."""
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]


def _salvage(path: Path) -> list[Entry]:
    """What a damaged file still tells: read from its beginning and from its end, each up to where it is damaged."""
    found: dict[int, Entry] = {}
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(path)) as db:
            for row in db.execute(f"SELECT {COLUMNS} FROM outbox ORDER BY seq {order}"):  # noqa: S608 - constants
                entry = Entry(*row)
                if (
                    isinstance(entry.payload, bytes)
                    and isinstance(entry.event_id, str)
                    and isinstance(entry.topic, str)
                ):
                    found[entry.seq] = entry
    return [found[seq] for seq in sorted(found)]
