"""Which pictures a build calibrates on and measures with. Reads lists and folders, no picture."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DoorwardError
from edge.inference.spec import SHIPPED
from trainer.embedder.pairs import PairList, read_pairs

VARIABLE = "DOORWARD_FACEDATA"
_FLEET = Path("lists") / "lfw_dev_fleet.txt"
_PAIRS = {"balanced": "lfw_dev_pairs_balanced.tsv", "official": "lfw_dev_pairs_official.tsv"}
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
# Each picture gives two faces. 32 faces did as well as 204 in a trial; more cost seconds and cover more kinds of light.
CALIBRATION_PICTURES, QUICK_PICTURES = 120, 12


@dataclass(frozen=True, slots=True, eq=False)
class PictureSet:
    """folder: where the lists' paths begin. calibration: files of persons who are in no list of pairs.

    described: one phrase that says what they are, for the card.
    """

    folder: Path
    calibration: tuple[Path, ...]
    lists: tuple[PairList, ...]
    described: str


def find_pictures(data: Path | None, *, quick: bool) -> PictureSet:
    """data: a folder of pictures, one face each, or one that holds LFW with the project's lists; without it the
    folder that DOORWARD_FACEDATA names, else the pictures that ship with Doorward.

    Raises:
        DoorwardError: the folder is missing or holds no picture.
    """
    named = os.environ.get(VARIABLE)
    folder = data or (Path(named) if named else SHIPPED.parent / "demo" / "pictures")
    if not folder.is_dir():
        raise DoorwardError(f"{folder}: no such folder; --data or {VARIABLE} names one with pictures of faces")
    found = _with_lists(folder) if (folder / _FLEET).is_file() else _plain(folder)
    if not found.calibration:
        raise DoorwardError(f"{folder}: holds no picture ({', '.join(_SUFFIXES)})")
    if quick:
        return PictureSet(folder, spread(found.calibration, QUICK_PICTURES), (), found.described)
    return found


def spread(files: tuple[Path, ...], count: int) -> tuple[Path, ...]:
    """At most `count` of the files, evenly over their order."""
    return tuple(files[number * len(files) // count] for number in range(count)) if len(files) > count else files


def _with_lists(folder: Path) -> PictureSet:
    pictures = folder / "lfw"
    fleet = tuple(pictures / line for line in (folder / _FLEET).read_text("utf-8").split())
    lists = tuple(read_pairs(folder / "lists" / file, name) for name, file in _PAIRS.items())
    tested = {Path(path).parent.name for pairs in lists for path in pairs.paths}
    unseen = tuple(file for file in fleet if file.parent.name not in tested)
    described = "LFW (deep funneled) pictures of persons who are in no list of pairs"
    return PictureSet(pictures, spread(unseen, CALIBRATION_PICTURES), lists, described)


def _plain(folder: Path) -> PictureSet:
    files = tuple(sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES))
    return PictureSet(folder, spread(files, CALIBRATION_PICTURES), (), f"pictures of the folder {folder.name}")
