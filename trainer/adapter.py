"""From one embedder's space to another's, so that a change of embedder needs nobody to enroll again. Pure.

A ridge regression (Hoerl & Kennard 1970) from the old unit vector to the new one, learned from pictures that both have
seen; its strength is chosen on people whom it was not learned from. Kernels and an account of the adapter's own noise
in the head were tried (`bench swap` measures what is here) and gained nothing. What is adapted is a person's stored
exemplars; whoever comes is embedded by the new embedder itself.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Embedding, Floats

Doubles = NDArray[np.float64]

# Of the old space's mean variance, for each picture: from hardly any to as much as the signal.
RIDGES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
_PARTS = 4
_SEED = 19_70
_SMALLEST = 1e-6  # below it a vector has no direction


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """What an adapted picture is: (x - mean) matrix + offset, brought to length 1.

    old_sha256, new_sha256: of the embedders. mean: `(D,)`. matrix: `(D, E)`. offset: `(E,)`.
    norm: the new embedder's usual norm (geometric mean), which adapted pictures get: an old norm tells nothing of it.
    ridge: chosen of RIDGES. cosine: mean cosine between adapted and true embeddings of people it was not learned from.
    """

    old_sha256: str
    new_sha256: str
    mean: Floats
    matrix: Floats
    offset: Floats
    norm: float
    ridge: float
    cosine: float

    def adapted(self, x: Floats) -> Floats:
        """`(n, E)` unit vectors of `(n, D)`; one without direction becomes zeros.

        Raises:
            ValueError: another dimension.
        """
        if x.ndim != 2 or x.shape[1] != len(self.mean):
            raise ValueError(f"embeddings of shape {x.shape} are not the {len(self.mean)} dimensions that are adapted")
        return _units((x - self.mean) @ self.matrix + self.offset).astype(np.float32)

    def embeddings(self, old: Sequence[Embedding]) -> list[Embedding]:
        """Stored exemplars as the new embedder might have given them."""
        if not old:
            return []
        return [Embedding(x, self.norm if x.any() else 0.0) for x in self.adapted(np.stack([e.x for e in old]))]

    def to_bytes(self) -> bytes:
        """For a file of its own."""
        packed = io.BytesIO()
        save: Any = np.savez  # whose types take every keyword for one of its own options
        names = np.array([self.old_sha256, self.new_sha256])
        numbers = np.array([self.norm, self.ridge, self.cosine])
        save(packed, names=names, numbers=numbers, mean=self.mean, matrix=self.matrix, offset=self.offset)
        return packed.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` made.

        Raises:
            ValueError: not that.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as packed:
                old, new = (str(name) for name in packed["names"])
                norm, ridge, cosine = (float(number) for number in packed["numbers"])
                mean, matrix, offset = (packed[name] for name in ("mean", "matrix", "offset"))
        except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(f"these bytes hold no adapter, or are damaged ({error})") from error
        if mean.ndim != 1 or offset.ndim != 1 or matrix.shape != (len(mean), len(offset)):
            raise ValueError(f"an adapter's matrix of shape {matrix.shape} does not fit its mean and offset")
        if not all(np.isfinite(a).all() for a in (mean, matrix, offset, [norm, ridge, cosine])):
            raise ValueError("an adapter holds a number that is not finite")
        mean, matrix, offset = (a.astype(np.float32) for a in (mean, matrix, offset))
        return cls(old, new, mean, matrix, offset, norm, ridge, cosine)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pictures that both embedders have seen.

    old: `(n, D)`, new: `(n, E)` unit vectors. norms: `(n,)` of the new. owners: `(n,)` whose each is, any numbers.
    """

    old: Floats
    new: Floats
    norms: Floats
    owners: NDArray[np.intp]


def learn_adapter(pairs: Pairs, old_sha256: str, new_sha256: str, ridges: Sequence[float] = RIDGES) -> Adapter:
    """Choose the ridge on held-out people, then learn from everybody.

    Raises:
        ValueError: fewer than two people, shapes that do not fit, numbers that are not finite, or all pictures alike.
    """
    old, new, norms = (np.asarray(a, np.float64) for a in (pairs.old, pairs.new, pairs.norms))
    if not len(old) == len(new) == len(norms) == len(pairs.owners):
        raise ValueError(f"pairs need as many of each: {len(old)}, {len(new)}, {len(norms)}, {len(pairs.owners)}")
    if not all(np.isfinite(a).all() for a in (old, new, norms)) or not (norms > 0).all():
        raise ValueError("an embedding or a norm is not a finite number, or a norm is not above 0")
    part = _dealt(pairs.owners)
    if not old.std(axis=0).any():
        raise ValueError("all pictures are alike: there is nothing to learn an adapter from")
    cosines = {ridge: _held_out_cosine(old, new, part, ridge) for ridge in ridges}
    best = max(cosines, key=cosines.__getitem__)
    mean, matrix, offset = (a.astype(np.float32) for a in _regressed(old, new, best))
    norm = float(np.exp(np.log(norms).mean()))
    return Adapter(old_sha256, new_sha256, mean, matrix, offset, norm, best, cosines[best])


def _dealt(owners: NDArray[np.intp]) -> NDArray[np.intp]:
    """`(n,)` which part each picture is in; all of one person are in one."""
    names, place = np.unique(owners, return_inverse=True)
    if len(names) < 2:
        raise ValueError("an adapter needs pictures of two people at least, to try it on one of them")
    return np.asarray(np.random.default_rng(_SEED).permutation(len(names))[place] % min(_PARTS, len(names)))


def _held_out_cosine(old: Doubles, new: Doubles, part: NDArray[np.intp], ridge: float) -> float:
    cosines = np.zeros(len(old))
    for held in np.unique(part):
        tried = part == held
        mean, matrix, offset = _regressed(old[~tried], new[~tried], ridge)
        cosines[tried] = (_units((old[tried] - mean) @ matrix + offset) * new[tried]).sum(axis=1)
    return float(cosines.mean())


def _regressed(old: Doubles, new: Doubles, ridge: float) -> tuple[Doubles, Doubles, Doubles]:
    """Mean, matrix and offset. The penalty is in units of the old space's mean variance."""
    mean, offset = old.mean(axis=0), new.mean(axis=0)
    centred = old - mean
    scatter = centred.T @ centred
    penalty = max(ridge * np.trace(scatter) / len(scatter), 1e-12)
    matrix = np.linalg.solve(scatter + penalty * np.eye(len(scatter)), centred.T @ (new - offset))
    return mean, np.asarray(matrix), offset


def _units(vectors: NDArray[Any]) -> Doubles:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.where(lengths > _SMALLEST, vectors / np.maximum(lengths, _SMALLEST), 0), np.float64)
