from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store import repair as template_repair
from edge.store.rows import _GROUP
from edge.store.schema import (
    MIGRATIONS,
    SCHEMA_VERSION,
    DamagedError,
    check_database,
    connect,
    create_database,
    migrate,
    read_meta,
    reading,
    transaction,
    version_of,
    write_meta,
)
from edge.store.told import ToldRows
from tests.fakes.templates import KEY, NOW, everything, memory_folder, open_store, outlines, pictures

NEXT = (
    *MIGRATIONS,
    ("ALTER TABLE people ADD COLUMN nickname TEXT", "CREATE TABLE rooms (name TEXT PRIMARY KEY) STRICT"),
)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "templates.db"
    create_database(path, KEY.key_id)
    return path


def tamper(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_new_database_is_whole_and_of_the_newest_schema(database: Path) -> None:
    with reading(database) as connection:
        check_database(connection, database)
        assert version_of(connection) == SCHEMA_VERSION
        assert read_meta(connection, "schema") == str(SCHEMA_VERSION)
        assert read_meta(connection, "key_id") == KEY.key_id
    assert list(everything(database.parent)) == [database]


def test_a_migration_keeps_the_people_and_moves_the_version(database: Path) -> None:
    with contextlib.closing(connect(database)) as connection:
        assert migrate(connection, NEXT) == 1
        assert migrate(connection, NEXT) == 0
        check_database(connection, database, NEXT)
        assert (version_of(connection), read_meta(connection, "schema")) == (len(NEXT), str(len(NEXT)))


def test_a_store_of_the_first_schema_is_opened_with_its_people_and_gets_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        before = outlines(store.load())
    tamper(
        tmp_path / "templates.db",
        "DROP INDEX people_merged_into",
        "DROP TABLE told",
        "PRAGMA user_version = 1",
        "UPDATE meta SET value = '1' WHERE name = 'schema'",
    )
    with open_store(tmp_path) as store:
        assert outlines(store.load()) == before
        assert version_of(store.session.connection) == SCHEMA_VERSION


def test_a_store_of_the_second_schema_is_opened_with_its_people_and_has_told_nobody_of_them(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        before = outlines(store.load())
    tamper(
        tmp_path / "templates.db",
        "DROP TABLE told",
        "PRAGMA user_version = 2",
        "UPDATE meta SET value = '2' WHERE name = 'schema'",
    )
    with open_store(tmp_path) as store:
        assert store.report == []
        assert outlines(store.load()) == before
        assert ToldRows(store.session).read() == {}
        assert version_of(store.session.connection) == SCHEMA_VERSION == 3


def test_whom_somebody_was_merged_with_is_found_without_reading_everybody(database: Path) -> None:
    with reading(database) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {_GROUP}", ("p_anna",))]
    assert any("people_merged_into" in step for step in plan)
    assert not any("SCAN people" in step for step in plan)


def test_a_migration_that_fails_leaves_the_older_schema_whole(database: Path) -> None:
    broken = (*MIGRATIONS, ("CREATE TABLE rooms (name TEXT) STRICT", "CREATE TABLE people (id TEXT)"))
    with contextlib.closing(connect(database)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="people already exists"):
            migrate(connection, broken)
        check_database(connection, database)
        assert version_of(connection) == SCHEMA_VERSION


def test_opening_an_older_store_takes_a_snapshot_and_migrates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        before = outlines(store.load())
    monkeypatch.setattr(template_repair, "SCHEMA_VERSION", len(NEXT))
    monkeypatch.setattr(template_repair, "migrate", lambda connection: migrate(connection, NEXT))
    with open_store(tmp_path) as store:
        assert outlines(store.load()) == before
        assert version_of(store.session.connection) == len(NEXT)
        (snapshot,) = store.session.snapshots.newest_first()
    with reading(snapshot) as connection:
        assert version_of(connection) == SCHEMA_VERSION


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_newer_schema_is_refused_clearly_and_left_alone(tmp_path: Path, exclusive: bool) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
    with contextlib.closing(connect(tmp_path / "templates.db")) as connection:
        migrate(connection, NEXT)
    before = (tmp_path / "templates.db").read_bytes()
    newer, known = len(NEXT), SCHEMA_VERSION
    with pytest.raises(
        StoreError, match=f"its schema is {newer} and this Doorward knows up to {known}: install the newer"
    ):
        open_store(tmp_path, exclusive=exclusive)
    assert (tmp_path / "templates.db").read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA user_version = 77",
        "PRAGMA user_version = 0",
        "DROP TABLE gone",
        "DROP INDEX exemplars_of_person",
        "CREATE TABLE songs (title TEXT)",
        "ALTER TABLE people RENAME COLUMN card TO cart",
    ],
)
def test_a_schema_that_is_not_ours_is_damage(database: Path, statement: str) -> None:
    tamper(database, statement)
    with reading(database) as connection, pytest.raises(DamagedError, match=r"templates\.db: damaged"):
        check_database(connection, database)


def test_a_transaction_that_raises_leaves_nothing(database: Path) -> None:
    with contextlib.closing(connect(database)) as connection:

        def halfway() -> None:
            with transaction(connection):
                write_meta(connection, "note", "half")
                raise RuntimeError("halfway")

        with pytest.raises(RuntimeError, match="halfway"):
            halfway()
        assert read_meta(connection, "note") is None
        assert read_meta(connection, "changes") == "0"
        with transaction(connection):
            write_meta(connection, "note", "whole")
        with transaction(connection, counted=False):
            write_meta(connection, "note", None)
        assert (read_meta(connection, "note"), read_meta(connection, "changes")) == (None, "1")


def test_a_damaged_key_id_is_told_from_a_wrong_key_and_mended(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        before = outlines(store.load())
    tamper(tmp_path / "templates.db", "UPDATE meta SET value = 'ffffffffffffffff' WHERE name = 'key_id'")
    with open_store(tmp_path) as store:
        assert "it names another key than it is encrypted with" in store.report[0]
        assert outlines(store.load()) == before
        assert read_meta(store.session.connection, "key_id") == KEY.key_id


def test_damaged_notes_do_not_keep_the_store_from_working(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
    tamper(
        tmp_path / "templates.db",
        "UPDATE meta SET value = 'x' WHERE name IN ('next_number', 'last_enrollment', 'changes')",
    )
    with open_store(tmp_path) as store:
        assert store.last_enrollment() is None
        assert store.undo_last_enrollment(wall_s=NOW) is None
        assert store.add_person(None, pictures(2), wall_s=NOW).name == "Person 1"
        assert store.snapshot() is not None
