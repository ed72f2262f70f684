"""Error rates over several tables with intervals: people and strangers are drawn anew, with all their pictures. Pure.

All ways are judged on the same draws of people and strangers, so that a difference or a ratio of two has one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trainer.bench.rivals.way import Doubles
from trainer.bench.visits import Trial
from trainer.metrics import threshold_at_fpir

_RESAMPLES = 400
_MOST = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A figure. resampled: `(R,)` what it would have been with other people."""

    value: float
    resampled: Doubles

    @property
    def interval(self) -> tuple[float, float]:
        """95 % percentile interval, which holds the value."""
        low, high = np.percentile(self.resampled, [2.5, 97.5])
        return min(float(low), self.value), max(float(high), self.value)

    def over(self, other: Estimate) -> Estimate | None:
        """This figure divided by another, without draws in which that is 0; None where it is, or in most draws."""
        divisible = other.resampled > 0
        if other.value <= 0 or divisible.mean() < _MOST:
            return None
        return Estimate(self.value / other.value, self.resampled[divisible] / other.resampled[divisible])

    def less(self, other: Estimate) -> Estimate:
        """What this figure has over another."""
        return Estimate(self.value - other.value, self.resampled - other.resampled)


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """How often each person `(R, N)` and each stranger `(R, S)` was drawn."""

    people: Doubles
    strangers: Doubles

    @classmethod
    def draw(cls, people: int, strangers: int, seed: int = 0, count: int = _RESAMPLES) -> Self:
        random = np.random.default_rng(seed)
        drawn = [random.multinomial(size, np.full(size, 1 / size), count) for size in (people, strangers)]
        return cls(*(weights.astype(np.float64) for weights in drawn))

    def fnir(self, trials: Sequence[Trial], fpir: float) -> Estimate:
        """Mean over tables of FNIR where at most `fpir` of the strangers' pictures are named."""
        value = np.mean([_missed(trial, threshold_at_fpir(trial.strangers, fpir)).mean() for trial in trials])
        return Estimate(float(value), np.mean([self._fnir(trial, fpir) for trial in trials], axis=0))

    def rank1(self, trials: Sequence[Trial]) -> Estimate:
        """Mean over tables of the share of pictures whose best candidate is right, whatever the score."""
        shares = [self._over_people(trial, trial.right[None].astype(np.float64)) for trial in trials]
        return Estimate(float(np.mean([trial.right.mean() for trial in trials])), np.mean(shares, axis=0))

    def _fnir(self, trial: Trial, fpir: float) -> Doubles:
        order = np.argsort(-trial.strangers, kind="stable")
        weights = np.cumsum(self.strangers[:, trial.who[order]], axis=1)
        allowed = np.floor(fpir * weights[:, -1:] + 1e-9)
        first_refused = np.minimum((weights <= allowed).sum(axis=1), len(order) - 1)
        threshold = np.nextafter(trial.strangers[order][first_refused], np.inf)
        missed = ~trial.right | (trial.top < threshold[:, None])
        return self._over_people(trial, missed.astype(np.float64))

    def _over_people(self, trial: Trial, hits: Doubles) -> Doubles:
        weights = self.people[:, trial.person]
        return np.asarray((weights * hits).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-12))


def _missed(trial: Trial, threshold: float) -> NDArray[np.bool_]:
    return ~trial.right | (trial.top < threshold)
