"""What Alembic runs for a migration: the steps, on the connection and in the transaction that `schema.py` gives it."""

from __future__ import annotations

from alembic import context

from trainer.store.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
