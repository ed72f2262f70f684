"""Reads a float TFLite embedder into a graph. Leaves running it to a runtime, and int8 files to `custom.py`.

A normalization at the end is left out, since a door normalizes embeddings itself and wants their norm.
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

_NUMPY = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 9: np.int8}  # schema.fbs, TensorType
_RELU, _RELU6 = 1, 3  # schema.fbs, ActivationFunctionType
_VALID = 1  # schema.fbs, Padding
# How x / ||x|| is spelled where it is not one operation: x * rsqrt(max(sum(square(x)), tiny)).
_OF_A_LENGTH = ("SUM", "MAXIMUM", "MINIMUM", "RSQRT", "SQRT")


def read_tflite(content: bytes, where: str) -> Graph:
    """content: the file's bytes. where: its name, for errors.

    Raises:
        ModelError: not a TFLite file, more than one input or output, or an operation that embedders here do not use.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    if content[4:8] != b"TFL3":
        raise ModelError(f"{where}: not a TFLite file, or a truncated one")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        return _Reader(model, schema).read()
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error
    except Exception as error:  # a damaged flatbuffer fails in as many ways as it has offsets
        raise ModelError(f"{where}: damaged or truncated TFLite file ({type(error).__name__})") from error


class _Reader:
    def __init__(self, model: Any, schema: Any) -> None:
        self._model = model
        self._subgraph = model.subgraphs[0]
        codes = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        # Files from before 2020 keep the code in the older, shorter field.
        self._codes = [codes[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
        self._names: dict[int, str] = {}  # tensors that the network computes
        self._constants: dict[int, NDArray[Any]] = {}
        self._absolute: dict[int, int] = {}  # |x| -> x
        self._negative: dict[int, tuple[int, Floats]] = {}  # factor * (x - |x|) -> x, factor
        self._rectified: dict[int, int] = {}  # relu(x) -> x
        self._lengths: dict[int, int] = {}  # something of ||x|| -> x
        self._builder = Builder(self._picture())

    def read(self) -> Graph:
        for operator in self._subgraph.operators:
            self._operator(operator)
        if len(self._subgraph.outputs) != 1:
            raise ModelError(f"{len(self._subgraph.outputs)} outputs, an embedder has one")
        return self._builder.graph(self._name(self._subgraph.outputs[0]))

    def _picture(self) -> tuple[int, int, int]:
        if len(self._subgraph.inputs) != 1:
            raise ModelError(f"{len(self._subgraph.inputs)} inputs, an embedder has one")
        index = self._subgraph.inputs[0]
        tensor = self._subgraph.tensors[index]
        shape = [int(n) for n in tensor.shape]
        if _NUMPY.get(tensor.type) is not np.float32:
            raise ModelError("its input is not float32: a quantized file is taken as it is, not read")
        if len(shape) != 4 or shape[3] != 3:
            raise ModelError(f"its input is {shape}, expected (batch, height, width, 3)")
        self._names[index] = PICTURE
        return shape[1], shape[2], shape[3]

    def _operator(self, operator: Any) -> None:
        code = self._codes[operator.opcodeIndex]
        handler: Callable[[Any, str], str] | None = getattr(self, f"_read_{code.lower()}", None)
        target = operator.outputs[0]
        if code == "DEQUANTIZE" and self._constant(operator.inputs[0]) is not None:
            self._constants[target] = float32(self._constant(operator.inputs[0]))
        elif self._spelled_prelu(code, operator) or self._spelled_normalization(code, operator):
            return
        elif code == "QUANTIZE":
            raise ModelError("quantized inside, float at its ends: build it with int8 ends, or bring the float file")
        elif handler is None:
            raise ModelError(f"the operation {code} is none that embedders here use")
        else:
            self._names[target] = self._activated(handler(operator, self._label(target)), operator)

    def _spelled_prelu(self, code: str, operator: Any) -> bool:
        """Follow relu(x) + factor (x - |x|), which is how MobileFaceNet's file spells PReLU with slope 2 factor."""
        target, inputs = operator.outputs[0], [int(index) for index in operator.inputs]
        if code == "ABS":
            self._absolute[target] = inputs[0]
        elif code == "SUB" and self._absolute.get(inputs[1]) == inputs[0]:
            self._negative[target] = (inputs[0], np.ones(1, np.float32))
        elif code == "MUL" and any(index in self._negative for index in inputs):
            product = next(index for index in inputs if index in self._negative)
            factor = self._required(inputs[1 - inputs.index(product)])
            self._negative[target] = (self._negative[product][0], float32(factor.reshape(-1)))
        elif code == "ADD" and any(index in self._negative for index in inputs):
            return self._join_prelu(target, inputs)
        else:
            return False
        return True

    def _spelled_normalization(self, code: str, operator: Any) -> bool:
        target, inputs = operator.outputs[0], [int(index) for index in operator.inputs]
        known = next((self._lengths[index] for index in inputs if index in self._lengths), None)
        if code == "SQUARE":
            self._lengths[target] = inputs[0]
        elif known is not None and code in _OF_A_LENGTH:
            self._lengths[target] = known
        elif known is not None and code in ("MUL", "DIV") and known in inputs:
            self._names[target] = self._name(known)
        else:
            return False
        return True

    def _join_prelu(self, target: int, inputs: list[int]) -> bool:
        part = next(index for index in inputs if index in self._negative)
        source, factor = self._negative[part]
        if self._rectified.get(inputs[1 - inputs.index(part)]) != source:
            raise ModelError(f"layer {self._label(target)}: adds to x - |x| what is not relu(x)")
        channels = self._builder.shape(self._name(source))[2]
        slope = float32(np.broadcast_to(2 * factor, (channels,)))
        self._names[target] = self._builder.put(PRelu(self._label(target), (self._name(source),), slope))
        return True

    def _read_conv_2d(self, operator: Any, label: str) -> str:
        source, options = self._name(operator.inputs[0]), operator.builtinOptions
        kernel = self._required(operator.inputs[1]).transpose(1, 2, 3, 0)
        self._undilated(options, label)
        stride = (options.strideH, options.strideW)
        sides = self._sides(options, source, kernel.shape[:2], stride)
        bias = bias_or_zeros(self._optional(operator, 2), kernel.shape[3])
        return self._builder.put(Conv(label, (source,), float32(kernel), bias, stride, sides))

    def _read_depthwise_conv_2d(self, operator: Any, label: str) -> str:
        source, options = self._name(operator.inputs[0]), operator.builtinOptions
        kernel = self._required(operator.inputs[1])[0]
        self._undilated(options, label)
        stride = (options.strideH, options.strideW)
        sides = self._sides(options, source, kernel.shape[:2], stride)
        bias = bias_or_zeros(self._optional(operator, 2), kernel.shape[2])
        return self._builder.put(Depthwise(label, (source,), float32(kernel), bias, stride, sides))

    def _read_fully_connected(self, operator: Any, label: str) -> str:
        matrix = self._required(operator.inputs[1])
        source = self._name(operator.inputs[0])
        return self._builder.dense(label, source, matrix, self._optional(operator, 2), channels_first=False)

    def _read_relu(self, operator: Any, _: str) -> str:
        self._rectified[operator.outputs[0]] = operator.inputs[0]
        return self._builder.relu(self._name(operator.inputs[0]))

    def _read_relu6(self, operator: Any, _: str) -> str:
        return self._builder.relu(self._name(operator.inputs[0]), 6.0)

    def _read_prelu(self, operator: Any, label: str) -> str:
        source = self._name(operator.inputs[0])
        slope = self._required(operator.inputs[1]).reshape(-1)
        channels = self._builder.shape(source)[2]
        if slope.size not in (1, channels):
            raise ModelError(f"layer {label}: a slope for each pixel; embedders here have one for each channel")
        return self._builder.put(PRelu(label, (source,), float32(np.broadcast_to(slope, (channels,)))))

    def _read_leaky_relu(self, operator: Any, label: str) -> str:
        source = self._name(operator.inputs[0])
        slope = np.full(self._builder.shape(source)[2], operator.builtinOptions.alpha, np.float32)
        return self._builder.put(PRelu(label, (source,), slope))

    def _read_logistic(self, operator: Any, label: str) -> str:
        return self._builder.put(Sigmoid(label, (self._name(operator.inputs[0]),)))

    def _read_add(self, operator: Any, label: str) -> str:
        source, constant = self._with_constant(operator)
        if constant is not None:
            return self._builder.affine(label, source, 1.0, constant)
        return self._builder.put(Add(label, (source, self._name(operator.inputs[1]))))

    def _read_sub(self, operator: Any, label: str) -> str:
        return self._builder.affine(label, self._name(operator.inputs[0]), 1.0, -self._required(operator.inputs[1]))

    def _read_mul(self, operator: Any, label: str) -> str:
        source, constant = self._with_constant(operator)
        if constant is not None:
            return self._builder.affine(label, source, constant, 0.0)
        return self._builder.put(Multiply(label, (source, self._name(operator.inputs[1]))))

    def _read_average_pool_2d(self, operator: Any, label: str) -> str:
        return self._pool(operator, label, "average")

    def _read_max_pool_2d(self, operator: Any, label: str) -> str:
        return self._pool(operator, label, "max")

    def _read_mean(self, operator: Any, label: str) -> str:
        if sorted(self._required(operator.inputs[1]).reshape(-1).tolist()) != [1, 2]:
            raise ModelError(f"layer {label}: a mean over other axes than height and width")
        return self._builder.mean(label, self._name(operator.inputs[0]))

    def _read_pad(self, operator: Any, label: str) -> str:
        batch, down, across, channels = self._required(operator.inputs[1]).tolist()
        if any((*batch, *channels)):
            raise ModelError(f"layer {label}: pads along other axes than height and width")
        return self._builder.put(Pad(label, (self._name(operator.inputs[0]),), (*down, *across)))

    def _read_reshape(self, operator: Any, _: str) -> str:
        return self._name(operator.inputs[0])  # a map and its flattened form are one here

    _read_squeeze = _read_l2_normalization = _read_expand_dims = _read_reshape

    def _pool(self, operator: Any, label: str, kind: Any) -> str:
        source, options = self._name(operator.inputs[0]), operator.builtinOptions
        size, stride = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
        return self._builder.put(Pool(label, (source,), kind, size, stride, same=options.padding != _VALID))

    def _activated(self, name: str, operator: Any) -> str:
        kind = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
        if kind not in (0, _RELU, _RELU6):
            raise ModelError(f"layer {name}: its fused activation {kind} is none that embedders here use")
        return name if kind == 0 else self._builder.relu(name, 6.0 if kind == _RELU6 else None)

    def _undilated(self, options: Any, label: str) -> None:
        if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
            raise ModelError(f"layer {label}: a dilated convolution")

    def _sides(self, options: Any, source: str, size: tuple[int, ...], stride: tuple[int, int]) -> Sides:
        return (0, 0, 0, 0) if options.padding == _VALID else self._builder.same(source, size, stride)

    def _with_constant(self, operator: Any) -> tuple[str, NDArray[Any] | None]:
        first, second = (int(index) for index in operator.inputs)
        if self._constant(first) is not None:
            first, second = second, first
        return self._name(first), self._constant(second)

    def _constant(self, index: int) -> NDArray[Any] | None:
        if index in self._constants:
            return self._constants[index]
        tensor = self._subgraph.tensors[index]
        data = self._model.buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            return None
        if tensor.type not in _NUMPY:
            raise ModelError(f"{self._label(index)}: tensor type {tensor.type} is none that embedders here use")
        shape = () if tensor.shape is None else tensor.shape
        return np.frombuffer(bytes(data), _NUMPY[tensor.type]).reshape(shape)

    def _required(self, index: int) -> NDArray[Any]:
        constant = self._constant(index)
        if constant is None:
            raise ModelError(f"{self._label(index)}: expected a constant")
        return constant

    def _optional(self, operator: Any, place: int) -> NDArray[Any] | None:
        present = len(operator.inputs) > place and operator.inputs[place] >= 0
        return self._required(operator.inputs[place]) if present else None

    def _name(self, index: int) -> str:
        if index not in self._names:
            raise ModelError(f"{self._label(index)}: is read before anything embedders here use has made it")
        return self._names[index]

    def _label(self, index: int) -> str:
        name = self._subgraph.tensors[index].name
        return self._builder.new_name(name.decode() if isinstance(name, bytes) else str(name))
