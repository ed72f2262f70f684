"""Embeddings with their quality, to the trainer's messages and back. Pure; for both programs.

What the store keeps goes over the wire level for level. Numbers are rounded to nine digits, which tell every float32
apart, and brought into the contract's bounds, so that no freak of one picture keeps a person from being told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from edge.contract.fleet import FleetView, levels_of, text_of
from edge.recognition.types import Embedding, Quality
from edge.store.codec import dequantize, quantize
from edge.store.types import View

_LATEST_S = 253_402_300_799.0  # the last second of the year 9999, which is as far as the contract's times go
_BOUNDS: Mapping[str, float] = {
    "norm": 1e9,
    "width_px": 10_000,
    "eye_distance_px": 10_000,
    "sharpness": 1e9,
    "brightness": 255,
    "contrast": 255,
    "clipped": 1,
    "away_deg": 360,
    "presence": 1,
}


def fleet_view(embedding: Embedding, quality: Quality) -> FleetView:
    """An embedding of length 1 for the wire."""
    levels, scale = quantize(embedding.x)
    numbers = {
        "norm": embedding.norm,
        "width_px": quality.width_px,
        "eye_distance_px": quality.eye_distance_px,
        "sharpness": quality.sharpness,
        "brightness": quality.brightness,
        "contrast": quality.contrast,
        "clipped": quality.clipped,
        "away_deg": quality.away,
        "presence": quality.presence,
    }
    bounded = {name: _nine_digits(min(max(value, 0.0), _BOUNDS[name])) for name, value in numbers.items()}
    return FleetView(x=text_of(levels.tobytes()), scale=_nine_digits(scale), **bounded)


def view_of(view: FleetView) -> View:
    """A view from the wire: `x` `(D,)` float32 of length 1.

    Raises:
        ValueError: its levels are none; a view that the contract has read never is.
    """
    levels = levels_of(view.x)
    if levels is None:
        raise ValueError("a view's levels are none")
    x = dequantize(np.frombuffer(levels, dtype=np.int8), view.scale)
    quality = Quality(
        width_px=view.width_px,
        eye_distance_px=view.eye_distance_px,
        sharpness=view.sharpness,
        brightness=view.brightness,
        contrast=view.contrast,
        clipped=view.clipped,
        away=view.away_deg,
        presence=view.presence,
    )
    return View(Embedding(x, view.norm), quality)


def moment(wall_s: float) -> datetime:
    """Seconds since 1970 UTC, which a clock that was not set may have given, as a time that the contract takes."""
    return datetime.fromtimestamp(min(max(wall_s, 0.0), _LATEST_S), UTC)


def _nine_digits(value: float) -> float:
    return float(f"{value:.9g}")
