"""Door scenes made of the shipped pictures: a head of any width, tilt and light before a background without people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from edge.recognition.align import warp
from edge.recognition.pose import face_width_px
from edge.recognition.types import Face, Image
from tests.fakes.line import face_of, picture

WIDTH, HEIGHT = 640, 480
Levels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """Who is put into a scene. centre: x, y in its pixels. width_px: from temple to temple. roll: degrees more."""

    name: str
    centre: tuple[float, float]
    width_px: float
    roll: float = 0.0


def background(name: str = "coffee", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image:
    """A shipped picture without people, as large as a frame."""
    return np.asarray(Pillow.fromarray(picture(name)).resize(size, Pillow.Resampling.BICUBIC))


def scene(*heads: Head, behind: Image | None = None) -> Image:
    """A frame with these heads, their edges softened into what is behind them."""
    frame = (background() if behind is None else behind).astype(np.float32)
    for head in heads:
        pasted, mask = _pasted(head, (frame.shape[1], frame.shape[0]))
        frame = frame * (1 - mask) + pasted * mask
    return np.asarray(np.rint(frame), np.uint8)


def backlit(*heads: Head, gain: float) -> Image:
    """The heads at `gain` of their light, before a bright sky."""
    frame: Levels = np.minimum(background("rocket").astype(np.float32) * 1.2 + 110, 255)
    for head in heads:
        pasted, mask = _pasted(head, (WIDTH, HEIGHT))
        frame = frame * (1 - mask) + gain * pasted * mask
    return np.asarray(np.rint(frame), np.uint8)


def dim(pixels: Image, gain: float, seed: int = 0) -> Image:
    """Less light, and the noise of a sensor: of reading it, and of counting photons."""
    levels = pixels.astype(np.float32) * gain
    noise = np.random.default_rng(seed).normal(0, 1, pixels.shape) * np.sqrt(3.0**2 + 0.5 * levels)
    return np.asarray(np.clip(np.rint(levels + noise), 0, 255), np.uint8)


def shows(face: Face, head: Head) -> bool:
    """Whether a found face is this head: its middle and its width, generously."""
    across, down = face.mesh[:, :2].mean(axis=0) - head.centre
    return bool(np.hypot(across, down) < 0.35 * head.width_px and 0.6 < face_width_px(face.mesh) / head.width_px < 1.5)


def _pasted(head: Head, size: tuple[int, int]) -> tuple[Levels, Levels]:
    """The head alone in a frame, and how opaque each pixel of it is, 0..1."""
    pixels, mesh = picture(head.name), face_of(head.name).mesh
    middle, width = mesh[:, :2].mean(axis=0), face_width_px(mesh)
    angle, scale = np.radians(head.roll), head.width_px / width
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, np.asarray(head.centre) - turn @ middle])
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5
    distance = np.hypot((columns - middle[0]) / (0.8 * width), (rows - middle[1] + 0.08 * width) / (1.05 * width))
    mask = np.rint(255 * np.clip((1.1 - distance) / 0.2, 0, 1)).astype(np.uint8)
    opaque = np.asarray(warp(np.repeat(mask[..., None], 3, axis=2), matrix, size) / np.float32(255), np.float32)
    return warp(pixels, matrix, size).astype(np.float32), opaque
