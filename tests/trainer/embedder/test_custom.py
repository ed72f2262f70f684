from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.adapters.pictures import read_picture
from edge.errors import DoorwardError, ModelError
from edge.inference.embedder import Embedder
from edge.inference.spec import SHIPPED, load_manifest
from tests.trainer.embedder.networks import face_network
from trainer.embedder.commands import add_models_commands
from trainer.embedder.custom import read_description, read_network
from trainer.embedder.faces import FaceFinder

DESCRIPTION: dict[str, object] = {
    "name": "own_12",
    "colour": "BGR",
    "mean": 127.5,
    "std": [128, 128.0, 128],
    "size": 64,
    "alignment": "five_point_112",
    "licence": "MIT",
    "origin": "made in a test",
}


def toml(values: dict[str, object]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def described(folder: Path, **changes: object) -> Path:
    """A description with some keys changed; None leaves a key out."""
    values = {key: value for key, value in {**DESCRIPTION, **changes}.items() if value is not None}
    file = folder / "own.toml"
    file.write_text(toml(values))
    return file


def doorward_trainer(*line: object) -> int:
    parser = argparse.ArgumentParser()
    add_models_commands(parser.add_subparsers())
    arguments = parser.parse_args([str(word) for word in line])
    code: int = arguments.run(arguments)
    return code


def test_a_description_becomes_what_a_door_reads(tmp_path: Path) -> None:
    found = read_description(described(tmp_path))
    preprocessing, alignment = found.description.preprocessing, found.description.alignment
    assert (preprocessing.colour, preprocessing.mean, preprocessing.std) == ("BGR", (127.5,) * 3, (128.0,) * 3)
    assert alignment is not None
    assert alignment.template[0] == pytest.approx((38.2946 * 64 / 112, 51.6963 * 64 / 112))


def test_an_alignment_may_be_written_out(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    table = "[alignment]\ngroups = [[33, 133], [263]]\ntemplate = [[20, 24.5], [44, 24.5]]\n"
    file.write_text(toml({k: v for k, v in DESCRIPTION.items() if k != "alignment"}) + table)
    alignment = read_description(file).description.alignment
    assert alignment is not None
    assert alignment.groups == ((33, 133), (263,))
    assert alignment.template == ((20.0, 24.5), (44.0, 24.5))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"colour": "rgb"}, "colour is 'rgb', expected"),
        ({"std": 0}, "std is 0, expected above 0"),
        ({"mean": [1, 2]}, r"mean is \[1, 2\], expected a number or three"),
        ({"mean": True}, "mean is True, expected a number"),
        ({"size": "112"}, "size is '112', expected a whole number"),
        ({"name": "../up"}, "name is '../up', expected letters"),
        ({"alignment": "six_point"}, "alignment is 'six_point', expected 'five_point_112' or 'dlib'"),
        ({"licence": ""}, "licence is '', expected a line of text"),
        ({"origin": None}, "the key 'origin' is missing"),
        ({"colours": "RGB"}, "unknown key 'colours'; there are alignment, colour"),
    ],
)
def test_a_wrong_key_is_named_in_one_line(tmp_path: Path, changes: dict[str, object], line: str) -> None:
    with pytest.raises(ModelError, match=line) as caught:
        read_description(described(tmp_path, **changes))
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "table",
    [
        "groups = [[33]]\ntemplate = [[1, 2]]",
        "groups = [[33], [468]]\ntemplate = [[1, 2], [3, 4]]",
        "groups = [[33], []]\ntemplate = [[1, 2], [3, 4]]",
        "groups = [[33], [44]]\ntemplate = [[1, 2], [3]]",
        "points = 5",
    ],
)
def test_an_alignment_that_cannot_be_fitted_is_refused(tmp_path: Path, table: str) -> None:
    file = described(tmp_path, alignment=None)
    file.write_text(file.read_text() + f"[alignment]\n{table}\n")
    with pytest.raises(ModelError, match="alignment is "):
        read_description(file)


