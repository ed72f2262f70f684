from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError
from edge.recognition.types import Floats
from tests.trainer.embedder.networks import pictures
from trainer.embedder.emit import embeddings
from trainer.embedder.read_onnx import read_onnx

onnx = pytest.importorskip("onnx", reason="needs the trainer extra")
pytest.importorskip("tensorflow", reason="needs the trainer extra")
pytestmark = pytest.mark.tensorflow
SIDE = 32


class Sketch:
    """An ONNX network with random weights, channels first, written node by node."""

    def __init__(self, shape: tuple[int, ...] = (1, 3, SIDE, SIDE)) -> None:
        self._random = np.random.default_rng(0)
        self._nodes: list[Any] = []
        self._values: list[Any] = []
        self._shape = shape
        self.last = "picture"

    def constant(self, array: Any) -> str:
        name = f"c{len(self._values)}"
        self._values.append(onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def numbers(self, *shape: int) -> str:
        return self.constant((self._random.normal(0, 1, shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32))

    def put(self, kind: str, *inputs: str, **attributes: Any) -> Sketch:
        name = f"{kind}{len(self._nodes)}"
        self._nodes.append(onnx.helper.make_node(kind, [self.last, *inputs], [name], **attributes))
        self.last = name
        return self

    def norm(self, channels: int) -> Sketch:
        positive = self.constant(self._random.uniform(0.5, 2, channels).astype(np.float32))
        numbers = [self.numbers(channels) for _ in range(3)]
        return self.put("BatchNormalization", *numbers, positive, epsilon=1e-3)

    def model(self) -> Any:
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            self._nodes,
            "sketch",
            [value("picture", onnx.TensorProto.FLOAT, self._shape)],
            [value(self.last, onnx.TensorProto.FLOAT, ["batch", "numbers"])],
            self._values,
        )
        opset = [onnx.helper.make_opsetid("", 17)]
        return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)

    def content(self) -> bytes:
        return bytes(self.model().SerializeToString())


def residual_network() -> Sketch:
    """As insightface's: batch normalizations before padded convolutions, an addition, flatten, dense, normalize."""
    sketch = Sketch()
    sketch.put("Conv", sketch.numbers(8, 3, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2]).norm(8)
    sketch.put("PRelu", sketch.numbers(8, 1, 1))
    shortcut = sketch.last
    sketch.norm(8).put("Conv", sketch.numbers(8, 8, 3, 3), sketch.numbers(8), pads=[1, 1, 1, 1]).norm(8)
    sketch.put("Add", shortcut).put("MaxPool", kernel_shape=[2, 2], strides=[2, 2]).norm(8)
    sketch.put("Dropout").put("Flatten").put("Gemm", sketch.numbers(12, 8 * 64), sketch.numbers(12), transB=1)
    return sketch.norm(12)


