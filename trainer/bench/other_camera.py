"""A night camera that no head has learned from: what a head promises must hold for it too. Pure.

Everything differs from `edge/recognition/degrade.py`'s camera: infrared light from one side instead of little light in
colour, read noise that is the same for bright and dark instead of shot noise, movement instead of a soft lens, and the
in-camera processing of a cheap device (denoising, lifted shadows, sharpening, coarse JPEG, cubic enlargement).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFilter

from edge.recognition.types import Image

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class InfraredCamera:
    """Ranges that each view is drawn from, evenly.

    eye_px: eye distance in the camera's own pixels. falloff: light lost from one side of the face to the other, share.
    lift: gamma of the shadows, below 1. noise: standard deviation of the read noise, grey levels. smear_px: length of
    the movement along the rows, the camera's pixels. jpeg: quality.
    """

    eye_px: tuple[float, float] = (15.0, 30.0)
    falloff: tuple[float, float] = (0.2, 0.6)
    lift: tuple[float, float] = (0.6, 0.95)
    noise: tuple[float, float] = (3.0, 10.0)
    smear_px: tuple[int, int] = (1, 3)
    jpeg: tuple[int, int] = (22, 50)


def infrared_view(crop: Image, crop_eye_px: float, camera: InfraredCamera, random: np.random.Generator) -> Image:
    """One view of an aligned face, as `night_view` gives one.

    crop: RGB `(S, S, 3)` uint8. crop_eye_px: the eye distance in it. Returns the same shape, all channels alike.
    """
    side = crop.shape[0]
    small = max(8, round(side * random.uniform(*camera.eye_px) / crop_eye_px))
    grey = Pillow.fromarray(np.rint(crop @ _LUMA).astype(np.uint8)).resize((small, small), Pillow.Resampling.LANCZOS)
    light = _lit_from_one_side(np.asarray(grey, np.float64) / 255, random.uniform(*camera.falloff), random)
    moved = _smeared(light, int(random.integers(*camera.smear_px, endpoint=True)))
    noisy = 255 * moved ** random.uniform(*camera.lift) + random.normal(0, random.uniform(*camera.noise), moved.shape)
    picture = Pillow.fromarray(np.rint(noisy.clip(0, 255)).astype(np.uint8)).filter(ImageFilter.MedianFilter(3))
    picture = picture.filter(ImageFilter.UnsharpMask(radius=1.5, percent=120, threshold=2))
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=int(random.integers(*camera.jpeg)))
    return np.asarray(Pillow.open(packed).resize((side, side), Pillow.Resampling.BICUBIC).convert("RGB"))


def _lit_from_one_side(grey: NDArray[Any], falloff: float, random: np.random.Generator) -> NDArray[Any]:
    """grey: 0..1. The lamp stands at a random side."""
    across = np.linspace(1, 1 - falloff, grey.shape[1])
    return np.asarray(grey * (across if random.random() < 0.5 else across[::-1]))


def _smeared(grey: NDArray[Any], length: int) -> NDArray[Any]:
    """The mean of so many pixels along each row; a border repeats."""
    padded = np.pad(grey, ((0, 0), (0, length - 1)), mode="edge")
    return np.asarray(np.mean([padded[:, shift : shift + grey.shape[1]] for shift in range(length)], axis=0))
