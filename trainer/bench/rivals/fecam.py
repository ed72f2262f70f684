"""FeCAM: Mahalanobis distance to each person's mean under a shrunk, normalized covariance.

Goswami et al., "FeCAM: Exploiting the Heterogeneity of Class Distributions in Exemplar-Free Continual Learning",
NeurIPS 2023 (arXiv 2309.14062). With so few pictures a person its few-shot form applies: one covariance for all, from
the base classes, here the fleet. Its steps: Tukey's transformation, shrinkage S + c1 V1 I + c2 V2 (1 - I) with V1 and
V2 the mean variance and covariance, normalization to a correlation matrix, distance between unit vectors. Tukey's power
is for features without a sign; here it keeps the sign, and 1 switches it off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.bench.features import Faces
from trainer.bench.rivals.way import Doubles, Learner, Way, normalized, pooled_within


@dataclass(frozen=True, slots=True)
class FecamSettings:
    """power: Tukey's. shrinkage: the paper's c1 and c2, which it sets alike."""

    power: float
    shrinkage: float


@dataclass(frozen=True, slots=True, eq=False)
class Fecam:
    """precision: `(D, D)`, of the normalized covariance."""

    power: float
    precision: Doubles

    @property
    def independent(self) -> bool:
        return True

    def scores(self, table: Sequence[Faces], probes: Faces) -> Doubles:
        means = normalized(np.stack([_tukey(faces.x, self.power).mean(axis=0) for faces in table]))
        seen = normalized(_tukey(probes.x, self.power))
        weighted = means @ self.precision
        of_means, of_probes = (weighted * means).sum(axis=1), ((seen @ self.precision) * seen).sum(axis=1)
        return np.asarray(2 * seen @ weighted.T - of_means - of_probes[:, None])


def learn_fecam(faces: Faces, owners: NDArray[np.intp], settings: FecamSettings) -> Way:
    """Raises:
    ValueError: nobody has two faces.
    """
    _, within = pooled_within(normalized(_tukey(faces.x, settings.power)), owners)
    dim = len(within)
    diagonal = np.eye(dim)
    variance, covariance = np.trace(within) / dim, (within.sum() - np.trace(within)) / (dim * (dim - 1))
    shrunk = within + settings.shrinkage * (variance * diagonal + covariance * (1 - diagonal))
    deviation = np.sqrt(np.diag(shrunk))
    return Fecam(settings.power, np.linalg.inv(shrunk / np.outer(deviation, deviation)))


def _tukey(x: NDArray[Any], power: float) -> Doubles:
    wide = np.asarray(x, np.float64)
    return np.asarray(np.sign(wide) * np.abs(wide) ** power)


FECAM = Learner(tuple(FecamSettings(p, s) for p in (0.5, 1.0) for s in (0.1, 0.5, 1.0, 3.0)), learn_fecam)
