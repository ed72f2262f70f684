"""What every way to compare has in common: enrolled people's faces and probes in, scores out.

A way is learned before, from other people; a `Head` becomes one by `HeadWay`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge.recognition.scoring import Head
from trainer.bench.features import Faces

Doubles: TypeAlias = NDArray[np.float64]


class Way(Protocol):
    """A learned way to compare."""

    @property
    def independent(self) -> bool:
        """Whether a score depends on its own person and probe alone: a small table is columns of a large one."""
        ...

    def scores(self, table: Sequence[Faces], probes: Faces) -> Doubles:
        """`(P, N)`, higher is more alike. table: each enrolled person's faces, one at least."""
        ...


@dataclass(frozen=True, slots=True)
class Learner:
    """How a way is learned. candidates: of settings, among which those are chosen that do best on other people.

    learn: from faces, whose they are (counted from 0), and one of the candidates.
    """

    candidates: tuple[Any, ...]
    learn: Callable[[Faces, NDArray[np.intp], Any], Way]


@dataclass(frozen=True, slots=True)
class HeadWay:
    """A head by the very code that a door runs."""

    head: Head

    @property
    def independent(self) -> bool:
        return True

    def scores(self, table: Sequence[Faces], probes: Faces) -> Doubles:
        rows = np.stack([self.head.row([self.head.project(e) for e in faces.embeddings()]) for faces in table])
        projections = [self.head.project(embedding) for embedding in probes.embeddings()]
        return self.head.scores(rows, projections).astype(np.float64)


def pooled_within(x: NDArray[Any], owners: NDArray[np.intp]) -> tuple[Doubles, Doubles]:
    """Mean `(D,)` of all people's means, and covariance `(D, D)` of faces about their own person's mean.

    Raises:
        ValueError: nobody has two faces.
    """
    wide = x.astype(np.float64)
    counts = np.bincount(owners)
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, owners, wide)
    means /= np.maximum(counts, 1)[:, None]
    freedom = len(x) - np.count_nonzero(counts)
    if freedom < 1:
        raise ValueError("nobody has two pictures: nothing tells how much a person's pictures differ")
    residual = wide - means[owners]
    return means[counts > 0].mean(axis=0), residual.T @ residual / freedom


def prototypes(table: Sequence[Faces]) -> Doubles:
    """`(N, D)` mean of each person's unit vectors."""
    return np.stack([faces.x.mean(axis=0, dtype=np.float64) for faces in table])


def normalized(x: NDArray[Any]) -> Doubles:
    """Rows of length 1; a row of zeros stays."""
    wide = np.asarray(x, np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=-1, keepdims=True), 1e-12))
