"""The tables of the fleet's store, as the newest migration leaves them. How they are made is `migrations/`'s.

No name of a person is in any, and what was computed from a face is sealed:
- `meta`: `key_id` (which key sealed this store), `sums_key` (the wrapped key of the pooled sums), `remains` (a mark
  that erased bytes are still to be scrubbed from the files), `refresh_started`.
- `doors`: when each was first and last heard of, and its last `DoorState`.
- `people`: a row a person and door: their key, wrapped by the store's. Destroying it is what erasing is. `pooled`:
  their contribution is in `pooled`; `damaged`: it could not be opened, or has other dimensions, so they were left out.
- `exemplars`: a row a picture; `sealed` holds its embeddings, clean and by night, under the person's key.
- `gone`: erasures, so that a report from before one brings nobody back. Door `*` stands for every door.
- `pooled`: the sealed sums of all people of a fold whose row says `pooled`.
- `embedders`: how many dimensions the embeddings of each have: of a known one what is known, else what came first.
- `event_quality`: of each event how good its pictures were and how sure the answer; neither who it was nor a name.
- `set_aside`: messages that could not be used, and why; `head` is their beginning, sealed under a key of its own.
- `refreshes`: what each refresh decided.
- `releases`: what was signed, with its rings and how far it is. `rollout_doors`: of each release and door the same.
- `door_updates`: what each door last said of releases.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

EVERY_DOOR = "*"
VERSION_TABLE = "fleet_schema"

_ID, _HASH = String(64), String(64)
# SQLite numbers rows by itself only where the key is a plain INTEGER.
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

meta = Table(
    "meta", metadata, Column("name", String(64), primary_key=True), Column("value", LargeBinary, nullable=False)
)

doors = Table(
    "doors",
    metadata,
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

embedders = Table(
    "embedders",
    metadata,
    Column("sha256", _HASH, primary_key=True),
    Column("dimensions", Integer, nullable=False),
)

people = Table(
    "people",
    metadata,
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
    Index("people_to_pool", "embedder", "fold", "pooled", "damaged", "id"),
)

exemplars = Table(
    "exemplars",
    metadata,
    Column("owner", BigInteger, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("exemplar", _ID, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

gone = Table(
    "gone",
    metadata,
    Column("person", _ID, primary_key=True),
    Column("door", _ID, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("at_s", Double, nullable=False),
)

pooled = Table(
    "pooled",
    metadata,
    Column("embedder", _HASH, primary_key=True),
    Column("fold", SmallInteger, primary_key=True),
    Column("people", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

event_quality = Table(
    "event_quality",
    metadata,
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
    Index("event_quality_by_age", "received_s"),
)

set_aside = Table(
    "set_aside",
    metadata,
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
    Index("set_aside_by_age", "at_s"),
    Index("set_aside_by_person", "person"),
)

refreshes = Table(
    "refreshes",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("at_s", Double, nullable=False),
    Column("embedder", _HASH, nullable=False),
    Column("decision", String(32), nullable=False),
    Column("candidate", Text),
    Column("report", Text),
    Column("counts", Text, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("counter", BigInteger, nullable=False, unique=True),
    Column("compatible", _HASH, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("signed_s", Double, nullable=False),
    Column("published_s", Double),
    Column("rings", Text, nullable=False),
    Column("ring", Integer, nullable=False),
    Column("ring_opened_s", Double),
    Column("why", Text, nullable=False),
    Column("even_refused", Text),
    Column("withdrawn_counter", BigInteger),
)

rollout_doors = Table(
    "rollout_doors",
    metadata,
    Column("release", _ID, ForeignKey("releases.id", ondelete="CASCADE"), primary_key=True),
    Column("door", _ID, ForeignKey("doors.id"), primary_key=True),
    Column("ring", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("changed_s", Double, nullable=False),
    Column("rolled_back", Boolean, nullable=False),
    Column("excused", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("reason", Text),
    Index("rollout_doors_by_door", "door"),
)

door_updates = Table(
    "door_updates",
    metadata,
    Column("door", _ID, ForeignKey("doors.id"), primary_key=True),
    Column("release", Text, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("target", _ID),
    Column("state", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("reason", Text),
    Column("progress", Double, nullable=False),
    Column("missing_layers", Text, nullable=False),
    Column("at_s", Double, nullable=False),
    Column("clock_set", Boolean, nullable=False),
    Column("received_s", Double, nullable=False),
)
