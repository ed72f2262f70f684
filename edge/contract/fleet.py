"""What a door tells the trainer of those whom it enrolled: the only messages that hold embeddings. No name is in one.

A door sends them only where its operator turned that on. `PersonReport` holds all that is shared of one person and
takes the place of what was told of them before; `PersonErased` takes it away. Of two messages about one person at one
door the one of the higher `revision` holds, in whatever order they come; `FleetAck` answers the other one as well.
How they are parsed is `codec.py`'s, their version rule that of `messages.py`. Turning views into arrays is left to
both programs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from edge.contract.codec import Check, between, chars, count
from edge.contract.messages import Counter, Id, Message, Schema, Sha256, Share, Word

MOST_EXEMPLARS = 64
MOST_NIGHT_VIEWS = 8
LONGEST_EMBEDDING = 4096
_LOWEST_LEVEL = 0x80  # -128 as a byte: symmetric levels end at -127


def levels_of(text: str) -> bytes | None:
    """The int8 levels in a view's `x`, a byte each; None where `text` holds none that a door would write."""
    try:
        levels = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not 1 <= len(levels) <= LONGEST_EMBEDDING or _LOWEST_LEVEL in levels or not any(levels):
        return None
    return levels if text_of(levels) == text else None  # bits that nobody reads would tell copies apart


def text_of(levels: bytes) -> str:
    """A view's `x`; see `levels_of`."""
    return base64.b64encode(levels).decode("ascii")


# The refusal tells the length alone: an embedding has no place in a log line.
Levels = Annotated[
    str,
    Check(
        lambda text: levels_of(text) is not None,
        f"must be base64 of 1 to {LONGEST_EMBEDDING} bytes, levels of -127 to 127, one of them not 0",
        lambda text: f"{len(text)} characters that are not",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """An embedding of one picture, with how good that picture is; units as in `edge.recognition.types.Quality`.

    x: base64 (RFC 4648, section 4, padded) of D int8 levels; times `scale` they are the embedding of length 1, nearly.
    norm: the embedder's own, before it was brought to length 1.
    """

    x: Levels = field(repr=False)
    scale: Annotated[float, between(1e-4, 1e-2)]  # a 127th of the largest of at most 4096 numbers, with room to spare
    norm: Annotated[float, between(0, 1e9)]
    width_px: Annotated[float, between(0, 10_000)]
    eye_distance_px: Annotated[float, between(0, 10_000)]
    sharpness: Annotated[float, between(0, 1e9)]
    brightness: Annotated[float, between(0, 255)]
    contrast: Annotated[float, between(0, 255)]
    clipped: Share
    away_deg: Annotated[float, between(0, 360)]
    presence: Share

    @property
    def dimensions(self) -> int:
        """D, from the text's length."""
        return len(self.x) // 4 * 3 - self.x.count("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetExemplar:
    """A picture that somebody was enrolled with. night: the same picture made worse on purpose, as by night."""

    exemplar: Id
    taken_at: datetime
    clean: FleetView = field(repr=False)
    night: Annotated[tuple[FleetView, ...], count(0, MOST_NIGHT_VIEWS)] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonReport(Message):
    """All that a door shares of one person, as of `revision`.

    report: the same for each copy of this message, however often it is sent.
    revision: counts up, not by one, with each message about anybody.
    runtime: what ran the embedder for the newest of the exemplars; two runtimes agree only nearly.
    verified: as of when this was made; a change of that alone is not reported.
    """

    KIND: ClassVar[str] = "fleet/people"
    MAX_BYTES: ClassVar[int] = 262_144
    schema: Schema = "1.0"
    report: UUID
    door: Id
    person: Id
    revision: Counter
    at: datetime
    clock_set: bool
    embedder_sha256: Sha256
    runtime: Annotated[str, chars(0, 64)]
    verified: bool
    exemplars: Annotated[tuple[FleetExemplar, ...], count(1, MOST_EXEMPLARS)] = field(repr=False)

    def conflict(self) -> str | None:
        seen: set[str] = set()
        for index, entry in enumerate(self.exemplars):
            if entry.exemplar in seen:
                return f"key 'exemplars[{index}].exemplar': is given twice"
            seen.add(entry.exemplar)
        dimensions = self.exemplars[0].clean.dimensions
        for key, view in self._views():
            if view.dimensions != dimensions:
                return f"key '{key}.x': must have {dimensions} levels as the first one has, found {view.dimensions}"
        return None

    def _views(self) -> Iterator[tuple[str, FleetView]]:
        for index, entry in enumerate(self.exemplars):
            yield f"exemplars[{index}].clean", entry.clean
            for number, view in enumerate(entry.night):
                yield f"exemplars[{index}].night[{number}]", view


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonErased(Message):
    """Nothing of this person may be kept: they were erased, or merged into somebody else, or take everything back.

    report, revision: as in `PersonReport`. A report of a higher revision may follow, as when a merge is undone.
    """

    KIND: ClassVar[str] = "fleet/erased"
    schema: Schema = "1.0"
    report: UUID
    door: Id
    person: Id
    revision: Counter
    at: datetime
    clock_set: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetAck(Message):
    """The trainer is done with the reports and erasures `ids`: what they say is committed, or was set aside.

    by: which trainer, null where there is but one.
    """

    KIND: ClassVar[str] = "fleet/ack"
    MAX_BYTES: ClassVar[int] = 65_536
    schema: Schema = "1.0"
    ids: Annotated[tuple[UUID, ...], count(1, 1000)]
    by: Word | None = None
