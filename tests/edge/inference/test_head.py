"""What a door scores with is read and checked: shipped, missing, damaged, of another embedder, with nonsense in it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.contract.head import text_of
from edge.errors import ModelError
from edge.inference.head import (
    canary_error,
    cohort_path,
    head_path,
    load_centred_cosine,
    load_head,
    load_plda,
    read_description,
)
from edge.inference.spec import ModelSpec, load_manifest
from edge.recognition.types import Embedding, Projection


@pytest.fixture
def embedder(tmp_path: Path) -> ModelSpec:
    """The default embedder's description, with copies of its head and cohort to spoil."""
    shipped = load_manifest().pick("embedder")
    description = head_path(shipped)
    for path in (description, description.with_suffix(".tflite"), cohort_path(shipped)):
        shutil.copy(path, tmp_path)
    return replace(shipped, path=tmp_path / shipped.path.name)


def spoil(file: Path, **changes: object) -> None:
    with np.load(file) as packed:
        arrays = {name: packed[name] for name in packed.files} | changes
    save: Any = np.savez  # whose types take every keyword for one of its own options
    save(file, **{name: np.asarray(array) for name, array in arrays.items()})


def rewrite(embedder: ModelSpec, **changes: object) -> None:
    """Give keys of the head's description other values."""
    file = head_path(embedder)
    file.write_text(json.dumps(json.loads(file.read_bytes()) | changes))


@pytest.mark.parametrize("name", [spec.name for spec in load_manifest().models.values() if spec.role == "embedder"])
def test_every_shipped_embedder_has_a_head_and_a_cohort(name: str) -> None:
    spec = load_manifest().pick("embedder", name)
    head, cosine = load_plda(spec), load_centred_cosine(spec)
    dim = spec.outputs[0].shape[-1]
    assert (head.row_dim, cosine.row_dim) == (2 * dim, dim)
    assert head.embedder_id == cosine.embedder_id == spec.sha256
    assert head.id.startswith("plda-")


def test_a_head_projects_what_its_canaries_say_and_tells_a_poor_picture_from_a_good_one() -> None:
    spec = load_manifest().pick("embedder")
    said, head = read_description(head_path(spec)), load_plda(spec)
    assert canary_error(said, head.project) < 1e-5
    x = np.full(192, 192**-0.5, np.float32)
    poor, good = head.project(Embedding(x, 40.0)), head.project(Embedding(x, 80.0))
    np.testing.assert_array_equal(poor.z, good.z)
    assert poor.precision < good.precision


def test_projections_do_not_share_memory() -> None:
    head = load_plda(load_manifest().pick("embedder"))
    first = head.project(Embedding(np.full(192, 192**-0.5, np.float32), 60.0))
    kept = first.z.copy()
    head.project(Embedding(np.full(192, -(192**-0.5), np.float32), 60.0))
    np.testing.assert_array_equal(first.z, kept)


def test_a_missing_head_is_named_with_the_way_out(embedder: ModelSpec) -> None:
    head_path(embedder).unlink()
    with pytest.raises(ModelError, match=r"head\.json: no such file; .doorward-trainer head build. makes it"):
        load_plda(embedder)


def test_a_head_whose_model_is_missing_names_the_model(embedder: ModelSpec) -> None:
    head_path(embedder).with_suffix(".tflite").unlink()
    with pytest.raises(ModelError, match=r"head\.tflite: No such file"):
        load_plda(embedder)


def test_a_head_of_another_embedder_is_refused(embedder: ModelSpec) -> None:
    with pytest.raises(ModelError, match="made for embedder"):
        load_plda(replace(embedder, sha256="0" * 64))


@pytest.mark.parametrize("size", [0, 1, 100, 10_000])
@pytest.mark.parametrize("suffix", [".json", ".tflite"])
def test_a_truncated_file_is_one_line_with_its_name(embedder: ModelSpec, suffix: str, size: int) -> None:
    file = head_path(embedder).with_suffix(suffix)
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(ModelError) as caught:
        load_plda(embedder)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_answers_otherwise_than_its_canaries_say_is_refused(embedder: ModelSpec) -> None:
    said = json.loads(head_path(embedder).read_bytes())
    said["canaries"][3]["z"] = text_of([1.0] * 192)
    rewrite(embedder, canaries=said["canaries"])
    with pytest.raises(ModelError, match="its canaries are off by"):
        load_plda(embedder)


def test_the_worst_of_the_canaries_counts() -> None:
    said = read_description(head_path(load_manifest().pick("embedder")))
    right = load_plda(load_manifest().pick("embedder")).project

    def twice_as_sure(embedding: Embedding) -> Projection:
        found = right(embedding)
        return Projection(found.z, found.precision * 2)

    assert canary_error(said, twice_as_sure) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("beta", text_of([0.0] * 192), "not above 0"),
        ("beta", text_of([1.0] * 128), "must have 192 numbers"),
        ("beta", text_of([float("nan")] * 192), "finite float32"),
        ("beta", "!!", "finite float32"),
        ("dim", 128, "must have 128 numbers"),
        ("model", "../../etc/passwd", "must be 1 to 96"),
        ("kind", "oracle", "must be one of plda"),
        ("schema", "2.0", "version 2.0 is not known"),
        ("tolerance", 1e9, "must be from"),
        ("canaries", [], "must have 1 to 64 entries"),
    ],
)
def test_a_description_with_nonsense_names_the_key(embedder: ModelSpec, key: str, value: object, words: str) -> None:
    rewrite(embedder, **{key: value})
    with pytest.raises(ModelError, match=words):
        load_plda(embedder)


def test_a_head_for_another_dimension_than_its_model_has_is_refused(embedder: ModelSpec) -> None:
    other = load_manifest().pick("embedder", "dlib_resnet_128_int8")
    model = head_path(embedder).with_suffix(".tflite")
    shutil.copy(head_path(other).with_suffix(".tflite"), model)
    rewrite(embedder, model_sha256=read_description(head_path(other)).model_sha256)
    with pytest.raises(ModelError, match="input 0 has shape"):
        load_head(head_path(embedder), embedder.sha256)


def test_a_cohort_of_another_shape_is_refused(embedder: ModelSpec) -> None:
    spoil(cohort_path(embedder), covariance=np.eye(3))
    with pytest.raises(ModelError, match="covariance has shape"):
        load_centred_cosine(embedder)


def test_a_cohort_that_hides_code_is_not_run(embedder: ModelSpec) -> None:
    spoil(cohort_path(embedder), mean=np.array([print, len], dtype=object))
    with pytest.raises(ModelError, match="damaged"):
        load_centred_cosine(embedder)