def test_what_is_not_toml_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("name = ")
    with pytest.raises(ModelError, match=r"x\.toml: not TOML"):
        read_description(tmp_path / "x.toml")
    with pytest.raises(ModelError, match=r"gone\.toml: No such file"):
        read_description(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("gone.onnx", None, "No such file"),
        ("empty.tflite", b"", "empty"),
        ("weights.bin", b"1234", "of an unknown kind; an embedder is"),
    ],
)
def test_a_file_that_cannot_be_a_network_is_told(tmp_path: Path, name: str, content: bytes | None, line: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: {line}"):
        read_network(tmp_path / name)


def test_a_network_without_its_description_is_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--from and --preprocessing belong together"):
        doorward_trainer("models", "build", "--from", tmp_path / "own.onnx")


def test_pictures_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(DoorwardError, match=r"gone: no such folder"):
        doorward_trainer("models", "build", "--quick", "--data", tmp_path / "gone", "--out", tmp_path / "out")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DoorwardError, match=r"bare: holds no picture"):
        doorward_trainer("models", "build", "--quick", "--data", tmp_path / "bare", "--out", tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ModelError, match=r"taken: cannot be written \(File exists\); --out names another folder"):
        doorward_trainer("models", "build", "--quick", "--out", tmp_path / "taken")
    with pytest.raises(DoorwardError, match="there is no folder"):
        doorward_trainer("models", "build", "--quick", "--out", tmp_path, "--json", tmp_path / "gone" / "x.json")


@pytest.fixture
def own_network(tmp_path: Path) -> Path:
    pytest.importorskip("tensorflow", reason="needs the trainer extra")
    from trainer.embedder.quantize import float_file

    file = tmp_path / "own.tflite"
    file.write_bytes(float_file(face_network(side=64)))
    return file


def build(network: Path, folder: Path, **changes: object) -> Any:
    line = ("--preprocessing", described(folder, **changes), "--out", folder / "out", "--quick")
    assert doorward_trainer("models", "build", "--from", network, *line, "--json", folder / "own.json") == 0
    return json.loads((folder / "own.json").read_bytes())


@pytest.mark.tensorflow
def test_an_own_network_becomes_an_int8_embedder_that_a_door_loads(own_network: Path, tmp_path: Path) -> None:
    report = build(own_network, tmp_path)
    spec = load_manifest(tmp_path / "out").pick("embedder")
    embedder = Embedder(spec)
    picture = FaceFinder(load_manifest(SHIPPED)).find(read_picture(SHIPPED.parent / "demo" / "pictures" / "obama.jpg"))
    assert picture.mesh is not None
    embedding = embedder.embed(embedder.align(picture.pixels, picture.mesh))
    assert (spec.name, spec.inputs[0].dtype, embedder.dim) == ("own_12", "int8", 12)
    assert np.linalg.norm(embedding.x) == pytest.approx(1, abs=1e-5)
    (parity,) = report["embedders"]
    assert parity["partitions"] == {"count": 1, "whole": True}
    assert parity["cosine_mean"] > 0.98
    assert report["sha256"]["own_12"] == spec.sha256
    assert spec.sha256 in (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "MODEL_CARD.md",
        "models.json",
        "own_12.tflite",
    ]


@pytest.mark.tensorflow
def test_a_network_that_is_int8_already_is_taken_byte_by_byte(own_network: Path, tmp_path: Path) -> None:
    build(own_network, tmp_path)
    first = (tmp_path / "out" / "own_12.tflite").read_bytes()
    (tmp_path / "ready.tflite").write_bytes(first)
    report = build(tmp_path / "ready.tflite", tmp_path, name="ready", mean=128)
    assert (tmp_path / "out" / "ready.tflite").read_bytes() == first
    assert set(load_manifest(tmp_path / "out").models) == {"own_12", "ready"}
    assert report["embedders"][0]["cosine_mean"] is None


@pytest.mark.tensorflow
def test_another_size_than_described_is_told_and_nothing_is_written(own_network: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"own\.tflite: takes 64 x 64 px, its description says 112 x 112"):
        build(own_network, tmp_path, size=112)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.tensorflow
def test_a_network_that_sees_no_difference_between_faces_is_refused(own_network: Path, tmp_path: Path) -> None:
    # Pixels divided by a million: every picture looks alike.
    with pytest.raises(ModelError, match="the same embedding for every face; are mean, std and colour right"):
        build(own_network, tmp_path, std=1e9)
    assert list((tmp_path / "out").iterdir()) == []
