"""A model file that is not what its description promises: always one line that names the file and what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError
from edge.inference.spec import ModelSpec, TensorSpec, load_manifest, sha256_of
from edge.inference.tflite import Model, describe, runtime_name

SHIPPED = load_manifest().models
EMBEDDER = load_manifest().pick("embedder")


def refused(spec: ModelSpec) -> str:
    """The line of the refusal."""
    with pytest.raises(ModelError) as caught:
        Model(spec)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{spec.path}: ")
    return line


def copied(tmp_path: Path, change: Callable[[bytes], bytes], *, honest: bool = False) -> ModelSpec:
    """The embedder's file, changed. honest: the description has the changed file's hash."""
    file = tmp_path / "other.tflite"
    file.write_bytes(change(EMBEDDER.path.read_bytes()))
    return replace(EMBEDDER, path=file, sha256=sha256_of(file) if honest else EMBEDDER.sha256)


def with_input(**promise: Any) -> ModelSpec:
    return replace(EMBEDDER, inputs=(replace(EMBEDDER.inputs[0], **promise),))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_is_what_the_manifest_promises(name: str) -> None:
    spec = SHIPPED[name]
    model = Model(spec)
    outputs = model.run(np.zeros(spec.inputs[0].shape, spec.inputs[0].dtype))
    assert [output.shape for output in outputs] == [tensor.shape for tensor in spec.outputs]
    assert [output.dtype.name for output in outputs] == [tensor.dtype for tensor in spec.outputs]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_describes_itself_as_the_manifest_does(name: str) -> None:
    inputs, outputs = describe(SHIPPED[name].path)
    for found, promised in zip((*inputs, *outputs), (*SHIPPED[name].inputs, *SHIPPED[name].outputs), strict=True):
        assert replace(found, scale=0) == replace(promised, scale=0)
        assert found.scale == pytest.approx(promised.scale)


def test_what_a_run_gave_stays_as_it_was_after_the_next_run() -> None:
    model = Model(EMBEDDER)
    (first,) = model.run(np.zeros(EMBEDDER.inputs[0].shape, np.int8))
    kept = first.copy()
    (second,) = model.run(np.full(EMBEDDER.inputs[0].shape, 77, np.int8))
    assert (first == kept).all()
    assert (first != second).any()


@pytest.mark.parametrize("kept", [0, 1, 1000, 800_000, -1])
def test_a_truncated_file_is_refused_with_its_name(tmp_path: Path, kept: int) -> None:
    assert "sha256" in refused(copied(tmp_path, lambda data: data[:kept]))


@pytest.mark.parametrize("place", [0, 7, 5000, 1_000_000, -1])
def test_a_single_flipped_bit_is_noticed(tmp_path: Path, place: int) -> None:
    def flip(data: bytes) -> bytes:
        damaged = bytearray(data)
        damaged[place] ^= 1
        return bytes(damaged)

    line = refused(copied(tmp_path, flip))
    assert EMBEDDER.sha256[:12] in line
    assert "damaged" in line


def test_another_model_in_its_place_is_refused_by_its_hash(tmp_path: Path) -> None:
    line = refused(copied(tmp_path, lambda _: SHIPPED["face_mesh"].path.read_bytes()))
    assert SHIPPED["face_mesh"].sha256[:12] in line


def test_a_missing_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    line = refused(replace(EMBEDDER, path=tmp_path / "nowhere.tflite"))
    assert "No such file" in line
    assert "reinstall" in line


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    assert "directory" in refused(replace(EMBEDDER, path=tmp_path)).lower()


@pytest.mark.parametrize("content", [b"", b"This is a text, and by no means a model.", b"\x1c\0\0\0TFL3" + bytes(64)])
def test_a_file_that_is_no_model_is_refused_even_with_a_right_hash(tmp_path: Path, content: bytes) -> None:
    assert "runtime refuses it" in refused(copied(tmp_path, lambda _: content, honest=True))


@pytest.mark.skipif(not runtime_name().startswith("ai-edge-litert"), reason="tflite-runtime does not check a file")
@pytest.mark.parametrize("kept", [20, 1000, 800_000, -1])
def test_half_a_model_with_a_right_hash_is_refused_by_the_runtime(tmp_path: Path, kept: int) -> None:
    assert "runtime refuses it" in refused(copied(tmp_path, lambda data: data[:kept], honest=True))


@pytest.mark.parametrize(
    ("spec", "thing"),
    [
        (with_input(shape=(1, 96, 96, 3)), "input 0 has shape (1, 112, 112, 3), the manifest promises (1, 96, 96, 3)"),
        (with_input(dtype="uint8"), "input 0 has dtype int8, the manifest promises uint8"),
        (with_input(scale=0.5), f"input 0 has scale {EMBEDDER.inputs[0].scale}, the manifest promises 0.5"),
        (with_input(zero_point=9), f"input 0 has zero_point {EMBEDDER.inputs[0].zero_point}, the manifest promises 9"),
        (
            replace(EMBEDDER, outputs=(replace(EMBEDDER.outputs[0], shape=(1, 128)),)),
            "output 0 has shape (1, 192), the manifest promises (1, 128)",
        ),
        (
            replace(EMBEDDER, outputs=(replace(EMBEDDER.outputs[0], zero_point=9),)),
            f"output 0 has zero_point {EMBEDDER.outputs[0].zero_point}, the manifest promises 9",
        ),
        (replace(EMBEDDER, outputs=(*EMBEDDER.outputs, TensorSpec((1, 1), "int8"))), "1 outputs, the manifest"),
        (replace(EMBEDDER, inputs=()), "1 inputs, the manifest promises 0"),
    ],
)
def test_other_tensors_than_promised_are_named_with_both(spec: ModelSpec, thing: str) -> None:
    assert thing in refused(spec)


def test_a_scale_is_compared_as_closely_as_a_float_is_kept() -> None:
    scale = EMBEDDER.inputs[0].scale
    Model(with_input(scale=float(np.float32(scale) * np.float32(1 + 1e-6))))
    refused(with_input(scale=scale * 1.001))


def test_without_the_runtime_that_is_asked_for_a_line_says_what_to_install() -> None:
    asked = {**os.environ, "DOORWARD_RUNTIME": "no-such-runtime"}
    code = "from edge.inference.tflite import runtime_name; print(runtime_name())"
    done = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("no TFLite runtime: install no-such-runtime with pip")
