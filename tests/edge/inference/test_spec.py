from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ModelError
from edge.inference.head import head_path, read_description
from edge.inference.spec import MANIFEST, SHIPPED, TensorSpec, load_manifest, sha256_of


def raw() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SHIPPED / MANIFEST).read_bytes())
    return loaded


def written(folder: Path, content: object) -> Path:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / MANIFEST).write_bytes(text)
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_manifest(folder)
    line = str(caught.value)
    assert line.startswith(f"{folder / MANIFEST}: ")
    assert "\n" not in line
    return line


def test_the_shipped_manifest_has_a_default_of_each_role_and_every_file_is_there_with_its_hash() -> None:
    manifest = load_manifest()
    assert {manifest.pick(role).role for role in ("detector", "mesh", "embedder")} == {"detector", "mesh", "embedder"}
    for spec in manifest.models.values():
        assert sha256_of(spec.path) == spec.sha256
        assert spec.licence
        assert spec.origin


def test_every_tflite_file_that_ships_is_described() -> None:
    models = load_manifest().models.values()
    heads = {read_description(head_path(spec)).model for spec in models if spec.role == "embedder"}
    described = {spec.path.name for spec in models} | heads
    assert {file.name for file in SHIPPED.glob("*.tflite")} == described


def test_embedders_have_an_alignment_and_nothing_else_does() -> None:
    for spec in load_manifest().models.values():
        assert (spec.alignment is not None) == (spec.role == "embedder")


def test_what_is_written_is_what_is_read() -> None:
    entry, spec = raw()["models"]["mobilefacenet_192_int8"], load_manifest().models["mobilefacenet_192_int8"]
    tensor = entry["inputs"][0]
    assert spec.inputs == (TensorSpec((1, 112, 112, 3), "int8", tensor["scale"], tensor["zero_point"]),)
    assert spec.preprocessing.std == tuple(entry["preprocessing"]["std"])
    assert spec.alignment is not None
    assert [list(group) for group in spec.alignment.groups] == entry["alignment"]["groups"]
    assert spec.path == SHIPPED / entry["file"]


def test_a_float_tensor_has_no_scale() -> None:
    assert load_manifest().pick("mesh").inputs == (TensorSpec((1, 192, 192, 3), "float32", 0.0, 0),)


def test_a_model_is_picked_by_name_or_as_the_default_of_its_role() -> None:
    manifest = load_manifest()
    assert manifest.pick("detector").name == manifest.defaults["detector"]
    assert manifest.pick("detector", "").name == manifest.defaults["detector"]
    assert manifest.pick("detector", "blazeface_short").name == "blazeface_short"


@pytest.mark.parametrize("name", ["nobody", "face_mesh"])
def test_a_name_that_is_not_there_or_plays_another_role_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ModelError, match=f"no detector named '{name}'; there is: blazeface_full, blazeface_short"):
        load_manifest().pick("detector", name)


def test_a_role_without_a_model_says_so() -> None:
    with pytest.raises(ModelError, match="no liveness named ''; there is: none"):
        load_manifest().pick("liveness")


def test_a_missing_manifest_is_named_with_the_way_out(tmp_path: Path) -> None:
    assert "reinstall" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"7", b'{"schema": 1}', b'{"models": {}}'])
def test_a_file_that_is_no_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    assert "not a model manifest" in refused(written(tmp_path, content))


def test_a_manifest_of_a_later_kind_is_refused_with_both_numbers(tmp_path: Path) -> None:
    assert "schema 2, this version reads 1" in refused(written(tmp_path, raw() | {"schema": 2}))


def _without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for key in path[:-1]:
            entry = entry[key]
        del entry[path[-1]]

    return change


def _with(value: object, *path: str) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for key in path[:-1]:
            entry = entry[key]
        entry[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_without("file"), "file"),
        (_without("sha256"), "sha256"),
        (_without("role"), "role"),
        (_without("preprocessing", "std"), "std"),
        (_without("licence"), "licence"),
        (_with("guess", "role"), "role 'guess'"),
        (_with("GBR", "preprocessing", "colour"), "colour 'GBR'"),
        (_with([1.0], "preprocessing", "mean"), "unpack"),
        (_with([0.0, 1.0, 1.0], "preprocessing", "std"), "std"),
        (_with([[1], [2]], "alignment", "groups"), "alignment"),
        (_with(5, "inputs"), "not iterable"),
    ],
)
def test_an_entry_that_lacks_something_is_refused_with_the_key(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    content = raw()
    change(content["models"]["mobilefacenet_192_int8"])
    assert named in refused(written(tmp_path, content))


def test_a_files_hash_is_sha256(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"door" * 100_000)
    assert sha256_of(file) == hashlib.sha256(b"door" * 100_000).hexdigest()
