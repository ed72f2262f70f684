"""Opening a database as a fleet's store: is it one, of which schema, sealed with which key; making and migrating it.

The steps are Alembic's, in `migrations/`, run from here in one transaction, so that a program that is killed midway
leaves the old schema, and two that start at once wait for one another.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, select, text

from edge.errors import StoreError
from edge.log import get_logger
from edge.store.keys import DeviceKey, PersonKey, SealError
from trainer.store.engine import is_postgresql, lock, reading, upsert, use_wal, writing
from trainer.store.tables import VERSION_TABLE, meta, metadata

_log = get_logger("store")

STEPS = "trainer.store:migrations"
_SUMS = "fleet"  # whom the key of the pooled sums is wrapped for; no owner is called so, theirs hold a slash


def newest_schema(steps: str = STEPS) -> str:
    """The schema that this program writes."""
    return _order(steps)[-1]


def schema_of(engine: Engine) -> str | None:
    """The schema that a database has; None for one without tables of ours."""
    with reading(engine) as connection:
        return revision_of(connection)


def key_id_of(engine: Engine) -> str | None:
    """Which key sealed a store; None where there is no store yet.

    Raises:
        SQLAlchemyError: it cannot be read.
    """
    with reading(engine) as connection:
        if not inspect(connection).has_table(meta.name):
            return None
        found = connection.scalar(select(meta.c.value).where(meta.c.name == "key_id"))
        return None if found is None else bytes(found).decode()


def prepare(engine: Engine, key: DeviceKey, store: str, *, steps: str = STEPS) -> PersonKey:
    """Make or migrate the store as needed; answers the key of the pooled sums.

    steps: where Alembic finds the migrations.

    Raises:
        StoreError: another program's, a newer schema, another key; nothing was changed.
        SQLAlchemyError: it cannot be read or written.
    """
    with writing(engine) as connection:
        lock(connection, "doorward schema")
        _check_encoding(connection, store)
        before = revision_of(connection)
        _check_ours(connection, before, store, _order(steps))
        if before is not None:
            _check_key(connection, key, store)
        after = _migrate(connection, before, steps)
        sums_key = _obtain_sums_key(connection, key, store, new=before is None)
    use_wal(engine)
    if before is None:
        _log.info("a new store was made", store=store, schema=after)
    elif before != after:
        _log.info("the store was migrated", store=store, schema_before=before, schema=after)
    return sums_key


@cache
def _order(steps: str) -> list[str]:
    """The schemas, the oldest first."""
    return [step.revision for step in ScriptDirectory.from_config(_config(steps)).walk_revisions()][::-1]


def _config(steps: str, **attributes: Any) -> Config:
    config = Config()
    config.set_main_option("script_location", steps)
    config.attributes.update(attributes)
    return config


def revision_of(connection: Connection) -> str | None:
    """The schema that a database has; None for one without tables of ours."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _migrate(connection: Connection, before: str | None, steps: str) -> str:
    if before != newest_schema(steps):
        command.upgrade(_config(steps, connection=connection), "head")
    return newest_schema(steps)


def _check_encoding(connection: Connection, store: str) -> None:
    if is_postgresql(connection):
        encoding = connection.scalar(text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise StoreError(f"{store}: its encoding is {encoding}: make the database with createdb --encoding=UTF8")


def _check_ours(connection: Connection, revision: str | None, store: str, known: list[str]) -> None:
    tables = set(inspect(connection).get_table_names())
    if revision is None and tables:
        raise StoreError(f"{store}: this is another program's database: name another in [store] url")
    if revision is not None and revision not in known:
        raise StoreError(
            f"{store}: its schema is {revision} and this Doorward knows up to {known[-1]}: "
            "install the newer Doorward again"
        )
    missing = sorted(set(metadata.tables) - tables)
    if revision == known[-1] and missing:
        raise StoreError(f"{store}: its tables are not complete, {missing[0]} is missing: restore it from a backup")


def _check_key(connection: Connection, key: DeviceKey, store: str) -> None:
    found = connection.scalar(select(meta.c.value).where(meta.c.name == "key_id"))
    key_id = "" if found is None else bytes(found).decode(errors="replace")
    if not key.matches(key_id):
        raise StoreError(
            f"{store}: was sealed with key {key_id or 'unknown'}, and this is key {key.key_id}: "
            "name the right file in [store] key_file, or put it back from a backup"
        )


def _obtain_sums_key(connection: Connection, key: DeviceKey, store: str, *, new: bool) -> PersonKey:
    if new:
        made = PersonKey.generate()
        for name, value in {"key_id": key.key_id.encode(), "sums_key": key.wrap(made, _SUMS)}.items():
            connection.execute(upsert(connection, meta, {"name": name, "value": value}, None))
        return made
    wrapped = connection.scalar(select(meta.c.value).where(meta.c.name == "sums_key"))
    try:
        return key.unwrap(bytes(wrapped or b""), _SUMS)
    except SealError:
        raise StoreError(f"{store}: the key of its sums is damaged: restore it from a backup") from None
