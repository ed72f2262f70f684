"""Heads: how an embedding is seen, and how alike a probe is to an enrolled person. Holds nobody: that is `gallery.py`.

A head projects, makes one row a person out of their exemplars, and scores a probe against rows. The gallery knows no
more than that, so another head fits without a change to it. This file has the head that needs no learning but a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from edge.recognition.types import Embedding, Floats, Projection


class Head(Protocol):
    """A way to see embeddings. One head belongs to one embedder."""

    @property
    def id(self) -> str:
        """Names the head in events and releases."""
        ...

    @property
    def embedder_id(self) -> str:
        """The embedder whose embeddings it was made for."""
        ...

    @property
    def row_dim(self) -> int:
        """Length of a person's row."""
        ...

    @property
    def fpir_scale(self) -> float:
        """How many times as often as `strangers` real ones are named; 1 where nobody has counted."""
        ...

    def project(self, embedding: Embedding) -> Projection: ...

    def row(self, projections: Sequence[Projection]) -> Floats:
        """One person's row, `(row_dim,)`, from one exemplar or more."""
        ...

    def scores(self, rows: Floats, probes: Sequence[Projection]) -> Floats:
        """`(P, N)` scores of probes against `(N, row_dim)` rows; higher is more alike."""
        ...

    def strangers(self, count: int, seed: int) -> list[Projection]:
        """Probes of people who do not exist, drawn from what the head knows of people in general."""
        ...


def products(probes: Floats, rows: Floats) -> Floats:
    """`(P, N)` inner products, each of which depends on its own probe and row alone, to the last bit.

    A matrix product of BLAS rounds differently with the number of rows, so that another person's enrollment would
    change everybody's scores; it is no faster for one probe.
    """
    return np.asarray(np.einsum("pd,nd->pn", probes, rows), np.float32)


def resemblance(head: Head, one: Embedding, other: Embedding) -> float:
    """Cosine of two pictures as the head sees them: -1..1, nearly alike for every embedder.

    Raw cosines are not: one embedder's pictures of different people reach 0.93. On LFW, as two heads of two embedders
    see it: pairs of one person 99.8 % over 0.29 (0.33), 95 % over 0.56 (0.44); of different people 97.7 % under 0.30
    (0.32), 99.9 % under 0.47 (0.54).
    """
    z, other_z = head.project(one).z, head.project(other).z
    size = float(np.linalg.norm(z) * np.linalg.norm(other_z))
    return float(np.dot(z, other_z)) / size if size > 0 else 0.0


class CentredCosine:
    """Cosine after subtracting the mean face: what a door scores with until it has a learned head.

    The strangers are drawn from a normal distribution with the cohort's mean and covariance: no picture and no
    embedding of a real person is needed on the device to set a threshold.
    """

    def __init__(self, embedder_id: str, mean: Floats, covariance: Floats) -> None:
        """mean: `(D,)` of a cohort's unit embeddings. covariance: `(D, D)` of the same."""
        self.id = "centred-cosine"
        self.embedder_id = embedder_id
        self.row_dim = len(mean)
        self.fpir_scale = 1.0
        self._mean = mean.astype(np.float32)
        self._covariance = covariance

    def project(self, embedding: Embedding) -> Projection:
        return Projection(_unit(embedding.x - self._mean), 1.0)

    def row(self, projections: Sequence[Projection]) -> Floats:
        return _unit(np.mean([p.z for p in projections], axis=0))

    def scores(self, rows: Floats, probes: Sequence[Projection]) -> Floats:
        return products(np.stack([p.z for p in probes]), rows)

    def strangers(self, count: int, seed: int) -> list[Projection]:
        values, vectors = np.linalg.eigh(self._covariance.astype(np.float64))
        spread = vectors * np.sqrt(values.clip(0))
        normal = np.random.default_rng(seed).standard_normal((count, len(self._mean)))
        drawn = normal @ spread.T
        drawn /= np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-12)
        return [Projection(row, 1.0) for row in drawn.astype(np.float32)]


def _unit(vector: Floats) -> Floats:
    norm = float(np.linalg.norm(vector))
    return np.asarray(vector / norm if norm > 0 else vector, np.float32)
