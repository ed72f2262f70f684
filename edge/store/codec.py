"""Exemplars and people's cards to bytes and back, before they are sealed. Pure; encrypts nothing.

An embedding is kept as int8 with one scale (symmetric, the largest component at 127), a quarter of float32; on random
unit vectors of 128 to 512 dimensions the cosine with the original stays above 0.9999. All numbers are little-endian;
the first byte of each form is its version.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import astuple, dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Embedding, Quality
from edge.store.types import LONGEST_NAME, Kind, NewExemplar, StoredExemplar, View

LONGEST_EMBEDDING = 4096
MOST_VIEWS = 256
_LONGEST_WORD = 200
_LENGTH_TOLERANCE = 1e-3
# The largest component of a unit vector of at most 4096 dimensions is 1/64 to 1; a 127th of that, with room to spare.
_SCALES = (1e-4, 1e-2)
_VERSION = 1
_EXEMPLAR = struct.Struct("<BHBd")  # version, bytes of the embedder's id, of the runtime's, taken_s
_VIEWS = struct.Struct("<BH")  # version, how many
# Dimensions, scale, norm, then version 1's eight fields of Quality in their order.
_VIEW = struct.Struct("<Hff8f")


class CodecError(ValueError):
    """Bytes that are not what they should be."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a person besides their pictures.

    revision: counts up with each change, so that of two copies the newer is known.
    """

    name: str = field(repr=False)
    verified: bool
    created_s: float
    revision: int = 0


def quantize(x: NDArray[np.float32]) -> tuple[NDArray[np.int8], float]:
    """`(D,)` float32 of length 1 to `(D,)` int8 and the scale that they are to be multiplied with.

    Raises:
        ValueError: empty, not of length 1, not finite or of more than 4096 dimensions: no embedder answers that.
    """
    if x.ndim != 1 or not 0 < x.size <= LONGEST_EMBEDDING:
        raise ValueError(f"an embedding is a vector of 1 to {LONGEST_EMBEDDING} numbers, not of shape {x.shape}")
    length = float(np.linalg.norm(x))
    if not abs(length - 1) <= _LENGTH_TOLERANCE:  # so written, it refuses NaN too
        raise ValueError(f"an embedding must be of length 1, not {length}")
    scale = float(np.float32(np.max(np.abs(x)) / 127))
    return np.clip(np.rint(x / scale), -127, 127).astype(np.int8), scale


def dequantize(levels: NDArray[np.int8], scale: float) -> NDArray[np.float32]:
    """`(D,)` float32 of length 1."""
    x = levels.astype(np.float32) * np.float32(scale)
    return np.asarray(x / np.linalg.norm(x), dtype=np.float32)


def pack_exemplar(exemplar: NewExemplar) -> bytes:
    """All of an exemplar but its views.

    Raises:
        ValueError: the embedding cannot be quantized, or a word is too long.
    """
    embedder, runtime = exemplar.embedder.encode(), exemplar.runtime.encode()
    if max(len(embedder), len(runtime)) > _LONGEST_WORD:
        raise ValueError(f"the ids of embedder and runtime may have {_LONGEST_WORD} bytes")
    head = _EXEMPLAR.pack(_VERSION, len(embedder), len(runtime), exemplar.taken_s)
    return head + embedder + runtime + _pack_view(View(exemplar.embedding, exemplar.quality))


def unpack_exemplar(data: bytes, *, exemplar_id: str, origin: str, kind: Kind, review: str | None) -> StoredExemplar:
    """What `pack_exemplar` made, with what the row tells beside it.

    Raises:
        CodecError: not that.
    """
    try:
        version, embedder_bytes, runtime_bytes, taken_s = _EXEMPLAR.unpack_from(data)
        _expect_version(version)
        words = _EXEMPLAR.size
        view_at = words + embedder_bytes + runtime_bytes
        embedder = data[words : words + embedder_bytes].decode()
        runtime = data[words + embedder_bytes : view_at].decode()
        view, end = _unpack_view(data, view_at)
    except (struct.error, UnicodeDecodeError) as error:
        raise CodecError(f"an exemplar's bytes are cut or damaged: {error}") from None
    if end != len(data) or not math.isfinite(taken_s):
        raise CodecError("an exemplar's bytes do not end where they should")
    return StoredExemplar(exemplar_id, origin, kind, view.embedding, view.quality, embedder, runtime, taken_s, review)


def pack_views(views: tuple[View, ...]) -> bytes | None:
    """An exemplar's views; None for no views."""
    if len(views) > MOST_VIEWS:
        raise ValueError(f"an exemplar may have {MOST_VIEWS} views, not {len(views)}")
    return _VIEWS.pack(_VERSION, len(views)) + b"".join(map(_pack_view, views)) if views else None


def unpack_views(data: bytes) -> tuple[View, ...]:
    """What `pack_views` made.

    Raises:
        CodecError: not that.
    """
    try:
        version, count = _VIEWS.unpack_from(data)
        _expect_version(version)
        views: list[View] = []
        at = _VIEWS.size
        for _ in range(count):
            view, at = _unpack_view(data, at)
            views.append(view)
    except struct.error as error:
        raise CodecError(f"an exemplar's views are cut: {error}") from None
    if at != len(data) or count > MOST_VIEWS:
        raise CodecError("an exemplar's views do not end where they should")
    return tuple(views)


def pack_card(card: Card) -> bytes:
    """A card as JSON, UTF-8."""
    document = {field.name: getattr(card, field.name) for field in fields(card)}
    return json.dumps({"version": _VERSION, **document}, ensure_ascii=False).encode()


def unpack_card(data: bytes) -> Card:
    """What `pack_card` made.

    Raises:
        CodecError: not that.
    """
    try:
        document = json.loads(data)
        _expect_version(document["version"])
        card = Card(
            name=str(document["name"])[:LONGEST_NAME],
            verified=document["verified"] is True,
            created_s=float(document["created_s"]),
            revision=int(document["revision"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CodecError(f"a person's card is damaged: {type(error).__name__}") from None
    return card


def _pack_view(view: View) -> bytes:
    levels, scale = quantize(view.embedding.x)
    numbers = (view.embedding.norm, *astuple(view.quality))
    if not all(map(math.isfinite, numbers)):
        raise ValueError("an embedding's norm and quality must be finite")
    return _VIEW.pack(levels.size, scale, *numbers) + levels.tobytes()


def _unpack_view(data: bytes, at: int) -> tuple[View, int]:
    dimensions, scale, norm, *quality = _VIEW.unpack_from(data, at)
    start = at + _VIEW.size
    end = start + dimensions
    levels = np.frombuffer(data[start:end], dtype=np.int8)
    finite = all(map(math.isfinite, (norm, *quality)))
    if not 0 < levels.size == dimensions or not levels.any() or not _SCALES[0] <= scale <= _SCALES[1] or not finite:
        raise CodecError("an embedding is cut or damaged")
    return View(Embedding(dequantize(levels, scale), norm), Quality(*quality)), end


def _expect_version(version: object) -> None:
    if version != _VERSION:
        raise CodecError(f"form {version!r} is not known here, only {_VERSION}: a newer Doorward wrote it")
