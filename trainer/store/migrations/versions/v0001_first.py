"""The first tables."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
)

revision = "0001"
down_revision = None

_ID, _HASH = String(64), String(64)
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    """An empty store."""
    _keys_and_doors()
    _people()
    _sums()
    _messages()


def _keys_and_doors() -> None:
    op.create_table(
        "meta",
        Column("name", String(64), primary_key=True),
        Column("value", LargeBinary, nullable=False),
    )
    op.create_table(
        "doors",
        Column("id", _ID, primary_key=True),
        Column("first_seen_s", Double, nullable=False),
        Column("last_seen_s", Double, nullable=False),
        Column("state_s", Double),
        Column("version", Text),
        Column("release", Text),
        Column("embedder", _HASH),
        Column("runtime", Text),
        Column("camera", String(16)),
        Column("people", BigInteger),
        Column("queued", BigInteger),
        Column("dropped", BigInteger),
        Column("last_frame_age_s", Double),
        Column("clock_set", Boolean),
        Column("degraded", Text),
    )
    op.create_table(
        "embedders",
        Column("sha256", _HASH, primary_key=True),
        Column("dimensions", Integer, nullable=False),
    )


def _people() -> None:
    op.create_table(
        "people",
        Column("id", _NUMBER, primary_key=True, autoincrement=True),
        Column("door", _ID, ForeignKey("doors.id"), nullable=False),
        Column("person", _ID, nullable=False),
        Column("revision", BigInteger, nullable=False),
        Column("report", Uuid, nullable=False),
        Column("wrapped_key", LargeBinary, nullable=False),
        Column("embedder", _HASH, ForeignKey("embedders.sha256"), nullable=False),
        Column("runtime", Text, nullable=False),
        Column("verified", Boolean, nullable=False),
        Column("at_s", Double, nullable=False),
        Column("clock_set", Boolean, nullable=False),
        Column("fold", SmallInteger, nullable=False),
        Column("pooled", Boolean, nullable=False),
        Column("damaged", Boolean, nullable=False),
        UniqueConstraint("person", "door", name="people_once"),
    )
    op.create_index("people_to_pool", "people", ["embedder", "fold", "pooled", "damaged", "id"])
    op.create_table(
        "exemplars",
        Column("owner", BigInteger, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
        Column("exemplar", _ID, primary_key=True),
        Column("sealed", LargeBinary, nullable=False),
    )
    op.create_table(
        "gone",
        Column("person", _ID, primary_key=True),
        Column("door", _ID, primary_key=True),
        Column("revision", BigInteger, nullable=False),
        Column("at_s", Double, nullable=False),
    )


def _sums() -> None:
    op.create_table(
        "pooled",
        Column("embedder", _HASH, primary_key=True),
        Column("fold", SmallInteger, primary_key=True),
        Column("people", BigInteger, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
    )
    op.create_table(
        "refreshes",
        Column("id", _NUMBER, primary_key=True, autoincrement=True),
        Column("at_s", Double, nullable=False),
        Column("embedder", _HASH, nullable=False),
        Column("decision", String(32), nullable=False),
        Column("candidate", Text),
        Column("report", Text),
        Column("counts", Text, nullable=False),
    )


def _messages() -> None:
    op.create_table(
        "event_quality",
        Column("event", Uuid, primary_key=True),
        Column("door", _ID, nullable=False),
        Column("received_s", Double, nullable=False),
        Column("at_s", Double, nullable=False),
        Column("clock_set", Boolean, nullable=False),
        Column("phase", String(16), nullable=False),
        Column("outcome", String(16), nullable=False),
        Column("reason", String(32)),
        Column("width_px", Double, nullable=False),
        Column("sharpness", Double, nullable=False),
        Column("brightness", Double, nullable=False),
        Column("away_deg", Double, nullable=False),
        Column("presence", Double, nullable=False),
        Column("score", Double),
        Column("margin", Double),
        Column("frames", BigInteger, nullable=False),
        Column("good_frames", BigInteger, nullable=False),
        Column("release", Text, nullable=False),
    )
    op.create_index("event_quality_by_age", "event_quality", ["received_s"])
    op.create_table(
        "set_aside",
        Column("id", _NUMBER, primary_key=True, autoincrement=True),
        Column("door", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("person", _ID),
        Column("reason", Text, nullable=False),
        Column("at_s", Double, nullable=False),
        Column("times", BigInteger, nullable=False),
        Column("bytes", BigInteger, nullable=False),
        Column("sha256", _HASH, nullable=False),
        Column("wrapped_key", LargeBinary, nullable=False),
        Column("head", LargeBinary, nullable=False),
        UniqueConstraint("topic", "sha256", name="set_aside_once"),
    )
    op.create_index("set_aside_by_age", "set_aside", ["at_s"])
    op.create_index("set_aside_by_person", "set_aside", ["person"])
