"""The template store's database: where its files lie, its tables, their migrations, and opening it. No keys, no people.

Tables:
- `meta`: `key_id`, `schema` (beside `user_version`, so that a damaged header is told from a newer schema), `changes`
  (counts up with each write), `next_number` (for default names), `last_enrollment`, `told_revision` (the last given).
- `people`: a row a person: their key wrapped by the device key, and a sealed card (name, verified, when). `merged_into`
  is bound to the card's seal, so that changing it alone makes the card unreadable.
- `exemplars`: a row an exemplar; `record` and `views` are sealed with the person's key. `kind` is bound to the seal.
- `gone`: ids that were taken away, so that no snapshot, export or other door brings them back unasked.
- `erasures`: erasures whose remains are still to be removed; empty, unless something stands in the way.
- `told`: what the trainer was last told of whom, by fingerprint, and whether it acknowledged that (`told.py`).
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edge.errors import StoreError
from edge.store.durable import create_private, leftovers, publish_durably, temporary_beside

APPLICATION_ID = 0x44_57_54_31  # "DWT1"
_BUSY_S = 2.0

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
        (
            "CREATE TABLE people (id TEXT PRIMARY KEY, wrapped_key BLOB NOT NULL, card BLOB NOT NULL,"
            " merged_into TEXT, seen_s REAL) STRICT"
        ),
        (
            "CREATE TABLE exemplars (id TEXT PRIMARY KEY, person TEXT NOT NULL, kind TEXT NOT NULL, review TEXT,"
            " record BLOB NOT NULL, views BLOB) STRICT"
        ),
        "CREATE INDEX exemplars_of_person ON exemplars (person)",
        "CREATE TABLE gone (id TEXT PRIMARY KEY, wall_s REAL NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE erasures (number INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
    ),
    # Who was merged into somebody is asked at each enrollment, which costs the same however many people there are.
    ("CREATE INDEX people_merged_into ON people (merged_into)",),
    (
        (
            "CREATE TABLE told (person TEXT PRIMARY KEY, revision INTEGER NOT NULL, fingerprint TEXT NOT NULL,"
            " embedder TEXT NOT NULL, report TEXT NOT NULL, acknowledged INTEGER NOT NULL) STRICT"
        ),
    ),
)
"""Statements that lead from schema i to schema i + 1. Entries are only ever added."""

SCHEMA_VERSION = len(MIGRATIONS)

# What SQLite answers when the disk or another process is the trouble, and the file itself may be perfectly well.
_NOT_THE_FILES_FAULT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


_CODE_OF_ERRNO = {
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EDQUOT: sqlite3.SQLITE_FULL,
    errno.EROFS: sqlite3.SQLITE_READONLY,
    errno.EACCES: sqlite3.SQLITE_READONLY,
    errno.EPERM: sqlite3.SQLITE_READONLY,
    errno.EIO: sqlite3.SQLITE_IOERR,
}
_REASONS = {
    sqlite3.SQLITE_FULL: "the disk that holds {path} is full: make room on it",
    sqlite3.SQLITE_READONLY: "{path} cannot be written: its disk or directory is read-only for this user",
    sqlite3.SQLITE_BUSY: "{path} is in use by another process: try again",
    sqlite3.SQLITE_LOCKED: "{path} is in use by another process: try again",
    sqlite3.SQLITE_CORRUPT: "{path} is damaged: restart, and the newest good snapshot is restored",
    sqlite3.SQLITE_NOTADB: "{path} is damaged: restart, and the newest good snapshot is restored",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened: look whether its directory is there and is this user's",
    sqlite3.SQLITE_IOERR: "the disk that holds {path} does not answer ({error}): look at the card and its free space",
}


class DamagedError(StoreError):
    """The database file is damaged: what SQLite reads there is not what Doorward wrote."""


@dataclass(frozen=True, slots=True)
class StorePaths:
    """Where the store's files lie: all beside or below the database's own directory."""

    database: Path

    @property
    def wal(self) -> Path:
        return self._beside("-wal")

    @property
    def shared_memory(self) -> Path:
        return self._beside("-shm")

    @property
    def lock(self) -> Path:
        return self._beside(".lock")

    @property
    def snapshots(self) -> Path:
        return self.database.parent / "snapshots"

    @property
    def receipts(self) -> Path:
        return self.database.parent / "receipts"

    def set_aside(self) -> list[Path]:
        """Damaged databases that were moved away, with their write-ahead logs, the oldest first."""
        return sorted(self.database.parent.glob(f"{self.database.name}.damaged-*"))

    def leftovers(self) -> list[Path]:
        """What a crash left half written."""
        return [*leftovers(self.database), *sorted(self.snapshots.glob(".*"))]

    def all_files(self) -> list[Path]:
        """Every file in which templates may be found, sealed."""
        fixed = [path for path in (self.database, self.wal, self.shared_memory) if path.exists()]
        return [*fixed, *sorted(self.snapshots.glob("templates-*")), *self.set_aside(), *self.leftovers()]

    def _beside(self, suffix: str) -> Path:
        return self.database.with_name(self.database.name + suffix)


def is_damage(error: sqlite3.Error) -> bool:
    """True when the error tells of the file's content, not of the disk, the rights or another process."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return (code & 0xFF) not in _NOT_THE_FILES_FAULT


