"""Head pose from a face mesh: consistent under turning and mirroring to about a degree; no ground truth."""

from __future__ import annotations

import numpy as np

from edge.recognition.types import Floats, Pose

# Mesh points: outer eye corners, temples, top of the forehead, chin.
_EYE_LEFT, _EYE_RIGHT = 33, 263
_SIDE_LEFT, _SIDE_RIGHT = 234, 454
_TOP, _CHIN = 10, 152
_PITCH_OF_A_LEVEL_FACE = 3.4  # degrees; the mesh's forehead lies behind its chin


def pose_of(mesh: Floats) -> Pose:
    """Pose of a `(468, 3)` mesh in any unit."""
    across = mesh[_EYE_RIGHT] - mesh[_EYE_LEFT]
    roll = np.degrees(np.arctan2(across[1], across[0]))
    yaw = _depth_angle(mesh[_SIDE_RIGHT] - mesh[_SIDE_LEFT])
    pitch = _depth_angle(mesh[_CHIN] - mesh[_TOP]) - _PITCH_OF_A_LEVEL_FACE
    return Pose(float(roll), yaw, pitch)


def face_width_px(mesh: Floats) -> float:
    """From temple to temple, px."""
    return float(np.linalg.norm(mesh[_SIDE_RIGHT, :2] - mesh[_SIDE_LEFT, :2]))


def _depth_angle(line: Floats) -> float:
    """How far a line of the face is turned out of the picture plane, degrees; positive where its end lies deeper."""
    return float(np.degrees(np.arctan2(line[2], np.hypot(line[0], line[1]))))
