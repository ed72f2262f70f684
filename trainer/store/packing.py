"""A person's pictures as numbers: from a report to compact bytes, and from those to arrays and sums. Pure.

One exemplar is `version (1) | views (1) | dimensions (2) | taken_s (8)`, then of all views, the clean one first,
`scales | norms | quality (8 each)` as float32 and the int8 levels, little-endian. So some thousand people open into
arrays without a loop over their views.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.contract.fleet import FleetExemplar, FleetView, levels_of
from edge.errors import MessageError
from edge.recognition.types import Embedding, Floats, Quality
from edge.store.codec import CodecError
from trainer.statistics import Statistics

_VERSION = 1
_FORM = struct.Struct("<BBHd")
_QUALITIES = 8
_DAY_S = 86_400
# Rounding to int8 moves the length of 4096 numbers by a hundredth at most; what is further off is no embedding.
_LENGTH_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """One exemplar's views, the clean one first.

    taken_s: seconds since 1970 UTC by the door's clock. x: `(n, D)` float32, of length 1 each. norms: `(n,)` float32.
    quality: `(n, 8)` float32, the fields of `Quality` in their order.
    """

    taken_s: float
    x: Floats = field(repr=False)
    norms: Floats = field(repr=False)
    quality: Floats = field(repr=False)

    @property
    def clean(self) -> Embedding:
        return Embedding(self.x[0], float(self.norms[0]))

    @property
    def night(self) -> tuple[Embedding, ...]:
        return tuple(Embedding(x, float(norm)) for x, norm in zip(self.x[1:], self.norms[1:], strict=True))

    def quality_of(self, view: int) -> Quality:
        return Quality(*map(float, self.quality[view]))


def pack(exemplar: FleetExemplar) -> bytes:
    """An exemplar of a report as bytes to be sealed.

    Raises:
        MessageError: its levels and scale make no embedding of length 1.
    """
    views = (exemplar.clean, *exemplar.night)
    levels = np.stack([np.frombuffer(levels_of(view.x) or b"", np.int8) for view in views])
    scales = np.array([view.scale for view in views], "<f4")
    lengths = np.linalg.norm(levels * scales[:, None], axis=1)
    if not (np.abs(lengths - 1) <= _LENGTH_TOLERANCE).all():
        raise MessageError(f"fleet/people: exemplar {exemplar.exemplar}: holds a vector that is not of length 1")
    norms = np.array([view.norm for view in views], "<f4")
    quality = np.array([_quality(view) for view in views], "<f4")
    head = _FORM.pack(_VERSION, len(views), levels.shape[1], exemplar.taken_at.timestamp())
    return b"".join((head, scales.tobytes(), norms.tobytes(), quality.tobytes(), levels.tobytes()))


def unpack(data: bytes) -> Views:
    """What `pack` made.

    Raises:
        CodecError: not that.
    """
    try:
        version, count, dimensions, taken_s = _FORM.unpack_from(data)
    except struct.error:
        raise CodecError("an exemplar's bytes are cut") from None
    numbers = count * (2 + _QUALITIES)
    if version != _VERSION or not count or len(data) != _FORM.size + 4 * numbers + count * dimensions:
        raise CodecError("an exemplar's bytes are damaged, or a newer Doorward's")
    floats = np.frombuffer(data, "<f4", numbers, _FORM.size).astype(np.float32)
    levels = np.frombuffer(data, np.int8, count * dimensions, _FORM.size + 4 * numbers).reshape(count, dimensions)
    scales, norms, quality = np.split(floats, [count, 2 * count])
    if not (math.isfinite(taken_s) and np.isfinite(floats).all() and levels.any(axis=1).all()):
        raise CodecError("an exemplar's bytes hold no embedding")
    x = levels.astype(np.float32) * scales[:, None]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return Views(taken_s, x, norms, quality.reshape(count, _QUALITIES))


def dimensions_of(exemplar: FleetExemplar) -> int:
    """D of a report's exemplar, which has been checked."""
    return exemplar.clean.dimensions


def sums_of(people: Sequence[Sequence[Views]]) -> Statistics:
    """What people add to the fleet's sums: every view, clean and by night, with the day that it was taken on."""
    exemplars = [(owner, views) for owner, theirs in enumerate(people) for views in theirs]
    counts = [len(views.x) for _, views in exemplars]
    return Statistics.of_people(
        np.concatenate([views.x for _, views in exemplars]),
        np.concatenate([views.norms for _, views in exemplars]),
        _repeated([owner for owner, _ in exemplars], counts),
        _repeated([int(views.taken_s // _DAY_S) for _, views in exemplars], counts),
    )


def _repeated(values: list[int], counts: list[int]) -> NDArray[np.intp]:
    return np.repeat(np.asarray(values, np.intp), counts)


def _quality(view: FleetView) -> tuple[float, ...]:
    return (
        view.width_px,
        view.eye_distance_px,
        view.sharpness,
        view.brightness,
        view.contrast,
        view.clipped,
        view.away_deg,
        view.presence,
    )
