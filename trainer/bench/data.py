"""A folder of faces to measure on: lists of pairs and the pictures that they name. Knows no person and ships none.

Its shape: `lists/*.tsv` and `*.txt`, with paths below `lfw/`; `negatives/` with pictures that show no face.
Other people's pictures do as well under the same list names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.adapters.pictures import read_picture
from edge.errors import DoorwardError
from edge.recognition.types import Image
from trainer.embedder.pairs import PairList, read_pairs

PAIR_LISTS = {"balanced": "lfw_dev_pairs_balanced.tsv", "official": "lfw_dev_pairs_official.tsv"}
_NEGATIVES = "negatives_dev.txt"
_ENROLL = "lfw_dev_enroll.tsv"
_FLEET = "lfw_dev_fleet.txt"
STRANGERS = {"test": "lfw_dev_impostors.txt", "calibration": "lfw_dev_impostors_calib.txt"}


@dataclass(frozen=True, slots=True)
class Enrollee:
    """Somebody who is enrolled in a session. shots: in the order taken. probes: of the same person, never enrolled."""

    person: str
    session: int
    shots: tuple[str, ...]
    probes: tuple[str, ...]


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
        self._require(file, sorted(pairs.paths))
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
        files = [self.folder / "negatives" / name for name in _text_lines(file)]
        missing = next((found for found in files if not found.is_file()), None)
        if missing is not None or not files:
            raise DoorwardError(f"{file}: {f'names {missing}, which is not there' if missing else 'names no picture'}")
        return files

    def enrollees(self) -> list[Enrollee]:
        """Everybody of the enrollment list, by session, in the list's order within one.

        Raises:
            DoorwardError: the list is missing or of another form, has one session alone, somebody is in two sessions or
                has no shot or no probe, or it names a picture that is not there.
        """
        file = self._list(_ENROLL)
        people: dict[str, list[_Line]] = {}
        for line in _enrollment_lines(file):
            people.setdefault(line.person, []).append(line)
        found = sorted((_enrollee(file, lines) for lines in people.values()), key=lambda person: person.session)
        if len({person.session for person in found}) < 2:
            raise DoorwardError(f"{file}: needs two sessions at least; see the list's first line")
        self._require(file, (path for person in found for path in (*person.shots, *person.probes)))
        return found

    def fleet(self) -> dict[str, list[str]]:
        """Pictures by person, of the people whom a head is learned from; a picture's folder names its person.

        Raises:
            DoorwardError: the list is missing or empty, or names a picture that is not there.
        """
        file = self._list(_FLEET)
        paths = _text_lines(file)
        if not paths:
            raise DoorwardError(f"{file}: names no picture")
        self._require(file, paths)
        people: dict[str, list[str]] = {}
        for path in paths:
            people.setdefault(path.rpartition("/")[0], []).append(path)
        return people

    def strangers(self, name: str) -> list[str]:
        """Pictures of people who are never enrolled, one each: a list of `STRANGERS`.

        Raises:
            DoorwardError: it is missing or empty, or names a picture that is not there.
        """
        file = self._list(STRANGERS[name])
        paths = _text_lines(file)
        if not paths:
            raise DoorwardError(f"{file}: names no picture")
        self._require(file, paths)
        return paths

    def _require(self, file: Path, paths: Iterable[str]) -> None:
        missing = next((path for path in paths if not self.face_file(path).is_file()), None)
        if missing is not None:
            raise DoorwardError(f"{file}: names {missing}, which is not in {self.folder / 'lfw'}")

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


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the enrollment list. shot: 1 for the first, 0 for a probe."""

    path: str
    person: str
    session: int
    shot: int


def _enrollment_lines(file: Path) -> Iterator[_Line]:
    for number, text in enumerate(_read(file), 1):
        if not text or text.startswith("#"):
            continue
        try:
            path, person, session, use, shot = text.split("\t")
            if use not in ("enroll", "probe"):
                raise ValueError(use)
            yield _Line(path, person, int(session), int(shot) if use == "enroll" else 0)
        except ValueError as error:
            raise DoorwardError(
                f"{file}: line {number}: not path, person, session, enroll or probe, and shot, with tabs between"
            ) from error


def _enrollee(file: Path, lines: list[_Line]) -> Enrollee:
    person, session = lines[0].person, lines[0].session
    shots = tuple(line.path for line in sorted(lines, key=lambda line: line.shot) if line.shot)
    probes = tuple(line.path for line in lines if not line.shot)
    if any(line.session != session for line in lines):
        raise DoorwardError(f"{file}: {person} is in two sessions; everybody is enrolled once")
    if not shots or not probes:
        raise DoorwardError(f"{file}: {person} needs a picture to enroll and another to be recognized by")
    return Enrollee(person, session, shots, probes)


def _text_lines(file: Path) -> list[str]:
    return [line for line in _read(file) if line and not line.startswith("#")]


def _read(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DoorwardError(f"{file}: cannot be read as text ({error})") from error
