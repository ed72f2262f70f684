from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from edge.recognition.align import Alignment
from edge.recognition.recognizer import ActiveModel, Recognizer
from edge.recognition.types import Box, Detection, Embedding, Face, Floats, Image, Known, LookAgain, Pose, Stranger
from tests.fakes.line import embedder, face_of, only_probe, picture
from tests.fakes.line import recognizer as the_line
from tests.fakes.probes import GATE, Actor, active_model

FRAME = np.zeros((480, 640, 3), np.uint8)
ADA, BOB = Actor("ada"), Actor("bob")


@dataclass
class Boxes:
    """A detector that has been told what it finds."""

    widths: dict[float, float]
    turns: list[int | None] = field(default_factory=list)

    def detect(self, pixels: Image, turn: int | None = None) -> list[Detection]:
        self.turns.append(turn)
        eyes = np.zeros((2, 2), np.float32)
        return [
            Detection(Box(x - w / 2, 240 - w / 2, w, w), 0.9, eyes)
            for x, w in sorted(self.widths.items(), key=lambda item: -item[1])
        ]


@dataclass
class Meshes:
    """A mesh as wide as its box; `presence` by the box's centre."""

    presence: dict[float, float] = field(default_factory=dict)

    def fit(self, pixels: Image, detection: Detection) -> Face:
        x, y = detection.box.centre
        mesh = np.full((468, 3), [x, y, 0], np.float32)
        mesh[[234, 454], 0] += [-detection.box.width / 2, detection.box.width / 2]
        return Face(detection, mesh, self.presence.get(x, 0.999), Pose(0, 0, 0))


class Embeddings:
    """Everybody looks like Ada."""

    id = "embedder"
    alignment = Alignment(groups=((33,), (263,)), template=((30.0, 50.0), (80.0, 50.0)))

    def align(self, pixels: Image, mesh: Floats) -> Image:
        return np.asarray(np.random.default_rng(1).integers(40, 220, (112, 112, 3)), np.uint8)

    def embed(self, crop: Image) -> Embedding:
        return ADA.embedding()


def line(boxes: Boxes, meshes: Meshes | None = None, max_faces: int = 8) -> Recognizer:
    return Recognizer(boxes, meshes or Meshes(), Embeddings(), GATE, max_faces=max_faces)


def centres(faces: list[Face]) -> list[float]:
    return [face.detection.box.centre[0] for face in faces]


def test_a_box_that_the_mesh_does_not_believe_in_is_no_face() -> None:
    faces = line(Boxes({100: 90, 300: 80, 500: 70}), Meshes({300: 0.9})).faces(FRAME)
    assert centres(faces) == [100, 500]


def test_how_much_the_mesh_must_believe_can_be_set() -> None:
    strict = Recognizer(Boxes({100: 90}), Meshes({100: 0.98}), Embeddings(), GATE, min_presence=0.99)
    assert strict.faces(FRAME) == []


def test_only_the_largest_faces_are_looked_at() -> None:
    assert centres(line(Boxes({100: 50, 300: 90, 500: 70}), max_faces=2).faces(FRAME)) == [300, 500]


def test_two_boxes_of_one_head_are_one_face_and_the_one_believed_more_stays() -> None:
    boxes = Boxes({300: 120, 330: 80, 500: 90})
    assert centres(line(boxes, Meshes({300: 0.98})).faces(FRAME)) == [500, 330]
    assert centres(line(boxes, Meshes({330: 0.98})).faces(FRAME)) == [300, 500]


def test_two_heads_side_by_side_are_two_faces() -> None:
    assert centres(line(Boxes({300: 100, 370: 90})).faces(FRAME)) == [300, 370]


def test_an_empty_frame_has_no_probes() -> None:
    assert line(Boxes({})).probes(FRAME) == []


def test_the_number_of_a_frame_reaches_the_detector_and_a_picture_has_none() -> None:
    boxes = Boxes({})
    recognizer = line(boxes)
    recognizer.probes(FRAME, 7)
    recognizer.probes(FRAME)
    assert boxes.turns == [7, None]


def test_a_face_is_decided_under_the_model_that_is_given() -> None:
    recognizer = line(Boxes({300: 100}))
    (probe,) = recognizer.probes(FRAME)
    assert isinstance(recognizer.decide(probe, active_model(ADA, BOB)), Known)
    assert isinstance(recognizer.decide(probe, active_model(BOB)), Stranger)
    assert isinstance(recognizer.decide(probe, active_model()), Stranger)


def test_a_poor_face_is_not_decided_and_says_why() -> None:
    recognizer = line(Boxes({300: 30}))
    (probe,) = recognizer.probes(FRAME)
    assert recognizer.refusal(probe) == "too_small"
    assert recognizer.decide(probe, active_model(ADA)) == LookAgain("too_small")


def test_a_model_swaps_table_and_threshold_together() -> None:
    before = active_model(ADA)
    after = before.with_gallery(active_model(ADA, BOB, *(Actor(str(n)) for n in range(20))).gallery)
    assert after.threshold > before.threshold
    assert (after.release, after.target_fpir) == (before.release, before.target_fpir)
    assert ActiveModel.of(after.gallery.head, [], 0.01, "x").threshold == np.inf


def test_night_views_of_a_face_are_poorer_pictures_of_the_same_person() -> None:
    shown = only_probe(picture("obama"))
    views = the_line().night_views(picture("obama"), face_of("obama"), 6, np.random.default_rng(3))
    assert len(views) == 6
    assert max(view.embedding.norm for view in views) < shown.embedding.norm
    cosines = [float(np.dot(view.embedding.x, shown.embedding.x)) for view in views]
    assert 0.1 < np.median(cosines) < 0.97
    other = replace(shown, embedding=only_probe(picture("biden")).embedding)
    assert np.median(cosines) > float(np.dot(shown.embedding.x, other.embedding.x))
    assert len({view.embedding.norm for view in views}) == 6


@pytest.mark.parametrize("name", ["obama", "biden"])
def test_the_line_finds_measures_and_embeds_a_shipped_portrait(name: str) -> None:
    probe = only_probe(picture(name))
    assert probe.quality.width_px > 60
    assert probe.face.presence > 0.99
    assert np.linalg.norm(probe.embedding.x) == pytest.approx(1, abs=1e-5)
    assert probe.embedding.x.shape == (embedder().dim,)
