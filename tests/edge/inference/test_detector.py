from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from edge.errors import ModelError
from edge.inference.detector import Detector, suppress
from edge.inference.spec import load_manifest
from edge.recognition.types import Box, Detection, Face, Floats, Image
from tests.fakes.line import NOBODY, PEOPLE, WHOLE_FACES, detector, face_of, mesh, picture, recognizer
from tests.fakes.scenes import HEIGHT, WIDTH, Head, background, backlit, dim, scene, shows

FULL = load_manifest().pick("detector")


def found(pixels: Image, turn: int | None = None) -> list[Face]:
    """Detector and mesh together: what counts as a face."""
    return recognizer().faces(pixels, turn)


def finds(pixels: Image, *heads: Head, turn: int | None = None) -> bool:
    """Each of the heads once, and nothing else."""
    faces = found(pixels, turn)
    return len(faces) == len(heads) and all(sum(shows(face, head) for face in faces) == 1 for head in heads)


def middle_of(width_px: float, name: str, roll: float = 0.0) -> Head:
    return Head(name, (WIDTH / 2 + 37, HEIGHT / 2 - 11), width_px, roll)


@pytest.mark.parametrize("name", PEOPLE)
def test_the_face_of_each_shipped_portrait_is_found(name: str) -> None:
    (face,) = found(picture(name))
    height, width = picture(name).shape[:2]
    across, down = face.detection.box.centre
    assert 0 < across < width
    assert 0 < down < height
    assert face.detection.score >= 0.4


@pytest.mark.parametrize("name", NOBODY)
def test_in_a_picture_without_people_nobody_is_found(name: str) -> None:
    assert found(picture(name)) == []
    assert found(background(name)) == []


@pytest.mark.parametrize("width_px", [40, 48, 64, 96, 140, 200, 280, 400])
@pytest.mark.parametrize("name", WHOLE_FACES)
def test_a_face_from_40_to_400_px_is_found_in_a_frame(name: str, width_px: int) -> None:
    head = middle_of(width_px, name)
    assert finds(scene(head), head)


@pytest.mark.parametrize("roll", [-30, -15, 15, 30])
@pytest.mark.parametrize("width_px", [48, 90, 200])
@pytest.mark.parametrize("name", WHOLE_FACES)
def test_a_rolled_face_is_found(name: str, width_px: int, roll: int) -> None:
    head = middle_of(width_px, name, roll - face_of(name).pose.roll)
    faces = [face for face in found(scene(head, behind=background("brick"))) if shows(face, head)]
    assert [face.pose.roll for face in faces] == [pytest.approx(roll, abs=6)]


@pytest.mark.parametrize("gain", [0.5, 0.15])
@pytest.mark.parametrize("name", WHOLE_FACES)
def test_a_face_in_dim_light_is_found(name: str, gain: float) -> None:
    head = middle_of(90, name)
    assert finds(dim(scene(head), gain), head)


def test_in_dim_light_nobody_is_made_out_of_noise() -> None:
    for name in NOBODY:
        assert found(dim(background(name), 0.15)) == []
    assert found(dim(np.full((HEIGHT, WIDTH, 3), 100, np.uint8), 0.05)) == []


@pytest.mark.parametrize("gain", [0.5, 0.3, 0.2])
@pytest.mark.parametrize("name", WHOLE_FACES)
def test_a_face_with_the_light_behind_it_is_found(name: str, gain: float) -> None:
    head = middle_of(90, name)
    assert finds(backlit(head, gain=gain), head)


def test_several_faces_of_one_frame_are_found_the_largest_first() -> None:
    heads = [
        Head("obama", (120, 200), 130),
        Head("biden", (300, 170), 60),
        Head("astronaut", (460, 250), 100),
        Head("obama3", (590, 120), 50),
    ]
    faces = found(scene(*heads))
    assert [[shows(face, head) for head in heads].index(True) for face in faces] == [0, 2, 1, 3]


def test_two_faces_close_together_are_two() -> None:
    heads = [Head("obama", (260, 240), 110), Head("biden", (400, 240), 110)]
    assert finds(scene(*heads), *heads)


