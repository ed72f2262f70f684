"""Streaming linear discriminant analysis: one covariance for all, a running mean for each person.

Hayes & Kanan, "Lifelong Machine Learning with Deep Streaming Linear Discriminant Analysis", 2020 (arXiv 1909.01520):
w = L m, b = -m'L m / 2 with L the inverse of (1 - e) S + e I. S comes from the paper's "base initialization", here the
fleet. The discriminant is taken about the fleet's mean, without which a threshold for strangers has no meaning: it is
then the log-likelihood ratio between this person and the mean person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.bench.features import Faces
from trainer.bench.rivals.way import Doubles, Learner, Way, pooled_within, prototypes


@dataclass(frozen=True, slots=True)
class SldaSettings:
    """shrinkage: the paper's e, of a covariance scaled to a mean variance of 1."""

    shrinkage: float


@dataclass(frozen=True, slots=True, eq=False)
class Slda:
    """mean: `(D,)`. precision: `(D, D)`."""

    mean: Doubles
    precision: Doubles

    @property
    def independent(self) -> bool:
        return True

    def scores(self, table: Sequence[Faces], probes: Faces) -> Doubles:
        means = prototypes(table) - self.mean
        weights = means @ self.precision
        return np.asarray((probes.x - self.mean) @ weights.T - (weights * means).sum(axis=1) / 2)


def learn_slda(faces: Faces, owners: NDArray[np.intp], settings: SldaSettings) -> Way:
    """Raises:
    ValueError: nobody has two faces.
    """
    mean, within = pooled_within(faces.x, owners)
    dim = len(mean)
    scaled = within * dim / np.trace(within)
    return Slda(mean, np.linalg.inv((1 - settings.shrinkage) * scaled + settings.shrinkage * np.eye(dim)))


SLDA = Learner(tuple(SldaSettings(e) for e in (1e-4, 0.1, 0.3, 0.6, 0.8)), learn_slda)
