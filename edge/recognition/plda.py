"""PLDA with quality: the learned head. Scores are log-likelihood ratios "this person" against "nobody enrolled".

Model (two-covariance PLDA: Ioffe 2006; Brummer & de Villiers 2010): a person's mean y ~ N(mu, B), a picture of them
x | y ~ N(y, g W), where g tells a poor picture from a good one by its embedding's norm. The head diagonalizes both at
once: z = U'(x - mu) has within-class covariance g I and between-class covariance diag(beta). What U, beta and the
quality coefficients are is learned by the trainer; this file only uses them. What projects is handed in: a door runs
the `.tflite` file that it was sent (`inference/head.py`), the trainer the numbers that it has just learned (`Affine`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from edge.recognition.scoring import products
from edge.recognition.types import Embedding, Floats, Projection


@dataclass(frozen=True, slots=True)
class QualityModel:
    """How a picture's variance factor g follows from its embedding's norm q: g = clip(exp(intercept + slope log q)).

    Learned so that the fleet's pictures have a mean g of 1: a scale wrong by four costs points.
    levels: g of the fleet's pictures at evenly spaced quantiles; synthetic strangers have pictures like these.
    """

    intercept: float
    slope: float
    lowest: float
    highest: float
    levels: tuple[float, ...]

    def variance(self, norm: float) -> float:
        """The g of one picture; a norm of zero gets the worst."""
        if norm <= 0:
            return self.highest
        g = float(np.exp(self.intercept + self.slope * np.log(norm)))
        return min(max(g, self.lowest), self.highest)


Projector: TypeAlias = Callable[[Embedding], Projection]


class Affine:
    """A projector of plain numbers: z = transform @ (x - mean), and 1/g by the quality model."""

    def __init__(self, mean: Floats, transform: Floats, quality: QualityModel) -> None:
        """mean: `(D,)`. transform: `(D, D)`."""
        self._mean = mean.astype(np.float32)
        self._transform = transform.astype(np.float32)
        self._quality = quality

    def __call__(self, embedding: Embedding) -> Projection:
        z = self._transform @ (embedding.x - self._mean)
        return Projection(np.asarray(z, np.float32), 1 / self._quality.variance(embedding.norm))


class Plda:
    """A learned head. Rows are posterior mean and variance of a person, `(2 D,)`."""

    def __init__(
        self,
        head_id: str,
        embedder_id: str,
        project: Projector,
        beta: Floats,
        levels: Sequence[float],
        fpir_scale: float = 1.0,
    ) -> None:
        """beta: `(D,)`, all > 0. levels: g of the pictures that synthetic strangers have, in turn.

        fpir_scale: see `Head.fpir_scale`.
        """
        self.id = head_id
        self.embedder_id = embedder_id
        self.row_dim = 2 * len(beta)
        self.fpir_scale = fpir_scale
        self._project = project
        self._beta = beta.astype(np.float32)
        self._levels = np.array(levels, np.float32)

    def project(self, embedding: Embedding) -> Projection:
        return self._project(embedding)

    def row(self, projections: Sequence[Projection]) -> Floats:
        """Posterior of the person's mean: exemplars weighted by their precision, shrunk towards the mean person."""
        weights = np.array([p.precision for p in projections], np.float32)
        kappa = weights.sum()
        mean = weights @ np.stack([p.z for p in projections]) / kappa
        shrink = self._beta / (self._beta + 1 / kappa)
        return np.asarray(np.concatenate([shrink * mean, self._beta * (1 - shrink)]), np.float32)

    def scores(self, rows: Floats, probes: Sequence[Projection]) -> Floats:
        """Sum over the dimensions of log N(z; person, g + v) - log N(z; 0, g + beta).

        Probes of one precision share two products with the whole table, whose rows do not touch one another.
        """
        means, variances = np.split(rows, 2, axis=1)
        z, precisions = np.stack([p.z for p in probes]), np.array([p.precision for p in probes])
        out = np.empty((len(probes), len(rows)), np.float32)
        for precision in np.unique(precisions):
            same = precisions == precision
            out[same] = self._scores_at(z[same], 1 / float(precision), means, variances)
        return out

    def strangers(self, count: int, seed: int) -> list[Projection]:
        """Pictures of people who do not exist: in this space simply N(0, beta + g), with the fleet's own g."""
        random = np.random.default_rng(seed)
        levels = np.resize(self._levels, count)
        spread = np.sqrt(self._beta + levels[:, None])
        z = random.standard_normal((count, len(self._beta)), np.float32) * spread
        return [Projection(row, float(1 / g)) for row, g in zip(z, levels, strict=True)]

    def _scores_at(self, z: Floats, g: float, means: Floats, variances: Floats) -> Floats:
        of_person = np.asarray(1 / (g + variances), np.float32)
        of_nobody = np.asarray(1 / (g + self._beta), np.float32)
        squared = np.asarray(z * z, np.float32)
        distance = (
            products(squared, of_person)
            - 2 * products(z, np.asarray(means * of_person, np.float32))
            + (means**2 * of_person).sum(axis=1)
        )
        volume = np.log(of_person).sum(axis=1) - np.log(of_nobody).sum()
        return np.asarray(((squared @ of_nobody)[:, None] + volume - distance) / 2, np.float32)
