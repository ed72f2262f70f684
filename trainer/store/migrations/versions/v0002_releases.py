"""Releases, which doors they go to, and how far each door is."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Integer, String, Text

revision = "0002"
down_revision = "0001"

_ID, _HASH, _WORD = String(64), String(64), String(32)


def upgrade() -> None:
    """Three more tables; the others stay as they are."""
    op.create_table(
        "releases",
        Column("id", _ID, primary_key=True),
        Column("counter", BigInteger, nullable=False, unique=True),
        Column("compatible", _HASH, nullable=False),
        Column("description", Text, nullable=False),
        Column("status", _WORD, nullable=False),
        Column("signed_s", Double, nullable=False),
        Column("published_s", Double),
        Column("rings", Text, nullable=False),
        Column("ring", Integer, nullable=False),
        Column("ring_opened_s", Double),
        Column("why", Text, nullable=False),
        Column("even_refused", Text),
        Column("withdrawn_counter", BigInteger),
    )
    op.create_table(
        "rollout_doors",
        Column("release", _ID, ForeignKey("releases.id", ondelete="CASCADE"), primary_key=True),
        Column("door", _ID, ForeignKey("doors.id"), primary_key=True),
        Column("ring", Integer, nullable=False),
        Column("status", _WORD, nullable=False),
        Column("changed_s", Double, nullable=False),
        Column("rolled_back", Boolean, nullable=False),
        Column("excused", Boolean, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("reason", Text),
    )
    op.create_index("rollout_doors_by_door", "rollout_doors", ["door"])
    op.create_table(
        "door_updates",
        Column("door", _ID, ForeignKey("doors.id"), primary_key=True),
        Column("release", Text, nullable=False),
        Column("counter", BigInteger, nullable=False),
        Column("target", _ID),
        Column("state", _WORD, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("reason", Text),
        Column("progress", Double, nullable=False),
        Column("missing_layers", Text, nullable=False),
        Column("at_s", Double, nullable=False),
        Column("clock_set", Boolean, nullable=False),
        Column("received_s", Double, nullable=False),
    )
