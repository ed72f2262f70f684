"""What a door scores with is read and checked: shipped, missing, damaged, of another embedder, with nonsense in it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError
from edge.inference.head import cohort_path, head_path, load_centred_cosine, load_plda
from edge.inference.spec import ModelSpec, load_manifest


@pytest.fixture
def embedder(tmp_path: Path) -> ModelSpec:
    """The default embedder's description, with copies of its head and cohort to spoil."""
    shipped = load_manifest().pick("embedder")
    for path in (head_path(shipped), cohort_path(shipped)):
        shutil.copy(path, tmp_path)
    return replace(shipped, path=tmp_path / shipped.path.name)


def spoil(file: Path, **changes: object) -> None:
    with np.load(file) as packed:
        arrays = {name: packed[name] for name in packed.files} | changes
    save: Any = np.savez  # whose types take every keyword for one of its own options
    save(file, **{name: np.asarray(array) for name, array in arrays.items()})


@pytest.mark.parametrize("name", [spec.name for spec in load_manifest().models.values() if spec.role == "embedder"])
def test_every_shipped_embedder_has_a_head_and_a_cohort(name: str) -> None:
    spec = load_manifest().pick("embedder", name)
    head, cosine = load_plda(spec), load_centred_cosine(spec)
    dim = spec.outputs[0].shape[-1]
    assert (head.row_dim, cosine.row_dim) == (2 * dim, dim)
    assert head.embedder_id == cosine.embedder_id == spec.sha256
    assert head.id.startswith("plda-")


def test_a_missing_head_is_named_with_the_way_out(embedder: ModelSpec) -> None:
    head_path(embedder).unlink()
    with pytest.raises(ModelError, match=r"head\.npz: no such file; .doorward-trainer head build. makes it"):
        load_plda(embedder)


def test_a_head_of_another_embedder_is_refused(embedder: ModelSpec) -> None:
    with pytest.raises(ModelError, match="made for embedder"):
        load_plda(replace(embedder, sha256="0" * 64))


@pytest.mark.parametrize("size", [0, 1, 100, 40_000])
def test_a_truncated_head_is_one_line(embedder: ModelSpec, size: int) -> None:
    file = head_path(embedder)
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(ModelError) as caught:
        load_plda(embedder)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_head_with_a_number_that_is_none_is_refused(embedder: ModelSpec) -> None:
    spoil(head_path(embedder), mean=np.full(192, np.nan))
    with pytest.raises(ModelError, match="mean has shape"):
        load_plda(embedder)


def test_a_head_of_another_shape_is_refused(embedder: ModelSpec) -> None:
    spoil(head_path(embedder), transform=np.eye(128))
    with pytest.raises(ModelError, match=r"transform has shape \(128, 128\), wanted finite numbers of shape"):
        load_plda(embedder)


def test_a_head_whose_variance_is_not_above_zero_is_refused(embedder: ModelSpec) -> None:
    spoil(head_path(embedder), beta=np.zeros(192))
    with pytest.raises(ModelError, match="not above 0"):
        load_plda(embedder)


def test_a_head_that_hides_code_is_not_run(embedder: ModelSpec) -> None:
    spoil(head_path(embedder), mean=np.array([print, len], dtype=object))
    with pytest.raises(ModelError, match="damaged"):
        load_plda(embedder)


def test_a_cohort_of_another_shape_is_refused(embedder: ModelSpec) -> None:
    spoil(cohort_path(embedder), covariance=np.eye(3))
    with pytest.raises(ModelError, match="covariance has shape"):
        load_centred_cosine(embedder)
