"""A folder of faces to measure on: lists of pairs and the pictures that they name. Knows no person and ships none.

Its shape: `lists/*.tsv` and `*.txt`, with paths below `lfw/`; `negatives/` with pictures that show no face.
Other people's pictures do as well under the same list names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.adapters.pictures import read_picture
from edge.errors import DoorwardError
from edge.recognition.types import Image
from trainer.embedder.pairs import PairList, read_pairs

PAIR_LISTS = {"balanced": "lfw_dev_pairs_balanced.tsv", "official": "lfw_dev_pairs_official.tsv"}
_NEGATIVES = "negatives_dev.txt"


@dataclass(frozen=True, slots=True)
class FaceData:
    """A folder that was found to have the shape above."""

    folder: Path

    def pairs(self, name: str) -> PairList:
        """A list of `PAIR_LISTS`.

        Raises:
            DoorwardError: it is missing, of another form, empty, of one fold, or names a picture that is not there.
        """
        file = self._list(PAIR_LISTS[name])
        pairs = read_pairs(file, name)
        if len(set(pairs.folds.tolist())) < 2 or pairs.same.all() or not pairs.same.any():
            raise DoorwardError(f"{file}: needs two folds and pairs of both kinds; see the list's first line")
        for path in sorted(pairs.paths):
            if not self.face_file(path).is_file():
                raise DoorwardError(f"{file}: names {path}, which is not in {self.folder / 'lfw'}")
        return pairs

    def face_file(self, path: str) -> Path:
        return self.folder / "lfw" / path

    def face(self, path: str) -> Image:
        """A picture that a list names, RGB `(H, W, 3)` uint8.

        Raises:
            PictureError: it is damaged.
        """
        return read_picture(self.face_file(path))

    def backgrounds(self) -> list[Path]:
        """Pictures without a face.

        Raises:
            DoorwardError: the list is missing or empty, or names a picture that is not there.
        """
        file = self._list(_NEGATIVES)
        names = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
        files = [self.folder / "negatives" / name for name in names]
        missing = next((found for found in files if not found.is_file()), None)
        if missing is not None or not files:
            raise DoorwardError(f"{file}: {f'names {missing}, which is not there' if missing else 'names no picture'}")
        return files

    def _list(self, name: str) -> Path:
        file = self.folder / "lists" / name
        if not file.is_file():
            raise DoorwardError(
                f"{file}: no such list; --data takes a folder with lists/{name} and the pictures it names"
            )
        return file


def open_data(folder: Path) -> FaceData:
    """Raises:
    DoorwardError: it is no folder, or has no `lists`.
    """
    if not folder.is_dir():
        raise DoorwardError(f"{folder}: no such folder; --data takes one with lists/ and lfw/ in it")
    if not (folder / "lists").is_dir():
        raise DoorwardError(f"{folder}: has no lists/; --data takes a folder with lists/ and lfw/ in it")
    return FaceData(folder)


def sample(pairs: PairList, per_fold: int, seed: int = 0) -> PairList:
    """A part of a list for a quick look: up to `per_fold` pairs of each kind from each fold."""
    random = np.random.default_rng(seed)
    kept: list[int] = []
    for fold in np.unique(pairs.folds):
        for same in (True, False):
            places = np.flatnonzero((pairs.folds == fold) & (pairs.same == same))
            kept += random.permutation(places)[:per_fold].tolist()
    chosen = np.array(sorted(kept))
    return PairList(
        pairs.name,
        tuple(pairs.left[i] for i in chosen),
        tuple(pairs.right[i] for i in chosen),
        pairs.same[chosen],
        pairs.folds[chosen],
    )
