"""Opening a template store that may be new, whole, damaged or gone. Bringing single rows over is `salvage`'s.

A damaged database is moved aside with its write-ahead log, the newest good snapshot takes its place, and whatever rows
of the damaged one still open are brought over. Without any good snapshot an empty store takes its place, and is filled
in the same way. The new database is published only when it is finished, so a crash in between starts this again.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from edge.errors import StoreError
from edge.store.durable import (
    FileLock,
    fsync_directory,
    make_directory,
    publish_durably,
    shred,
    temporary_beside,
)
from edge.store.keys import DeviceKey
from edge.store.receipts import read_receipt, receipt_files
from edge.store.salvage import opens_any, salvage
from edge.store.schema import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    DamagedError,
    StorePaths,
    check_database,
    connect,
    create_database,
    fill_database,
    is_damage,
    migrate,
    read_meta,
    reading,
    version_of,
    write_meta,
)
from edge.store.snapshots import Snapshots, copy_database

KEPT_ASIDE = 3
"""Damaged databases that are kept for a closer look; a failing card must not fill itself with them."""

_ASIDE = re.compile(r".*\.damaged-(\d{6})(-wal|-shm)?")


@dataclass(frozen=True, slots=True)
class OpenReport:
    """What opening found and did, for the log and the door's health.

    created: the store is new.
    damage: what was wrong, or None. set_aside: where the damaged file lies now.
    restored: the snapshot that took its place, or None when there was no good one.
    salvaged: rows brought over from the damaged file.
    """

    created: bool = False
    damage: str | None = None
    set_aside: Path | None = None
    restored: Path | None = None
    salvaged: int = 0

    def lines(self) -> list[str]:
        """One line each for a user; none when there is nothing to tell."""
        if self.damage is None:
            return []
        source = f"snapshot {self.restored.name} was restored" if self.restored else "no good snapshot was there"
        kept = f"; what was there is kept as {self.set_aside}" if self.set_aside else ""
        return [f"the template store was damaged ({self.damage}): {source}, {self.salvaged} rows were saved{kept}"]


def store_exists(database: Path) -> bool:
    """Whether anything is there that was encrypted: the database, its log, a snapshot or a file set aside."""
    return bool(StorePaths(database).all_files())


def lock_store(paths: StorePaths) -> FileLock:
    """Be the one process that writes.

    Raises:
        StoreError: another is.
        OSError: the disk does not allow a lock file.
    """
    make_directory(paths.database.parent)
    lock = FileLock(paths.lock)
    if not lock.acquire():
        raise StoreError(
            f"{paths.database} is held by process {lock.holder}: a daemon runs already in this folder; "
            "stop it first, or give this door its own [store] folder"
        )
    return lock


def open_for_writing(paths: StorePaths, key: DeviceKey, snapshots: Snapshots) -> tuple[sqlite3.Connection, OpenReport]:
    """Open, making, repairing and migrating as needed. The caller holds the lock.

    Raises:
        StoreError: another key, a newer schema, another program's file: nothing was touched.
        sqlite3.Error, OSError: the disk does not allow it.
    """
    for path in paths.leftovers():
        shred(path)
    report = OpenReport()
    if not store_exists(paths.database):
        create_database(paths.database, key.key_id)
        report = OpenReport(created=True)
    elif damage := _damage_of(paths.database, key):
        _refuse_another_key(paths, key, snapshots)
        report = _restore(paths, key, snapshots, damage)
    connection = _writable(paths.database)
    try:
        if version_of(connection) < SCHEMA_VERSION:
            snapshots.take(connection)
            migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection, report


def readable_file(paths: StorePaths, key: DeviceKey, snapshots: Snapshots) -> Path:
    """The file to read where nothing can be written: the database, or the newest good snapshot when it is damaged.

    Raises:
        StoreError: another key, a newer schema, another program's file; or nothing there that can be read.
        sqlite3.Error, OSError: the disk does not allow even that.
    """
    damage = _damage_of(paths.database, key)
    if damage is None:
        return paths.database
    for snapshot in snapshots.good(key.key_id):
        return snapshot
    raise StoreError(f"{damage}; there is no good snapshot of it either")


def _damage_of(path: Path, key: DeviceKey) -> str | None:
    if not path.exists():
        return f"{path}: not there"
    try:
        with reading(path) as connection:
            check_database(connection, path)
            _check_key(connection, path, key)
    except DamagedError as error:
        return str(error)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return f"{path}: damaged: {error}"
    return None


def _check_key(connection: sqlite3.Connection, path: Path, key: DeviceKey) -> None:
    owner = read_meta(connection, "key_id") or "unknown"
    if key.matches(owner):
        return
    if opens_any(connection, key):  # then it is not the key that is wrong, but its id in the store
        raise DamagedError(f"{path}: damaged: it names another key than it is encrypted with")
    raise StoreError(
        f"{path}: encrypted with key {owner}, and the key given is {key.key_id}: give the right key file; "
        "nothing was changed"
    )


def _refuse_another_key(paths: StorePaths, key: DeviceKey, snapshots: Snapshots) -> None:
    """Before anything is moved: a damaged store must not be replaced by an empty one under another key."""
    owners: list[str] = []
    for path in [paths.database, *snapshots.newest_first()]:
        with contextlib.suppress(sqlite3.Error, OSError), reading(path) as connection:
            if opens_any(connection, key):
                return
            owners.append(read_meta(connection, "key_id") or "unknown")
    if owners and not any(map(key.matches, owners)):
        raise StoreError(
            f"{paths.database}: damaged, and encrypted with key {owners[-1]}, while the key given is {key.key_id}: "
            "give the right key file; nothing was changed"
        )


def _writable(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # A write, so that a disk that takes none is found here and not at the first enrollment.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _restore(paths: StorePaths, key: DeviceKey, snapshots: Snapshots, damage: str) -> OpenReport:
    aside = _set_aside(paths)
    restored = next(snapshots.good(key.key_id), None)
    temporary = temporary_beside(paths.database)
    try:
        if restored is None:
            fill_database(temporary, key.key_id)
        else:
            with reading(restored) as source:
                copy_database(source, temporary)
        with contextlib.closing(connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode = MEMORY")
            migrate(connection)
            salvaged = _fill_up(connection, paths, key, aside)
        publish_durably(temporary, paths.database)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return OpenReport(damage=damage, set_aside=aside, restored=restored, salvaged=salvaged)


def _fill_up(connection: sqlite3.Connection, paths: StorePaths, key: DeviceKey, aside: Path | None) -> int:
    for path in receipt_files(paths.receipts):
        with contextlib.suppress(StoreError):
            receipt = read_receipt(path)
            # A snapshot may be older than the erasure of somebody it never held: their ids stay gone all the same.
            noted = [(person, receipt.erased_s) for person in receipt.people]
            connection.executemany("INSERT OR IGNORE INTO gone VALUES (?, ?)", noted)
    # What the snapshot knew as the last enrollment need not be the last that was made.
    write_meta(connection, "last_enrollment", None)
    if aside is None:
        return 0
    with contextlib.suppress(sqlite3.Error, OSError), reading(aside) as source:
        return salvage(connection, source, key)
    return 0


def _set_aside(paths: StorePaths) -> Path | None:
    """Move the damaged database away with its log, under one name, so that the pair stays readable together.

    The log goes last: a crash in between leaves a log without a database, which the next start adds to the newest set.
    Answers the newest set, or None when there never was a database.
    """
    matches = [match for path in paths.set_aside() if (match := _ASIDE.fullmatch(path.name))]
    next_number = max((int(match[1]) for match in matches), default=0) + 1
    sets = [paths.database.with_name(match[0]) for match in matches if match[2] is None]
    if paths.database.exists():
        sets.append(paths.database.with_name(f"{paths.database.name}.damaged-{next_number:06d}"))
        paths.database.rename(sets[-1])
    home = sets[-1] if sets else paths.database.with_name(f"{paths.database.name}.damaged-{next_number:06d}")
    for companion, suffix in ((paths.wal, "-wal"), (paths.shared_memory, "-shm")):
        if companion.exists():
            companion.rename(home.with_name(home.name + suffix))
    fsync_directory(paths.database.parent)
    for old in sets[:-KEPT_ASIDE]:
        for suffix in ("", "-wal", "-shm"):
            shred(old.with_name(old.name + suffix))
    return sets[-1] if sets else None
