"""Opening a store: what is refused, in one line with the way out, and what a migration does."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from edge.errors import SettingsError, StoreError
from edge.store.keys import DeviceKey
from tests.fakes.fleet import EMBEDDER, KEY, report
from tests.fakes.postgres import Postgres
from trainer.store import migrations
from trainer.store.engine import make_engine, parse_url, reading, writing
from trainer.store.schema import key_id_of, newest_schema, prepare, revision_of
from trainer.store.store import FleetStore
from trainer.store.tables import VERSION_TABLE, metadata

STEP = '''"""One more step."""
from alembic import op
from sqlalchemy import Column, Text

revision, down_revision = "8888", "0002"


def upgrade() -> None:
    op.add_column("doors", Column("note", Text))
'''


def run(database: str, *statements: str) -> None:
    engine = make_engine(parse_url(database))
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def refusal(url: str, key: DeviceKey = KEY) -> str:
    with pytest.raises(StoreError) as caught:
        FleetStore.open(url, key)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_new_store_has_the_tables_that_the_program_knows(database: str) -> None:
    FleetStore.open(database, KEY).close()
    engine = make_engine(parse_url(database))
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert revision_of(connection) == newest_schema()
    assert key_id_of(engine) == KEY.key_id
    engine.dispose()


def test_a_store_is_opened_again_with_what_was_in_it(open_store: Callable[[], FleetStore]) -> None:
    with open_store() as store, store.write() as writer:
        writer.person(report())
    assert [one.person for one in open_store().embeddings(EMBEDDER)] == ["p7"]


def test_no_store_has_no_key(database: str) -> None:
    engine = make_engine(parse_url(database))
    assert key_id_of(engine) is None
    engine.dispose()


def test_a_store_of_another_key_is_left_alone(database: str) -> None:
    with FleetStore.open(database, KEY) as store, store.write() as writer:
        writer.person(report())
    other = DeviceKey.generate()
    line = refusal(database, other)
    assert f"was sealed with key {KEY.key_id}, and this is key {other.key_id}: name the right file" in line
    assert [one.person for one in FleetStore.open(database, KEY).embeddings(EMBEDDER)] == ["p7"]


def test_a_store_of_a_newer_schema_is_left_alone(database: str) -> None:
    FleetStore.open(database, KEY).close()
    run(database, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    line = refusal(database)
    assert f"its schema is 9999 and this Doorward knows up to {newest_schema()}: install the newer" in line


def test_another_programs_database_is_left_alone(database: str) -> None:
    run(database, "CREATE TABLE recipes (cake TEXT)", "INSERT INTO recipes VALUES ('plum')")
    assert "this is another program's database: name another in [store] url" in refusal(database)
    engine = make_engine(parse_url(database))
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT cake FROM recipes")) == "plum"
        if engine.dialect.name == "sqlite":
            assert connection.scalar(text("PRAGMA journal_mode")) == "delete"
    engine.dispose()


def test_a_store_that_lacks_a_table_is_told(database: str) -> None:
    FleetStore.open(database, KEY).close()
    run(database, "DROP TABLE pooled")
    assert "its tables are not complete, pooled is missing: restore it from a backup" in refusal(database)


def test_a_damaged_key_of_the_sums_is_told(database: str) -> None:
    FleetStore.open(database, KEY).close()
    run(database, "DELETE FROM meta WHERE name = 'sums_key'")
    assert "the key of its sums is damaged: restore it from a backup" in refusal(database)


def steps(folder: Path) -> str:
    """The real migrations and one more."""
    (folder / "versions").mkdir(parents=True)
    real = Path(migrations.__file__).parent
    for name in ("env.py", *(f"versions/{step.name}" for step in (real / "versions").glob("v*.py"))):
        (folder / name).write_text((real / name).read_text())
    (folder / "versions" / "v8888_note.py").write_text(STEP)
    return str(folder)


def test_an_older_schema_is_migrated_with_what_is_in_it(database: str, tmp_path: Path) -> None:
    with FleetStore.open(database, KEY) as store, store.write() as writer:
        writer.person(report())
    engine = make_engine(parse_url(database))
    prepare(engine, KEY, "the store", steps=steps(tmp_path / "steps"))
    with reading(engine) as connection:
        assert revision_of(connection) == "8888"
        assert connection.execute(text("SELECT id, note FROM doors")).one() == ("front", None)
    engine.dispose()
    assert "its schema is 8888" in refusal(database)


def test_a_migration_that_fails_leaves_the_old_schema(database: str, tmp_path: Path) -> None:
    FleetStore.open(database, KEY).close()
    where = steps(tmp_path / "steps")
    step = Path(where) / "versions" / "v8888_note.py"
    step.write_text(STEP + '    raise RuntimeError("the power is out")\n')
    engine = make_engine(parse_url(database))
    with pytest.raises(RuntimeError):
        prepare(engine, KEY, "the store", steps=where)
    with reading(engine) as connection:
        assert revision_of(connection) == newest_schema()
    engine.dispose()
    FleetStore.open(database, KEY).close()


def test_programs_that_make_the_store_at_once_wait_for_one_another(database: str) -> None:
    failed: list[BaseException] = []

    def make() -> None:
        try:
            FleetStore.open(database, KEY).close()
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


@pytest.mark.parametrize(
    "url", ["", "fleet.db", "mysql://host/x", "sqlite://", "sqlite:///", "://", "http://[::1", "ä:b"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"\[store\] url: must be sqlite:///FILE or postgresql://USER@HOST"):
        FleetStore.open(url, KEY)


def test_a_password_is_in_no_line() -> None:
    with pytest.raises(StoreError) as caught:
        FleetStore.open("postgresql://me:sesame@/x?host=/nonexistent&connect_timeout=2", KEY)
    assert "sesame" not in str(caught.value)
    with pytest.raises(SettingsError) as refused:
        FleetStore.open("mysql://me:sesame@host/x", KEY)
    assert "sesame" not in str(refused.value)


def test_a_sqlite_file_is_for_its_user_alone_and_as_durable_as_it_can_be(tmp_path: Path) -> None:
    file = tmp_path / "state" / "fleet.db"
    with FleetStore.open(f"sqlite:///{file}", KEY) as store, store.write() as writer:
        writer.person(report())
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()]
        assert modes == [0o600] * 3  # with the write-ahead log and its index
    file.chmod(0o644)
    FleetStore.open(f"sqlite:///{file}", KEY).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    engine = make_engine(parse_url(f"sqlite:///{file}"))
    with reading(engine) as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        }
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "fleet.db"
    file.write_bytes(b"not a database at all, and long enough to be looked at" * 40)
    assert f"{file}: opening the store failed: it is no database, or damaged" in refusal(f"sqlite:///{file}")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "the store's file cannot be made: File exists" in refusal(f"sqlite:///{tmp_path}/file/fleet.db")


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    assert "it cannot be opened: look whether" in refusal(f"sqlite:///{tmp_path}")


def test_a_sqlite_store_that_somebody_else_writes_to_for_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.store.engine._BUSY_S", 0.2)
    url = f"sqlite:///{tmp_path}/fleet.db"
    FleetStore.open(url, KEY).close()
    other = sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "it is in use by another process: try again" in refusal(url)
    other.close()


def test_a_postgresql_that_is_not_there_is_told(tmp_path: Path) -> None:
    line = refusal(f"postgresql://somebody@/fleet?host={tmp_path}")
    assert line.startswith("postgresql://somebody@/fleet: opening the store failed: ")
    assert "No such file or directory" in line


def test_a_database_that_is_not_there_is_told(postgres: Postgres) -> None:
    assert "there is no such database: make it (createdb)" in refusal(postgres.url("nowhere"))


def test_a_user_without_rights_is_told(postgres: Postgres) -> None:
    url = postgres.empty_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
    assert "the database user lacks the rights: let it own the database" in refusal(url.replace("doorward@", "guest@"))


def test_a_database_of_another_encoding_is_told(postgres: Postgres) -> None:
    url = postgres.make_database("latin", encoding="LATIN1")
    assert "its encoding is LATIN1: make the database with createdb --encoding=UTF8" in refusal(url)
