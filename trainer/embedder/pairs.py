"""Face verification on lists of pairs, such as LFW's, through the code that a door runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge.adapters.pictures import read_picture
from edge.errors import DoorwardError
from edge.inference.embedder import Embedder
from edge.recognition.types import Floats
from trainer.embedder.faces import FaceFinder
from trainer.metrics import bootstrap_interval, pair_accuracy, tar_at_far

FAR = 1e-3
_NO_FACE = -1.0  # the lowest cosine: a face that was not found matches nobody, and the failure counts
_PROGRESS_EVERY = 500

Embeddings: TypeAlias = dict[str, Floats]  # a picture's path to its embedding as the model gave it


@dataclass(frozen=True, slots=True, eq=False)
class PairList:
    """left, right: paths below the folder of pictures. same, folds: one for each pair."""

    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    same: NDArray[np.bool_]
    folds: NDArray[np.int64]

    @property
    def paths(self) -> set[str]:
        return {*self.left, *self.right}


@dataclass(frozen=True, slots=True)
class Figure:
    """A share with its 95 % interval, 0..1 (differences -1..1)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairFigures:
    """accuracy: 10-fold, Wilson. tar: genuine pairs accepted at FAR 1e-3, bootstrap over pairs."""

    accuracy: Figure
    tar: Figure


def read_pairs(file: Path, name: str) -> PairList:
    """Lines of `fold, same, path, path` with tabs between.

    Raises:
        DoorwardError: missing, or a line of another form.
    """
    try:
        lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
        rows = [
            (int(fold), same == "1", left, right) for fold, same, left, right in (line.split("\t") for line in lines)
        ]
    except OSError as error:
        raise DoorwardError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise DoorwardError(f"{file}: not a list of pairs, fold, same, path, path ({error})") from error
    folds, same, left, right = zip(*rows, strict=True) if rows else ((), (), (), ())
    return PairList(name, left, right, np.array(same, np.bool_), np.array(folds, np.int64))


def embed_pictures(
    folder: Path, paths: Iterable[str], finder: FaceFinder, embedders: Mapping[str, Embedder]
) -> dict[str, Embeddings]:
    """Embed the labelled face of each picture with each embedder; a picture without a face is left out."""
    found: dict[str, Embeddings] = {name: {} for name in embedders}
    for number, path in enumerate(paths := sorted(paths), 1):
        picture = finder.find(read_picture(folder / path))
        if picture.mesh is not None:
            for name, embedder in embedders.items():
                embedding = embedder.embed(embedder.align(picture.pixels, picture.mesh))
                found[name][path] = (embedding.x * embedding.norm).astype(np.float32)
        if number % _PROGRESS_EVERY == 0:
            print(f"  {number} of {len(paths)} pictures", flush=True)
    return found


def scores(pairs: PairList, embeddings: Embeddings) -> NDArray[np.float64]:
    """Cosine of each pair."""
    units = {path: vector / np.linalg.norm(vector) for path, vector in embeddings.items()}
    return np.array(
        [
            float(units[left] @ units[right]) if left in units and right in units else _NO_FACE
            for left, right in zip(pairs.left, pairs.right, strict=True)
        ]
    )


def figures(pairs: PairList, values: NDArray[np.float64]) -> PairFigures:
    """Accuracy and TAR of one embedder."""
    accuracy = pair_accuracy(values, pairs.same, pairs.folds)
    tar, _ = tar_at_far(values, pairs.same, FAR)
    low, high = bootstrap_interval(lambda drawn: _tar(values[drawn], pairs.same[drawn]), len(values))
    return PairFigures(Figure(accuracy.mean, *accuracy.interval), Figure(tar, low, high))


def difference(pairs: PairList, one: NDArray[np.float64], other: NDArray[np.float64]) -> PairFigures:
    """What `one` has over `other` on the same pairs, with intervals of the paired difference."""
    first, second = (pair_accuracy(values, pairs.same, pairs.folds) for values in (one, other))
    gained = first.right.astype(np.float64) - second.right
    accuracy = Figure(
        first.mean - second.mean, *bootstrap_interval(lambda drawn: float(gained[drawn].mean()), len(gained))
    )

    def tar(drawn: NDArray[np.intp]) -> float:
        return _tar(one[drawn], pairs.same[drawn]) - _tar(other[drawn], pairs.same[drawn])

    return PairFigures(accuracy, Figure(tar(np.arange(len(one))), *bootstrap_interval(tar, len(one))))


def every_pair(embeddings: Embeddings, far: float) -> Figure:
    """TAR where every picture is compared with every other: millions of impostors, where a list of pairs has thousands.

    A picture's person is its folder. The interval is a bootstrap over persons of the genuine pairs, at the
    threshold found.

    Raises:
        ValueError: no person has two pictures, or there is only one person.
    """
    paths = sorted(embeddings)
    vectors = np.stack([embeddings[path] / np.linalg.norm(embeddings[path]) for path in paths])
    persons = np.unique([path.rpartition("/")[0] for path in paths], return_inverse=True)[1]
    first, second = np.triu_indices(len(paths), 1)
    values, same = (vectors @ vectors.T)[first, second], persons[first] == persons[second]
    tar, threshold = tar_at_far(values, same, far)
    owners = persons[first[same]]
    total = np.bincount(owners)
    accepted = np.bincount(owners[values[same] > threshold], minlength=len(total))
    shown = np.flatnonzero(total)

    def share(drawn: NDArray[np.intp]) -> float:
        return float(accepted[shown[drawn]].sum() / total[shown[drawn]].sum())

    return Figure(tar, *bootstrap_interval(share, len(shown)))


def _tar(values: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    return tar_at_far(values, same, FAR)[0]
