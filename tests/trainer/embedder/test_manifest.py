from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge.errors import ModelError
from edge.inference.spec import SHIPPED, load_manifest
from edge.inference.tflite import Model
from trainer.embedder.alignments import DLIB_150, FIVE_POINT_112
from trainer.embedder.manifest import write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "models"))


def test_what_is_written_is_read_back_alike(folder: Path) -> None:
    before = load_manifest(folder)
    write_manifest(folder, before)
    assert load_manifest(folder) == before


def test_the_shipped_manifest_is_one_that_the_writer_writes(folder: Path) -> None:
    write_manifest(folder, load_manifest(folder))
    assert json.loads((folder / "models.json").read_bytes()) == json.loads((SHIPPED / "models.json").read_bytes())


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("sha256", "0" * 64, "sha256 is .* the manifest says 000000000000"),
        ("inputs", [{"shape": [1, 160, 160, 3], "dtype": "int8", "scale": 0.0078125, "zero_point": 0}], "has shape"),
        ("inputs", [{"shape": [1, 112, 112, 3], "dtype": "float32"}], "has dtype int8"),
        ("inputs", [{"shape": [1, 112, 112, 3], "dtype": "int8", "scale": 0.5, "zero_point": 0}], "has scale"),
        (
            "inputs",
            [{"shape": [1, 112, 112, 3], "dtype": "int8", "scale": 0.0078125, "zero_point": 3}],
            "has zero_point",
        ),
        ("outputs", [], "1 outputs, the manifest promises 0"),
    ],
)
def test_a_file_that_is_not_what_was_promised_is_named_with_what_differs(
    folder: Path, key: str, value: object, line: str
) -> None:
    file = folder / "models.json"
    raw = json.loads(file.read_bytes())
    raw["models"]["mobilefacenet_192_int8"][key] = value
    file.write_text(json.dumps(raw))
    with pytest.raises(ModelError, match=line) as caught:
        Model(load_manifest(folder).pick("embedder", "mobilefacenet_192_int8"))
    assert "mobilefacenet_192_int8.tflite" in str(caught.value)


def test_the_templates_are_those_that_the_embedders_were_trained_with() -> None:
    assert len(FIVE_POINT_112.groups) == 5
    assert FIVE_POINT_112.template[0] == pytest.approx((38.29, 51.70), abs=0.01)
    # dlib, `get_face_chip_details(shape, 150, 0.25)`: the tip of the nose lies in the middle of the chip.
    nose = DLIB_150.template[DLIB_150.groups.index((1,))]
    assert nose == pytest.approx((150 * (0.25 + 0.490127) / 1.5, 150 * (0.25 + 0.515625) / 1.5), abs=0.01)
    assert len(DLIB_150.groups) == len(set(DLIB_150.groups)) == 21
