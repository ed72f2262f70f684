from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.errors import ModelError
from edge.inference.mesh import POINTS, Mesh, roll_of
from edge.inference.spec import load_manifest
from edge.recognition.align import eye_centres
from edge.recognition.pose import face_width_px
from edge.recognition.quality import MIN_PRESENCE
from edge.recognition.types import Box, Detection
from tests.fakes.line import NOBODY, PEOPLE, WHOLE_FACES, detector, face_of, mesh, picture
from tests.fakes.scenes import Head, background, scene, shows


@pytest.mark.parametrize("name", PEOPLE)
def test_a_face_has_its_points_where_the_detector_saw_the_eyes(name: str) -> None:
    face = face_of(name)
    assert face.mesh.shape == (POINTS, 3)
    assert face.mesh.dtype == np.float32
    assert face.presence >= MIN_PRESENCE
    off = np.linalg.norm(eye_centres(face.mesh) - face.detection.eyes, axis=1)
    assert off.max() < 0.12 * face_width_px(face.mesh)


@pytest.mark.parametrize("name", WHOLE_FACES)
def test_the_nose_is_between_eyes_and_mouth_and_nearer_than_the_temples(name: str) -> None:
    points = face_of(name).mesh
    nose, mouth = points[1], points[[61, 291]].mean(axis=0)
    assert eye_centres(points)[:, 1].mean() < nose[1] < mouth[1]
    assert nose[2] < points[[234, 454], 2].min()


@pytest.mark.parametrize("name", WHOLE_FACES)
def test_a_picture_twice_as_large_has_points_twice_as_far_also_in_depth(name: str) -> None:
    pixels, face = picture(name), face_of(name)
    double = np.asarray(Pillow.fromarray(pixels).resize((2 * pixels.shape[1], 2 * pixels.shape[0]), 3))
    box = face.detection.box
    larger = Detection(Box(2 * box.left, 2 * box.top, 2 * box.width, 2 * box.height), 0.9, 2 * face.detection.eyes)
    assert np.abs(mesh().fit(double, larger).mesh - 2 * face.mesh).max() < 0.03 * 2 * face_width_px(face.mesh)


@pytest.mark.parametrize("name", NOBODY)
def test_a_box_on_what_is_no_face_is_not_believed(name: str) -> None:
    pixels = background(name)
    for x in range(40, 560, 130):
        for y in range(40, 400, 120):
            eyes = np.array([[x + 20, y + 25], [x + 60, y + 25]], np.float32)
            assert mesh().fit(pixels, Detection(Box(x, y, 80, 80), 0.9, eyes)).presence < MIN_PRESENCE


def test_a_face_half_out_of_the_frame_still_gets_finite_points() -> None:
    head = Head("obama", (10, 240), 120)
    frame = scene(head)
    eyes = np.array([[-20, 215], [40, 215]], np.float32)
    face = mesh().fit(frame, Detection(Box(-50, 180, 120, 120), 0.9, eyes))
    assert np.isfinite(face.mesh).all()
    assert 0 <= face.presence <= 1


def test_a_box_that_is_a_little_off_gives_nearly_the_same_points() -> None:
    pixels, face = picture("obama"), face_of("obama")
    box, width = face.detection.box, face_width_px(face.mesh)
    for dx, dy, grow in ((0.06, 0, 1.0), (0, -0.06, 1.0), (0.03, 0.03, 1.1), (0, 0, 0.92)):
        side = box.width * grow
        centre = (box.centre[0] + dx * box.width, box.centre[1] + dy * box.width)
        moved = Box(centre[0] - side / 2, centre[1] - side / 2, side, side)
        again = mesh().fit(pixels, Detection(moved, 0.9, face.detection.eyes))
        assert np.linalg.norm(again.mesh[:, :2] - face.mesh[:, :2], axis=1).mean() < 0.04 * width


def test_roll_is_the_angle_of_the_eyes_clockwise_as_seen() -> None:
    assert roll_of(np.array([[10, 10], [20, 10]], np.float32)) == 0
    assert np.degrees(roll_of(np.array([[10, 10], [20, 20]], np.float32))) == pytest.approx(45)
    assert np.degrees(roll_of(np.array([[10, 10], [10, 0]], np.float32))) == pytest.approx(-90)


def test_a_rolled_face_is_turned_upright_before_the_mesh_sees_it() -> None:
    head = Head("obama", (320, 240), 150, 30)
    frame = scene(head)
    (detection,) = detector().detect(frame)
    level = replace(detection, eyes=np.array([[290, 240], [350, 240]], np.float32))
    assert shows(mesh().fit(frame, detection), head)
    assert mesh().fit(frame, detection).presence >= mesh().fit(frame, level).presence - 1e-3


def test_a_description_that_is_of_no_mesh_is_refused_by_name() -> None:
    spec = load_manifest().models["blazeface_full"]
    with pytest.raises(ModelError, match=r"blazeface_full\.tflite: a face mesh gives 468 points"):
        Mesh(spec)
