"""What SQLAlchemy and the databases raise, as one line for a user. Never shows a statement or its values.

Three kinds matter to the callers. `StoreAwayError`: full, locked, not reachable, two writers in each other's way; the
same work may succeed later. `UnstorableError`: a value is the trouble, whenever it is tried. Any other `StoreError`:
the store is not usable before somebody mends it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from edge.errors import StoreError
from edge.store.keys import SealError

# SQLSTATE classes and codes of PostgreSQL (appendix A of its manual) after which the same work may succeed.
_AWAY_CLASSES = ("08", "40", "53", "55", "57", "58")
_READ_ONLY, _NO_RIGHT, _NO_SCHEMA, _BAD_PASSWORD, _NO_DATABASE = "25006", "42501", "3F000", "28P01", "3D000"
_LET_IT_OWN = "the database user lacks the rights: let it own the database"
_WAYS_OUT = {
    "53100": "the disk of the database is full: make room on it",
    "53300": "the database takes no more connections: raise max_connections, or run fewer workers",
    _READ_ONLY: "the database takes no writes: is it a standby?",
    _NO_RIGHT: _LET_IT_OWN,
    _NO_SCHEMA: _LET_IT_OWN,
    _BAD_PASSWORD: "the database does not accept the user or password: check [store] url, or the password file",
    _NO_DATABASE: "there is no such database: make it (createdb), or check [store] url",
}
_OF_SQLITE = {
    sqlite3.SQLITE_FULL: "its disk is full: make room on it",
    sqlite3.SQLITE_READONLY: "it cannot be written: its disk or folder is read-only for this user",
    sqlite3.SQLITE_BUSY: "it is in use by another process: try again",
    sqlite3.SQLITE_LOCKED: "it is in use by another process: try again",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: look whether its folder is there and is this user's",
    sqlite3.SQLITE_PERM: "it cannot be opened: look whether it is this user's",
    sqlite3.SQLITE_IOERR: "its disk does not answer: look at the disk and its free space",
    sqlite3.SQLITE_NOTADB: "it is no database, or damaged: name another file, or restore it from a backup",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore it from a backup",
}
_NOT_AWAY = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_LONGEST = 300


class StoreAwayError(StoreError):
    """The database cannot be used at the moment; nothing was written, and the same work may succeed later."""


class UnstorableError(StoreError, ValueError):
    """The database refuses a value itself, whenever it is tried."""


@contextlib.contextmanager
def explaining(store: str, doing: str) -> Iterator[None]:
    """Turn what a database raises into the store's own errors.

    store: the database's address without its password. doing: as the beginning of a line.

    Raises:
        StoreAwayError, UnstorableError, StoreError: see the module.
    """
    try:
        yield
    except SealError as error:
        raise StoreError(f"{store}: {doing} failed: a sealed value of it is damaged ({error})") from None
    except SQLAlchemyError as error:
        raise explain(error, store, doing) from None


def explain(error: SQLAlchemyError, store: str, doing: str) -> StoreError:
    """The one line for an error of a database."""
    original = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, store, doing)
    if isinstance(error, DBAPIError) and original is not None:
        return _of_postgresql(error, original, store, doing)
    return StoreError(f"{store}: {doing} failed: {type(error).__name__}")


def _of_sqlite(error: sqlite3.Error, store: str, doing: str) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    words = _OF_SQLITE.get(code)
    line = f"{store}: {doing} failed: {words or _first_line(error)}"
    if words is not None:
        return StoreError(line) if code in _NOT_AWAY else StoreAwayError(line)
    wrong_value = isinstance(error, sqlite3.IntegrityError | sqlite3.DataError)
    return UnstorableError(line) if wrong_value else StoreError(line)


def _of_postgresql(error: DBAPIError, original: BaseException, store: str, doing: str) -> StoreError:
    state = getattr(original, "sqlstate", None) or ""
    text = _first_line(original)
    words = _WAYS_OUT.get(state) or next((way for code, way in _WAYS_OUT.items() if _means(text, code)), None) or text
    line = f"{store}: {doing} failed: {words}"
    kind = type(original).__name__
    if state == _READ_ONLY or state.startswith(_AWAY_CLASSES) or error.connection_invalidated or not state:
        # Without a state nothing came from the server: the connection failed, or the driver refused a value.
        return UnstorableError(line) if kind == "DataError" else StoreAwayError(line)
    return UnstorableError(line) if state.startswith(("22", "23")) else StoreError(line)


def _means(text: str, code: str) -> bool:
    """While connecting the server's words come without their code."""
    signs = {_BAD_PASSWORD: "password authentication failed", _NO_DATABASE: "does not exist"}
    return code in signs and signs[code] in text and "FATAL" in text


def _first_line(error: BaseException) -> str:
    """The driver's words; those of PostgreSQL that quote values stand in later lines (DETAIL)."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    if len(lines) > 1 and text.startswith(("connection failed", "connection to server")):
        text = next((line for line in lines if "FATAL" in line or "refused" in line or "No such file" in line), text)
    return "".join(char if char.isprintable() else "?" for char in text)[:_LONGEST]
