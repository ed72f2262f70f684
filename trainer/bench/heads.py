"""The ways to compare that a bench measures side by side: raw cosine, centred cosine, and the learned head.

The last two are read from the files that a door reads; the first is here for comparison alone and ships nowhere.
"""

from __future__ import annotations

import numpy as np

from edge.inference.head import cohort_path, load_centred_cosine, load_plda
from edge.inference.spec import ModelSpec
from edge.recognition.scoring import CentredCosine, Head
from edge.recognition.types import Floats, Projection

RAW, CENTRED, LEARNED = "raw cosine", "centred cosine", "PLDA"
HEADS = (RAW, CENTRED, LEARNED)


class RawCosine(CentredCosine):
    """Cosine as the embedder gives it: centred on nothing, with strangers who lie around the cohort's mean."""

    def __init__(self, embedder_id: str, mean: Floats, covariance: Floats) -> None:
        """mean, covariance: of a cohort, as for `CentredCosine`."""
        super().__init__(embedder_id, np.zeros_like(mean), covariance)
        self.id = "raw-cosine"
        self._cohort_mean = mean.astype(np.float64)
        values, vectors = np.linalg.eigh(covariance.astype(np.float64))
        self._spread = vectors * np.sqrt(values.clip(0))  # rounded numbers may give a variance just below 0

    def strangers(self, count: int, seed: int) -> list[Projection]:
        normal = np.random.default_rng(seed).standard_normal((count, len(self._cohort_mean)))
        drawn = self._cohort_mean + normal @ self._spread.T
        drawn /= np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-12)
        return [Projection(row, 1.0) for row in drawn.astype(np.float32)]


def all_heads(embedder: ModelSpec) -> dict[str, Head]:
    """By name, in the order of HEADS.

    Raises:
        ModelError: head or cohort is missing, damaged, or of another embedder.
    """
    centred, learned = load_centred_cosine(embedder), load_plda(embedder)
    with np.load(cohort_path(embedder), allow_pickle=False) as cohort:  # just found to be sound
        raw = RawCosine(embedder.sha256, cohort["mean"].astype(np.float32), cohort["covariance"].astype(np.float32))
    return {RAW: raw, CENTRED: centred, LEARNED: learned}