@pytest.mark.parametrize("size", [(480, 640), (320, 240), (1280, 720), (1920, 1080), (480, 480)])
def test_frames_of_other_sizes_and_shapes_are_searched(size: tuple[int, int]) -> None:
    head = Head("obama", (0.6 * size[0], 0.4 * size[1]), 0.15 * max(size))
    assert finds(scene(head, behind=background("coffee", size)), head)


@pytest.mark.parametrize("x", [40, 320, 600])
def test_in_a_stream_a_small_face_is_found_within_two_frames_wherever_it_is(x: int) -> None:
    for name in WHOLE_FACES:
        head = Head(name, (x, 240), 40)
        frame = scene(head, behind=background("brick"))
        assert finds(frame, head, turn=0) or finds(frame, head, turn=1)


def test_searching_the_halves_finds_more_small_faces_and_a_cut_face_is_no_second_one() -> None:
    whole_alone = with_halves = 0
    places = [(x, name) for x in range(130, 520, 30) for name in ("obama", "biden")]
    for x, name in places:
        head = Head(name, (x, 220), 30)
        frame = scene(head)
        with_halves += finds(frame, head)
        square = np.zeros((WIDTH, WIDTH, 3), np.uint8)
        square[:HEIGHT] = frame  # a square frame has no halves, and is scaled as the whole one is
        whole_alone += finds(square, head)
        assert len(found(frame)) <= 1
    assert with_halves >= 1.2 * whole_alone
    assert with_halves >= 0.6 * len(places)


def test_while_somebody_is_near_no_time_is_spent_on_the_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    look = Detector._look

    def counted(self: Detector, pixels: Image, corner: tuple[int, int], side: int) -> Floats:
        looks.append(side)
        return look(self, pixels, corner, side)

    monkeypatch.setattr(Detector, "_look", counted)
    near, far = scene(middle_of(120, "obama")), scene(middle_of(50, "obama"))
    for pixels, turn, expected in ((near, None, 1), (near, 3, 1), (far, None, 3), (far, 3, 2), (background(), 4, 2)):
        looks.clear()
        detector().detect(pixels, turn)
        assert len(looks) == expected


def test_the_same_picture_is_always_found_the_same() -> None:
    frame = scene(middle_of(45, "biden"))
    first, again = detector().detect(frame), detector().detect(frame)
    assert [(d.box, d.score) for d in first] == [(d.box, d.score) for d in again]


def test_boxes_are_square_and_the_eyes_inside_them_left_before_right() -> None:
    for name in PEOPLE:
        (detection,) = detector().detect(picture(name))
        box, eyes = detection.box, detection.eyes
        assert box.width == pytest.approx(box.height, rel=0.05)
        assert ((eyes > [box.left, box.top]) & (eyes < [box.left + box.width, box.top + box.height])).all()
        assert eyes[0, 0] < eyes[1, 0]


def test_a_mirrored_picture_has_the_mirrored_box() -> None:
    (straight,) = detector().detect(picture("biden"))
    (mirrored,) = detector().detect(np.ascontiguousarray(picture("biden")[:, ::-1]))
    width = picture("biden").shape[1]
    assert mirrored.box.centre[0] == pytest.approx(width - straight.box.centre[0], abs=0.06 * straight.box.width)
    assert mirrored.box.centre[1] == pytest.approx(straight.box.centre[1], abs=0.06 * straight.box.width)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_frame_has_no_face(level: int) -> None:
    assert detector().detect(np.full((HEIGHT, WIDTH, 3), level, np.uint8)) == []


def test_the_short_range_detector_finds_near_faces_too() -> None:
    short = Detector(load_manifest().pick("detector", "blazeface_short"))
    for name in WHOLE_FACES:
        head = middle_of(150, name)
        faces = [mesh().fit(scene(head), detection) for detection in short.detect(scene(head))]
        assert any(shows(face, head) and face.presence > 0.97 for face in faces)


