from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError
from edge.recognition.types import Floats
from tests.trainer.embedder.networks import pictures
from trainer.embedder.dlib import read_dlib, read_weight_map
from trainer.embedder.emit import embeddings

tf = pytest.importorskip("tensorflow", reason="needs the trainer extra")
pytestmark = pytest.mark.tensorflow
BLOCKS = (
    *("conv32_1", "conv32_2", "conv32_3"),
    *("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2"),
    *("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)


def random_weights() -> dict[str, Floats]:
    random = np.random.default_rng(0)
    arrays: dict[str, Floats] = {}

    def layer(prefix: str, size: int, taken: int, given: int) -> None:
        shape = (size, size, taken, given)
        arrays[f"{prefix}/conv/filters"] = random.normal(0, (size * size * taken) ** -0.5, shape).astype(np.float32)
        arrays[f"{prefix}/conv/bias"] = random.normal(0, 0.1, given).astype(np.float32)
        arrays[f"{prefix}/scale/weights"] = random.uniform(0.5, 1.5, given).astype(np.float32)
        arrays[f"{prefix}/scale/biases"] = random.normal(0, 0.1, given).astype(np.float32)

    layer("conv32_down", 7, 3, 32)
    taken = 32
    for block in BLOCKS:
        given = int(block[4:].split("_")[0])
        layer(f"{block}/conv1", 3, taken, given)
        layer(f"{block}/conv2", 3, given, given)
        taken = given
    arrays["fc"] = random.normal(0, 0.1, (256, 128)).astype(np.float32)
    return arrays


def packed(arrays: dict[str, Floats]) -> tuple[bytes, bytes]:
    """Every second array quantized to uint8, as the published files mix both."""
    entries, content = [], b""
    for number, (name, array) in enumerate(arrays.items()):
        entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": "float32"}
        if number % 2:
            low, scale = float(array.min()), max(float(np.ptp(array)) / 255, 1e-9)
            entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": low}
            content += np.rint((array - low) / scale).astype(np.uint8).tobytes()
        else:
            content += array.tobytes()
        entries.append(entry)
    return content, json.dumps([{"weights": entries, "paths": ["weights.bin"]}]).encode()


def as_published(arrays: dict[str, Floats], fed: Floats) -> Floats:
    """face-api's `FaceRecognitionNet.forwardInput`, operation by operation."""

    def conv(x: Any, prefix: str, stride: int, padding: str) -> Any:
        x = tf.nn.conv2d(x, arrays[f"{prefix}/conv/filters"], stride, padding) + arrays[f"{prefix}/conv/bias"]
        return x * arrays[f"{prefix}/scale/weights"] + arrays[f"{prefix}/scale/biases"]

    x = tf.nn.max_pool2d(tf.nn.relu(conv(fed, "conv32_down", 2, "VALID")), 3, 2, "VALID")
    for block in BLOCKS:
        down = "_down" in block
        out = tf.nn.relu(conv(x, f"{block}/conv1", 2 if down else 1, "VALID" if down else "SAME"))
        out = conv(out, f"{block}/conv2", 1, "SAME")
        if down:
            x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
            if x.shape[1] != out.shape[1]:
                out = tf.concat([out, tf.zeros((len(fed), 1, *out.shape[2:]))], 1)
                out = tf.concat([out, tf.zeros((len(fed), out.shape[1], 1, out.shape[3]))], 2)
            if x.shape[3] != out.shape[3]:
                x = tf.concat([x, tf.zeros_like(x)], 3)
        x = tf.nn.relu(x + out)
    result: Floats = (tf.reduce_mean(x, (1, 2)) @ arrays["fc"]).numpy()
    return result


def test_the_rebuilt_network_computes_what_the_published_one_does() -> None:
    content, manifest = packed(random_weights())
    graph = read_dlib(content, manifest)
    fed = pictures(2, side=152)[:, :150, :150]
    assert graph.dimension() == 128
    expected = as_published(read_weight_map(content, manifest), fed)
    assert np.allclose(expected, embeddings(graph, fed), rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_quantized_weights_come_back_within_half_a_step() -> None:
    arrays = random_weights()
    found = read_weight_map(*packed(arrays))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.abs(found[name] - array).max() <= max(float(np.ptp(array)) / 255, 1e-9) * 0.51


def test_a_manifest_for_other_weights_is_refused() -> None:
    content, manifest = packed(random_weights())
    with pytest.raises(ModelError, match="do not fit"):
        read_dlib(content[:1000], manifest)
    with pytest.raises(ModelError, match="their manifest lists"):
        read_dlib(content + b"more", manifest)
    with pytest.raises(ModelError, match="do not fit"):
        read_dlib(content, b"{")


def test_weights_of_another_network_are_refused() -> None:
    arrays = random_weights()
    del arrays["conv64_2/conv1/scale/biases"]
    with pytest.raises(ModelError, match=r"lack conv64_2/conv1/scale/biases"):
        read_dlib(*packed(arrays))
