"""One process's hold on a template store: the lock, the connection, and whether it can be written at the moment.

A disk that takes no writes (full, read-only) does not keep the store from being read. What stands in the way is
kept as `refusal`, and each write first looks whether it still does: room made on the disk needs no restart.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from edge.errors import StoreError
from edge.store.codec import CodecError
from edge.store.durable import FileLock
from edge.store.keys import DeviceKey, SealError
from edge.store.repair import OpenReport, lock_store, open_for_writing, readable_file, store_exists
from edge.store.rows import SealedRows
from edge.store.schema import StorePaths, explain, reading, reason_of, transaction
from edge.store.snapshots import Snapshots


class StoreSession:
    """An open store. Made by `open_session`.

    connection: for reading always, for writing when `refusal` is None.
    report: what opening for writing found.
    refusal: why nothing can be written, as part of a line, or None.
    """

    def __init__(self, paths: StorePaths, key: DeviceKey, snapshots: Snapshots, *, exclusive: bool) -> None:
        self.paths = paths
        self.key = key
        self.snapshots = snapshots
        self.report = OpenReport()
        self.refusal: str | None = f"{paths.database} was opened for reading only"
        self._exclusive = exclusive
        self._lock: FileLock | None = None
        self._held = contextlib.ExitStack()
        self._connection: sqlite3.Connection | None = None

    @property
    def connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self.paths.database}: the store is closed")
        return self._connection

    @property
    def rows(self) -> SealedRows:
        return SealedRows(self.connection, self.key)

    def open(self) -> None:
        """Open for writing where that was asked and is possible, else for reading.

        Raises:
            StoreError: it can be neither; the line says why and the way out.
        """
        try:
            if self._exclusive:
                self._try_writing()
            if self._connection is None:
                self._open_for_reading()
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def write(self, doing: str, *, counted: bool = True) -> Iterator[SealedRows]:
        """One transaction. doing: what it does, as the beginning of a line; counted: a snapshot is due for it.

        Raises:
            StoreError: nothing was written; the line says why and the way out.
        """
        self.require_writable(doing)
        with self.explaining(doing), transaction(self.connection, counted=counted):
            yield self.rows

    @contextlib.contextmanager
    def explaining(self, doing: str) -> Iterator[None]:
        """Turn the errors of SQLite, of the disk and of damaged rows into the store's own, in one line."""
        try:
            yield
        except SealError as error:
            raise StoreError(f"{doing} failed: a row of theirs is damaged ({error}): restart to repair it") from None
        except StoreError:
            raise
        except CodecError as error:
            raise StoreError(f"{doing} failed: {error}") from None
        except (sqlite3.Error, OSError) as error:
            raise explain(error, self.paths.database, doing) from None

    def require_writable(self, doing: str) -> None:
        """See that writing is possible now, opening again if what stood in the way is gone.

        Raises:
            StoreError: it is not.
        """
        if self.refusal is not None and self._exclusive:
            self._try_writing()
        if self.refusal is not None:
            raise StoreError(f"{doing} failed: {self.refusal}")

    def close(self) -> None:
        """Give everything back; harmless when it is closed."""
        self._connection = None
        self._held.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _try_writing(self) -> None:
        try:
            if self._lock is None:
                self._lock = lock_store(self.paths)
            connection, report = open_for_writing(self.paths, self.key, self.snapshots)
        except StoreError:
            raise
        except (sqlite3.Error, OSError) as error:
            self.refusal = reason_of(error, self.paths.database)
            return
        self._held.close()
        self._held.callback(connection.close)
        self._connection, self.report, self.refusal = connection, report, None

    def _open_for_reading(self) -> None:
        doing = "opening the template store"
        if not store_exists(self.paths.database):
            if self._exclusive:
                raise StoreError(f"making the template store failed: {self.refusal}")
            raise StoreError(
                f"{self.paths.database}: no template store is there: the daemon makes one at its first start"
            )
        with self.explaining(doing):
            path = readable_file(self.paths, self.key, self.snapshots)
            self._connection = self._held.enter_context(reading(path))


def open_session(paths: StorePaths, key: DeviceKey, snapshots: Snapshots, *, exclusive: bool) -> StoreSession:
    """Open a store; see `StoreSession.open`."""
    session = StoreSession(paths, key, snapshots, exclusive=exclusive)
    session.open()
    return session
