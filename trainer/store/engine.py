"""The two databases behind one door: addresses, connections, and what SQLite and PostgreSQL do each in their own way.

Everything else of the store speaks SQLAlchemy alone. A connection opened by `writing` is one transaction that nobody
else's can cut through: SQLite lets one writer in at a time, PostgreSQL locks by name (`lock`) and by row.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from edge.errors import SettingsError, StoreError
from edge.store.durable import create_private, make_directory

_BUSY_S = 30.0
_CONNECT_WITHIN_S = 10
_SCRUB_WITHIN_MS = 500
APPLICATION_ID = 0x44_57_46_31  # "DWF1"
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite+pysqlite"}


def parse_url(address: str) -> URL:
    """`sqlite:////var/lib/x/fleet.db` or `postgresql://user@host/database` as SQLAlchemy takes it.

    Raises:
        SettingsError: neither.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None
    name = url.drivername.partition("+")[0] if url is not None else ""
    if url is None or name not in _DRIVERS or (name == "sqlite" and not url.database):
        raise SettingsError(
            "[store] url: must be sqlite:///FILE or postgresql://USER@HOST/DATABASE; "
            f"this one is neither{f': it begins with {name}' if name.isalnum() else ''}"
        )
    return url.set(drivername=_DRIVERS[name])


def shown(url: URL) -> str:
    """An address for a line to a user: without the password, and of SQLite the file's name alone."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"postgresql://{url.username or ''}{'@' if url.username else ''}{url.host or ''}/{url.database or ''}"


def sqlite_file(url: URL) -> Path | None:
    """The database's file; None for PostgreSQL."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def make_engine(url: URL) -> Engine:
    """An engine for an address; connects to nothing yet. SQLite's file is made where it is missing, mode 0600.

    Raises:
        StoreError: the file or its folder cannot be made.
    """
    file = sqlite_file(url)
    if file is None:
        arguments = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_WITHIN_S}
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
    _prepare_file(file)
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _BUSY_S}, poolclass=NullPool)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_file(file: Path) -> None:
    try:
        make_directory(file.parent)
        with contextlib.suppress(FileExistsError):
            create_private(file)
        if file.is_file() and file.stat().st_mode & 0o077:
            file.chmod(0o600)  # as a restored backup may leave it
    except OSError as error:
        raise StoreError(f"{file}: the store's file cannot be made: {error.strerror}") from None


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, also around CREATE TABLE
    for pragma in (
        "trusted_schema = OFF",
        "foreign_keys = ON",
        "synchronous = FULL",
        "secure_delete = ON",
        "temp_store = MEMORY",  # or sorting could leave sealed bytes in a temporary folder
        "mmap_size = 0",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def is_postgresql(connection: Connection) -> bool:
    """Which of the two a connection speaks to."""
    return connection.dialect.name == "postgresql"


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes: whole and durable when this ends, undone when it raises."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One short look."""
    with engine.connect() as connection, connection.begin():
        yield connection


def lock(connection: Connection, name: str) -> None:
    """Until this transaction ends no other one holds this name. SQLite has but one writer anyway."""
    if is_postgresql(connection):
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def upsert(connection: Connection, table: Table, values: dict[str, Any], changed: dict[str, Any] | None) -> Executable:
    """INSERT of a row; where its key is there already, change these columns, or with None nothing."""
    make = postgresql.insert if is_postgresql(connection) else sqlite.insert
    insert = make(table).values(values)
    if changed is None:
        return insert.on_conflict_do_nothing()
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changed)


def insert_new(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """INSERT unless the key is there; whether it was new."""
    # Of an INSERT SQLAlchemy reads the count only where it is told to.
    made = connection.execute(upsert(connection, table, values, None), execution_options={"preserve_rowcount": True})
    return made.rowcount > 0


def use_wal(engine: Engine) -> None:
    """Let readers and the writer of a SQLite file work side by side; stays with the file."""
    if engine.dialect.name != "sqlite":
        return
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            _outside_transactions(engine, "PRAGMA journal_mode = WAL", f"PRAGMA application_id = {APPLICATION_ID}")
        except sqlite3.OperationalError:  # its own patience does not hold where two change the mode at once
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def scrub(engine: Engine) -> bool:
    """Take what was deleted out of the files, as far as the database does; False where somebody stood in the way.

    SQLite: its pages were overwritten already (`secure_delete`), the write-ahead log is emptied. PostgreSQL: VACUUM,
    which frees the rows' space for new ones; what lies in its own write-ahead log and backups is the operator's.
    """
    if engine.dialect.name == "sqlite":
        patience = f"PRAGMA busy_timeout = {_SCRUB_WITHIN_MS}"  # for readers of the log's old part
        return bool(_outside_transactions(engine, patience, "PRAGMA wal_checkpoint(TRUNCATE)")[0] == 0)
    _outside_transactions(engine, "VACUUM people, exemplars, pooled, set_aside")
    return True


def _outside_transactions(engine: Engine, *statements: str) -> Any:
    """The last statement's first row, or None."""
    if engine.dialect.name == "sqlite":
        raw = engine.raw_connection()
        try:
            return [raw.cursor().execute(statement).fetchone() for statement in statements][-1]
        finally:
            raw.close()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))
    return None
