"""BlazeFace: where the faces of a frame are. Leaves to `mesh.py` whether they are faces at all.

Anchors, decoding and weighted suppression follow MediaPipe's face detection graphs
(`face_detection_full_range.pbtxt`, `face_detection_short_range.pbtxt`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.inference.spec import ModelSpec
from edge.inference.tflite import Model
from edge.recognition.align import warp
from edge.recognition.types import Box, Detection, Floats, Image

# Low, since the mesh's presence is the second filter: on 517 LFW faces recall is 99.6 % (93.2 % at 0.65), and of the
# 178 boxes on 125 pictures without a face none passes both (`quality.MIN_PRESENCE`).
MIN_SCORE = 0.4
_SUPPRESS_IOU = 0.3
# (cells a side, anchors a cell), by the model's input side.
_GRIDS = {128: ((16, 2), (8, 6)), 192: ((48, 1),)}


class Detector:
    """A loaded BlazeFace, short or full range."""

    def __init__(self, spec: ModelSpec, threads: int = 1, min_score: float = MIN_SCORE) -> None:
        """Raises:
        ModelError: the file is not the one that `spec` describes, or no BlazeFace.
        """
        self._model = Model(spec, threads)
        self._side = spec.inputs[0].shape[1]
        if self._side not in _GRIDS:
            raise ModelError(f"{spec.path}: a BlazeFace takes 128 or 192 px, this takes {self._side}")
        self._anchors = _anchors(_GRIDS[self._side])
        self._mean = np.array(spec.preprocessing.mean, np.float32)
        self._std = np.array(spec.preprocessing.std, np.float32)
        # A score is the sigmoid of a logit; comparing logits spares the exponential for thousands of cells.
        self._min_logit = float(np.log(min_score / (1 - min_score)))

    def detect(self, pixels: Image) -> list[Detection]:
        """Find faces.

        pixels: RGB `(H, W, 3)` uint8 of any size.
        Returns the largest face first.
        """
        scale = self._side / max(pixels.shape[:2])
        matrix = np.array([[scale, 0, 0], [0, scale, 0]], np.float64)
        letterbox = (warp(pixels, matrix, (self._side, self._side)) - self._mean) / self._std
        regressors, logits = self._model.run(letterbox[None])
        found = self._decode(regressors[0], logits[0, :, 0])
        return [_detection(row, self._side / scale) for row in suppress(found)]

    def _decode(self, regressors: Floats, logits: Floats) -> Floats:
        """Rows of `(left, top, right, bottom, eye x, eye y, eye x, eye y, score)`, in units of the input side."""
        good = logits > self._min_logit
        raw = regressors[good] / self._side
        anchors = self._anchors[good]
        centre, half = raw[:, 0:2] + anchors, raw[:, 2:4] / 2
        eyes = raw[:, 4:8] + np.tile(anchors, 2)
        score = 1 / (1 + np.exp(-logits[good]))
        return np.column_stack([centre - half, centre + half, eyes, score]).astype(np.float32)


def suppress(rows: Floats) -> list[Floats]:
    """Weighted non-maximum suppression: boxes that overlap become their score-weighted mean.

    rows: `(N, 9)` as `Detector._decode` makes them. Returns the largest first.
    """
    kept = []
    rest = rows[np.argsort(-rows[:, 8])]
    while len(rest):
        near = _iou(rest[0], rest) > _SUPPRESS_IOU
        weights = rest[near, 8:9]
        mean = (rest[near] * weights).sum(axis=0) / weights.sum()
        mean[8] = rest[0, 8]
        kept.append(mean)
        near[0] = True
        rest = rest[~near]
    return sorted(kept, key=lambda row: float(row[0] - row[2]))


def _iou(one: Floats, many: Floats) -> Floats:
    low, high = np.maximum(one[:2], many[:, :2]), np.minimum(one[2:4], many[:, 2:4])
    shared = (high - low).clip(0).prod(axis=1)
    area = (many[:, 2:4] - many[:, :2]).prod(axis=1)
    union = area + (one[2:4] - one[:2]).prod() - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)


def _anchors(grids: tuple[tuple[int, int], ...]) -> NDArray[np.float32]:
    """Cell centres, `(N, 2)` x, y in 0..1, row by row, each repeated for the anchors of its cell."""
    layers = []
    for cells, each in grids:
        line = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        across, down = np.meshgrid(line, line)
        layers.append(np.repeat(np.stack([across.ravel(), down.ravel()], axis=1), each, axis=0))
    return np.concatenate(layers)


def _detection(row: Floats, unit: float) -> Detection:
    left, top, right, bottom = (float(v) * unit for v in row[:4])
    return Detection(Box(left, top, right - left, bottom - top), float(row[8]), (row[4:8] * unit).reshape(2, 2))
