"""Reads an ONNX embedder into a graph: the operations that PyTorch and MXNet exports of face embedders use.

ONNX keeps channels first; a graph keeps them last. Only where a map is flattened does that matter, so the reader
follows which order each tensor stands in. A normalization at the end is left out: a door normalizes embeddings
itself and wants their norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.recognition.types import Floats
from trainer.embedder.builder import PICTURE, Builder, bias_or_zeros
from trainer.embedder.graph import Add, Conv, Depthwise, Graph, Multiply, Pad, Pool, PRelu, Sides, Sigmoid, float32

_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def read_onnx(content: bytes, where: str) -> Graph:
    """content: the file's bytes. where: its name, for errors.

    Raises:
        ModelError: not an ONNX file, more than one input or output, an operation that embedders here do not use, or the
            package `onnx` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ModelError(f"{where}: reading ONNX needs the package onnx: pip install 'doorward[trainer]'") from error
    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise classes of their own, by the version installed
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{where}: not an ONNX file, or a truncated one ({reason})") from error
    try:
        return _Reader(model.graph, onnx).read()
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error


class _Node:
    """One ONNX node with its attributes as plain values."""

    def __init__(self, node: Any, onnx: Any) -> None:
        self.kind = str(node.op_type)
        self.inputs = list(node.input)
        self.outputs = list(node.output)
        self.name = str(node.output[0])
        self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}

    def numbers(self, name: str, default: list[int]) -> list[int]:
        return [int(n) for n in self.attributes.get(name, default)]


