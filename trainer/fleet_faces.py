"""Embeds the pictures of a fleet list as its doors would have enrolled them: clean, and as seen at night.

What is learned from them is left to `cohort.py` and `distill.py`. The embeddings stay in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.adapters.pictures import read_picture
from edge.errors import DoorwardError
from edge.inference.embedder import Embedder
from edge.inference.spec import Manifest
from edge.recognition.degrade import NightCamera, night_view
from edge.recognition.types import Embedding, Floats
from trainer.embedder.faces import FaceFinder

FLEET_LIST = "lfw_dev_fleet.txt"
STRANGERS_LIST = "lfw_dev_impostors_calib.txt"


@dataclass(frozen=True, slots=True, eq=False)
class PersonViews:
    """One person's pictures as embeddings; night views stand behind the clean ones."""

    clean: tuple[Embedding, ...]
    night: tuple[Embedding, ...]

    @property
    def embeddings(self) -> Floats:
        """`(n, D)` of all views."""
        return np.stack([view.x for view in (*self.clean, *self.night)])

    @property
    def norms(self) -> Floats:
        """`(n,)` of all views."""
        return np.array([view.norm for view in (*self.clean, *self.night)], np.float32)


def fleet_files(data: Path) -> dict[str, list[Path]]:
    """Pictures by person, from `lists/lfw_dev_fleet.txt` of a data folder.

    Raises:
        DoorwardError: the list is missing or empty.
    """
    file = data / "lists" / FLEET_LIST
    try:
        lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise DoorwardError(f"{file}: cannot be read; --data takes a folder with lists/{FLEET_LIST}") from error
    if not lines:
        raise DoorwardError(f"{file}: names no picture")
    people: dict[str, list[Path]] = {}
    for line in lines:
        people.setdefault(line.partition("/")[0], []).append(data / "lfw" / line)
    return people


def embed_people(
    people: Iterable[list[Path]],
    models: Manifest,
    embedder: Embedder,
    *,
    night_views: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[PersonViews]:
    """Embed person after person; a picture in which no face is found is passed over, and so is a person without one.

    night_views: made of each picture. progress: is told how many people are done.
    """
    finder, random = FaceFinder(models), np.random.default_rng(seed)
    for number, files in enumerate(people, start=1):
        clean: list[Embedding] = []
        night: list[Embedding] = []
        for file in files:
            picture = finder.find(read_picture(file))
            if picture.mesh is None:
                continue
            crop = embedder.align(picture.pixels, picture.mesh)
            clean.append(embedder.embed(crop))
            eye_px = embedder.alignment.eye_distance_px(picture.mesh)
            dark = (night_view(crop, eye_px, NightCamera(), random) for _ in range(night_views))
            night += [embedder.embed(view) for view in dark]
        progress(number)
        if clean:
            yield PersonViews(tuple(clean), tuple(night))
