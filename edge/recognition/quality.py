"""How good a face's picture is, and whether it is good enough to tell or to enroll. Never looks at who it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edge.recognition.align import eye_centres
from edge.recognition.pose import face_width_px
from edge.recognition.types import Face, Floats, Image, Quality, Reason

REASONS: tuple[Reason, ...] = get_args(Reason)

# With detector scores from 0.4 no box on 125 pictures of doors and rooms reaches it (largest 0.965); faces do.
MIN_PRESENCE = 0.97

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_BLACK, _WHITE = 8, 247
_CONTRAST = 40.0  # grey levels; the median of LFW's faces is 42


@dataclass(frozen=True, slots=True)
class QualityGate:
    """What a picture must reach; zeros and infinities let all pass.

    min_norm: of the embedding; small where the embedder sees little. The largest single lever on errors measured.
    The other fields are in the units of `Quality`.
    """

    min_width_px: float
    max_away: float
    min_brightness: float
    max_brightness: float
    min_sharpness: float
    min_norm: float

    def refusal(self, quality: Quality, norm: float) -> Reason | None:
        """The first reason why this picture will not do, or None."""
        checks: tuple[tuple[bool, Reason], ...] = (
            (quality.width_px < self.min_width_px, "too_small"),
            (quality.away > self.max_away, "turned_away"),
            (quality.brightness < self.min_brightness, "too_dark"),
            (quality.brightness > self.max_brightness, "too_bright"),
            (quality.sharpness < self.min_sharpness, "blurred"),
            (norm < self.min_norm, "low_quality"),
        )
        return next((reason for failed, reason in checks if failed), None)


def measure(face: Face, crop: Image) -> Quality:
    """Quality of one face.

    crop: the aligned face, RGB `(S, S, 3)` uint8; its centre is measured, where it is skin and not background.
    """
    grey = _centre(crop) @ _LUMA
    eyes = eye_centres(face.mesh)
    return Quality(
        width_px=face_width_px(face.mesh),
        eye_distance_px=float(np.linalg.norm(eyes[1] - eyes[0])),
        sharpness=_sharpness(grey),
        brightness=float(grey.mean()),
        contrast=float(grey.std()),
        clipped=float(((grey < _BLACK) | (grey > _WHITE)).mean()),
        away=face.pose.away,
        presence=face.presence,
    )


def _centre(crop: Image) -> NDArray[np.float32]:
    margin = crop.shape[0] // 8
    return crop[margin:-margin, margin:-margin].astype(np.float32)


def _sharpness(grey: Floats) -> float:
    """In units of the contrast, since little light alone takes away detail and contrast alike."""
    return float(_laplacian(grey).var() * (_CONTRAST / max(float(grey.std()), 1.0)) ** 2)


def _laplacian(grey: Floats) -> Floats:
    inner = grey[1:-1, 1:-1]
    return np.asarray(grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner, np.float32)
