"""What a store holds, counted. Reads only."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from trainer.store.records import Door, OfEmbedder, Refresh, Status
from trainer.store.schema import revision_of
from trainer.store.tables import (
    doors,
    embedders,
    event_quality,
    exemplars,
    gone,
    meta,
    people,
    refreshes,
    set_aside,
)


def read_status(connection: Connection, store: str, key_id: str) -> Status:
    """Everything that `doorward-trainer status` tells."""
    return Status(
        store=store,
        schema=str(revision_of(connection)),
        key_id=key_id,
        doors=tuple(read_doors(connection)),
        embedders=_embedders(connection),
        erased=_count(connection, gone),
        events=_count(connection, event_quality),
        set_aside=_set_aside(connection),
        last_refresh=next(iter(read_refreshes(connection, 1)), None),
        remains=connection.scalar(select(meta.c.name).where(meta.c.name == "remains")) is not None,
    )


def read_doors(connection: Connection) -> list[Door]:
    """Every door that was ever heard of, by name."""
    return [_door(row) for row in connection.execute(select(doors).order_by(doors.c.id))]


def read_refreshes(connection: Connection, limit: int) -> list[Refresh]:
    """The newest first."""
    rows = connection.execute(select(refreshes).order_by(refreshes.c.id.desc()).limit(limit))
    return [
        Refresh(row.at_s, row.embedder, row.decision, row.candidate, row.report, json.loads(row.counts)) for row in rows
    ]


def _embedders(connection: Connection) -> dict[str, OfEmbedder]:
    theirs = people.c.embedder == embedders.c.sha256
    counts = (
        select(
            embedders.c.sha256,
            func.count(people.c.person),
            func.sum(case((people.c.pooled, 1), else_=0)),
            func.sum(case((people.c.damaged, 1), else_=0)),
            embedders.c.dimensions,
        )
        .select_from(embedders.outerjoin(people, theirs))
        .group_by(embedders.c.sha256, embedders.c.dimensions)
        .order_by(embedders.c.sha256)
    )
    pictures = _exemplars(connection)
    return {
        sha256: OfEmbedder(number, int(done), int(damaged), pictures.get(sha256, 0), dimensions)
        for sha256, number, done, damaged, dimensions in connection.execute(counts)
    }


def _exemplars(connection: Connection) -> dict[str, int]:
    same = exemplars.c.owner == people.c.id
    query = select(people.c.embedder, func.count()).join_from(people, exemplars, same).group_by(people.c.embedder)
    return {embedder: int(number) for embedder, number in connection.execute(query)}


def _set_aside(connection: Connection) -> dict[str, int]:
    times = func.sum(set_aside.c.times)
    query = select(set_aside.c.reason, times).group_by(set_aside.c.reason).order_by(times.desc(), set_aside.c.reason)
    return {reason: int(number) for reason, number in connection.execute(query)}


def _count(connection: Connection, table: Any) -> int:
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def _door(row: Row[Any]) -> Door:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    return Door(**{**values, "degraded": tuple(json.loads(values["degraded"] or "[]"))})
