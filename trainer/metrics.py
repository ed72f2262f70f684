"""How good a comparison is: accuracies, error rates and their intervals. Pure functions of scores; higher is more
alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Z_95 = 1.959964  # the normal distribution's 97.5th percentile
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class PairAccuracy:
    """LFW's restricted protocol: each fold is judged at the threshold that is best on the other folds.

    correct, total: pairs. mean: of the folds' accuracies, 0..1.
    """

    mean: float
    correct: int
    total: int
    right: NDArray[np.bool_]

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval."""
        return wilson_interval(self.correct, self.total)


def pair_accuracy(
    scores: NDArray[np.floating[Any]], same: NDArray[np.bool_], folds: NDArray[np.integer[Any]]
) -> PairAccuracy:
    """scores, same, folds: one for each pair.

    Raises:
        ValueError: fewer than two folds, or arrays of different lengths.
    """
    names = np.unique(folds)
    if len(names) < 2 or not len(scores) == len(same) == len(folds):
        raise ValueError(
            f"{len(names)} folds of {len(scores)} scores, {len(same)} labels: needs two folds and as many of each"
        )
    right = np.zeros(len(scores), np.bool_)
    for fold in names:
        held = folds == fold
        threshold = best_threshold(scores[~held], same[~held])
        right[held] = (scores[held] >= threshold) == same[held]
    mean = float(np.mean([right[folds == fold].mean() for fold in names]))
    return PairAccuracy(mean, int(right.sum()), len(scores), right)


def best_threshold(scores: NDArray[np.floating[Any]], same: NDArray[np.bool_]) -> float:
    """The threshold between two scores at which most pairs are judged right."""
    order = np.argsort(scores)
    ranked, labels = scores[order], same[order]
    # Below place k all are judged different, from it on the same.
    right = np.concatenate([[0], np.cumsum(~labels)]) + np.concatenate([np.cumsum(labels[::-1])[::-1], [0]])
    place = int(np.argmax(right))
    low = ranked[place - 1] if place > 0 else ranked[0] - 1
    high = ranked[place] if place < len(ranked) else ranked[-1] + 1
    return float((low + high) / 2)


def tar_at_far(scores: NDArray[np.floating[Any]], same: NDArray[np.bool_], far: float) -> tuple[float, float]:
    """The share of genuine pairs accepted where at most `far` of the impostor pairs are, and that threshold.

    Raises:
        ValueError: there are no genuine or no impostor pairs.
    """
    genuine, impostor = scores[same], np.sort(scores[~same])[::-1]
    if not len(genuine) or not len(impostor):
        raise ValueError("a rate needs genuine and impostor pairs")
    allowed = min(math.floor(far * len(impostor) + 1e-9), len(impostor) - 1)
    threshold = float(impostor[allowed])  # this impostor is the first who is not let in
    return float((genuine > threshold).mean()), threshold


def wilson_interval(successes: int, trials: int, z: float = _Z_95) -> tuple[float, float]:
    """Interval of a proportion that stays inside 0..1 and is not empty at its ends (Wilson 1927); 0..1 for no trial."""
    if trials == 0:
        return 0.0, 1.0
    share, weight = successes / trials, z * z / trials
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    # The share itself bounds what rounding does at 0 and 1.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def bootstrap_interval(
    statistic: Callable[[NDArray[np.intp]], float], count: int, seed: int = 0, resamples: int = _RESAMPLES
) -> tuple[float, float]:
    """95 % percentile interval of a statistic of `count` things, given as indices drawn with replacement."""
    random = np.random.default_rng(seed)
    values = [statistic(random.integers(0, count, count)) for _ in range(resamples)]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
