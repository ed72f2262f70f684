"""What each operator gives, and what it does not take: the kernels trust what is checked here."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import pytest

from edge.update.flatbuffer import MalformedError
from edge.update.operator_shapes import expected_outputs
from edge.update.tflite_file import CODES, OPTION_FORMS, Tensor

SAME, VALID = 0, 1


def real(*shape: int) -> Tensor:
    return Tensor(shape, "float32", 4, None, (), (), 0)


def int8(*shape: int) -> Tensor:
    return Tensor(shape, "int8", 1, None, (0.1,), (0,), 0)


def int32(*shape: int) -> Tensor:
    return Tensor(shape, "int32", 4, None, (), (), 0)


def numbers(values: Sequence[int], *shape: int) -> Tensor:
    data = memoryview(struct.pack(f"<{len(values)}i", *values))
    return Tensor(shape or (len(values),), "int32", 4, data, (), (), 0)


def options(name: str, **given: int) -> Mapping[str, int]:
    form = {"MAX_POOL_2D": "AVERAGE_POOL_2D", "MINIMUM": "MAXIMUM"}.get(name, name)
    return {option: default for option, _, default in OPTION_FORMS.get(form, (0, ()))[1]} | given


STRIDE = {"stride_h": 1, "stride_w": 1}
HALF = {"stride_h": 2, "stride_w": 2, "filter_h": 2, "filter_w": 2}
FINE = [
    ("ADD", [real(1, 4, 4, 8), real(8)], {}, (1, 4, 4, 8), "float32"),
    ("MUL", [int8(3, 1), int8(1, 5)], {}, (3, 5), "int8"),
    ("EXP", [real(1, 1)], {}, (1, 1), "float32"),
    ("RELU", [int8(1, 9)], {}, (1, 9), "int8"),
    ("QUANTIZE", [real(1, 9)], {}, (1, 9), "int8"),
    ("DEQUANTIZE", [int8(1, 9)], {}, (1, 9), "float32"),
    ("FULLY_CONNECTED", [real(1, 7), real(3, 7), real(3)], {}, (1, 3), "float32"),
    ("FULLY_CONNECTED", [real(1, 7), int8(3, 7), None], {}, (1, 3), "float32"),
    ("FULLY_CONNECTED", [int8(1, 7), int8(3, 7), int32(3)], {}, (1, 3), "int8"),
    ("CONV_2D", [int8(1, 9, 9, 3), int8(16, 3, 3, 3), int32(16)], STRIDE | {"padding": SAME}, (1, 9, 9, 16), "int8"),
    ("CONV_2D", [real(1, 9, 9, 3), real(16, 3, 3, 3)], STRIDE | {"padding": VALID}, (1, 7, 7, 16), "float32"),
    ("CONV_2D", [real(1, 9, 8, 3), real(16, 3, 3, 3)], {"stride_h": 2, "stride_w": 3}, (1, 5, 3, 16), "float32"),
    (
        "CONV_2D",
        [real(1, 9, 9, 3), real(16, 3, 3, 3)],
        STRIDE | {"padding": VALID, "dilation_h": 2, "dilation_w": 4},
        (1, 5, 1, 16),
        "float32",
    ),
    ("DEPTHWISE_CONV_2D", [int8(1, 9, 9, 3), int8(1, 3, 3, 6)], STRIDE | {"multiplier": 2}, (1, 9, 9, 6), "int8"),
    ("MAX_POOL_2D", [int8(1, 9, 9, 3)], HALF, (1, 5, 5, 3), "int8"),
    ("AVERAGE_POOL_2D", [real(1, 9, 9, 3)], HALF | {"padding": VALID}, (1, 4, 4, 3), "float32"),
    ("PAD", [int8(1, 9, 9, 3), numbers([0, 0, 1, 1, 0, 2, 0, 0], 4, 2)], {}, (1, 11, 11, 3), "int8"),
    ("RESHAPE", [int8(1, 1, 1, 192), numbers([1, 192])], {}, (1, 192), "int8"),
    ("RESHAPE", [int8(2, 3, 4), numbers([-1, 6])], {}, (4, 6), "int8"),
    (
        "STRIDED_SLICE",
        [real(1, 193), numbers([0, 192]), numbers([1, 193]), numbers([1, 1])],
        {"begin_mask": 1},
        (1, 1),
        "float32",
    ),
    ("STRIDED_SLICE", [real(9), numbers([-8]), numbers([-1]), numbers([2])], {}, (4,), "float32"),
    ("SLICE", [real(1, 193), numbers([0, 1]), numbers([1, -1])], {}, (1, 192), "float32"),
]


@pytest.mark.parametrize(("name", "inputs", "given", "shape", "dtype"), FINE)
def test_what_comes_out(
    name: str, inputs: list[Tensor | None], given: dict[str, int], shape: tuple[int, ...], dtype: str
) -> None:
    assert expected_outputs(name, inputs, options(name, **given)) == ((shape, (dtype,)),)


def test_every_operator_that_is_known_is_tried() -> None:
    tried = {name for name, *_ in FINE} | {"SUB", "MINIMUM", "MAXIMUM", "LOG", "NEG"}
    assert tried == set(CODES.values())


BAD = [
    ("ADD", [real(4), real(3)], {}, "do not go together"),
    ("ADD", [real(4), int8(4)], {}, "of int8"),
    ("ADD", [int32(4), int32(4)], {}, "of int32"),
    ("ADD", [real(4)], {}, "of 1 tensors"),
    ("ADD", [real(4), None], {}, "left out"),
    ("ADD", [real(4), real(4)], {"activation": 4}, "activation 4"),
    ("EXP", [int8(4)], {}, "of int8"),
    ("DEQUANTIZE", [real(4)], {}, "of float32"),
    ("FULLY_CONNECTED", [real(1, 7), real(3, 8)], {}, "with weights"),
    ("FULLY_CONNECTED", [real(7), real(3, 7)], {}, "with weights"),
    ("FULLY_CONNECTED", [real(1, 7), real(3, 7), real(4)], {}, "a bias"),
    ("FULLY_CONNECTED", [int8(1, 7), real(3, 7)], {}, "of float32"),
    ("FULLY_CONNECTED", [int8(1, 7), int8(3, 7), real(3)], {}, "of float32"),
    ("FULLY_CONNECTED", [real(1, 7), real(3, 7)], {"keep_dims": 1}, "a shape that is kept"),
    ("CONV_2D", [real(1, 9, 9, 4), real(16, 3, 3, 3)], STRIDE, "with weights"),
    ("CONV_2D", [real(1, 9, 9, 3), real(16, 3, 3, 3)], {}, "a stride of 0"),
    ("CONV_2D", [real(1, 9, 9, 3), real(16, 3, 3, 3)], STRIDE | {"stride_w": -1}, "a stride of -1"),
    ("CONV_2D", [real(1, 9, 9, 3), real(16, 3, 3, 3)], STRIDE | {"dilation_h": 0}, "a dilation of 0"),
    ("CONV_2D", [real(1, 9, 9, 3), real(16, 3, 3, 3)], STRIDE | {"dilation_h": 2**30}, "a dilation of"),
    ("CONV_2D", [real(1, 9, 9, 3), real(16, 3, 3, 3)], STRIDE | {"padding": 2}, "padding 2"),
    ("CONV_2D", [real(1, 2, 9, 3), real(16, 3, 3, 3)], STRIDE | {"padding": VALID}, "which is larger"),
    ("CONV_2D", [real(9, 9, 3), real(16, 3, 3, 3)], STRIDE, "with weights"),
    ("CONV_2D", [real(1, 9, 9, 3), int8(16, 3, 3, 3)], STRIDE, "of int8"),
    ("DEPTHWISE_CONV_2D", [real(1, 9, 9, 3), real(1, 3, 3, 6)], STRIDE | {"multiplier": 3}, "multiplier 3"),
    ("DEPTHWISE_CONV_2D", [real(1, 9, 9, 3), real(1, 3, 3, 6)], STRIDE | {"multiplier": 0}, "multiplier 0"),
    ("DEPTHWISE_CONV_2D", [real(1, 9, 9, 3), real(2, 3, 3, 3)], STRIDE | {"multiplier": 1}, "with weights"),
    ("MAX_POOL_2D", [real(1, 9, 9, 3)], HALF | {"filter_w": 0}, "a window of 0"),
    ("MAX_POOL_2D", [real(9, 9)], HALF, "of \\(9, 9\\)"),
    ("PAD", [real(1, 9), numbers([0, 0, 0, -1], 2, 2)], {}, "with paddings"),
    ("PAD", [real(1, 9), numbers([0, 0], 1, 2)], {}, "with paddings"),
    ("PAD", [real(1, 9), int32(2, 2)], {}, "with paddings"),
    ("RESHAPE", [real(1, 9), numbers([2, 5])], {}, "to \\(2, 5\\)"),
    ("RESHAPE", [real(1, 9), numbers([-1, -1])], {}, "to \\(-1, -1\\)"),
    ("RESHAPE", [real(1, 9), numbers([0, 9])], {}, "to \\(0, 9\\)"),
    ("RESHAPE", [real(1, 9), numbers([3])], {}, "to \\(3,\\)"),
    ("RESHAPE", [real(1, 9)], {}, "of 1 tensors"),
    ("RESHAPE", [real(1, 9), numbers([1, 9], 1, 2)], {}, "no list"),
    ("STRIDED_SLICE", [real(9), numbers([0]), numbers([10]), numbers([1])], {}, "from \\(0,\\)"),
    ("STRIDED_SLICE", [real(9), numbers([5]), numbers([5]), numbers([1])], {}, "from \\(5,\\)"),
    ("STRIDED_SLICE", [real(9), numbers([-10]), numbers([5]), numbers([1])], {}, "from \\(-10,\\)"),
    ("STRIDED_SLICE", [real(9), numbers([0, 0]), numbers([5]), numbers([1])], {}, "a parameter"),
    ("STRIDED_SLICE", [real(9), numbers([0]), numbers([5]), numbers([1])], {"new_axis_mask": 1}, "mask"),
    ("SLICE", [real(9), numbers([5]), numbers([5])], {}, "from \\(5,\\)"),
    ("SLICE", [real(9), numbers([-1]), numbers([5])], {}, "from \\(-1,\\)"),
    ("SLICE", [real(9), numbers([0]), numbers([0])], {}, "from \\(0,\\)"),
]


@pytest.mark.parametrize(("name", "inputs", "given", "words"), BAD)
def test_what_does_not_fit(name: str, inputs: list[Tensor | None], given: dict[str, int], words: str) -> None:
    with pytest.raises(MalformedError, match=words) as error:
        expected_outputs(name, inputs, options(name, **given))
    assert str(error.value).startswith(f"has {name} ")
