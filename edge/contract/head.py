"""What lies beside a learned head's `.tflite` file: all that scoring with it needs beyond the projection. JSON.

The model projects an embedding (`edge/inference/head.py` runs it); how alike two projections are follows from `beta`.
Strangers to set a threshold by are drawn from the head itself, as `Strangers` says: no embedding of anybody is here,
and the canaries are random numbers. Both programs read it, the trainer writes it (`trainer/export.py`).
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from edge.contract.codec import Check, between, count, matches
from edge.contract.messages import Message, Schema, Sha256

LARGEST_DIM = 4096


def numbers_of(text: str) -> tuple[float, ...] | None:
    """The numbers in a text that `text_of` made; None where it is none."""
    try:
        packed = base64.b64decode(text, validate=True)
        return struct.unpack(f"<{len(packed) // 4}f", packed)
    except (binascii.Error, ValueError, struct.error):
        return None


def text_of(numbers: Sequence[float]) -> str:
    """Numbers as base64 of little-endian float32."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode("ascii")


Numbers = Annotated[
    str,
    Check(
        lambda text: bool(found := numbers_of(text)) and all(abs(number) < 1e30 for number in found),
        "must be base64 of finite float32 numbers",
        lambda text: f"{len(text)} characters that are not",
    ),
]
File = Annotated[str, matches(r"[A-Za-z0-9_.-]{1,96}", "1 to 96 of A-Z, a-z, 0-9, _ . -")]
Positive = Annotated[float, between(1e-9, 1e9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """What the model must answer, nearly. x, norm: an embedding that is nobody's. z, precision: of it."""

    x: Numbers = field(repr=False)
    norm: Positive
    z: Numbers = field(repr=False)
    precision: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How a picture's variance factor g follows from its embedding's norm q: clip(exp(intercept + slope log q)).

    It is in the model; it is told here for those who go on from this head.
    """

    intercept: Annotated[float, between(-1e3, 1e3)]
    slope: Annotated[float, between(-100, 100)]
    lowest: Positive
    highest: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Strangers:
    """How people who do not exist are drawn: `N(0, beta + g)`, with g of `levels` in turn.

    levels: g of pictures as a fleet has them, at evenly spaced quantiles.
    fpir_scale: how many times as often as these real strangers were named where the head was learned; a door aims at
        its target divided by it.
    """

    levels: Annotated[tuple[Positive, ...], count(1, 64)]
    fpir_scale: Annotated[float, between(0.1, 10)] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadDescription(Message):
    """A learned head.

    kind: how its projections are scored: PLDA with quality (`edge/recognition/plda.py`).
    model, model_sha256: the file beside this one. It takes `(1, dim + 1)` float32, x and norm, and gives z `(1, dim)`
        and the precision `(1, 1)`.
    weights: what the model's weights are kept in.
    beta: spread between people in each direction of z, all above 0.
    tolerance: how far z of a canary may be off, as a share of its length, and the precision of itself.
    """

    KIND: ClassVar[str] = "head"
    MAX_BYTES: ClassVar[int] = 1 << 20
    schema: Schema = "1.0"
    kind: Literal["plda"] = "plda"
    id: Annotated[str, matches(r"[A-Za-z0-9_.:-]{1,64}", "1 to 64 of A-Z, a-z, 0-9, _ . : -")]
    embedder_sha256: Sha256
    dim: Annotated[int, between(2, LARGEST_DIM)]
    model: File
    model_sha256: Sha256
    weights: Literal["float32", "int8"]
    beta: Numbers = field(repr=False)
    quality: Quality
    strangers: Strangers
    canaries: Annotated[tuple[Canary, ...], count(1, 64)] = field(repr=False)
    tolerance: Annotated[float, between(1e-7, 0.2)]

    def conflict(self) -> str | None:
        if len(numbers_of(self.beta) or ()) != self.dim:
            return f"key 'beta': must have {self.dim} numbers"
        if min(numbers_of(self.beta) or (0.0,)) <= 0:
            return "key 'beta': has a variance that is not above 0"
        for number, canary in enumerate(self.canaries):
            if any(len(numbers_of(text) or ()) != self.dim for text in (canary.x, canary.z)):
                return f"key 'canaries[{number}]': x and z must have {self.dim} numbers"
        return None
