"""Brings a face into a model's own frame: similarity from points, warp with antialiasing. Finds no points itself.

Points are x, y in pixels with a pixel's centre at +0.5, as Pillow's transforms count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from edge.recognition.types import Floats, Image


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a face is brought into an embedder's frame: a similarity fitted from mesh points to a template.

    groups: each tuple of mesh indices is averaged to one point.
    template: as many x, y in pixels of the aligned crop.
    """

    groups: tuple[tuple[int, ...], ...]
    template: tuple[tuple[float, float], ...]

    def points(self, mesh: Floats) -> Floats:
        """The groups' mean points, `(len(groups), 2)` float32, in the mesh's own pixels."""
        means = [mesh[list(group), :2].mean(axis=0) for group in self.groups]
        return np.asarray(means, np.float32)

    def matrix(self, mesh: Floats) -> NDArray[np.float64]:
        """The similarity that brings a face of this mesh to the template, `(2, 3)`."""
        return similarity(self.points(mesh), np.array(self.template, np.float32))

    def eye_distance_px(self, mesh: Floats) -> float:
        """Between the eyes of the face once it is aligned."""
        left, right = apply(self.matrix(mesh), eye_centres(mesh))
        return float(np.linalg.norm(right - left))


def eye_centres(mesh: Floats) -> Floats:
    """Middle between inner and outer corner of each eye, `(2, 2)`, left to right as seen."""
    return np.asarray(mesh[[33, 133, 362, 263], :2].reshape(2, 2, 2).mean(axis=1), np.float32)


def similarity(source: Floats, target: Floats) -> NDArray[np.float64]:
    """Least-squares rotation, scale and shift, no reflection (Umeyama 1991).

    source, target: `(K, 2)`, K >= 2.
    Returns `(2, 3)`: target = matrix @ [x, y, 1].
    """
    from_mean, to_mean = source.mean(axis=0, dtype=np.float64), target.mean(axis=0, dtype=np.float64)
    a, b = source - from_mean, target - to_mean
    spread = float((a * a).sum())
    if spread == 0:
        raise ValueError("all points are alike: no similarity goes through them")
    cosine = float((a * b).sum()) / spread
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn, to_mean - turn @ from_mean])


def square(centre: tuple[float, float], side: float, roll_rad: float, size: int) -> NDArray[np.float64]:
    """The similarity that brings a square of the frame, turned by `roll_rad`, to a crop of `size` pixels; `(2, 3)`."""
    scale = size / side
    cosine, sine = scale * np.cos(roll_rad), scale * np.sin(roll_rad)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    return np.column_stack([turn, np.full(2, size / 2) - turn @ np.asarray(centre)])


def warp(pixels: Image, matrix: NDArray[np.float64], size: tuple[int, int]) -> Image:
    """Resample a frame through a similarity; what lies outside the frame is black.

    matrix: `(2, 3)`, frame pixels to crop pixels. size: width, height of the crop.
    A face that shrinks to half or less is averaged down first: bilinear sampling alone would alias.
    Returns `(height, width, 3)` uint8.
    """
    picture, inverse = Pillow.fromarray(pixels), invert(matrix)
    factor = int(np.hypot(inverse[0, 0], inverse[1, 0]))
    if factor >= 2:
        picture, inverse = _reduced(picture, inverse, size, factor)
    crop = picture.transform(size, Pillow.Transform.AFFINE, tuple(inverse.ravel()), Pillow.Resampling.BILINEAR)
    return np.asarray(crop)


def invert(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The way back of a `(2, 3)` affine."""
    turn = np.linalg.inv(matrix[:, :2])
    return np.column_stack([turn, -turn @ matrix[:, 2]])


def apply(matrix: NDArray[np.float64], points: Floats) -> Floats:
    """`(K, 2)` points through a `(2, 3)` affine."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def _reduced(
    picture: Pillow.Image, inverse: NDArray[np.float64], size: tuple[int, int], factor: int
) -> tuple[Pillow.Image, NDArray[np.float64]]:
    """Average `factor` x `factor` pixels over the part of the picture that the crop needs."""
    width, height = size
    corners = apply(inverse, np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float32))
    low = np.floor(corners.min(axis=0) - factor).clip(0, picture.size).astype(int)
    high = np.ceil(corners.max(axis=0) + factor).clip(low + 1, np.maximum(picture.size, low + 1)).astype(int)
    part = picture.crop((*low, *high)).reduce(factor)
    moved = inverse.copy()
    moved[:, 2] -= low
    return part, moved / factor
