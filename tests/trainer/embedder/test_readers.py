from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError
from tests.trainer.embedder.networks import Maker, face_network, pictures, slopes
from trainer.embedder.custom import keras_to_tflite
from trainer.embedder.emit import embeddings
from trainer.embedder.graph import Affine, Conv, Multiply, Pool, PRelu, Relu, Sigmoid
from trainer.embedder.quantize import float_file
from trainer.embedder.read_tflite import read_tflite

tf = pytest.importorskip("tensorflow", reason="needs the trainer extra")
pytestmark = pytest.mark.tensorflow


def tflite_of(function: Any, side: int = 8) -> bytes:
    spec = tf.TensorSpec((1, side, side, 3), tf.float32)
    concrete = tf.function(function, input_signature=[spec], autograph=False).get_concrete_function()
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], concrete).convert())


def excited() -> Maker:
    """With squeeze and excitation, ReLU6, a lone batch normalization and poolings."""
    maker = Maker().conv(8, 3, 2)
    maker.put(Relu("relu6", (maker.last,), 6.0)).put(Pool("halved", ("relu6",), "max", (3, 3), (2, 2), same=True))
    maker.put(Pool("squeezed", (maker.last,), "average", (8, 8), (8, 8))).conv(8).put(Sigmoid("gate", (maker.last,)))
    maker.put(Multiply("excited", ("halved", "gate"))).put(
        Affine("norm", ("excited",), maker.numbers(8), maker.numbers(8))
    )
    return maker.prelu().depthwise(8, padded=False).conv(5)


@pytest.mark.parametrize("graph", [face_network(), excited().graph()], ids=["mobilefacenet", "excited"])
def test_a_float_file_is_read_back_as_the_network_that_it_was_made_from(graph: Any) -> None:
    again = read_tflite(float_file(graph), "x.tflite")
    fed = pictures(2)
    assert again.dimension() == graph.dimension()
    assert np.allclose(embeddings(graph, fed), embeddings(again, fed), rtol=1e-4, atol=1e-5)


def test_a_prelu_spelled_with_absolute_values_is_read_as_a_prelu() -> None:
    kernel, slope = Maker(2).numbers(8, 8, 3, 6), slopes(6, 3)

    def spelled(picture: Any) -> Any:
        x = tf.nn.conv2d(picture, kernel, 1, "VALID")
        return tf.reshape(tf.nn.relu(x) + (slope / 2) * (x - tf.abs(x)), (1, 6))

    graph = read_tflite(tflite_of(spelled), "spelled.tflite")
    (node,) = [node for node in graph.nodes if isinstance(node, PRelu)]
    assert np.allclose(node.slope, slope)


def test_an_operation_that_no_embedder_has_is_named() -> None:
    content = tflite_of(lambda picture: tf.reshape(tf.sin(tf.reduce_mean(picture, (1, 2))), (1, 3)))
    with pytest.raises(ModelError, match=r"odd\.tflite: the operation SIN is none"):
        read_tflite(content, "odd.tflite")


def test_a_network_that_gives_a_map_is_no_embedder() -> None:
    with pytest.raises(ModelError, match="not one vector"):
        read_tflite(tflite_of(tf.nn.relu), "map.tflite").dimension()


@pytest.mark.parametrize("content", [b"", b"TFL3", b"PK\x03\x04" * 20], ids=["empty", "stub", "zip"])
def test_what_is_not_tflite_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"^bad\.tflite: not a TFLite file, or a truncated one$"):
        read_tflite(content, "bad.tflite")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_truncated_file_is_refused_in_one_line(share: float) -> None:
    content = float_file(face_network())
    with pytest.raises(ModelError) as caught:
        read_tflite(content[: int(len(content) * share)], "cut.tflite")
    assert str(caught.value).startswith("cut.tflite: ")
    assert "\n" not in str(caught.value)


def test_a_keras_embedder_is_read_with_its_weights(tmp_path: Path) -> None:
    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(4)
    model = tf.keras.Sequential(
        [
            layers.Input((32, 32, 3)),
            layers.ZeroPadding2D(1),
            layers.Conv2D(8, 3, strides=2),
            layers.BatchNormalization(),
            layers.PReLU(shared_axes=[1, 2], alpha_initializer=tf.keras.initializers.RandomUniform(-3, 3)),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(7),
            layers.UnitNormalization(),
        ]
    )
    file = tmp_path / "own.keras"
    model.save(file)
    graph = read_tflite(keras_to_tflite(file), str(file))
    fed = pictures(2)
    found = embeddings(graph, fed)
    assert np.allclose(model.predict(fed, verbose=0), found / np.linalg.norm(found, axis=1, keepdims=True), atol=1e-5)


def test_a_keras_file_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.keras"
    file.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"bad\.keras: Keras cannot load it") as caught:
        keras_to_tflite(file)
    assert "\n" not in str(caught.value)


def test_weights_and_multiplications_are_counted() -> None:
    graph = Maker(side=4).conv(5, 4, padded=False).graph()
    assert isinstance(graph.nodes[0], Conv)
    assert (graph.weights(), graph.multiplications()) == (4 * 4 * 3 * 5 + 5, 4 * 4 * 3 * 5)