def mobile_network() -> Sketch:
    """As MobileFaceNet's exports: ReLU6 as Clip, depthwise convolutions, a reshape at the end."""
    sketch = Sketch()
    sketch.put("Conv", sketch.numbers(8, 3, 3, 3), sketch.numbers(8), pads=[1, 1, 1, 1], strides=[2, 2])
    sketch.put("Clip", sketch.constant(np.float32(0)), sketch.constant(np.float32(6)))
    sketch.put("Conv", sketch.numbers(8, 1, 3, 3), group=8, pads=[1, 1, 1, 1], strides=[2, 2]).put("Relu")
    sketch.put("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]).put("LeakyRelu", alpha=0.2)
    sketch.put("Conv", sketch.numbers(8, 1, 4, 4), group=8).put("Conv", sketch.numbers(6, 8, 1, 1))
    return sketch.put("Reshape", sketch.constant(np.array([1, -1], np.int64)))


def excited_network() -> Sketch:
    """With squeeze and excitation, a scaled input and a global average."""
    sketch = Sketch().put("Sub", "mean").put("Mul", "std")
    sketch.constant(np.float32(0.25))
    sketch._values[0].name = "mean"
    sketch.constant(np.float32(0.5))
    sketch._values[1].name = "std"
    sketch.put("Conv", sketch.numbers(8, 3, 3, 3), strides=[2, 2]).put("Relu")
    wide = sketch.last
    sketch.put("GlobalAveragePool").put("Conv", sketch.numbers(8, 8, 1, 1)).put("Sigmoid").put("Mul", wide)
    return sketch.put("GlobalAveragePool").put("Flatten").put("MatMul", sketch.numbers(8, 5))


def expected(sketch: Sketch, fed: Floats) -> Floats:
    from onnx.reference import ReferenceEvaluator

    run = ReferenceEvaluator(sketch.model())
    outputs: list[Any] = [run.run(None, {"picture": picture[None].transpose(0, 3, 1, 2)}) for picture in fed]
    return np.concatenate([output[0] for output in outputs])


@pytest.mark.parametrize("make", [residual_network, mobile_network, excited_network])
def test_a_network_is_read_as_the_one_that_the_format_defines(make: Any) -> None:
    sketch, fed = make(), pictures(2)
    found = embeddings(read_onnx(sketch.content(), "own.onnx"), fed)
    assert np.allclose(expected(sketch, fed), found, rtol=1e-3, atol=1e-4)


def test_a_normalization_at_the_end_is_left_to_the_door() -> None:
    sketch = residual_network()
    plain = expected(sketch, pictures(2))
    before = sketch.last
    sketch.put("ReduceL2", axes=[1], keepdims=1)
    length, sketch.last = sketch.last, before
    sketch.put("Div", length)
    assert np.allclose(embeddings(read_onnx(sketch.content(), "own.onnx"), pictures(2)), plain, rtol=1e-3, atol=1e-4)


def test_channels_last_with_transpositions_is_read_alike() -> None:
    sketch = Sketch((1, SIDE, SIDE, 3)).put("Transpose", perm=[0, 3, 1, 2])
    sketch.put("Conv", sketch.numbers(4, 3, 3, 3), strides=[4, 4]).put("Transpose", perm=[0, 2, 3, 1]).put("Flatten")
    sketch.put("Gemm", sketch.numbers(5, 4 * 64), transB=1)
    from onnx.reference import ReferenceEvaluator

    fed = pictures(1)
    outputs: Any = ReferenceEvaluator(sketch.model()).run(None, {"picture": fed})
    assert np.allclose(embeddings(read_onnx(sketch.content(), "own.onnx"), fed), outputs[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda s: s.put("Erf"), "the operation Erf is none"),
        (lambda s: s.put("Conv", s.numbers(6, 1, 3, 3), group=3), "a convolution in 3 groups of 3 channels"),
        (lambda s: s.put("Conv", s.numbers(6, 3, 3, 3), dilations=[2, 2]), "a dilated convolution"),
        (lambda s: s.put("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1]), "a padded pooling"),
        (lambda s: s.put("Conv", s.numbers(6, 4, 3, 3)), "its kernel takes 4 channels, it gets 3"),
    ],
)
def test_what_cannot_be_read_is_named(spoil: Any, line: str) -> None:
    with pytest.raises(ModelError, match=f"own.onnx: .*{line}"):
        read_onnx(spoil(Sketch()).content(), "own.onnx")


def test_a_picture_size_that_is_left_open_is_refused() -> None:
    with pytest.raises(ModelError, match="fixed height and width"):
        read_onnx(Sketch((1, 3, 0, 0)).put("Relu").content(), "own.onnx")


@pytest.mark.parametrize("content", [b"\x08\x07", b"\x00" * 64, residual_network().content()[:200]])
def test_what_is_not_onnx_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"^bad\.onnx: not an ONNX file, or a truncated one") as caught:
        read_onnx(content, "bad.onnx")
    assert "\n" not in str(caught.value)
