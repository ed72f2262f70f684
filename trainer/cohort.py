"""Learns the mean face and spread that a door without a learned head scores with. Keeps no embedding of anybody.

The file's form is `edge/inference/cohort.py`'s; what a learned head needs beyond it is left to `statistics.py`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from edge.inference.cohort import cohort_path
from edge.inference.spec import ModelSpec
from edge.recognition.types import Floats

# Fewer pictures than dimensions give no covariance worth drawing strangers from.
_PICTURES_PER_DIMENSION = 4


def moments(embeddings: Floats) -> tuple[Floats, Floats]:
    """Mean `(D,)` and covariance `(D, D)` of `(N, D)` unit embeddings.

    Raises:
        ValueError: too few pictures for their dimension, or numbers that are not finite.
    """
    count, dim = embeddings.shape
    if count < _PICTURES_PER_DIMENSION * dim:
        raise ValueError(f"{count} pictures are too few for {dim} dimensions: {_PICTURES_PER_DIMENSION * dim} at least")
    if not np.isfinite(embeddings).all():
        raise ValueError("an embedding holds numbers that are not finite")
    wide = embeddings.astype(np.float64)
    return wide.mean(axis=0).astype(np.float32), np.cov(wide.T).astype(np.float32)


def write_cohort(embedder: ModelSpec, embeddings: Iterable[Floats] | Sequence[Floats]) -> Path:
    """Write the cohort beside the embedder. embeddings: unit vectors of many people, `(D,)` each."""
    mean, covariance = moments(np.stack(list(embeddings)))
    packed = io.BytesIO()
    np.savez(packed, mean=mean, covariance=covariance.astype(np.float16), embedder_sha256=np.array(embedder.sha256))
    file = cohort_path(embedder)
    file.write_bytes(packed.getvalue())
    return file
