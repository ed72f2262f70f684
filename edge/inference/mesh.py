"""MediaPipe's face mesh: 468 points, the pose they tell, and whether this is a face at all. Finds no boxes itself.

Crop, points and presence as measured for alignment: a second pass over a refined crop gains nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.inference.light import lifted
from edge.inference.spec import ModelSpec
from edge.inference.tflite import Model
from edge.recognition.align import apply, invert, square, warp
from edge.recognition.pose import pose_of
from edge.recognition.types import Detection, Face, Floats, Image

POINTS = 468
_CROP_OVER_BOX = 1.5  # MediaPipe's `face_landmark_front_cpu`: the box's longest side, half as much again


class Mesh:
    """A loaded face mesh."""

    def __init__(self, spec: ModelSpec, threads: int = 1) -> None:
        """Raises:
        ModelError: the file is not the one that `spec` describes, or no face mesh.
        """
        self._model = Model(spec, threads)
        self._side = spec.inputs[0].shape[1]
        sizes = [int(np.prod(tensor.shape)) for tensor in spec.outputs]
        if sizes != [POINTS * 3, 1]:
            raise ModelError(
                f"{spec.path}: a face mesh gives {POINTS} points and a presence, this gives {sizes} numbers"
            )
        self._mean = np.array(spec.preprocessing.mean, np.float32)
        self._std = np.array(spec.preprocessing.std, np.float32)

    def fit(self, pixels: Image, detection: Detection) -> Face:
        """Lay the mesh over one detected face.

        pixels: the frame that the detection is from, RGB `(H, W, 3)` uint8.
        """
        box = detection.box
        side = _CROP_OVER_BOX * max(box.width, box.height)
        matrix = square(box.centre, side, roll_of(detection.eyes), self._side)
        crop = (lifted(warp(pixels, matrix, (self._side, self._side))) - self._mean) / self._std
        points, logit = self._model.run(crop[None])
        mesh = _in_frame(points.reshape(POINTS, 3), matrix, side / self._side)
        presence = float(1 / (1 + np.exp(-logit.item())))
        return Face(detection, mesh, presence, pose_of(mesh))


def roll_of(eyes: Floats) -> float:
    """The angle of the line from the picture's left eye to its right eye, radians, clockwise positive."""
    across, down = eyes[1] - eyes[0]
    return float(np.arctan2(down, across))


def _in_frame(points: Floats, matrix: NDArray[np.float64], scale: float) -> Floats:
    return np.column_stack([apply(invert(matrix), points[:, :2]), points[:, 2] * scale]).astype(np.float32)
