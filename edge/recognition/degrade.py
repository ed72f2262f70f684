"""Makes an aligned face look as a door camera at night would have seen it: few pixels, little light, compression.

A head learned from such views beside the clean ones holds at night; one learned from clean views alone is worse there
than none. Pure: the randomness comes in as a generator.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

from edge.recognition.types import Image


@dataclass(frozen=True, slots=True)
class NightCamera:
    """Ranges that each view is drawn from, evenly.

    eye_px: eye distance in the camera's own pixels. gain: of the light. electrons: full-well count, which sets the shot
    noise. blur_px: Gaussian sigma in the camera's pixels. jpeg: quality.
    """

    eye_px: tuple[float, float] = (11.0, 21.0)
    gain: tuple[float, float] = (0.25, 0.9)
    electrons: tuple[float, float] = (200.0, 2000.0)
    blur_px: tuple[float, float] = (0.2, 0.9)
    jpeg: tuple[int, int] = (35, 80)


def night_view(crop: Image, crop_eye_px: float, camera: NightCamera, random: np.random.Generator) -> Image:
    """One view of an aligned face.

    crop: RGB `(S, S, 3)` uint8. crop_eye_px: the eye distance in it.
    Returns the same shape: what alignment would make of the small, dark, noisy picture.
    """
    side = crop.shape[0]
    small = max(8, round(side * random.uniform(*camera.eye_px) / crop_eye_px))
    picture = Pillow.fromarray(crop).resize((small, small), Pillow.Resampling.BOX)
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(*camera.blur_px)))
    noisy = _shot_noise(np.asarray(picture), random.uniform(*camera.gain), random.uniform(*camera.electrons), random)
    return np.asarray(_jpeg(noisy, int(random.integers(*camera.jpeg))).resize((side, side), Pillow.Resampling.BILINEAR))


def _shot_noise(pixels: Image, gain: float, electrons: float, random: np.random.Generator) -> Image:
    """Poisson noise of the light that arrives, in linear light (gamma 2.2)."""
    linear = (pixels / 255.0) ** 2.2 * gain
    counted = random.poisson(linear * electrons) / electrons
    return np.asarray(np.rint(255 * counted.clip(0, 1) ** (1 / 2.2)), np.uint8)


def _jpeg(pixels: Image, quality: int) -> Pillow.Image:
    packed = io.BytesIO()
    Pillow.fromarray(pixels).save(packed, "JPEG", quality=quality)
    return Pillow.open(packed).convert("RGB")
