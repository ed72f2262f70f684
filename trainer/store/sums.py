"""The pooled sums, and how people get into them and out.

What holds at the end of every transaction: the sums of (embedder, fold) are those of all people of it whose row says
`pooled`. Adding is done a chunk a transaction, so that it can be killed anywhere and goes on where it was, and so that
memory stays flat. Where somebody who is to be taken out does not open any more, or the sums themselves do not, the
fold's sums are dropped and its people are new again: the next refresh adds them up from their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, false, func, select, true, update

from edge.log import get_logger
from edge.store.keys import SealError
from trainer.statistics import FOLDS, Statistics
from trainer.store.engine import lock, reading, upsert, writing
from trainer.store.packing import sums_of
from trainer.store.people import after, open_people
from trainer.store.records import FleetPerson, Pooling
from trainer.store.tables import embedders, people, pooled
from trainer.store.vault import Vault

_log = get_logger("store")

Progress = Callable[[int, int], None]
Fold = tuple[str, int]  # embedder, fold


class Departures:
    """Whom one transaction takes out of the sums; written once, at its end, in an order that all writers share."""

    def __init__(self) -> None:
        self._sums: dict[Fold, Statistics] = {}
        self._spoilt: set[Fold] = set()

    def add(self, fold: Fold, person: FleetPerson | None) -> None:
        """person: as stored; None where they do not open."""
        if person is None:
            self._spoilt.add(fold)
            return
        theirs = sums_of([list(person.exemplars.values())])
        self._sums[fold] = self._sums[fold] + theirs if fold in self._sums else theirs

    def write(self, connection: Connection, vault: Vault) -> None:
        for fold in sorted(self._sums.keys() | self._spoilt):
            _lock(connection, fold)
            sums = None if fold in self._spoilt else _load(connection, vault, fold)
            if sums is None:
                _start_over(connection, fold)
            else:
                _save(connection, vault, fold, sums - self._sums[fold])


def pool_new(engine: Engine, vault: Vault, embedder: str, chunk: int, progress: Progress | None) -> Pooling:
    """Add to the sums everybody who is not in them."""
    for fold in range(FOLDS):
        with writing(engine) as connection:
            _lock(connection, (embedder, fold))
            _load(connection, vault, (embedder, fold))  # begins those anew that are damaged
    with reading(engine) as connection:
        total = connection.scalar(select(func.count()).select_from(people).where(_new(embedder))) or 0
    done = Pooling(0, 0)
    for fold in range(FOLDS):
        while True:
            with writing(engine) as connection:
                step = _pool_chunk(connection, vault, (embedder, fold), chunk)
            if step == Pooling(0, 0):
                break
            done = Pooling(done.added + step.added, done.damaged + step.damaged)
            if progress is not None:
                progress(done.added + done.damaged, max(total, done.added + done.damaged))
    return done


def read_pooled(connection: Connection, vault: Vault, embedder: str) -> list[Statistics]:
    """The sums of each fold; an empty list for an embedder that nobody was reported by.

    Raises:
        SealError: one does not open.
    """
    dimensions = connection.scalar(select(embedders.c.dimensions).where(embedders.c.sha256 == embedder))
    if dimensions is None:
        return []
    found = connection.execute(select(pooled.c.fold, pooled.c.sealed).where(pooled.c.embedder == embedder))
    sums = {fold: vault.open_sums(embedder, fold, bytes(sealed)) for fold, sealed in found}
    return [sums.get(fold, Statistics.empty(dimensions)) for fold in range(FOLDS)]


def start_over(engine: Engine, embedder: str) -> None:
    """Drop an embedder's sums and make its people new, whose damage is looked at again too."""
    with writing(engine) as connection:
        _all_over(connection, embedder)


def correct_dimensions(engine: Engine, dimensions: Mapping[str, int]) -> None:
    """Put right what a first report noted of embedders that are known now, and begin their sums anew.

    dimensions: by sha256.
    """
    for embedder, right in dimensions.items():
        wrong = and_(embedders.c.sha256 == embedder, embedders.c.dimensions != right)
        with reading(engine) as connection:
            if connection.scalar(select(embedders.c.sha256).where(wrong)) is None:
                continue
        with writing(engine) as connection:
            if connection.execute(update(embedders).where(wrong).values(dimensions=right)).rowcount:
                _all_over(connection, embedder)
        _log.warning("people were reported with another embedder's dimensions; they are left out", embedder=embedder)


def _all_over(connection: Connection, embedder: str) -> None:
    connection.execute(update(people).where(people.c.embedder == embedder).values(damaged=False))
    for fold in range(FOLDS):
        _lock(connection, (embedder, fold))
        _start_over(connection, (embedder, fold))


def _new(embedder: str) -> ColumnElement[bool]:
    return and_(people.c.embedder == embedder, people.c.pooled == false(), people.c.damaged == false())


def _pool_chunk(connection: Connection, vault: Vault, fold: Fold, chunk: int) -> Pooling:
    """Some of a fold's new people, in one transaction. Whom another writer holds is left for the next time."""
    query = after(select(people).where(_new(fold[0]), people.c.fold == fold[1]), 0, chunk)
    rows = connection.execute(query.with_for_update(skip_locked=True)).all()
    opened, damaged = open_people(connection, vault, rows)
    if damaged:
        _log.warning("people do not open and are left out of the sums", people=len(damaged), embedder=fold[0])
        _mark(connection, damaged, damaged=True)
    if opened:
        sums = sums_of([list(person.exemplars.values()) for person in opened.values()])
        _lock(connection, fold)
        before = _load(connection, vault, fold)
        _save(connection, vault, fold, sums if before is None else before + sums)
        _mark(connection, list(opened), pooled=True)
    return Pooling(len(opened), len(damaged))


def _mark(connection: Connection, numbers: Sequence[int], **values: bool) -> None:
    connection.execute(update(people).where(people.c.id.in_(numbers)).values(**values))


def _lock(connection: Connection, fold: Fold) -> None:
    lock(connection, f"sums {fold[0]} {fold[1]}")


def _load(connection: Connection, vault: Vault, fold: Fold) -> Statistics | None:
    """None where there are none yet, or they were damaged and are therefore begun anew."""
    sealed = connection.scalar(select(pooled.c.sealed).where(_of(fold)))
    if sealed is None:
        return None
    try:
        return vault.open_sums(*fold, bytes(sealed))
    except SealError:
        _log.warning("sums do not open; they are added up anew from the people", embedder=fold[0], fold=fold[1])
        _start_over(connection, fold)
        return None


def _save(connection: Connection, vault: Vault, fold: Fold, sums: Statistics) -> None:
    if sums.people == 0:  # of nobody nothing is kept, not even what rounding left
        connection.execute(delete(pooled).where(_of(fold)))
        return
    values = {"people": sums.people, "sealed": vault.seal_sums(*fold, sums)}
    row = {"embedder": fold[0], "fold": fold[1], **values}
    connection.execute(upsert(connection, pooled, row, values))


def _start_over(connection: Connection, fold: Fold) -> None:
    connection.execute(delete(pooled).where(_of(fold)))
    theirs = and_(people.c.embedder == fold[0], people.c.fold == fold[1], people.c.pooled == true())
    connection.execute(update(people).where(theirs).values(pooled=False))


def _of(fold: Fold) -> ColumnElement[bool]:
    return and_(pooled.c.embedder == fold[0], pooled.c.fold == fold[1])