class _Reader:
    def __init__(self, graph: Any, onnx: Any) -> None:
        self._graph = graph
        self._numpy: Callable[[Any], NDArray[Any]] = onnx.numpy_helper.to_array
        self._nodes = [_Node(node, onnx) for node in graph.node]
        self._constants: dict[str, NDArray[Any]] = {v.name: self._numpy(v) for v in graph.initializer}
        self._names: dict[str, str] = {}
        self._channels_last: set[str] = set()
        self._norms: dict[str, str] = {}  # ||x|| -> x
        self._builder = Builder(self._picture())

    def read(self) -> Graph:
        for node in self._nodes:
            self._one(node)
        if len(self._graph.output) != 1:
            raise ModelError(f"{len(self._graph.output)} outputs, an embedder has one")
        return self._builder.graph(self._name(self._graph.output[0].name))

    def _picture(self) -> tuple[int, int, int]:
        inputs = [value for value in self._graph.input if value.name not in self._constants]
        if len(inputs) != 1:
            raise ModelError(f"{len(inputs)} inputs, an embedder has one")
        shape = [int(d.dim_value) for d in inputs[0].type.tensor_type.shape.dim]
        self._names[inputs[0].name] = PICTURE
        match shape:
            case [_, 3, height, width] if height and width:
                return height, width, 3
            case [_, height, width, 3] if height and width:
                self._channels_last.add(inputs[0].name)
                return height, width, 3
        raise ModelError(f"its input is {shape}, expected (batch, 3, height, width) with fixed height and width")

    def _one(self, node: _Node) -> None:
        handler: Callable[[_Node], str] | None = getattr(self, f"_read_{node.kind.lower()}", None)
        if node.kind == "Constant":
            value = next(iter(node.attributes.values()))
            self._constants[node.name] = self._numpy(value) if hasattr(value, "raw_data") else np.asarray(value)
        elif node.kind == "ReduceL2":
            self._norms[node.name] = self._name(node.inputs[0])
        elif node.kind in ("Clip", "Expand") and node.inputs[0] in self._norms:
            self._norms[node.name] = self._norms[node.inputs[0]]  # a norm kept from zero, or spread over its vector
        elif handler is None:
            raise ModelError(f"the operation {node.kind} is none that embedders here use")
        else:
            self._names[node.name] = handler(node)
            if node.kind != "Transpose" and node.inputs[0] in self._channels_last:
                self._channels_last.add(node.name)

    def _read_conv(self, node: _Node) -> str:
        source, weights = self._name(node.inputs[0]), self._required(node.inputs[1])
        channels, group = self._builder.shape(source)[2], int(node.attributes.get("group", 1))
        if any(n != 1 for n in node.numbers("dilations", [1, 1])):
            raise ModelError(f"layer {node.name}: a dilated convolution")
        stride = _pair(node.numbers("strides", [1, 1]))
        sides = self._sides(node, source, weights.shape[2:])
        bias = bias_or_zeros(self._optional(node, 2), weights.shape[0])
        if group == 1:
            kernel = float32(weights.transpose(2, 3, 1, 0))
            return self._builder.put(Conv(node.name, (source,), kernel, bias, stride, sides))
        if group == channels == weights.shape[0]:
            kernel = float32(weights[:, 0].transpose(1, 2, 0))
            return self._builder.put(Depthwise(node.name, (source,), kernel, bias, stride, sides))
        raise ModelError(f"layer {node.name}: a convolution in {group} groups of {channels} channels")

    def _read_batchnormalization(self, node: _Node) -> str:
        gamma, beta, mean, variance = (self._required(name).astype(np.float64) for name in node.inputs[1:5])
        scale = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
        return self._builder.affine(node.name, self._name(node.inputs[0]), scale, beta - mean * scale)

    def _read_prelu(self, node: _Node) -> str:
        source, slope = self._name(node.inputs[0]), self._required(node.inputs[1]).reshape(-1)
        return self._prelu(node, source, slope)

    def _read_leakyrelu(self, node: _Node) -> str:
        return self._prelu(node, self._name(node.inputs[0]), np.array([node.attributes.get("alpha", 0.01)]))

    def _prelu(self, node: _Node, source: str, slope: NDArray[Any]) -> str:
        channels = self._builder.shape(source)[2]
        if slope.size not in (1, channels):
            raise ModelError(f"layer {node.name}: {slope.size} slopes for {channels} channels")
        return self._builder.put(PRelu(node.name, (source,), float32(np.broadcast_to(slope, (channels,)))))

    def _read_relu(self, node: _Node) -> str:
        return self._builder.relu(self._name(node.inputs[0]))

    def _read_clip(self, node: _Node) -> str:
        low = self._bound(node, "min", 1)
        if low != 0:
            raise ModelError(f"layer {node.name}: clips from {low}; embedders here clip from 0")
        return self._builder.relu(self._name(node.inputs[0]), self._bound(node, "max", 2))

    def _read_sigmoid(self, node: _Node) -> str:
        return self._builder.put(Sigmoid(node.name, (self._name(node.inputs[0]),)))

    def _read_add(self, node: _Node) -> str:
        source, constant = self._with_constant(node)
        if constant is not None:
            return self._builder.affine(node.name, source, 1.0, constant)
        return self._builder.put(Add(node.name, (source, self._name(node.inputs[1]))))

    def _read_sub(self, node: _Node) -> str:
        return self._builder.affine(node.name, self._name(node.inputs[0]), 1.0, -self._required(node.inputs[1]))

    def _read_mul(self, node: _Node) -> str:
        source, constant = self._with_constant(node)
        if constant is not None:
            return self._builder.affine(node.name, source, constant, 0.0)
        return self._builder.put(Multiply(node.name, (source, self._name(node.inputs[1]))))

    def _read_div(self, node: _Node) -> str:
        source = self._name(node.inputs[0])
        if self._norms.get(node.inputs[1]) == source:
            return source
        return self._builder.affine(node.name, source, 1.0 / self._required(node.inputs[1]), 0.0)

    def _read_maxpool(self, node: _Node) -> str:
        return self._pool(node, "max")

    def _read_averagepool(self, node: _Node) -> str:
        return self._pool(node, "average")

    def _read_globalaveragepool(self, node: _Node) -> str:
        return self._builder.mean(node.name, self._name(node.inputs[0]))

    def _read_reducemean(self, node: _Node) -> str:
        given = self._optional(node, 1)
        axes = node.numbers("axes", []) if given is None else [int(axis) for axis in given]
        if sorted(axis % 4 for axis in axes) not in ([2, 3], [1, 2]):
            raise ModelError(f"layer {node.name}: a mean over other axes than height and width")
        return self._read_globalaveragepool(node)

    def _read_gemm(self, node: _Node) -> str:
        if any(node.attributes.get(name, 1.0) != 1.0 for name in ("alpha", "beta")) or node.attributes.get("transA", 0):
            raise ModelError(f"layer {node.name}: a dense layer with factors or a transposed input")
        weights = self._required(node.inputs[1])
        matrix = weights if node.attributes.get("transB", 0) else weights.T
        return self._dense(node, matrix, self._optional(node, 2))

    def _read_matmul(self, node: _Node) -> str:
        return self._dense(node, self._required(node.inputs[1]).T, None)

    def _dense(self, node: _Node, matrix: NDArray[Any], bias: Floats | None) -> str:
        first = node.inputs[0] not in self._channels_last
        return self._builder.dense(node.name, self._name(node.inputs[0]), matrix, bias, channels_first=first)

    def _read_transpose(self, node: _Node) -> str:
        order = node.numbers("perm", [])
        if order == _TO_LAST:
            self._channels_last.add(node.name)
        elif order != _TO_FIRST:
            raise ModelError(f"layer {node.name}: a transposition {order} that is no change of channel order")
        return self._name(node.inputs[0])

    def _read_identity(self, node: _Node) -> str:
        return self._name(node.inputs[0])  # a map, its flattened form and its normalized form are one here

    _read_dropout = _read_flatten = _read_reshape = _read_squeeze = _read_unsqueeze = _read_identity
    _read_lpnormalization = _read_identity

    def _pool(self, node: _Node, kind: Any) -> str:
        source, size = self._name(node.inputs[0]), _pair(node.numbers("kernel_shape", []))
        stride, sides = _pair(node.numbers("strides", [1, 1])), self._sides(node, source, size)
        if node.attributes.get("ceil_mode", 0):
            raise ModelError(f"layer {node.name}: a pooling that rounds its size up")
        if any(sides):
            positive = node.inputs[0] in {name for n in self._nodes if n.kind == "Relu" for name in n.outputs}
            if not (positive if kind == "max" else node.attributes.get("count_include_pad", 0)):
                raise ModelError(f"layer {node.name}: a padded pooling where zeros do not stand for what is outside")
            source = self._builder.put(Pad(f"{node.name}/pad", (source,), sides))
        return self._builder.put(Pool(node.name, (source,), kind, size, stride))

    def _sides(self, node: _Node, source: str, size: tuple[int, ...]) -> Sides:
        how = node.attributes.get("auto_pad", b"NOTSET")
        if how == b"SAME_UPPER":
            return self._builder.same(source, size, _pair(node.numbers("strides", [1, 1])))
        if how not in (b"NOTSET", b"VALID"):
            raise ModelError(f"layer {node.name}: padding {how.decode()}")
        top, left, bottom, right = node.numbers("pads", [0, 0, 0, 0])
        return top, bottom, left, right

    def _bound(self, node: _Node, attribute: str, place: int) -> float | None:
        if attribute in node.attributes:
            return float(node.attributes[attribute])
        given = self._optional(node, place)
        return None if given is None else float(given.reshape(()))

    def _with_constant(self, node: _Node) -> tuple[str, NDArray[Any] | None]:
        first, second = node.inputs
        if first in self._constants:
            first, second = second, first
        return self._name(first), self._constants.get(second)

    def _required(self, name: str) -> NDArray[Any]:
        if name not in self._constants:
            raise ModelError(f"{name}: expected a constant")
        return self._constants[name]

    def _optional(self, node: _Node, place: int) -> NDArray[Any] | None:
        present = len(node.inputs) > place and node.inputs[place] != ""
        return self._required(node.inputs[place]) if present else None

    def _name(self, name: str) -> str:
        if name not in self._names:
            raise ModelError(f"{name}: is read before anything embedders here use has made it")
        return self._names[name]


def _pair(numbers: list[int]) -> tuple[int, int]:
    if len(numbers) != 2:
        raise ModelError(f"a window of {len(numbers)} dimensions; pictures have two")
    return numbers[0], numbers[1]
