"""From a fleet's statistics to a head, in closed form: PLDA with quality. Scoring is `edge/recognition/plda.py`'s.

From nothing but the fleet itself; `refine.py` starts from a head that there is. What the choices rest on is measured
(`bench openset`): W from clean and degraded views together; W shrunk towards a scaled identity after OAS; g with a mean
of 1, raised to a power.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from edge.recognition.plda import Affine, Plda, QualityModel
from trainer.statistics import Doubles, Statistics, bin_log_norms

_LEVELS = 9
_G_LOWEST, _G_HIGHEST = 0.3, 6.0


@dataclass(frozen=True, slots=True)
class DistillSettings:
    """within_shrinkage: towards a scaled identity. quality_power: 0 switches quality off, 1 takes the full fit.

    The defaults serve the default embedder; `settle.py` finds them for another.
    """

    within_shrinkage: float = 0.1
    quality_power: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class HeadParameters:
    """All that a head is: see `Plda`."""

    embedder_id: str
    mean: Doubles
    transform: Doubles
    beta: Doubles
    quality: QualityModel
    fpir_scale: float = 1.0

    @property
    def id(self) -> str:
        """Names the head by what is in it."""
        content = b"".join(
            np.ascontiguousarray(a, np.float32).tobytes() for a in (self.mean, self.transform, self.beta)
        )
        quality = repr((self.quality, self.fpir_scale)).encode()
        return "plda-" + hashlib.sha256(self.embedder_id.encode() + content + quality).hexdigest()[:12]

    def head(self) -> Plda:
        """In float32, scored as a door does, projected by these very numbers."""
        mean, transform, beta = (a.astype(np.float32) for a in (self.mean, self.transform, self.beta))
        project = Affine(mean, transform, self.quality)
        return Plda(self.id, self.embedder_id, project, beta, self.quality.levels, self.fpir_scale)


def distill(statistics: Statistics, embedder_id: str, settings: DistillSettings | None = None) -> HeadParameters:
    """Learn a head.

    Raises:
        ValueError: fewer than two people, or nobody with two pictures that differ.
    """
    settings = settings or DistillSettings()
    if statistics.people < 2 or statistics.spread_freedom < 1:
        raise ValueError("a head needs two people at least, and two pictures of one of them")
    within = shrunk_within(statistics, settings.within_shrinkage)
    mean, between = mean_and_between(statistics, within)
    transform, beta = diagonalize(within, between)
    return HeadParameters(embedder_id, mean, transform, beta, quality_model(statistics, settings.quality_power))


def shrunk_within(statistics: Statistics, towards_identity: float) -> Doubles:
    """W: pooled covariance within people, OAS-shrunk (Chen 2010), then mixed with a scaled identity."""
    dim, freedom = statistics.dim, statistics.spread_freedom
    pooled = statistics.within_scatter / freedom
    level = np.trace(pooled) / dim
    if level <= 0:
        raise ValueError("all pictures of each person are alike: nothing tells how much a person's pictures differ")
    square = (pooled**2).sum()
    departure = (freedom + 1 - 2 / dim) * (square - level**2 * dim)
    oas = min(1.0, ((1 - 2 / dim) * square + (level * dim) ** 2) / max(departure, 1e-30))
    amount = 1 - (1 - oas) * (1 - towards_identity)
    return np.asarray((1 - amount) * pooled + amount * level * np.eye(dim))


def mean_and_between(statistics: Statistics, within: Doubles) -> tuple[Doubles, Doubles]:
    """The mu and B: mean and covariance of the people's means, less what few pictures each add (W times mean 1/n)."""
    people = statistics.people
    mean = statistics.mean_sum / people
    of_means = statistics.mean_scatter / people - np.outer(mean, mean)
    return mean, np.asarray(of_means * people / (people - 1) - within * statistics.inverse_counts / people)


def diagonalize(within: Doubles, between: Doubles) -> tuple[Doubles, Doubles]:
    """U' and beta with U'WU = I and U'BU = diag(beta), the largest first; a negative one is noise: almost 0."""
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)
    beta, turn = np.linalg.eigh(whiten.T @ between @ whiten)
    order = np.argsort(-beta)
    return np.asarray((whiten @ turn[:, order]).T), beta[order].clip(1e-6)


def quality_model(statistics: Statistics, power: float) -> QualityModel:
    """The g from the norm: a log-linear fit of the pictures' squared residuals, tempered, scaled to a mean of 1."""
    used = statistics.norm_freedom > 0
    log_norm, freedom = bin_log_norms()[used], statistics.norm_freedom[used]
    energy = np.maximum(statistics.norm_energy[used] / freedom, 1e-12)
    slope = _weighted_slope(log_norm, np.log(energy), freedom) * power
    log_g = slope * bin_log_norms()
    weights = statistics.norm_count / statistics.norm_count.sum()
    intercept = -float(np.log(weights @ np.exp(log_g)))
    for _ in range(20):  # clipping moves the mean a little; a fixed point settles in a few steps
        intercept -= float(np.log(weights @ np.exp(intercept + log_g).clip(_G_LOWEST, _G_HIGHEST)))
    g = np.exp(intercept + log_g).clip(_G_LOWEST, _G_HIGHEST)
    return QualityModel(intercept, float(slope), _G_LOWEST, _G_HIGHEST, quantiles(g, weights))


def graded(quality: QualityModel, log_norms: Doubles) -> Doubles:
    """The g of norms, as `QualityModel.variance` gives it for one. log_norms: their natural logarithms."""
    return np.asarray(np.exp(quality.intercept + quality.slope * log_norms).clip(quality.lowest, quality.highest))


def _weighted_slope(x: Doubles, y: Doubles, weights: Doubles) -> float:
    x_mean, y_mean = np.average(x, weights=weights), np.average(y, weights=weights)
    spread = float((weights * (x - x_mean) ** 2).sum())
    return float((weights * (x - x_mean) * (y - y_mean)).sum()) / spread if spread > 0 else 0.0


def quantiles(values: Doubles, weights: Doubles) -> tuple[float, ...]:
    """Evenly spaced quantiles of weighted values. weights: sum to 1."""
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    wanted = (np.arange(_LEVELS) + 0.5) / _LEVELS
    return tuple(float(values[order][min(i, len(order) - 1)]) for i in np.searchsorted(share, wanted))
