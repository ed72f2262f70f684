"""Snapshots of the template database: taken, kept, found again, and scrubbed of what was erased.

A snapshot is made by SQLite's backup interface (a copy of the file would miss the write-ahead log), checked, and put
under its name durably; its number counts up. Putting one back is `repair`'s.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import StoreError
from edge.store.durable import create_private, fsync_directory, make_directory, publish_durably, shred, temporary_beside
from edge.store.schema import (
    StorePaths,
    check_database,
    connect,
    explain,
    read_meta,
    reading,
    transaction,
    write_meta,
)

# ?1 and ?2 are JSON lists of people's and of exemplars' ids.
_THEIRS = " exemplars WHERE person IN (SELECT value FROM json_each(?1)) OR id IN (SELECT value FROM json_each(?2))"
_THEMSELVES = " people WHERE id IN (SELECT value FROM json_each(?1)) AND ?2 IS NOT NULL"
_COUNT_EXEMPLARS = "SELECT count(*) FROM" + _THEIRS
_COUNT_PEOPLE = "SELECT count(*) FROM" + _THEMSELVES
_DELETE_EXEMPLARS = "DELETE FROM" + _THEIRS
_DELETE_PEOPLE = "DELETE FROM" + _THEMSELVES
_SIDE_FILES = ("-journal", "-wal", "-shm")
_NAME = re.compile(r"templates-(\d{8})\.db")


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What happened to one snapshot. items: rows taken out; removed: it went whole, as it could not be scrubbed."""

    name: str
    items: int
    removed: bool


class Snapshots:
    """The snapshots of one store.

    keep: how many of the newest are kept, at least 1.
    """

    def __init__(self, paths: StorePaths, *, keep: int = 5) -> None:
        if keep < 1:
            raise ValueError("at least one snapshot must be kept")
        self._paths = paths
        self._keep = keep

    def newest_first(self) -> list[Path]:
        """The snapshot files, by number."""
        if not self._paths.snapshots.is_dir():
            return []
        return sorted((path for path in self._paths.snapshots.iterdir() if _NAME.fullmatch(path.name)), reverse=True)

    def good(self, key_id: str) -> Iterator[Path]:
        """Those that are whole and of this key, the newest first; each is checked as it is reached."""
        return (path for path in self.newest_first() if fault_of(path, key_id) is None)

    def take_if_changed(self, connection: sqlite3.Connection) -> Path | None:
        """A new snapshot, unless the newest one holds all that was written since; then None.

        Raises:
            StoreError: the disk does not take it, or the copy is damaged. The older snapshots are left.
        """
        newest = next(iter(self.newest_first()), None)
        key_id = read_meta(connection, "key_id") or ""
        if newest is not None and fault_of(newest, key_id) is None:
            with reading(newest) as snapshot:
                if read_meta(snapshot, "changes") == read_meta(connection, "changes"):
                    return None
        return self.take(connection)

    def take(self, connection: sqlite3.Connection) -> Path:
        """A new snapshot; the oldest beyond `keep` go.

        Raises:
            StoreError: as above.
        """
        path = self._paths.snapshots / f"templates-{self._next_number():08d}.db"
        try:
            make_directory(path.parent)
            with _in_temporary(path) as temporary:
                copy_database(connection, temporary)
                publish_durably(temporary, path)
            for old in self.newest_first()[self._keep :]:
                self.remove(old)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, StoreError):
                raise
            raise explain(error, path, "taking a snapshot") from None
        return path

    def scrub(self, people: Collection[str], exemplars: Collection[str], *, wall_s: float) -> list[Scrubbed]:
        """Take people (with all their exemplars) and single exemplars out of every snapshot.

        One that cannot be scrubbed, be it damaged or the disk full, is shredded: erasing outweighs a spare copy.

        Raises:
            OSError: not even that went.
        """
        done = [self._scrub_one(path, people, exemplars, wall_s) for path in self.newest_first()]
        return [scrubbed for scrubbed in done if scrubbed is not None]

    def _scrub_one(
        self, path: Path, people: Collection[str], exemplars: Collection[str], wall_s: float
    ) -> Scrubbed | None:
        try:
            with reading(path) as connection:
                held = count_rows(connection, people, exemplars)
            # A log is of a scrubbing that a crash cut off: what it deletes is still in the file.
            if held == 0 and not any(path.with_name(path.name + suffix).exists() for suffix in _SIDE_FILES):
                return None
            items = _scrub_database(path, people, exemplars, wall_s)
        except (sqlite3.Error, OSError):
            self.remove(path)
            return Scrubbed(path.name, 0, removed=True)
        return Scrubbed(path.name, items, removed=False)

    def remove(self, path: Path) -> None:
        """Shred one snapshot, with what SQLite may have left beside it.

        Raises:
            OSError: it did not go.
        """
        # Itself last: its number may then be given again, and a log that a crash left would be read into the new one.
        for suffix in _SIDE_FILES:
            shred(path.with_name(path.name + suffix))
        # Under another name, or a crash would leave zeros where a snapshot is looked for.
        leftover = temporary_beside(path)
        with contextlib.suppress(FileNotFoundError):
            path.replace(leftover)
            fsync_directory(path.parent)
            shred(leftover)

    def _next_number(self) -> int:
        newest = next(iter(self.newest_first()), None)
        match = _NAME.fullmatch(newest.name) if newest is not None else None
        return int(match[1]) + 1 if match else 1