def explain(error: sqlite3.Error | OSError, path: Path, doing: str) -> StoreError:
    """The one line for a failed read or write: what was not done, where, why, and the way out."""
    return StoreError(f"{doing} failed: {reason_of(error, path)}")


def reason_of(error: sqlite3.Error | OSError, path: Path) -> str:
    """Why a file cannot be read or written, and the way out, as part of a line."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and isinstance(error, OSError):
        code = _CODE_OF_ERRNO.get(error.errno or 0)
    reason = _REASONS.get(code & 0xFF) if code is not None else None
    return reason.format(path=path, error=error) if reason else f"{path}: {error}"


def connect(path: Path, *, mode: str = "rw", immutable: bool = False) -> sqlite3.Connection:
    """Open a database file. mode: `rw`, `rwc` (made where missing) or `ro`. One thread at a time may use it.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    address = f"file:{quote(str(path.absolute()))}?mode={mode}{'&immutable=1' if immutable else ''}"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)
    try:
        # A damaged id must not hide the good rows beside it; it opens no seal.
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA mmap_size = 0")
        # Or VACUUM would leave sealed templates in a temporary directory.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A database for reading alone, also beside a running writer, on a read-only disk, and after a crash on one.

    Raises:
        sqlite3.Error, OSError: it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        connection = _connect_for_reading(path, stack)
        stack.callback(connection.close)
        yield connection


def create_database(path: Path, key_id: str) -> None:
    """Make an empty store at `path`, whole or not at all.

    Raises:
        sqlite3.Error, OSError: the disk does not take it.
    """
    temporary = temporary_beside(path)
    try:
        fill_database(temporary, key_id)
        publish_durably(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def fill_database(path: Path, key_id: str) -> None:
    """The tables of an empty store in a file that is not there yet; not durable before it is published."""
    create_private(path)
    with contextlib.closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(connection)
        for name, value in {"key_id": key_id, "changes": "0", "next_number": "1"}.items():
            write_meta(connection, name, value)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> int:
    """Bring a store to the newest schema, each step in a transaction of its own; answers how many steps were taken."""
    start = version_of(connection)
    for version in range(start, len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(version + 1),))
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return len(migrations) - start


def version_of(connection: sqlite3.Connection) -> int:
    """The schema that a database has, 0 for none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_database(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """See that a file is a template store, whole, and of a schema that is known.

    Raises:
        DamagedError: it is damaged.
        StoreError: a newer Doorward's, or some other program's database. It is left alone.
        sqlite3.Error: it cannot be read at all; see `is_damage`.
    """
    _check_header(path)
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if tables and not tables & {"meta", "people", "exemplars"}:
        raise StoreError(f"{path}: this is another program's database: name another file for the template store")
    _check_version(connection, path, len(migrations))
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise DamagedError(f"{path}: damaged: {found}")
    version = version_of(connection)
    if _schema(connection) != _expected_schema(tuple(map(tuple, migrations[:version]))):
        raise DamagedError(f"{path}: damaged: its tables are not those of schema {version}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, *, counted: bool = True) -> Iterator[None]:
    """One write, whole or not at all: what is inside is durable when this ends, and undone when it raises.

    counted: it is a change that a snapshot should be taken for.

    Raises:
        sqlite3.Error: nothing was written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        if counted:
            connection.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'changes'")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def read_meta(connection: sqlite3.Connection, name: str) -> str | None:
    """A value of the `meta` table, or None."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def write_meta(connection: sqlite3.Connection, name: str, value: str | None) -> None:
    """Set a value, or with None take it away."""
    if value is None:
        connection.execute("DELETE FROM meta WHERE name = ?", (name,))
    else:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _check_header(path: Path) -> None:
    """SQLite takes an unknown write version for a read-only file; here it is damage (file format, 1.3.3)."""
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not {header[18], header[19]} <= {1, 2}:
        raise DamagedError(f"{path}: damaged: its first bytes are not a database's")


def _check_version(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    version = version_of(connection)
    if version == 0:
        raise DamagedError(f"{path}: damaged: it is empty")
    if version > newest:
        if str(version) == read_meta(connection, "schema"):
            raise StoreError(
                f"{path}: its schema is {version} and this Doorward knows up to {newest}: "
                "install the newer Doorward again"
            )
        raise DamagedError(f"{path}: damaged: its header names schema {version}")


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()


def _expected_schema(migrations: tuple[tuple[str, ...], ...]) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, migrations)
        return _schema(connection)


def _connect_for_reading(path: Path, stack: contextlib.ExitStack) -> sqlite3.Connection:
    try:
        connection = connect(path, mode="ro")
        stack.callback(connection.close)
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        if is_damage(error) or not path.exists():
            raise
    else:
        return connection
    # The directory cannot take the write-ahead log's index. Without a log the file alone is the truth; with one, both
    # are read from a copy, which is as sealed as they are.
    wal = path.with_name(path.name + "-wal")
    if not wal.exists() or wal.stat().st_size == 0:
        return connect(path, mode="ro", immutable=True)
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doorward-")))
    for source in (path, wal):
        shutil.copyfile(source, directory / source.name)
    return connect(directory / path.name)
