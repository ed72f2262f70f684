"""Embeddings to the wire and back: the store's levels to the bit, and no freak of a picture stands in the way."""

from __future__ import annotations

import math
from dataclasses import astuple, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.codec import from_object, to_object
from edge.contract.fleet import FleetView, levels_of
from edge.recognition.types import Embedding, Quality
from edge.sharing.views import fleet_view, moment, view_of
from edge.store.codec import dequantize, quantize
from tests.fakes.templates import QUALITY, unit

float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(seed=st.integers(0, 2**32), dimensions=st.integers(1, 600))
def test_what_the_store_keeps_travels_level_for_level(seed: int, dimensions: int) -> None:
    levels, scale = quantize(unit(seed, dimensions))
    kept = Embedding(dequantize(levels, scale), 9.25)
    told = fleet_view(kept, QUALITY)
    assert levels_of(told.x) == levels.tobytes()
    back = view_of(from_object("view", FleetView, to_object(told)))
    assert back.embedding.x.dtype == np.float32
    assert np.linalg.norm(back.embedding.x) == pytest.approx(1, abs=1e-6)
    assert float(back.embedding.x @ kept.x) > 0.999_999
    assert back.embedding.norm == 9.25
    assert back.quality == QUALITY


@given(numbers=st.lists(float32s, min_size=9, max_size=9))
def test_any_picture_s_numbers_are_such_as_the_contract_takes(numbers: list[float]) -> None:
    norm, *quality = numbers
    told = fleet_view(Embedding(unit(1), norm), Quality(*quality))
    assert from_object("view", FleetView, to_object(told)) == told


@given(value=st.floats(0, 1e9, width=32))
def test_numbers_within_the_bounds_stay_the_same_float32(value: float) -> None:
    told = fleet_view(Embedding(unit(1), value), replace(QUALITY, sharpness=value))
    assert np.float32(told.norm) == np.float32(value)
    assert np.float32(told.sharpness) == np.float32(value)


def test_each_number_goes_to_its_own_place() -> None:
    quality = Quality(80.0, 40.0, 150.0, 120.0, 35.0, 0.25, 12.0, 0.75)
    told = fleet_view(Embedding(unit(1), 31.0), quality)
    assert (told.width_px, told.eye_distance_px, told.sharpness, told.brightness) == (80.0, 40.0, 150.0, 120.0)
    assert (told.contrast, told.clipped, told.away_deg, told.presence, told.norm) == (35.0, 0.25, 12.0, 0.75, 31.0)
    assert astuple(view_of(told).quality) == astuple(quality)


@pytest.mark.parametrize(
    ("wall_s", "year"), [(-5.0, 1970), (0.0, 1970), (1.75e9, 2025), (1e18, 9999), (math.inf, 9999)]
)
def test_any_clock_gives_a_time_that_can_be_written(wall_s: float, year: int) -> None:
    assert moment(wall_s).year == year
    assert moment(1.75e9) == datetime.fromtimestamp(1.75e9, UTC)