def test_a_description_that_is_of_no_blazeface_is_refused_by_name() -> None:
    for wrong in ("face_mesh", "mobilefacenet_192_int8"):
        spec = load_manifest().models[wrong]
        with pytest.raises(ModelError, match=f"{spec.path.name}: a BlazeFace "):
            Detector(spec)


def test_a_missing_detector_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    missing = tmp_path_factory.mktemp("models") / "blazeface.tflite"
    with pytest.raises(ModelError, match=r"blazeface\.tflite: No such file"):
        Detector(replace(FULL, path=missing))


coordinate = st.floats(0, 1, width=32)
sizes = st.floats(0.015625, 0.5, width=32)
boxes = st.lists(st.tuples(coordinate, coordinate, sizes, sizes, st.floats(0.40625, 1, width=32)), max_size=25)
Numbers = tuple[float, float, float, float, float]


def rows_of(numbers: list[Numbers]) -> Floats:
    rows = [[x, y, x + w, y + h, x, y, x + w, y, score] for x, y, w, h, score in numbers]
    return np.array(rows, np.float32).reshape(-1, 9)


def box_of(row: Floats) -> Box:
    return Box(float(row[0]), float(row[1]), float(row[2] - row[0]), float(row[3] - row[1]))


@given(boxes)
def test_suppression_keeps_the_best_scores_within_the_hull_the_largest_first(numbers: list[Numbers]) -> None:
    rows = rows_of(numbers)
    kept = suppress(rows)
    assert (not kept) == (not numbers)
    assert len(kept) <= len(rows)
    widths = [row[2] - row[0] for row in kept]
    assert widths == sorted(widths, reverse=True)
    for row in kept:
        assert np.isfinite(row).all()
        assert row[8] in rows[:, 8]
        assert (row[:8] >= rows[:, :8].min(axis=0) - 1e-5).all()
        assert (row[:8] <= rows[:, :8].max(axis=0) + 1e-5).all()
    if numbers:
        assert max(row[8] for row in kept) == rows[:, 8].max()


@given(boxes, st.randoms(use_true_random=False))
def test_the_order_in_which_boxes_come_does_not_matter(numbers: list[Numbers], random: object) -> None:
    numbers = list({round(n[4], 3): n for n in numbers}.values())  # no two of one score
    shuffled = list(numbers)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis types its generator as an object
    first, second = suppress(rows_of(numbers)), suppress(rows_of(shuffled))
    assert sorted(r[8] for r in first) == sorted(r[8] for r in second)


@given(st.lists(st.tuples(coordinate, coordinate, sizes), min_size=1, max_size=8))
def test_boxes_apart_are_all_kept_as_they_are(numbers: list[tuple[float, float, float]]) -> None:
    apart = rows_of([(3 * i + x, y, w, w, 0.5 + 0.01 * i) for i, (x, y, w) in enumerate(numbers)])
    kept = sorted(suppress(apart), key=lambda row: float(row[8]))
    assert np.array(kept) == pytest.approx(apart, abs=1e-6)


def test_overlapping_boxes_become_their_mean_weighted_by_score() -> None:
    (row,) = suppress(rows_of([(0.2, 0.2, 0.4, 0.4, 0.9), (0.3, 0.2, 0.4, 0.4, 0.45)]))
    assert box_of(row).left == pytest.approx((0.2 * 0.9 + 0.3 * 0.45) / 1.35)
    assert row[8] == pytest.approx(0.9)


def test_a_box_without_area_is_kept_and_makes_no_nonsense() -> None:
    (row,) = suppress(rows_of([(0.2, 0.2, 0.0, 0.0, 0.9)]))
    assert np.isfinite(row).all()


def test_a_detection_of_a_frame_is_in_its_pixels() -> None:
    small, large = picture("obama"), np.asarray(Pillow.fromarray(picture("obama")).resize((1024, 1280)))
    (one,), (two,) = detector().detect(small), detector().detect(large)
    assert isinstance(one, Detection)
    assert two.box.width == pytest.approx(2 * one.box.width, rel=0.03)
    assert two.eyes == pytest.approx(2 * one.eyes, rel=0.03)
