"""The values that travel along the line, from a camera frame to a decision. Holds no behaviour beyond arithmetic.

Pictures are RGB, `(H, W, 3)` uint8, origin at the upper left, x to the right and y down; a pixel's centre is at +0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

Reason: TypeAlias = Literal["too_small", "turned_away", "too_dark", "too_bright", "blurred", "low_quality"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a camera.

    pixels: RGB, `(H, W, 3)` uint8, C-contiguous.
    time_s: when it was taken, seconds of a monotonic clock.
    number: counts up from 0 for each opened camera.
    """

    pixels: Image
    time_s: float
    number: int


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in frame pixels; may reach beyond the frame."""

    left: float
    top: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        if across <= 0 or down <= 0:
            return 0.0
        shared = across * down
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What the detector says of one face.

    box: in frame pixels.
    score: 0..1.
    eyes: left to right as seen in the picture, `(2, 2)` float32 x, y in frame pixels.
    """

    box: Box
    score: float
    eyes: Floats


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a head is turned, degrees; 0, 0, 0 looks straight into the camera.

    roll: in the picture plane, clockwise as seen is positive.
    yaw: to the picture's right is positive.
    pitch: downwards is positive.
    """

    roll: float
    yaw: float
    pitch: float

    @property
    def away(self) -> float:
        """Degrees off the camera axis, leaving out roll, which alignment takes away."""
        return math.hypot(self.yaw, self.pitch)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detection with its mesh.

    mesh: `(468, 3)` float32: x, y in frame pixels, z in the same scale, towards the camera negative.
    presence: the mesh's own probability that this is a face at all, 0..1.
    """

    detection: Detection
    mesh: Floats
    presence: float
    pose: Pose


@dataclass(frozen=True, slots=True)
class Quality:
    """How good one face's picture is, before anybody looks who it shows.

    width_px: the face's width in the frame, from the mesh, px.
    eye_distance_px: between the eye centres, px.
    sharpness: variance of the Laplacian of the aligned grey crop brought to a contrast of 40, grey levels squared.
    brightness: mean grey level of the aligned crop, 0..255.
    contrast: standard deviation of the same, grey levels.
    clipped: share of the crop's pixels that are black or white, 0..1.
    away: degrees off the camera axis.
    presence: of the mesh, 0..1.
    """

    width_px: float
    eye_distance_px: float
    sharpness: float
    brightness: float
    contrast: float
    clipped: float
    away: float
    presence: float


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The embedder's answer for one aligned face.

    x: `(D,)` float32, L2-normalized.
    norm: L2 norm before normalization; a small one tells a poor picture.
    """

    x: Floats
    norm: float


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """An embedding as a head sees it.

    z: `(D,)` float32.
    precision: weight of this picture, 1/g; 1 is the fleet's average picture.
    """

    z: Floats
    precision: float


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One face of one frame, ready to be scored."""

    face: Face
    quality: Quality
    embedding: Embedding


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """One enrolled picture of a person, as the recognizer needs it.

    person: the person's id.
    embedding: raw, never only a projection, so that another head can be put over it.
    """

    person: str
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person of the gallery with the score of a probe against them; higher is more alike."""

    person: str
    score: float


@dataclass(frozen=True, slots=True)
class Known:
    """This is somebody enrolled. margin: score above the threshold."""

    person: str
    score: float
    margin: float


@dataclass(frozen=True, slots=True)
class Stranger:
    """Good enough to tell, and nobody enrolled. score: of the best candidate, -inf for an empty gallery."""

    score: float


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Too poor to tell either way."""

    reason: Reason


Decision: TypeAlias = Known | Stranger | LookAgain
