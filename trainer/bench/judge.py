"""From the embeddings of pictures to what a pair bench publishes: accuracy and TAR with intervals. Pure.

A picture in which no face was found fails every pair it is in: such a pair counts as wrong, whichever answer it wanted,
and as not accepted for TAR. Nothing is dropped, so that a blind detector cannot better an embedder's figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Floats
from trainer.embedder.pairs import FAR, Figure, PairList
from trainer.metrics import pair_accuracy, tar_at_far, wilson_interval

Measure = Literal["cosine", "distance"]
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """accuracy: over all folds, Wilson. accuracy_found: the same of pairs whose faces were found. tar: at FAR 1e-3,
    bootstrap over pairs. failed: pairs with a face that was not found.
    """

    accuracy: Figure
    accuracy_found: Figure
    tar: Figure
    pairs: int
    failed: int


def judge(pairs: PairList, vectors: Mapping[str, Floats], measure: Measure = "cosine") -> Verdict:
    """vectors: a picture's path to its embedding; a picture without a face is left out.

    Raises:
        ValueError: there are fewer than two folds, or no pair of one kind.
    """
    scores, found = pair_scores(pairs, vectors, measure)
    judged = pair_accuracy(scores, pairs.same, pairs.folds)
    tar, _ = tar_at_far(scores, pairs.same, FAR)
    return Verdict(
        _mean_of_folds(judged.right & found, pairs.folds),
        _mean_of_folds(judged.right[found], pairs.folds[found]),
        Figure(tar, *_tar_interval(scores, pairs.same)),
        len(scores),
        int((~found).sum()),
    )


def pair_scores(
    pairs: PairList, vectors: Mapping[str, Floats], measure: Measure
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores, higher is more alike, and whether both faces were found; a pair that failed scores below all others."""
    score = _cosine if measure == "cosine" else _nearness
    both = [
        (vectors[left], vectors[right]) if left in vectors and right in vectors else None
        for left, right in zip(pairs.left, pairs.right, strict=True)
    ]
    found = np.array([pair is not None for pair in both], np.bool_)
    scores = np.array([score(*pair) if pair is not None else np.nan for pair in both], np.float64)
    scores[~found] = (scores[found].min() if found.any() else 0.0) - 1
    return scores, found


def _mean_of_folds(right: NDArray[np.bool_], folds: NDArray[np.int64]) -> Figure:
    """Mean of the folds' accuracies, as LFW's protocol has it, with a Wilson interval over all pairs."""
    shares = [right[folds == fold].mean() for fold in np.unique(folds)]
    return Figure(float(np.mean(shares)) if shares else 0.0, *wilson_interval(int(right.sum()), len(right)))


def _cosine(one: Floats, other: Floats) -> float:
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12))


def _nearness(one: Floats, other: Floats) -> float:
    return -float(np.linalg.norm(one - other))


def _tar_interval(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> tuple[float, float]:
    """95 % percentile interval. Genuine and impostor pairs are drawn apart, so that no draw lacks one kind."""
    genuine, impostor = scores[same], scores[~same]
    kind = np.arange(len(scores)) < len(genuine)
    random = np.random.default_rng(0)
    rates = []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([random.choice(genuine, len(genuine)), random.choice(impostor, len(impostor))])
        rates.append(tar_at_far(drawn, kind, FAR)[0])
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)
