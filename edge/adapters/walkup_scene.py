"""Draws what a door camera sees: an entrance, and in it a person at a given distance, with the camera's own faults.

All of it is drawn here, no other picture is used; each frame follows from its numbers and a seed. Leaves to `walkup.py`
when the person stands where, and to `walkup_figure.py` what they look like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFilter

from edge.adapters.walkup_figure import Figure
from edge.recognition.types import Image

_Field: TypeAlias = NDArray[np.float32]

# Noise of a small sensor at room light, levels: variance = read + shot * level.
_READ, _SHOT = 1.5, 0.035


@dataclass(frozen=True, slots=True)
class Stance:
    """Where the person is, as shares of the frame.

    x, y: the face's centre, 0..1 from the left and from the top.
    face: its width, of the frame's width.
    roll: of the whole person, degrees clockwise.
    """

    x: float
    y: float
    face: float
    roll: float


class Scene:
    """An entrance hall, and a camera that looks into it."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        """width, height: px of the frames. seed: of the noise."""
        self._size = width, height
        self._seed = seed
        self._empty = _hall(width, height)
        random = np.random.default_rng(seed)
        # One field of noise, shifted for each frame, is as good to the eye as a new one and costs a tenth.
        self._noise = random.standard_normal((height + 64, width + 64, 3), dtype=np.float32)

    def frame(
        self, number: int, figure: Figure | None, stances: list[Stance], *, light: float, defocus: float
    ) -> Image:
        """One frame, RGB `(H, W, 3)` uint8.

        Args:
            number: chooses the noise.
            figure: who is there, or nobody.
            stances: where during the exposure, one or more moments that are averaged: motion blur.
            light: 1 is a right exposure; less is darker and, relative to what is left, noisier.
            defocus: of the person, standard deviation in px at 640 px frame width.
        """
        seen = self._empty.copy()
        if figure is not None:
            cover = self._cover(figure, stances, defocus)
            seen *= 1 - cover[..., 3:] / 255
            seen += cover[..., :3]
        return self._sensed(seen, light, number)

    def _cover(self, figure: Figure, stances: list[Stance], defocus: float) -> _Field:
        """The person alone, in the frame's size: R, G, B multiplied by alpha, and alpha, 0..255."""
        moments = [self._layer(figure, stance) for stance in stances]
        layer = moments[0]
        for count, moment in enumerate(moments[1:], start=2):
            layer = Pillow.blend(layer, moment, 1 / count)
        soft = layer.filter(ImageFilter.GaussianBlur(defocus * self._size[0] / 640))
        return np.asarray(soft, np.float32)

    def _layer(self, figure: Figure, stance: Stance) -> Pillow.Image:
        width, height = self._size
        scale = stance.face * width / figure.face_px  # of the figure's px, in frame px
        level = min(len(figure.layers) - 1, max(0, int(-math.log2(scale)))) if scale < 1 else 0
        step = 0.5**level / scale  # one frame px in px of that level
        turn = math.radians(stance.roll)
        cos, sin = step * math.cos(turn), step * math.sin(turn)
        x, y = stance.x * width, stance.y * height
        left, top = (along * 0.5**level for along in figure.anchor)
        # From frame px to figure px: about the face's centre; pixel centres are Pillow's own business.
        matrix = (cos, sin, left - cos * x - sin * y, -sin, cos, top + sin * x - cos * y)
        return figure.layers[level].transform(self._size, Pillow.Transform.AFFINE, matrix, Pillow.Resampling.BILINEAR)

    def _sensed(self, seen: _Field, light: float, number: int) -> Image:
        """Exposure in linear light, then the noise of its photons, then back to 8 bits."""
        levels = seen.round().clip(0, 255).astype(np.uint8)
        exposed = ((np.arange(256) / 255) ** 2.2 * light).clip(0, 1) ** (1 / 2.2) * 255
        # A dim scene is amplified by the camera: its noise grows with the gain.
        spread = np.sqrt((_READ + _SHOT * exposed) / np.clip(light, 0.05, 1))
        across, down = np.random.default_rng((self._seed, number)).integers(0, 64, 2)
        height, width = levels.shape[:2]
        noise = self._noise[down : down + height, across : across + width]
        noisy = exposed.astype(np.float32)[levels] + spread.astype(np.float32)[levels] * noise
        pixels: Image = noisy.round().clip(0, 255).astype(np.uint8)
        return pixels


def _hall(width: int, height: int) -> _Field:
    """Wall, skirting, a closed door at the back and a tiled floor, lit from the upper left; `(H, W, 3)`, 0..255."""
    x = ((np.arange(width) + 0.5) / width)[None, :]
    y = ((np.arange(height) + 0.5) / height)[:, None]
    lamp = np.exp(-((x - 0.28) ** 2) / 0.22 - (y - 0.05) ** 2 / 0.6)
    hall = np.broadcast_to(np.array([178.0, 171.0, 160.0]), (height, width, 3)) * (0.62 + 0.45 * lamp)[..., None]

    def paint(where: NDArray[np.bool_], colour: tuple[float, float, float], depth: float = 1.0) -> None:
        hall[where] = (1 - depth) * hall[where] + depth * np.array(colour) * (0.62 + 0.45 * lamp)[where][:, None]

    floor = 0.80
    paint((y > floor - 0.03) & (x > -1), (214, 208, 198))
    paint((x > 0.66) & (x < 0.93) & (y > 0.10) & (y < floor), (226, 221, 212))
    paint((x > 0.68) & (x < 0.91) & (y > 0.13) & (y < floor), (112, 84, 62))
    for top, bottom in ((0.19, 0.42), (0.49, 0.75)):
        for left in (0.70, 0.81):
            paint((x > left) & (x < left + 0.08) & (y > top) & (y < bottom), (98, 72, 53))
    paint((x > 0.692) & (x < 0.705) & (y > 0.46) & (y < 0.475), (190, 180, 150))
    paint((y > floor) & (x > -1), (128, 118, 106))
    depth = 0.12 / np.maximum(y - floor + 0.12, 0.01)  # rows of tiles grow towards the camera
    joints = (np.abs(((x - 0.5) * depth * 6) % 1 - 0.5) > 0.47) | (np.abs((depth * 9) % 1 - 0.5) > 0.45)
    paint(joints & (y > floor), (96, 88, 80), 0.7)
    vignette = 1 - 0.25 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    picture = Pillow.fromarray((hall * vignette[..., None]).round().clip(0, 255).astype(np.uint8))
    # The camera is focused on whoever stands before it, not on the wall.
    return np.array(picture.filter(ImageFilter.GaussianBlur(1.6 * width / 640)), np.float32)
