"""A teacher: an operator's file made ready, and what it says of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.adapters.pictures import read_picture
from edge.errors import ModelError, PictureError
from edge.inference.spec import load_manifest
from trainer.challengers.teacher import Teacher, teacher_model

pytest.importorskip("ai_edge_litert", reason="needs LiteRT")

ROOT = Path(__file__).resolve().parents[3]
PICTURES = sorted((ROOT / "edge/demo/pictures").glob("*.jpg"))
DESCRIPTION = """\
name = "a_teacher"
colour = "RGB"
mean = 128
std = 128
size = 112
alignment = "five_point_112"
licence = "Apache-2.0"
origin = "a test"
"""


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    models = load_manifest()
    return Teacher(models.pick("embedder"), models)


def test_a_picture_and_its_mirror_image_are_the_same_to_a_teacher(teacher: Teacher) -> None:
    pixels = read_picture(PICTURES[0])
    seen, mirrored = teacher.view(pixels), teacher.view(np.ascontiguousarray(pixels[:, ::-1]))
    assert seen.shape == (teacher.dim,)
    assert np.linalg.norm(seen) == pytest.approx(1, abs=1e-5)
    assert float(seen @ mirrored) > 0.97


def test_of_a_picture_without_a_face_a_teacher_says_nothing(teacher: Teacher, tmp_path: Path) -> None:
    Pillow.new("RGB", (200, 200), (90, 90, 90)).save(tmp_path / "wall.png")
    done: list[int] = []
    answers = teacher.views([PICTURES[0], tmp_path / "wall.png"], done.append)
    assert answers[0].any()
    assert not answers[1].any()
    assert done == [1, 2]


def test_a_damaged_picture_is_named(teacher: Teacher, tmp_path: Path) -> None:
    (tmp_path / "half.jpg").write_bytes(PICTURES[0].read_bytes()[:100])
    with pytest.raises(PictureError, match=r"half\.jpg"):
        teacher.views([tmp_path / "half.jpg"])


def test_an_operator_s_file_is_made_ready_to_run(teacher: Teacher, tmp_path: Path) -> None:
    description = tmp_path / "teacher.toml"
    description.write_text(DESCRIPTION, "utf-8")
    models = load_manifest()
    spec = teacher_model(models.pick("embedder").path, description, tmp_path / "new folder")
    assert spec.name == "a_teacher"
    assert spec.path.parent == tmp_path / "new folder"
    pixels = read_picture(PICTURES[0])
    np.testing.assert_allclose(Teacher(spec, models).view(pixels), teacher.view(pixels), atol=1e-3)


def test_a_file_that_is_no_embedder_is_named(tmp_path: Path) -> None:
    description, file = tmp_path / "teacher.toml", tmp_path / "teacher.tflite"
    description.write_text(DESCRIPTION, "utf-8")
    with pytest.raises(ModelError, match=r"teacher\.tflite: No such file"):
        teacher_model(file, description, tmp_path)
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match=r"teacher\.tflite: not a TFLite file"):
        teacher_model(file, description, tmp_path)
    description.write_text(DESCRIPTION.replace("size = 112\n", ""), "utf-8")
    with pytest.raises(ModelError, match="the key 'size' is missing"):
        teacher_model(file, description, tmp_path)
