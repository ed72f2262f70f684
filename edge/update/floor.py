"""What an updater must never go back behind: whose root is trusted, the newest signed lines, and the release counter.

One SQLite file, synced at each commit. python-tuf keeps its metadata in files that a power cut can leave empty, and it
takes an empty one for none, which would let old lines in; so the truth is here, each body with its hash, and those
files are made from it each time (`fetch.py`). What cannot be read is damage and never a beginning: updates stop,
recognition goes on, and an operator says anew whom to trust. What a body means is left to `fetch.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edge.errors import RefusedError, StoreError
from edge.store.durable import create_private, make_directory, publish_durably, temporary_beside

_FORMAT = 1
_SCHEMA = f"""
CREATE TABLE bodies (role TEXT PRIMARY KEY, version INTEGER NOT NULL, sha256 TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE floors (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
PRAGMA user_version = {_FORMAT};
"""
_WAY_OUT = "tell the door anew whom to trust: doorward releases trust ROOT.json --anew"


@dataclass(frozen=True, slots=True)
class Body:
    """A role's metadata as it was signed. version: as it says."""

    version: int
    body: bytes


class Floor:
    """See the module. Made by `open`; `close` it. Several processes may have it, one of them writing at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @classmethod
    def begin(cls, path: Path, root: Body, *, anew: bool = False) -> None:
        """Trust `root`, which somebody has looked at. anew: in place of what is there, of which the counter stays.

        Raises:
            RefusedError: a root is trusted already, and `anew` was not said.
            OSError: the disk is full or failing.
        """
        if path.exists() and not anew:
            raise RefusedError(f"{path}: a root is trusted already; say --anew to begin again with another")
        counter = _counter_of(path)
        make_directory(path.parent)
        temporary = temporary_beside(path)
        try:
            create_private(temporary)
            with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
                connection.executescript(_SCHEMA)
                _put(connection, "root", root)
                _raise(connection, "counter", counter)
            publish_durably(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def open(cls, path: Path) -> Floor | None:
        """What there is; None where no root was ever trusted.

        Raises:
            StoreError: it is there and cannot be used.
        """
        if not path.exists():
            return None
        connection = sqlite3.connect(path, timeout=10, isolation_level=None)
        floor = cls(path, connection)
        try:
            with floor._explaining():
                connection.execute("PRAGMA synchronous = EXTRA")
                (found,) = connection.execute("PRAGMA user_version").fetchone()
                (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if found != _FORMAT or sound != "ok":
                    raise StoreError(f"{path}: is damaged ({'no floor' if sound == 'ok' else sound}); {_WAY_OUT}")
                floor.bodies()
        except BaseException:
            connection.close()
            raise
        return floor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def counter(self) -> int:
        """Of the newest release that was committed here; 0 before the first. Raises: StoreError."""
        return self._floor("counter")

    @property
    def seen_s(self) -> int:
        """The latest wall time at which fresh metadata was had; 0 before. Raises: StoreError."""
        return self._floor("seen_s")

    def raise_counter(self, counter: int) -> None:
        """No release up to this one is taken again; a lower number changes nothing. Durable when it returns.

        Raises:
            StoreError: it cannot be written.
        """
        with self._explaining():
            _raise(self._connection, "counter", counter)

    def bodies(self) -> dict[str, Body]:
        """The newest metadata by role; `root` is always among them.

        Raises:
            StoreError: they cannot be read, or are not what was stored.
        """
        with self._explaining():
            rows = self._connection.execute("SELECT role, version, sha256, body FROM bodies").fetchall()
        for role, _, sha256, body in rows:
            if hashlib.sha256(body).hexdigest() != sha256:
                raise StoreError(f"{self._path}: the metadata of {role} is damaged; {_WAY_OUT}")
        found = {role: Body(version, body) for role, version, _, body in rows}
        if "root" not in found:
            raise StoreError(f"{self._path}: has no root; {_WAY_OUT}")
        return found

    def keep(self, bodies: Mapping[str, Body], seen_s: float | None) -> None:
        """These in place of all others, in one step. seen_s: wall time, if nothing of it was out of date.

        Raises:
            StoreError: it cannot be written; what was there stays.
        """
        with self._explaining():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.execute("DELETE FROM bodies")
                for role, body in bodies.items():
                    _put(self._connection, role, body)
                if seen_s is not None:
                    _raise(self._connection, "seen_s", int(seen_s))
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Harmless a second time."""
        self._connection.close()

    def _floor(self, name: str) -> int:
        with self._explaining():
            row = self._connection.execute("SELECT value FROM floors WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self._path}: {error}; see that the disk is neither full nor read-only") from error
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self._path}: is damaged ({error}); {_WAY_OUT}") from error


def _put(connection: sqlite3.Connection, role: str, body: Body) -> None:
    row = (role, body.version, hashlib.sha256(body.body).hexdigest(), body.body)
    connection.execute("INSERT OR REPLACE INTO bodies VALUES (?, ?, ?, ?)", row)


def _raise(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute(
        "INSERT INTO floors VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
        (name, value),
    )


def _counter_of(path: Path) -> int:
    """Of the file that is to be replaced, as far as it can be read."""
    with contextlib.suppress(StoreError), contextlib.ExitStack() as stack:
        floor = Floor.open(path)
        return stack.enter_context(floor).counter if floor is not None else 0
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT value FROM floors WHERE name = 'counter'").fetchone()
        return int(row[0]) if row else 0
    return 0
