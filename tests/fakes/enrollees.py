"""People who stand before a camera that is not there: probes of any quality, without a picture and without a model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import CentredCosine
from edge.recognition.types import Box, Detection, Embedding, Exemplar, Face, Floats, Pose, Probe, Quality

DIM = 64


def model(*enrolled: Enrollee, embedder: str = "embedder") -> ActiveModel:
    """A table of these people, each from one picture."""
    head = CentredCosine(embedder, np.zeros(DIM, np.float32), np.eye(DIM, dtype=np.float32))
    return ActiveModel.of(head, [Exemplar(who.name, who.probe().embedding) for who in enrolled], 0.001, "factory")


@dataclass(slots=True)
class Enrollee:
    """Somebody. Each probe is a little unlike the one before, as a living person's pictures are.

    stillness: cosine of two of their pictures, about.
    """

    name: str
    stillness: float = 0.93
    _random: np.random.Generator = field(init=False)
    _face: Floats = field(init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(list(self.name.encode()))
        self._face = _unit(self._random.standard_normal(DIM))

    def probe(
        self,
        *,
        width_px: float = 120.0,
        away: float = 5.0,
        brightness: float = 120.0,
        sharpness: float = 200.0,
        norm: float = 70.0,
    ) -> Probe:
        """One picture of them."""
        noise = _unit(self._random.standard_normal(DIM)) * np.sqrt(1 / self.stillness - 1)
        return probe_of(_unit(self._face + noise), width_px, away, brightness, sharpness, norm)

    def by_night(self) -> Probe:
        """Dark and grainy, but their face."""
        return self.probe(brightness=30.0, norm=52.0)

    def still(self) -> Probe:
        """The very same picture each time, as from a camera that hangs."""
        return probe_of(self._face, 120.0, 5.0, 120.0, 200.0, 70.0)


def probe_of(x: Floats, width_px: float, away: float, brightness: float, sharpness: float, norm: float) -> Probe:
    """A probe made of its numbers."""
    box = Box(320 - width_px / 2, 240 - width_px / 2, width_px, width_px)
    detection = Detection(box, 0.95, np.array([[300, 230], [340, 230]], np.float32))
    face = Face(detection, np.zeros((468, 3), np.float32), 0.999, Pose(0.0, away, 0.0))
    quality = Quality(width_px, 0.45 * width_px, sharpness, brightness, 40.0, 0.0, away, 0.999)
    return Probe(face, quality, Embedding(x, norm))


def _unit(vector: Floats | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
