"""The mesh's angles have no ground truth here; what must hold is how they change when the picture is changed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.recognition.pose import face_width_px, pose_of
from edge.recognition.types import Face, Image, Pose
from tests.fakes.line import WHOLE_FACES, face_of, picture, recognizer

TURNS = (-30, -15, 15, 30)


def the_face(pixels: Image) -> Face:
    (face,) = recognizer().faces(pixels)
    return face


def turned(pixels: Image, degrees: float) -> Image:
    """Clockwise, about the middle, with nothing cut off."""
    return np.asarray(Pillow.fromarray(pixels).rotate(-degrees, Pillow.Resampling.BICUBIC, expand=True))


@pytest.mark.parametrize("name", WHOLE_FACES)
def test_a_mirror_turns_roll_and_yaw_around_and_keeps_pitch(name: str) -> None:
    pose = face_of(name).pose
    mirrored = the_face(np.ascontiguousarray(picture(name)[:, ::-1])).pose
    assert mirrored.roll == pytest.approx(-pose.roll, abs=2)
    assert mirrored.yaw == pytest.approx(-pose.yaw, abs=4)
    assert mirrored.pitch == pytest.approx(pose.pitch, abs=3)


@pytest.mark.parametrize("name", WHOLE_FACES)
@pytest.mark.parametrize("degrees", TURNS)
def test_turning_the_picture_changes_the_roll_alone(name: str, degrees: int) -> None:
    before, after = face_of(name).pose, the_face(turned(picture(name), degrees)).pose
    assert after.roll - before.roll == pytest.approx(degrees, abs=3)
    assert after.yaw == pytest.approx(before.yaw, abs=6.5)
    assert after.pitch == pytest.approx(before.pitch, abs=5)


def head(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Pose:
    """A made-up head: corners of the eyes, temples, forehead, chin; turned by these degrees."""
    points = np.zeros((468, 3))
    points[[33, 263, 234, 454]] = [[-30, 0, 0], [30, 0, 0], [-60, 0, 0], [60, 0, 0]]
    # The forehead lies behind the chin by the 3.4 degrees that the mesh is known to have.
    points[[10, 152]] = [[0, -70, 0], [0, 70, 140 * np.tan(np.radians(3.4))]]
    a, b, c = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return pose_of((points @ (about_z @ about_y @ about_x).T + [320, 240, 5]).astype(np.float32))


@pytest.mark.parametrize("degrees", [-50, -20, 0, 20, 50])
def test_each_angle_of_a_made_up_head_is_found(degrees: float) -> None:
    assert head(degrees).yaw == pytest.approx(degrees, abs=0.1)
    assert head(0, degrees).pitch == pytest.approx(degrees, abs=0.1)
    assert head(0, 0, degrees).roll == pytest.approx(degrees, abs=0.1)


def test_who_looks_to_the_pictures_right_has_the_left_temple_nearer_and_a_positive_yaw() -> None:
    points = np.zeros((468, 3), np.float32)
    points[[33, 263, 234, 454], 0] = [-30, 30, -60, 60]
    points[[234, 454], 2] = [-20, 20]  # towards the camera is negative
    points[[10, 152], 1] = [-70, 70]
    assert pose_of(points).yaw == pytest.approx(np.degrees(np.arctan2(40, 120)))


def test_who_looks_down_has_the_forehead_nearer_and_a_positive_pitch() -> None:
    pitches = [head(0, degrees).pitch for degrees in (-30, -10, 10, 30)]
    assert all(one < other for one, other in pairwise(pitches))
    assert pitches[-1] > 0


def test_away_leaves_out_roll() -> None:
    assert head(0, 0, 40).away == pytest.approx(0, abs=0.1)
    assert head(20, 0, 40).away == pytest.approx(20, abs=0.5)


def test_the_width_is_from_temple_to_temple() -> None:
    mesh = np.zeros((468, 3), np.float32)
    mesh[[234, 454], :2] = [[10, 20], [40, 60]]
    assert face_width_px(mesh) == 50