def fault_of(path: Path, key_id: str) -> str | None:
    """Why a snapshot is of no use, or None when it is good."""
    try:
        with reading(path) as connection:
            check_database(connection, path)
            owner = read_meta(connection, "key_id")
    except StoreError as error:
        return str(error)
    except (sqlite3.Error, OSError) as error:
        return f"{path}: {error}"
    return None if owner == key_id else f"{path}: made with key {owner}, not with {key_id}"


def count_rows(connection: sqlite3.Connection, people: Collection[str], exemplars: Collection[str]) -> int:
    """How many rows of these people, and of these exemplars, a database holds."""
    values = _lists(people, exemplars)
    return sum(int(connection.execute(query, values).fetchone()[0]) for query in (_COUNT_PEOPLE, _COUNT_EXEMPLARS))


def delete_rows(
    connection: sqlite3.Connection, people: Collection[str], exemplars: Collection[str], *, wall_s: float
) -> int:
    """Delete those rows and note the ids as gone; answers how many went."""
    noted = [(gone, wall_s) for gone in (*people, *exemplars)]
    connection.executemany("INSERT OR REPLACE INTO gone VALUES (?, ?)", noted)
    values = _lists(people, exemplars)
    return sum(connection.execute(query, values).rowcount for query in (_DELETE_PEOPLE, _DELETE_EXEMPLARS))


def _lists(people: Collection[str], exemplars: Collection[str]) -> tuple[str, str]:
    return json.dumps(list(people)), json.dumps(list(exemplars))


def _scrub_database(path: Path, people: Collection[str], exemplars: Collection[str], wall_s: float) -> int:
    """In place, by way of a write-ahead log: it never holds the old pages, which a rollback journal would."""
    with contextlib.closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        with transaction(connection, counted=False):
            items = delete_rows(connection, people, exemplars, wall_s=wall_s)
            # If a crash keeps the store from erasing them, this one must not pass for holding all that the store does.
            write_meta(connection, "changes", "0")
        # Back to one file; this moves the log into it and takes the log away.
        connection.execute("PRAGMA journal_mode = DELETE")
    return items


def copy_database(source: sqlite3.Connection, path: Path) -> None:
    """All of a database, its write-ahead log too, to one new file; not durable before it is published.

    Raises:
        sqlite3.Error, OSError: it cannot be read, or the disk does not take the copy.
    """
    create_private(path)
    with contextlib.closing(connect(path)) as target:
        target.execute("PRAGMA journal_mode = MEMORY")
        source.backup(target)
        # The copy says of itself that it has a write-ahead log, which a snapshot must not need.
        target.execute("PRAGMA journal_mode = DELETE")
        check_database(target, path)


@contextlib.contextmanager
def _in_temporary(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; whatever is there afterwards, and SQLite's files beside it, is shredded."""
    temporary = temporary_beside(path)
    try:
        yield temporary
    finally:
        for suffix in ("", *_SIDE_FILES):
            shred(temporary.with_name(temporary.name + suffix))
