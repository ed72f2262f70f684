"""Sufficient statistics of a fleet's enrollments: all that a head is learned from. Adding and taking away are exact.

Only sums are kept, no embedding: a new person costs their own pictures alone, a person who is erased is subtracted as
if they had never been there, and sites add up. What is made of the sums is left to `distill.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Floats

Doubles = NDArray[np.float64]

# Norms from 1 to 1000 in equal steps of their logarithm: finer than the spread that one person's pictures have.
NORM_BINS = 96
_LOWEST_LOG, _HIGHEST_LOG = 0.0, float(np.log(1000.0))


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Sums over people.

    people, pictures: counts; only people with two pictures or more tell of the spread within one person.
    inverse_counts: sum of 1/n over people. spread_freedom: sum of n - 1.
    mean_sum `(D,)`, mean_scatter `(D, D)`: sums of the people's means m and of m m'.
    within_scatter `(D, D)`: sum over pictures of (x - m)(x - m)'.
    norm_count, norm_freedom, norm_energy `(NORM_BINS,)`: by the picture's norm, how many pictures, the sum of
        1 - 1/n, and the sum of |x - m|^2.
    """

    people: int
    pictures: int
    inverse_counts: float
    spread_freedom: int
    mean_sum: Doubles
    mean_scatter: Doubles
    within_scatter: Doubles
    norm_count: Doubles
    norm_freedom: Doubles
    norm_energy: Doubles

    @classmethod
    def empty(cls, dim: int) -> Self:
        """Of nobody."""
        square, bins = np.zeros((dim, dim)), np.zeros(NORM_BINS)
        return cls(0, 0, 0.0, 0, np.zeros(dim), square, square.copy(), bins, bins.copy(), bins.copy())

    @classmethod
    def of_person(cls, embeddings: Floats, norms: Floats) -> Self:
        """Of one person.

        embeddings: `(n, D)` unit vectors of all their views, clean and degraded. norms: `(n,)`, before normalization.

        Raises:
            ValueError: no picture, a number that is not finite, or shapes that do not fit.
        """
        x, q = np.atleast_2d(embeddings).astype(np.float64), np.asarray(norms, np.float64)
        if not len(x) or len(x) != len(q):
            raise ValueError(f"a person needs a picture at least and a norm for each; got {len(x)} and {len(q)}")
        if not (np.isfinite(x).all() and np.isfinite(q).all()):
            raise ValueError("an embedding or a norm is not a finite number")
        count, mean = len(x), x.mean(axis=0)
        residual = x - mean
        bins = norm_bin(q)
        return cls(
            people=1,
            pictures=count,
            inverse_counts=1 / count,
            spread_freedom=count - 1,
            mean_sum=mean,
            mean_scatter=np.outer(mean, mean),
            within_scatter=residual.T @ residual,
            norm_count=np.bincount(bins, minlength=NORM_BINS).astype(np.float64),
            norm_freedom=np.bincount(bins, np.full(count, 1 - 1 / count), NORM_BINS).astype(np.float64),
            norm_energy=np.bincount(bins, (residual**2).sum(axis=1), NORM_BINS).astype(np.float64),
        )

    @property
    def dim(self) -> int:
        return len(self.mean_sum)

    def __add__(self, other: Statistics) -> Statistics:
        """Both together; of disjoint people."""
        return self._combined(other, 1)

    def __sub__(self, other: Statistics) -> Statistics:
        """Without people who are in it."""
        return self._combined(other, -1)

    def _combined(self, other: Statistics, sign: int) -> Statistics:
        if self.dim != other.dim:
            raise ValueError(f"statistics of {self.dim} and {other.dim} dimensions do not go together")
        names = self.__slots__
        return Statistics(**{name: getattr(self, name) + sign * getattr(other, name) for name in names})


def norm_bin(norms: Doubles) -> NDArray[np.intp]:
    """Which bin a norm falls into; the outermost take what lies beyond."""
    place = (np.log(np.maximum(norms, 1e-9)) - _LOWEST_LOG) / (_HIGHEST_LOG - _LOWEST_LOG) * NORM_BINS
    return np.asarray(np.clip(place, 0, NORM_BINS - 1), np.intp)


def bin_log_norms() -> Doubles:
    """The log of each bin's middle, `(NORM_BINS,)`."""
    step = (_HIGHEST_LOG - _LOWEST_LOG) / NORM_BINS
    return np.asarray(_LOWEST_LOG + step * (np.arange(NORM_BINS) + 0.5), np.float64)
