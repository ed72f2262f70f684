from __future__ import annotations

import contextlib
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.recognition.types import Embedding, Quality
from edge.store.codec import (
    Card,
    CodecError,
    dequantize,
    pack_card,
    pack_exemplar,
    pack_views,
    quantize,
    unpack_card,
    unpack_exemplar,
    unpack_views,
)
from edge.store.types import LONGEST_NAME, Kind, NewExemplar, StoredExemplar, View
from tests.fakes.templates import QUALITY, picture, unit

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def unpack(data: bytes) -> StoredExemplar:
    return unpack_exemplar(data, exemplar_id="e", origin="p", kind=Kind.ENROLLED, review=None)


@given(st.integers(0, 2**32), st.integers(128, 512))
def test_int8_with_a_scale_keeps_the_cosine_of_random_unit_vectors_above_0_9999(seed: int, dimensions: int) -> None:
    x = unit(seed, dimensions)
    kept = dequantize(*quantize(x))
    assert kept.dtype == np.float32
    assert float(np.linalg.norm(kept)) == pytest.approx(1, abs=1e-6)
    assert float(kept @ x) > 0.9999


def test_the_worst_of_many_random_vectors_still_keeps_0_9999() -> None:
    worst = min(float(dequantize(*quantize(x)) @ x) for d in (128, 192, 512) for s in range(500) for x in [unit(s, d)])
    assert worst > 0.9999


@given(
    st.integers(0, 2**32),
    st.floats(0.125, 100, width=32),
    st.lists(FLOATS, min_size=8, max_size=8),
    st.text(max_size=9),
)
def test_an_exemplar_comes_back_as_it_was(seed: int, norm: float, numbers: list[float], word: str) -> None:
    word = word.encode("utf-8", "replace").decode()
    exemplar = NewExemplar(Embedding(unit(seed), norm), Quality(*numbers), "f" * 64, word, 1.75e9)
    back = unpack(pack_exemplar(exemplar))
    assert (back.embedding.norm, back.quality, back.embedder, back.runtime) == (norm, Quality(*numbers), "f" * 64, word)
    assert back.taken_s == 1.75e9
    assert float(back.embedding.x @ exemplar.embedding.x) > 0.9999


def test_packing_what_was_unpacked_loses_nothing_more() -> None:
    once = unpack(pack_exemplar(picture(1)))
    again = unpack(pack_exemplar(replace(picture(1), embedding=once.embedding)))
    assert np.allclose(once.embedding.x, again.embedding.x, rtol=0, atol=1e-7)


def test_views_come_back_in_order_and_no_views_are_none() -> None:
    views = picture(3, views=5).views
    packed = pack_views(views)
    assert packed is not None
    back = unpack_views(packed)
    assert [view.quality for view in back] == [QUALITY] * 5
    assert all(float(view.embedding.x @ old.embedding.x) > 0.9999 for view, old in zip(back, views, strict=True))
    assert pack_views(()) is None


@given(st.integers(0, 400), st.integers(0, 255))
def test_damaged_bytes_are_refused_or_give_finite_unit_vectors(where: int, value: int) -> None:
    data = bytearray(pack_exemplar(picture(1)))
    data[where % len(data)] = value
    try:
        back = unpack(bytes(data))
    except CodecError:
        return
    assert float(np.linalg.norm(back.embedding.x)) == pytest.approx(1, abs=1e-5)


@given(st.data())
def test_cut_or_longer_bytes_are_refused(data: st.DataObject) -> None:
    packed, views = pack_exemplar(picture(1)), pack_views(picture(1).views)
    assert views is not None
    for whole, read in ((packed, unpack), (views, unpack_views)):
        cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
        for wrong in (cut, whole + b"\0"):
            with pytest.raises(CodecError):
                read(wrong)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    for read in (unpack, unpack_views, unpack_card):
        with contextlib.suppress(CodecError):
            read(data)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(192),
        np.full(192, np.nan),
        unit(1) * 3,
        np.zeros(0),
        np.zeros((2, 2)),
        unit(1, 5000),
        np.full(4, np.inf),
    ],
)
def test_what_no_embedder_answers_is_refused(x: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="embedding"):
        quantize(x.astype(np.float32))


def test_a_norm_that_is_no_number_is_refused() -> None:
    view = View(Embedding(unit(1), float("nan")), QUALITY)
    with pytest.raises(ValueError, match="finite"):
        pack_views((view,))


def test_the_form_names_every_field_of_quality() -> None:
    # Another field, or another order, needs a new version of the form: older rows are kept for years.
    assert [field.name for field in fields(Quality)] == [
        "width_px",
        "eye_distance_px",
        "sharpness",
        "brightness",
        "contrast",
        "clipped",
        "away",
        "presence",
    ]


@given(st.text(max_size=LONGEST_NAME), st.booleans(), st.floats(0, 4e9), st.integers(0, 10**9))
def test_a_card_comes_back_as_it_was(name: str, verified: bool, created_s: float, revision: int) -> None:
    name = name.encode("utf-8", "replace").decode()
    card = Card(name, verified, created_s, revision)
    assert unpack_card(pack_card(card)) == card


def test_a_newer_form_says_so() -> None:
    with pytest.raises(CodecError, match="form 9 is not known here, only 1: a newer Doorward wrote it"):
        unpack(b"\x09" + pack_exemplar(picture(1))[1:])
