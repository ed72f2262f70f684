"""BlazeFace: where the faces of a frame are. Leaves to `mesh.py` whether they are faces at all.

The whole frame is looked at first; while nobody is near, its halves too, where a face of 40 px has a third more pixels.
Anchors, decoding and weighted suppression follow MediaPipe's face detection graphs
(`face_detection_full_range.pbtxt`, `face_detection_short_range.pbtxt`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.inference.light import lifted
from edge.inference.spec import ModelSpec
from edge.inference.tflite import Model
from edge.recognition.align import warp
from edge.recognition.types import Box, Detection, Floats, Image

# Low, since the mesh's presence is the second filter: on 517 LFW faces recall is 99.6 % (93.2 % at 0.65), and of the
# 42 boxes on 125 pictures without a face none passes both (`quality.MIN_PRESENCE`).
MIN_SCORE = 0.4
_SUPPRESS_IOU = 0.3
# Shares of the frame's longest side. From this width on a face is found in the whole frame, rolled ones too. Below it
# the halves help: 40 px of 640 upright 95.5 -> 99 %, rolled by 30 degrees 86 -> 95 %, 32 px 82.5 -> 94.5 %.
_NEAR = 0.12
# In halves: narrower boxes are noise and too small to tell anyway; this close to a cut a face may be cut itself.
_LEAST_IN_HALF, _CUT_MARGIN = 0.042, 0.01
_SQUARE_ENOUGH = 1.15  # sides this alike: a half would be the whole
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
        cells = len(self._anchors)
        found = [tensor.shape for tensor in spec.outputs]
        if found != [(1, cells, 16), (1, cells, 1)]:
            raise ModelError(f"{spec.path}: a BlazeFace gives (1, {cells}, 16) and (1, {cells}, 1), this gives {found}")
        self._mean = np.array(spec.preprocessing.mean, np.float32)
        self._std = np.array(spec.preprocessing.std, np.float32)
        # A score is the sigmoid of a logit; comparing logits spares the exponential for thousands of cells.
        self._min_logit = float(np.log(min_score / (1 - min_score)))

    def detect(self, pixels: Image, turn: int | None = None) -> list[Detection]:
        """Find faces.

        pixels: RGB `(H, W, 3)` uint8 of any size.
        turn: the frame's number in a stream, where two halves are looked at in turns, which spares time; None looks at
            both, as befits a single picture.
        Returns the largest face first.
        """
        longest = max(pixels.shape[:2])
        rows = self._look(pixels, (0, 0), longest)
        if not len(rows) or (rows[:, 2] - rows[:, 0]).max() < _NEAR * longest:
            halves = _halves(pixels)
            for corner in halves if turn is None else halves[turn % 2 :][:1]:
                rows = np.concatenate([rows, self._look_at_half(pixels, corner)])
        return [_detection(row) for row in suppress(rows)]

    def _look_at_half(self, pixels: Image, corner: tuple[int, int]) -> Floats:
        """As `_look`, without boxes that are too small to tell or that the half's edge may have cut."""
        height, width = pixels.shape[:2]
        side = min(height, width)
        rows = self._look(pixels, corner, side)
        margin = _CUT_MARGIN * side
        low = np.where(np.array(corner) > 0, np.array(corner) + margin, -np.inf)
        end = np.array(corner) + side
        high = np.where(end < (width, height), end - margin, np.inf)
        whole = (rows[:, 0:2] >= low).all(axis=1) & (rows[:, 2:4] <= high).all(axis=1)
        wide = rows[:, 2] - rows[:, 0] >= _LEAST_IN_HALF * max(height, width)
        return np.asarray(rows[whole & wide])

    def _look(self, pixels: Image, corner: tuple[int, int], side: int) -> Floats:
        """Rows as `_decode` makes them, in frame pixels, from the square at `corner` with this side."""
        scale = self._side / side
        shift = np.array(corner, np.float32)
        matrix = np.column_stack([np.eye(2) * scale, -scale * shift])
        letterbox = (lifted(warp(pixels, matrix, (self._side, self._side))) - self._mean) / self._std
        regressors, logits = self._model.run(letterbox[None])
        rows = self._decode(regressors[0], logits[0, :, 0])
        rows[:, :8] = rows[:, :8] * side + np.tile(shift, 4)
        return rows

    def _decode(self, regressors: Floats, logits: Floats) -> Floats:
        """Rows of `(left, top, right, bottom, eye x, eye y, eye x, eye y, score)`, in units of the input side."""
        good = (logits > self._min_logit) & (regressors[:, 2:4] > 0).all(axis=1)
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
        near[0] = True
        weights = rest[near, 8:9]
        mean = (rest[near] * weights).sum(axis=0) / weights.sum()
        mean[8] = rest[0, 8]
        kept.append(mean)
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


def _halves(pixels: Image) -> list[tuple[int, int]]:
    """Corners x, y of the two squares, at the frame's ends, that overlap and cover it; none if it is about square."""
    height, width = pixels.shape[:2]
    if max(height, width) < _SQUARE_ENOUGH * min(height, width):
        return []
    side = min(height, width)
    return [(0, 0), (width - side, height - side)]


def _detection(row: Floats) -> Detection:
    left, top, right, bottom = (float(v) for v in row[:4])
    return Detection(Box(left, top, right - left, bottom - top), float(row[8]), row[4:8].reshape(2, 2))
