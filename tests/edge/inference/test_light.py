from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.inference.light import lifted
from edge.recognition.types import Image
from tests.fakes.scenes import background, dim


def even(level: int) -> Image:
    return np.full((192, 192, 3), level, np.uint8)


@pytest.mark.parametrize("name", ["coffee", "brick", "chelsea"])
def test_a_bright_picture_is_left_as_it_is(name: str) -> None:
    pixels = background(name, (192, 192))
    bright = np.minimum(pixels.astype(int) * 2, 255).astype(np.uint8)
    assert (lifted(bright) == bright).all()


def test_a_dark_picture_is_lifted_to_where_the_bright_one_was() -> None:
    dark = lifted(dim(background(), 0.2))[::4, ::4].max(axis=2)
    assert np.percentile(dark, 99) == pytest.approx(200, abs=2)


def test_a_very_dark_picture_is_lifted_eight_times_and_no_more() -> None:
    assert (lifted(even(3)) == 24).all()


@pytest.mark.parametrize("pixels", [even(0), even(255), even(200)])
def test_black_white_and_bright_surfaces_stay(pixels: Image) -> None:
    assert (lifted(pixels) == pixels).all()


def test_the_black_beside_a_frame_does_not_count_as_dark() -> None:
    half = even(220)
    half[:, 60:] = 0
    assert (lifted(half) == half).all()


def test_colours_keep_their_proportions() -> None:
    tinted = np.tile(np.array([40, 20, 10], np.uint8), (192, 192, 1))
    assert lifted(tinted)[0, 0].tolist() == [200, 100, 50]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_levels_stay_in_order_and_within_bounds(low: int, high: int, seed: int) -> None:
    low, high = sorted((low, high))
    pixels = np.random.default_rng(seed).integers(low, high + 1, (40, 40, 3)).astype(np.uint8)
    found = lifted(pixels)
    assert found.min() >= pixels.min()
    assert found.max() <= 255
    assert (found.ravel()[np.argsort(pixels.ravel(), kind="stable")] == np.sort(found.ravel())).all()
