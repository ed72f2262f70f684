"""Sufficient statistics of a fleet's enrollments: all that a head is learned from. Adding and taking away are exact.

Only sums are kept, no embedding: a new person costs their own pictures alone, a person who is erased is subtracted as
if they had never been there, and sites add up. What is made of the sums is left to `distill.py`.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Floats

Doubles = NDArray[np.float64]

# People are kept in so many groups, so that a choice can be made on some of them and tried on the others.
FOLDS = 8
_FORM = struct.Struct("<4sI")
_MAGIC = b"DWS1"
# Norms from 1 to 1000 in equal steps of their logarithm: finer than the spread that one person's pictures have.
NORM_BINS = 96
_LOWEST_LOG, _HIGHEST_LOG = 0.0, float(np.log(1000.0))


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Sums over people.

    people, pictures: counts. Who has one picture, or all from one day, tells nothing of the spread within a person.
    inverse_counts: sum of 1/n over people, of 1 for those of one day. spread_freedom: sum of n - 1 over the others.
    mean_sum `(D,)`, mean_scatter `(D, D)`: sums of the people's means m and of m m'.
    within_scatter `(D, D)`: sum over the others' pictures of (x - m)(x - m)'.
    norm_count, norm_freedom, norm_energy `(NORM_BINS,)`: by the picture's norm, how many pictures, and of the others'
        the sum of 1 - 1/n and of |x - m|^2.
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
        return cls.of_people(embeddings, norms, np.zeros(len(norms), np.intp))

    @classmethod
    def of_people(
        cls, embeddings: Floats, norms: Floats, owners: NDArray[np.intp], days: NDArray[np.intp] | None = None
    ) -> Self:
        """Of many at once: the same sums as of one after the other, but for rounding.

        embeddings: `(n, D)`, norms: `(n,)`, as for one. owners: `(n,)` whose each view is, any numbers.
        days: `(n,)` on which day or session each was taken, any numbers; None: no two of somebody's on the same.

        Raises:
            ValueError: see `of_person`.
        """
        x, q = np.atleast_2d(embeddings).astype(np.float64), np.asarray(norms, np.float64)
        if not len(x) or not len(x) == len(q) == len(owners):
            raise ValueError(f"people need a picture at least and a norm for each; got {len(x)} and {len(q)}")
        if not (np.isfinite(x).all() and np.isfinite(q).all()):
            raise ValueError("an embedding or a norm is not a finite number")
        _, owner, counts = np.unique(owners, return_inverse=True, return_counts=True)
        order = np.argsort(owner, kind="stable")
        means = np.add.reduceat(x[order], np.concatenate([[0], np.cumsum(counts)[:-1]])) / counts[:, None]
        lone = _of_one_day(owner, days) if days is not None else counts < 2
        residual, bins, told = x - means[owner], norm_bin(q), ~lone[owner]
        residual = residual[told]
        return cls(
            people=len(counts),
            pictures=len(x),
            inverse_counts=float(np.where(lone, 1, 1 / counts).sum()),
            spread_freedom=int((counts - 1)[~lone].sum()),
            mean_sum=means.sum(axis=0),
            mean_scatter=means.T @ means,
            within_scatter=residual.T @ residual,
            norm_count=np.bincount(bins, minlength=NORM_BINS).astype(np.float64),
            norm_freedom=np.bincount(bins[told], 1 - 1 / counts[owner][told], NORM_BINS).astype(np.float64),
            norm_energy=np.bincount(bins[told], (residual**2).sum(axis=1), NORM_BINS).astype(np.float64),
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` made.

        Raises:
            ValueError: not that.
        """
        magic, dim = _FORM.unpack_from(data) if len(data) >= _FORM.size else (b"", 0)
        lengths = (4, dim, dim * dim, dim * dim, NORM_BINS, NORM_BINS, NORM_BINS)
        if magic != _MAGIC or len(data) != _FORM.size + 8 * sum(lengths):
            raise ValueError("these bytes hold no statistics, or are cut")
        numbers = np.frombuffer(data, "<f8", offset=_FORM.size)
        if not np.isfinite(numbers).all():
            raise ValueError("statistics hold a number that is not finite")
        (people, pictures, inverse, freedom), mean, scatter, within, *bins = np.split(numbers, np.cumsum(lengths)[:-1])
        square = (dim, dim)
        return cls(
            int(people), int(pictures), float(inverse), int(freedom),
            mean.copy(), scatter.reshape(square).copy(), within.reshape(square).copy(), *(b.copy() for b in bins),
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """All sums, exactly, whatever machine reads them."""
        counts = (self.people, self.pictures, self.inverse_counts, self.spread_freedom)
        arrays = (self.mean_sum, self.mean_scatter, self.within_scatter, self.norm_count, self.norm_freedom)
        numbers = np.concatenate([counts, *(a.ravel() for a in arrays), self.norm_energy])
        return _FORM.pack(_MAGIC, self.dim) + numbers.astype("<f8").tobytes()

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


def fold_of(person: str) -> int:
    """Which of `FOLDS` groups somebody belongs to, by their id alone: the same for ever, and unlike any order."""
    return hashlib.sha256(person.encode()).digest()[0] % FOLDS


def _of_one_day(owner: NDArray[np.intp], days: NDArray[np.intp]) -> NDArray[np.bool_]:
    """`(people,)` whose pictures are all of one day: they are far more alike than those of two days."""
    pairs = np.unique(np.stack([owner, days]), axis=1)
    return np.asarray(np.bincount(pairs[0]) < 2)


def norm_bin(norms: Doubles) -> NDArray[np.intp]:
    """Which bin a norm falls into; the outermost take what lies beyond."""
    place = (np.log(np.maximum(norms, 1e-9)) - _LOWEST_LOG) / (_HIGHEST_LOG - _LOWEST_LOG) * NORM_BINS
    return np.asarray(np.clip(place, 0, NORM_BINS - 1), np.intp)


def bin_log_norms() -> Doubles:
    """The log of each bin's middle, `(NORM_BINS,)`."""
    step = (_HIGHEST_LOG - _LOWEST_LOG) / NORM_BINS
    return np.asarray(_LOWEST_LOG + step * (np.arange(NORM_BINS) + 0.5), np.float64)
