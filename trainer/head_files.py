"""Writes the cohort beside an embedder, from which centred cosine works, as `inference/head.py` reads it.

The learned head is `export.py`'s.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.inference.head import cohort_path
from edge.inference.spec import ModelSpec
from edge.recognition.types import Floats

# Fewer pictures than dimensions give no covariance worth drawing strangers from.
_PICTURES_PER_DIMENSION = 4


def write_cohort(embedder: ModelSpec, embeddings: Sequence[Floats]) -> Path:
    """Write the mean face and spread of many people. embeddings: their unit vectors, `(D,)` each.

    Raises:
        ValueError: see `moments`.
    """
    mean, covariance = moments(np.stack(embeddings))
    return _write(
        cohort_path(embedder),
        embedder_sha256=np.array(embedder.sha256),
        mean=mean,
        covariance=covariance.astype(np.float16),
    )


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


def _write(file: Path, **arrays: NDArray[Any]) -> Path:
    packed = io.BytesIO()
    save: Any = np.savez  # whose types take every keyword for one of its own options
    save(packed, **arrays)
    file.write_bytes(packed.getvalue())
    return file
