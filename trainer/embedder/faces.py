"""Aligned faces out of pictures, through the very detector, mesh and warp that a door uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from edge.adapters.pictures import read_picture
from edge.inference.detector import Detector
from edge.inference.mesh import Mesh
from edge.inference.spec import Manifest
from edge.recognition.align import Alignment, similarity, warp
from edge.recognition.types import Detection, Floats, Image


@dataclass(frozen=True, slots=True, eq=False)
class MeshedPicture:
    """pixels: RGB `(H, W, 3)` uint8. mesh: of the face in question, `(468, 3)` in its pixels; None where no face was
    found.
    """

    pixels: Image
    mesh: Floats | None


class FaceFinder:
    """Finds the face that a picture is labelled with: the one nearest the picture's centre, as LFW's are."""

    def __init__(self, models: Manifest) -> None:
        """models: with the default detector and mesh.

        Raises:
            ModelError: one of them is missing or damaged.
        """
        self._detector = Detector(models.pick("detector"))
        self._mesh = Mesh(models.pick("mesh"))

    def find(self, pixels: Image) -> MeshedPicture:
        """pixels: RGB `(H, W, 3)` uint8."""
        found = self._detector.detect(pixels)
        if not found:
            return MeshedPicture(pixels, None)
        centre = np.array([pixels.shape[1] / 2, pixels.shape[0] / 2], np.float32)
        nearest = min(found, key=lambda detection: _distance(detection, centre))
        return MeshedPicture(pixels, self._mesh.fit(pixels, nearest).mesh)


def crop(picture: MeshedPicture, alignment: Alignment, side: int) -> Image:
    """The face in an embedder's frame, RGB `(side, side, 3)` uint8. The picture must have a mesh."""
    assert picture.mesh is not None
    matrix = similarity(alignment.points(picture.mesh), np.array(alignment.template, np.float32))
    return warp(picture.pixels, matrix, (side, side))


def calibration_faces(files: Iterable[Path], finder: FaceFinder, seed: int = 0) -> list[MeshedPicture]:
    """Each picture's face as it is, and once more in a light and at a distance that press photographs lack."""
    random = np.random.default_rng(seed)
    pictures = (read_picture(file) for file in files)
    views = (view for pixels in pictures for view in (pixels, _as_at_a_door(pixels, random)))
    return [picture for view in views if (picture := finder.find(view)).mesh is not None]


def _as_at_a_door(pixels: Image, random: np.random.Generator) -> Image:
    """The picture, darkened or brightened, and for every third one shrunk as if the face were some steps away."""
    gain, gamma = random.uniform(0.5, 1.4), random.uniform(0.7, 1.5)
    shrink = random.uniform(0.35, 0.7) if random.random() < 1 / 3 else 1.0
    table = (255 * np.clip((np.arange(256) / 255) ** gamma * gain, 0, 1)).astype(np.uint8)
    picture = Pillow.fromarray(table[pixels])
    size = (round(picture.width * shrink), round(picture.height * shrink))
    return np.asarray(picture.resize(size, Pillow.Resampling.BOX) if shrink < 1 else picture)


def _distance(detection: Detection, centre: Floats) -> float:
    return float(np.hypot(*(np.array(detection.box.centre) - centre)))
