"""Bringing rows over from a damaged database, or from a snapshot, into a good one. Moves sealed rows as they are.

No row is believed for standing in a file: it is taken only when its seals open under the device key for exactly that
place. So the worst that damage can do is to leave a row out.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from types import NoneType
from typing import Any, TypeAlias

from edge.errors import StoreError
from edge.store.codec import CodecError
from edge.store.keys import DeviceKey, SealError
from edge.store.rows import PersonRow, SealedRows
from edge.store.schema import read_meta, transaction, write_meta

_Types: TypeAlias = tuple[type | tuple[type, ...], ...]

_PEOPLE = "SELECT id, wrapped_key, card, merged_into, seen_s FROM people"
_EXEMPLARS = "SELECT id, person, kind, review, record, views FROM exemplars"
_GONE = "SELECT id, wall_s FROM gone"
# In a damaged file a column may hold anything.
_PEOPLE_TYPES = (str, bytes, bytes, (str, NoneType), (float, NoneType))
_EXEMPLAR_TYPES = (str, str, str, (str, NoneType), bytes, (bytes, NoneType))
_GONE_TYPES = (str, float)
_RECORD_AND_VIEWS = 2


def salvage(target: sqlite3.Connection, source: sqlite3.Connection, key: DeviceKey) -> int:
    """Bring over the rows of `source` that open and that `target` lacks, cannot open, or has in an older revision.

    Ids that either notes as gone stay away. Answers how many rows were written; `source` may be badly damaged.

    Raises:
        sqlite3.Error: `target` does not take them.
    """
    rows = SealedRows(target, key)
    with transaction(target):
        target.executemany("INSERT OR IGNORE INTO gone VALUES (?, ?)", _readable(source, _GONE, "id", _GONE_TYPES))
        gone = {row[0] for row in target.execute("SELECT id FROM gone")}
        _raise_next_number(target, source)
        written = 0
        for row in _readable(source, _PEOPLE, "rowid", _PEOPLE_TYPES):
            if row[0] not in gone:
                written += _salvage_person(target, rows, row)
        for row in _readable(source, _EXEMPLARS, "rowid", _EXEMPLAR_TYPES):
            if not {row[0], row[1]} & gone:
                written += _salvage_exemplar(target, rows, row)
    return written


def opens_any(connection: sqlite3.Connection, key: DeviceKey) -> bool:
    """Whether the key opens the row of at least one person."""
    rows = SealedRows(connection, key)
    return any(_open_person(rows, row) for row in _readable(connection, _PEOPLE, "rowid", _PEOPLE_TYPES))


def _readable(source: sqlite3.Connection, query: str, order: str, types: _Types) -> Iterator[tuple[Any, ...]]:
    """As many rows as can be read: from the front to the first bad page, and from the back to the last one."""
    seen: set[str] = set()
    for direction in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.Error):
            for row in source.execute(f"{query} ORDER BY {order} {direction}"):
                if all(map(isinstance, row, types)) and row[0] not in seen:
                    seen.add(row[0])
                    yield row
            return


def _salvage_person(target: sqlite3.Connection, rows: SealedRows, row: tuple[Any, ...]) -> int:
    found = _open_person(rows, row)
    if found is None:
        return 0
    raw = target.execute(f"{_PEOPLE} WHERE id = ?", (found.id,)).fetchone()
    held = _open_person(rows, raw) if raw is not None else None
    if held is not None:
        other_key = held.key.secret != found.key.secret  # erased and taken in again: an older life of theirs
        if other_key or held.card.revision >= found.card.revision:
            return 0
    target.execute(
        "INSERT INTO people VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET wrapped_key = excluded.wrapped_key,"
        " card = excluded.card, merged_into = excluded.merged_into, seen_s = excluded.seen_s",
        row,
    )
    return 1


def _salvage_exemplar(target: sqlite3.Connection, rows: SealedRows, row: tuple[Any, ...]) -> int:
    held = target.execute(f"{_EXEMPLARS} WHERE id = ?", (row[0],)).fetchone()
    found_parts = _parts_that_open(rows, row)
    if found_parts <= (0 if held is None else _parts_that_open(rows, held)):
        return 0
    whole = row if found_parts == _RECORD_AND_VIEWS else (*row[:-1], None)
    target.execute("INSERT OR REPLACE INTO exemplars VALUES (?, ?, ?, ?, ?, ?)", whole)
    return 1


def _open_person(rows: SealedRows, row: tuple[Any, ...]) -> PersonRow | None:
    try:
        return rows.open_person((row[0], row[1], row[2], row[3], row[4]))
    except (SealError, CodecError):
        return None


def _parts_that_open(rows: SealedRows, row: tuple[Any, ...]) -> int:
    """0 for nothing, 1 for the record alone, 2 for record and views. Views do not count without their record."""
    exemplar, person, kind, review, record, views = row
    try:
        holder = rows.person(person)
        rows.open_exemplar(holder, (exemplar, kind, review, record))
    except (StoreError, CodecError, ValueError):  # StoreError: nobody of that id, or a seal that does not open
        return 0
    return _RECORD_AND_VIEWS if rows.views_open(holder, exemplar, kind, views) else 1


def _raise_next_number(target: sqlite3.Connection, source: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error, ValueError):
        theirs = int(read_meta(source, "next_number") or 1)
        ours = int(read_meta(target, "next_number") or 1)
        write_meta(target, "next_number", str(max(theirs, ours)))
