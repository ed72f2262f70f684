"""A head refined by what a fleet enrolled: the head in use is the prior, and how much it is worth is a number.

The prior is the conjugate one: inverse-Wishart on W and B and normal on mu, so that with little data the head in use
comes out, with ever more data the plain `distill`, and every person costs and can be taken away as in `statistics.py`.
How much the prior is worth is chosen by `strength.py` on people who are not learned from.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edge.recognition.plda import QualityModel
from trainer.distill import (
    DistillSettings,
    HeadParameters,
    diagonalize,
    graded,
    quantiles,
    shrunk_within,
)
from trainer.statistics import Doubles, Statistics, bin_log_norms

# A person tells as much of how people differ as three views tell of how one person does: so many views the statistics
# of an enrolled picture have (clean and as seen at night).
_VIEWS_PER_PERSON = 3.0


def refined(
    statistics: Statistics, prior: HeadParameters, strength: float, settings: DistillSettings | None = None
) -> HeadParameters:
    """The prior brought nearer to what a fleet shows.

    strength: how many of the fleet's views the prior is worth; inf gives the prior itself, as does a fleet of nobody.

    Raises:
        ValueError: the strength is not above 0, or the fleet is of another dimension.
    """
    if not strength > 0 or statistics.dim != len(prior.mean):
        raise ValueError(f"a prior worth {strength} of {len(prior.mean)} dimensions does not go with {statistics.dim}")
    if math.isinf(strength) or not statistics.people:
        return prior
    settings = settings or DistillSettings()
    within, between = covariances(prior)
    within = _refined_within(statistics, within, prior.quality, strength, settings)
    mean, between = _refined_between(statistics, prior.mean, within, between, strength / _VIEWS_PER_PERSON)
    transform, beta = diagonalize(within, between)
    quality = _refined_levels(statistics, prior.quality, strength)
    return replace(prior, mean=mean, transform=transform, beta=beta, quality=quality)


def covariances(head: HeadParameters) -> tuple[Doubles, Doubles]:
    """W and B of a head: what its transform makes I and diag(beta)."""
    back = np.linalg.inv(head.transform.astype(np.float64))
    return np.asarray(back @ back.T), np.asarray((back * head.beta) @ back.T)


def _refined_within(
    statistics: Statistics, prior: Doubles, quality: QualityModel, strength: float, settings: DistillSettings
) -> Doubles:
    """W: a picture's residuals spread with g W, so the fleet's pooled spread is divided by its mean g."""
    freedom = statistics.spread_freedom
    if not freedom or not np.trace(statistics.within_scatter) > 0:
        return prior
    g = graded(quality, bin_log_norms())
    mean_g = float(statistics.norm_freedom @ g) / float(statistics.norm_freedom.sum())
    fleet = shrunk_within(statistics, settings.within_shrinkage) / mean_g
    return np.asarray((strength * prior + freedom * fleet) / (strength + freedom))


def _refined_between(
    statistics: Statistics, prior_mean: Doubles, within: Doubles, prior: Doubles, strength: float
) -> tuple[Doubles, Doubles]:
    """The mu and B. strength: in people."""
    people = statistics.people
    own_mean = statistics.mean_sum / people
    mean = (strength * prior_mean + statistics.mean_sum) / (strength + people)
    if people < 2:
        return mean, prior
    scatter = statistics.mean_scatter - people * np.outer(own_mean, own_mean)
    scatter -= within * statistics.inverse_counts * (people - 1) / people
    return mean, np.asarray((strength * prior + scatter) / (strength + people - 1))


def _refined_levels(statistics: Statistics, quality: QualityModel, strength: float) -> QualityModel:
    """How a norm tells quality is the embedder's own and stays; how often is the fleet's too."""
    g = graded(quality, bin_log_norms())
    values = np.concatenate([g, quality.levels])
    share = np.full(len(quality.levels), strength / len(quality.levels))
    weights = np.concatenate([statistics.norm_count, share])
    return replace(quality, levels=quantiles(values, weights / weights.sum()))
