"""From a learned map to a head of the usual form, in closed form, and how well it tells held-out people apart. Pure.

PLDA does not see an invertible map, but its shrinkage does: W is drawn towards a sphere of the mapped space. So what
a challenger learned counts the more, the stronger W is shrunk; how strong is tried on people it learned nothing from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.recognition.types import Floats
from trainer.challengers.fleet import Fleet
from trainer.distill import HeadParameters, diagonalize, mean_and_between, quality_model, shrunk_within
from trainer.statistics import Doubles, Statistics

# The share of different people's pairs above the threshold that the verification loss looks at.
_FALSE_MATCHES = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """h = matrix @ (x - mean). matrix: `(D, D)`. mean: `(D,)`."""

    matrix: Doubles
    mean: Doubles

    def __call__(self, x: Floats) -> Doubles:
        """x: `(n, D)`."""
        return np.asarray((x.astype(np.float64) - self.mean) @ self.matrix.T)


def fit(fleet: Fleet, mapped: Map, embedder_id: str, shrinkage: float, quality_power: float) -> HeadParameters:
    """PLDA with quality on mapped embeddings, told as a head on the embeddings themselves.

    shrinkage: of W towards a sphere in the mapped space.

    Raises:
        ValueError: too few people or pictures, or all alike.
    """
    sums = Statistics.of_people(np.asarray(mapped(fleet.x), np.float32), fleet.norms, fleet.owners)
    if sums.people < 2 or sums.spread_freedom < 1:
        raise ValueError("a head needs two people at least, and two pictures of one of them")
    within = shrunk_within(sums, shrinkage)
    centre, between = mean_and_between(sums, within)
    transform, beta = diagonalize(within, between)
    # Least squares finds the place that maps to the centre, whether or not the map can be inverted.
    mean = mapped.mean + np.linalg.lstsq(mapped.matrix, centre, rcond=None)[0]
    return HeadParameters(
        embedder_id, mean, np.asarray(transform @ mapped.matrix), beta, quality_model(sums, quality_power)
    )


def verification_loss(head: HeadParameters, fleet: Fleet) -> float:
    """How hard pairs of one person are to tell from pairs of two, where few of the latter are taken for the former.

    Mean softplus of how far a genuine pair's score lies below the threshold that 1 of 1000 impostor pairs reaches, in
    units of that threshold's distance from the median impostor: smooth, and the same for scores of any scale. (Their
    standard deviation would be no unit: a good head has a long tail of impostors far below.) Two views of one picture
    make no pair. Pictures count alike here, whatever their quality.

    Raises:
        ValueError: nobody has two pictures, or there is one person alone.
    """
    scores = _pair_scores(np.asarray((fleet.x - head.mean) @ head.transform.T), head.beta)
    upper = np.triu(np.ones(scores.shape, np.bool_), 1)
    same_person = fleet.owners[:, None] == fleet.owners
    pictures = np.arange(len(fleet.x)) if fleet.pictures is None else fleet.pictures
    genuine = scores[upper & same_person & (pictures[:, None] != pictures)]
    impostor = scores[upper & ~same_person]
    if not len(genuine) or not len(impostor):
        raise ValueError("held-out people need two pictures of one of them, and there must be two of them")
    median, threshold = np.quantile(impostor, [0.5, 1 - _FALSE_MATCHES])
    return float(np.logaddexp(0, (threshold - genuine) / max(float(threshold - median), 1e-12)).mean())


def _pair_scores(z: Doubles, beta: Doubles) -> Doubles:
    """`(n, n)` log-likelihood ratios of every picture against a person enrolled with another, g = 1 for all."""
    shrink = beta / (beta + 1)
    of_person, of_nobody = 1 / (1 + beta * (1 - shrink)), 1 / (1 + beta)
    own = (z**2 * (of_nobody - of_person)).sum(axis=1)
    enrolled = ((shrink * z) ** 2 * of_person).sum(axis=1)
    crossed = z @ (of_person * shrink * z).T
    volume = np.log(of_person).sum() - np.log(of_nobody).sum()
    return np.asarray((own[:, None] - enrolled + 2 * crossed + volume) / 2)
