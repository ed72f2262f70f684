from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.inference.tflite import describe
from edge.recognition.types import Floats
from tests.trainer.embedder.networks import face_network, pictures
from trainer.embedder.emit import embeddings
from trainer.embedder.equalize import equalized
from trainer.embedder.graph import Graph
from trainer.embedder.layers import layer_errors
from trainer.embedder.partitions import xnnpack_partitions
from trainer.embedder.quantize import float_file, int8_file
from trainer.embedder.rewrite import bound_slopes, expanded, simplified

pytest.importorskip("tensorflow", reason="needs the trainer extra")
pytest.importorskip("ai_edge_litert", reason="needs LiteRT")
pytestmark = pytest.mark.tensorflow
SCALE = 1 / 128
FED = np.minimum(pictures(24), 127 / 128)


def ready() -> Graph:
    return expanded(equalized(bound_slopes(simplified(face_network())), FED))


@pytest.fixture(scope="module")
def content() -> bytes:
    return int8_file(ready(), FED, -1.0, 127 / 128)


def run(file: Path, fed: Floats) -> Floats:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(file))
    interpreter.allocate_tensors()
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = taken["quantization"]
    found = []
    for picture in fed:
        steps = np.clip(np.rint(picture / SCALE), -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], steps[None])
        interpreter.invoke()
        found.append((interpreter.get_tensor(taken["index"])[0].astype(np.float32) - zero) * scale)
    return np.array(found, np.float32)


def test_a_pixel_needs_no_rounding_to_become_the_input(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(content)
    ((given,), (taken,)) = describe(tmp_path / "x.tflite")
    assert (given.dtype, given.scale, given.zero_point) == ("int8", SCALE, 0)
    assert (taken.dtype, taken.shape) == ("int8", (1, 12))


def test_int8_keeps_the_direction_of_the_float_embedding(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(content)
    expected, found = embeddings(face_network(), FED), run(tmp_path / "x.tflite", FED)
    cosine = (expected * found).sum(1) / np.linalg.norm(expected, axis=1) / np.linalg.norm(found, axis=1)
    assert cosine.mean() > 0.99


def test_the_rewritten_network_runs_in_one_piece(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(content)
    partitions = xnnpack_partitions(tmp_path / "x.tflite")
    assert (partitions.count, partitions.whole) == (1, True)


def test_a_network_with_its_prelus_left_in_does_not(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(int8_file(simplified(face_network()), FED, -1.0, 127 / 128))
    partitions = xnnpack_partitions(tmp_path / "x.tflite")
    assert partitions.count > 1
    assert not partitions.whole


def test_every_layer_is_compared_and_the_poorest_comes_first(content: bytes) -> None:
    network = ready()
    errors = layer_errors(network, float_file(network), content, FED[:3])
    names = {node.name for node in network.nodes}
    assert len(errors) > len(names) / 2
    assert {error.layer for error in errors} <= names
    assert [error.snr_db for error in errors] == sorted(error.snr_db for error in errors)
    assert errors[0].snr_db > 5
    assert errors[-1].snr_db > 25
