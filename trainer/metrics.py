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


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """Searches by pictures of people who are in the table, one for each picture.

    top: `(P,)` the best candidate's score, -inf where there was no face to search with.
    right: `(P,)` whether that candidate is the person.
    person: `(P,)` whose picture it is, counted from 0.
    """

    top: NDArray[np.float64]
    right: NDArray[np.bool_]
    person: NDArray[np.intp]

    def of(self, which: NDArray[np.bool_]) -> Searches:
        """Some of them. which: `(P,)`."""
        return Searches(self.top[which], self.right[which], self.person[which])

    def missed(self, threshold: float) -> NDArray[np.bool_]:
        """`(P,)` those that did not name the person at rank 1 with a score that reaches the threshold."""
        return ~self.right | (self.top < threshold)


def fnir_at_fpir(searches: Searches, strangers: NDArray[np.floating[Any]], fpir: float) -> tuple[float, float]:
    """FNIR (NIST IR 8271: rank 1, score at the threshold or above) where at most `fpir` of strangers are named.

    strangers: `(S,)` each one's best score. Returns it with the threshold, 0..1 and a score.

    Raises:
        ValueError: there are no searches, or no strangers.
    """
    if not len(searches.top):
        raise ValueError("an error rate needs searches")
    threshold = threshold_at_fpir(strangers, fpir)
    return float(searches.missed(threshold).mean()), threshold


def threshold_at_fpir(strangers: NDArray[np.floating[Any]], fpir: float) -> float:
    """The lowest threshold that at most `fpir` of these strangers reach.

    Raises:
        ValueError: there are none.
    """
    if not len(strangers):
        raise ValueError("an error rate needs strangers")
    ranked = np.sort(strangers.astype(np.float64))[::-1]
    allowed = math.floor(fpir * len(ranked) + 1e-9)
    if allowed >= len(ranked):
        return -math.inf
    return float(np.nextafter(ranked[allowed], math.inf))  # just above the first who may not be named


def fpir_at(strangers: NDArray[np.floating[Any]], threshold: float) -> float:
    """The share of strangers who are named at a threshold, 0..1."""
    # Beside float32 numpy rounds the threshold as well, and takes the one just below it for it.
    return float((strangers.astype(np.float64) >= threshold).mean())


def fnir_interval(
    searches: Searches,
    strangers: NDArray[np.floating[Any]],
    fpir: float,
    seed: int = 0,
    resamples: int = _RESAMPLES,
) -> tuple[float, float]:
    """95 % percentile interval of `fnir_at_fpir`.

    People are drawn with replacement, each with all their searches, since one person's pictures fail together; and so
    are strangers, since the threshold is theirs.
    """
    random = np.random.default_rng(seed)

    def statistic(weights: NDArray[np.intp]) -> float:
        threshold = threshold_at_fpir(random.choice(strangers, len(strangers)), fpir)
        return _weighted_share(searches.missed(threshold), searches.person, weights)

    return _over_people(statistic, searches.person, seed + 1, resamples)


def share_interval(
    hits: NDArray[np.bool_], person: NDArray[np.intp], seed: int = 0, resamples: int = _RESAMPLES
) -> tuple[float, float]:
    """95 % percentile interval of a share of pictures, over people drawn with replacement. hits, person: `(P,)`."""
    return _over_people(lambda weights: _weighted_share(hits, person, weights), person, seed, resamples)


def _over_people(
    statistic: Callable[[NDArray[np.intp]], float], person: NDArray[np.intp], seed: int, resamples: int
) -> tuple[float, float]:
    """Interval of a statistic of how often each person was drawn; those without a picture are not drawn."""
    people = np.unique(person)

    def of_drawn(drawn: NDArray[np.intp]) -> float:
        return statistic(np.bincount(people[drawn], minlength=int(people.max()) + 1))

    return bootstrap_interval(of_drawn, len(people), seed, resamples)


def _weighted_share(hits: NDArray[np.bool_], person: NDArray[np.intp], weights: NDArray[np.intp]) -> float:
    return float(np.average(hits, weights=weights[person]))
