"""The rows of people and their exemplars: written sealed, read opened. Opens no transaction and decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, insert, select, update

from edge.contract.fleet import PersonReport
from edge.store.codec import CodecError
from edge.store.keys import SealError
from trainer.statistics import fold_of
from trainer.store.packing import Views, unpack
from trainer.store.records import FleetPerson
from trainer.store.tables import embedders, exemplars, people
from trainer.store.vault import Vault, open_exemplar, seal_exemplar


def named(door: str, person: str) -> ColumnElement[bool]:
    """The person's row."""
    return and_(people.c.person == person, people.c.door == door)


def put_person(
    connection: Connection, vault: Vault, report: PersonReport, packed: Mapping[str, bytes], number: int | None
) -> None:
    """A reported person with all exemplars, under a fresh key; not pooled yet.

    packed: by the exemplar's id. number: of the row whose place they take; None for a new one.
    """
    key, wrapped = vault.new_person(report.door, report.person)
    values = {
        "revision": report.revision,
        "report": report.report,
        "wrapped_key": wrapped,
        "embedder": report.embedder_sha256,
        "runtime": plain_text(report.runtime),
        "verified": report.verified,
        "at_s": report.at.timestamp(),
        "clock_set": report.clock_set,
        "pooled": False,
        "damaged": False,
    }
    if number is None:
        fixed = {"door": report.door, "person": report.person, "fold": fold_of(report.person)}
        made = connection.execute(insert(people).values(**fixed, **values)).inserted_primary_key
        number = made[0] if made else 0
    else:
        connection.execute(delete(exemplars).where(exemplars.c.owner == number))
        connection.execute(update(people).where(people.c.id == number).values(**values))
    owner = (report.door, report.person)
    rows = [
        {"owner": number, "exemplar": id_, "sealed": seal_exemplar(key, *owner, id_, data)}
        for id_, data in packed.items()
    ]
    connection.execute(insert(exemplars), rows)


def delete_person(connection: Connection, number: int) -> None:
    """A row's key, and all that it sealed."""
    connection.execute(delete(exemplars).where(exemplars.c.owner == number))
    connection.execute(delete(people).where(people.c.id == number))


def open_people(
    connection: Connection, vault: Vault, rows: Sequence[Row[Any]]
) -> tuple[dict[int, FleetPerson], list[int]]:
    """Rows of `people`, opened with their exemplars, by their number; and the numbers of those that do not open.

    Nor does one with other dimensions than their embedder has.
    """
    sealed = _exemplars_of(connection, [row.id for row in rows])
    dimensions = _dimensions_of(connection, {row.embedder for row in rows})
    opened: dict[int, FleetPerson] = {}
    damaged: list[int] = []
    for row in rows:
        try:
            views = _open(vault, row, sealed.get(row.id, {}), dimensions[row.embedder])
        except (SealError, CodecError):
            damaged.append(row.id)
        else:
            opened[row.id] = FleetPerson(row.door, row.person, row.fold, row.verified, views)
    return opened, damaged


def after(query: Select[Any], last: int, chunk: int) -> Select[Any]:
    """The next rows of a query over people, in the order of their numbers, which count from 1."""
    return query.where(people.c.id > last).order_by(people.c.id).limit(chunk)


def plain_text(text: str) -> str:
    """Text as both databases take it: PostgreSQL keeps no NUL."""
    return text.replace("\0", "\ufffd")


def _exemplars_of(connection: Connection, owners: Sequence[int]) -> dict[int, dict[str, bytes]]:
    found: dict[int, dict[str, bytes]] = {}
    query = select(exemplars.c.owner, exemplars.c.exemplar, exemplars.c.sealed).where(exemplars.c.owner.in_(owners))
    for owner, exemplar, sealed in connection.execute(query.order_by(exemplars.c.owner, exemplars.c.exemplar)):
        found.setdefault(owner, {})[exemplar] = bytes(sealed)
    return found


def _dimensions_of(connection: Connection, by: Collection[str]) -> dict[str, int]:
    query = select(embedders.c.sha256, embedders.c.dimensions).where(embedders.c.sha256.in_(by))
    return {row.sha256: row.dimensions for row in connection.execute(query)}


def _open(vault: Vault, row: Row[Any], sealed: Mapping[str, bytes], dimensions: int) -> dict[str, Views]:
    if not sealed:
        raise CodecError("no exemplar is there")
    key = vault.person(row.door, row.person, bytes(row.wrapped_key))
    views = {
        exemplar: unpack(open_exemplar(key, row.door, row.person, exemplar, data)) for exemplar, data in sealed.items()
    }
    if any(one.x.shape[1] != dimensions for one in views.values()):
        raise CodecError("its embeddings have other dimensions than its embedder's")
    return views
