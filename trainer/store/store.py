"""`FleetStore`: what the trainer's other parts know of the store. Opens, begins and ends transactions, and reads.

What is written in one is `writer.py`'s, the sums are `sums.py`'s. One thread at a time may use a store; several
processes may each have one of their own on the same database.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Self

from sqlalchemy import Column, ColumnElement, Engine, Select, Table, and_, delete, func, select

from edge.errors import StoreError
from edge.log import get_logger
from edge.store.keys import DeviceKey
from trainer.statistics import FOLDS, Statistics
from trainer.store.engine import make_engine, parse_url, reading, scrub, shown, writing
from trainer.store.people import after, open_people
from trainer.store.problems import explaining
from trainer.store.records import FleetPerson, Pooling, Refresh, SetAside, Status
from trainer.store.release_records import Release
from trainer.store.releases import Releases
from trainer.store.schema import prepare
from trainer.store.status import read_refreshes, read_status
from trainer.store.sums import Progress, correct_dimensions, pool_new, read_pooled, start_over
from trainer.store.tables import event_quality, exemplars, meta, people, set_aside
from trainer.store.vault import Vault
from trainer.store.writer import REMAINS, Writer

_log = get_logger("store")

CHUNK = 1000
_FORGET_AT_ONCE = 5000
NONE_KNOWN: Mapping[str, int] = MappingProxyType({})


class FleetStore:
    """An open store. Made by `open`; `close` gives it back."""

    def __init__(
        self, engine: Engine, vault: Vault, name: str, clock: Callable[[], float], dimensions: Mapping[str, int]
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._clock = clock
        self._dimensions = dimensions
        self.name = name

    @classmethod
    def open(
        cls,
        url: str,
        key: DeviceKey,
        clock: Callable[[], float] = time.time,
        dimensions: Mapping[str, int] = NONE_KNOWN,
    ) -> Self:
        """Open a store, or make it where the database is empty; an older schema is migrated.

        url: `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`. clock: seconds since 1970 UTC.
        dimensions: of embedders that are known, by sha256: other reports by them are refused. Of an embedder that is
            not, everything is kept until it is; sums are of those alone who have its first report's dimensions.

        Raises:
            SettingsError: not such an address.
            StoreError: not reachable, another program's database, a newer schema, another key; one line, with the way
                out.
        """
        address = parse_url(url)
        name = shown(address)
        engine = make_engine(address)
        try:
            with explaining(name, "opening the store"):
                vault = Vault(key, prepare(engine, key, name))
                correct_dimensions(engine, dimensions)
        except BaseException:
            engine.dispose()
            raise
        store = cls(engine, vault, name, clock, dimensions)
        store.tidy()
        return store

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def write(self) -> Iterator[Writer]:
        """One transaction: what was written is durable when this ends, and undone when it raises.

        Raises:
            StoreAwayError: the database cannot be used at the moment; nothing was written.
            UnstorableError: it refuses a value; nothing was written.
            StoreError: anything else; nothing was written.
        """
        with explaining(self.name, "writing to the store"), writing(self._engine) as connection:
            writer = Writer(connection, self._vault, self._clock(), self._dimensions)
            yield writer
            writer.finish()
        if writer.erases and self._engine.dialect.name == "sqlite":
            self.tidy()

    def tidy(self) -> bool:
        """Scrub what erasures left in the files, see `engine.scrub`; False where that is still to be done."""
        try:
            with explaining(self.name, "tidying the store"):
                return self._tidy()
        except StoreError as error:
            _log.warning("erased bytes are still to be scrubbed; tried again later", reason=error)
            return False

    def pool_new(self, embedder: str, chunk: int = CHUNK, progress: Progress | None = None) -> Pooling:
        """Add everybody new to the sums, `chunk` people a transaction; killed anywhere, the next call goes on there.

        embedder: its sha256. progress: told how many are done, and of how many.

        Raises:
            StoreError: the database failed; what was added stays.
        """
        with explaining(self.name, "adding up the new people"):
            return pool_new(self._engine, self._vault, embedder, chunk, progress)

    def start_over(self, embedder: str) -> None:
        """Drop an embedder's sums, so that `pool_new` adds up all its people again.

        Raises:
            StoreError: the database failed; nothing was changed.
        """
        with explaining(self.name, "dropping the sums"):
            start_over(self._engine, embedder)

    def pooled(self, embedder: str) -> list[Statistics]:
        """The sums of each fold, `FOLDS` of them; none at all for an embedder that nobody was ever reported by.

        Raises:
            StoreError: the database failed, or sums are damaged (`start_over` mends that).
        """
        with explaining(self.name, "reading the sums"), reading(self._engine) as connection:
            return read_pooled(connection, self._vault, embedder)

    def people_of(
        self, embedder: str, folds: Collection[int] = range(FOLDS), pictures: int = 1, chunk: int = CHUNK
    ) -> Iterator[tuple[int, str]]:
        """Numbers and ids of everybody of these folds, as `embeddings` takes and tells them; nothing is opened.

        pictures: so many, or more, each has.

        Raises:
            StoreError: the database failed.
        """
        theirs = select(func.count()).where(exemplars.c.owner == people.c.id).scalar_subquery()
        query = select(people.c.id, people.c.person).where(_of(embedder, folds), theirs >= pictures)
        last, full = 0, True
        while full:
            with explaining(self.name, "listing people"), reading(self._engine) as connection:
                rows = connection.execute(after(query, last, chunk)).all()
            yield from ((row.id, row.person) for row in rows)
            full = len(rows) == chunk
            last = rows[-1].id if rows else last

    def embeddings(
        self,
        embedder: str,
        folds: Collection[int] = range(FOLDS),
        chunk: int = CHUNK,
        only: Collection[int] | None = None,
    ) -> Iterator[FleetPerson]:
        """Everybody of these folds, in the order in which they came; memory holds `chunk` of them.

        Whose row is damaged is left out. only: numbers from `people_of`; None for all.

        Raises:
            StoreError: the database failed.
        """
        query = select(people).where(_of(embedder, folds))
        if only is not None:
            wanted = sorted(only)
            for start in range(0, len(wanted), chunk):
                some = query.where(people.c.id.in_(wanted[start : start + chunk]))
                yield from self._opened(after(some, 0, chunk), embedder)[1]
            return
        last, full = 0, True
        while full:
            numbers, opened = self._opened(after(query, last, chunk), embedder)
            yield from opened
            full = len(numbers) == chunk
            last = numbers[-1] if numbers else last

    def forget_events(self, before_s: float) -> int:
        """Delete figures of events, and what was set aside, received before then; how many rows.

        Raises:
            StoreError: the database failed; some may be deleted already.
        """
        old = ((event_quality, event_quality.c.received_s), (set_aside, set_aside.c.at_s))
        with explaining(self.name, "deleting old events"):
            return sum(self._forget(table, column, before_s) for table, column in old)

    def set_aside(self, limit: int = 50) -> list[SetAside]:
        """What was set aside, the newest first.

        Raises:
            StoreError: the database failed.
        """
        columns = [set_aside.c[name] for name in ("id", "door", "topic", "reason", "at_s", "times", "bytes", "sha256")]
        with explaining(self.name, "reading what was set aside"), reading(self._engine) as connection:
            found = connection.execute(select(*columns).order_by(set_aside.c.at_s.desc()).limit(limit))
            return [SetAside(*row) for row in found]

    def set_aside_head(self, number: int) -> bytes | None:
        """The beginning of a message that was set aside; None where there is no such one.

        Raises:
            StoreError: the database failed, or the row is damaged.
        """
        query = select(set_aside.c.sha256, set_aside.c.wrapped_key, set_aside.c.head).where(set_aside.c.id == number)
        with explaining(self.name, "reading what was set aside"), reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
            return None if row is None else self._vault.open_aside(row[0], bytes(row[1]), bytes(row[2]))

    def refreshes(self, limit: int = 20) -> list[Refresh]:
        """What refreshes decided, the newest first.

        Raises:
            StoreError: the database failed.
        """
        with explaining(self.name, "reading the refreshes"), reading(self._engine) as connection:
            return read_refreshes(connection, limit)

    @contextlib.contextmanager
    def reading_releases(self) -> Iterator[Releases]:
        """Releases, their doors and what those said, at one moment.

        Raises:
            StoreError: the database failed.
        """
        with explaining(self.name, "reading the releases"), reading(self._engine) as connection:
            yield Releases(connection, self._clock())

    def releases(self) -> list[Release]:
        """What was signed, the newest first.

        Raises:
            StoreError: the database failed.
        """
        with self.reading_releases() as found:
            return found.all()

    def status(self) -> Status:
        """What is there.

        Raises:
            StoreError: the database failed.
        """
        with explaining(self.name, "reading the store"), reading(self._engine) as connection:
            return read_status(connection, self.name, self._vault.key_id)

    def _opened(self, query: Select[Any], embedder: str) -> tuple[list[int], list[FleetPerson]]:
        """Numbers of the rows that a query over people finds, and those of them who open."""
        with explaining(self.name, "reading people"), reading(self._engine) as connection:
            rows = connection.execute(query).all()
            opened, damaged = open_people(connection, self._vault, rows)
        if damaged:
            _log.warning("people do not open and are left out", people=len(damaged), embedder=embedder)
        return [row.id for row in rows], list(opened.values())

    def _tidy(self) -> bool:
        with reading(self._engine) as connection:
            mark = connection.scalar(select(meta.c.value).where(meta.c.name == REMAINS))
        if mark is None:
            return True
        if not scrub(self._engine):
            return False
        with writing(self._engine) as connection:  # unless somebody erased more in the meantime
            connection.execute(delete(meta).where(meta.c.name == REMAINS, meta.c.value == mark))
        return True

    def _forget(self, table: Table, column: Column[float], before_s: float) -> int:
        key = next(iter(table.primary_key.columns))
        some = select(key).where(column < before_s).limit(_FORGET_AT_ONCE)
        total = 0
        while True:
            with writing(self._engine) as connection:
                count = connection.execute(delete(table).where(key.in_(some))).rowcount
            total += count
            if count < _FORGET_AT_ONCE:
                return total


def _of(embedder: str, folds: Collection[int]) -> ColumnElement[bool]:
    return and_(people.c.embedder == embedder, people.c.fold.in_(list(folds)))
