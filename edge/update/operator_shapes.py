"""What each operator that a model may have gives for its inputs: shapes and types, as its kernels compute them.

A kernel trusts much of this; what a file says of its tensors is held against it in `model_check.py`.
Semantics: https://www.tensorflow.org/mlir/tfl_ops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from edge.update.flatbuffer import MalformedError
from edge.update.tflite_file import LONGEST_SIDE, MOST_RANK, Tensor

Shape: TypeAlias = tuple[int, ...]
Expected: TypeAlias = tuple[tuple[Shape, tuple[str, ...]], ...]
_Inputs: TypeAlias = Sequence[Tensor | None]
_Options: TypeAlias = Mapping[str, int]

CONSTANT_FROM: Mapping[str, int] = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "PAD": 1,
    "RESHAPE": 1,
    "STRIDED_SLICE": 1,
    "SLICE": 1,
    "FULLY_CONNECTED": 1,
}
"""From which input on an operator's are parameters, which are constants in the file."""

_ACTIVATIONS = 4  # none, RELU, RELU_N1_TO_1, RELU6; the two others are TANH and SIGN_BIT
_SAME, _VALID = 0, 1
_LONGEST_STEP = 1024  # of strides, dilations and filters


def expected_outputs(name: str, inputs: _Inputs, options: _Options) -> Expected:
    """Shape and possible types of each output.

    Raises:
        MalformedError: the inputs or the options are none for this operator.
    """
    if not 0 <= options.get("activation", 0) < _ACTIVATIONS:
        raise MalformedError(f"has {name} with activation {options['activation']}")
    try:
        return _RULES[name](inputs, options)
    except _MisfitError as error:
        raise MalformedError(f"has {name} {error}") from None


class _MisfitError(Exception):
    """What does not fit, as the end of a sentence."""


def _taken(inputs: _Inputs, least: int, most: int | None = None) -> list[Tensor]:
    """So many inputs; those that may be left out are missing at the end alone."""
    given = list(inputs)
    while len(given) > least and given[-1] is None:
        given.pop()
    if not least <= len(given) <= (most or least):
        raise _MisfitError(f"of {len(given)} tensors")
    found = [tensor for tensor in given if tensor is not None]
    if len(found) != len(given):
        raise _MisfitError("with a tensor left out that it needs")
    return found


def _typed(tensor: Tensor, *dtypes: str) -> str:
    if tensor.dtype not in dtypes:
        raise _MisfitError(f"of {tensor.dtype}")
    return tensor.dtype


def _binary(inputs: _Inputs, _options: _Options) -> Expected:
    one, other = _taken(inputs, 2)
    dtype = _typed(one, "float32", "int8")
    _typed(other, dtype)
    return ((_broadcast(one.shape, other.shape), (dtype,)),)


def _broadcast(one: Shape, other: Shape) -> Shape:
    rank = max(len(one), len(other))
    pairs = zip((1,) * (rank - len(one)) + one, (1,) * (rank - len(other)) + other, strict=True)
    sides = [(a, b) for a, b in pairs]
    if any(a != b and 1 not in (a, b) for a, b in sides):
        raise _MisfitError(f"of tensors {one} and {other}, which do not go together")
    return tuple(max(a, b) for a, b in sides)


def _real_unary(inputs: _Inputs, _options: _Options) -> Expected:
    (tensor,) = _taken(inputs, 1)
    return ((tensor.shape, (_typed(tensor, "float32"),)),)


def _unary(inputs: _Inputs, _options: _Options) -> Expected:
    (tensor,) = _taken(inputs, 1)
    return ((tensor.shape, (_typed(tensor, "float32", "int8"),)),)


def _quantize(inputs: _Inputs, _options: _Options) -> Expected:
    (tensor,) = _taken(inputs, 1)
    _typed(tensor, "float32", "int8")
    return ((tensor.shape, ("int8",)),)


def _dequantize(inputs: _Inputs, _options: _Options) -> Expected:
    (tensor,) = _taken(inputs, 1)
    _typed(tensor, "int8")
    return ((tensor.shape, ("float32",)),)


def _weighed(given: Sequence[Tensor], channels: int, *, hybrid: bool) -> str:
    """Types of input, weights and bias, and the bias's length. hybrid: int8 weights on float inputs are possible."""
    dtype = _typed(given[0], "float32", "int8")
    _typed(given[1], dtype, *(("int8",) if hybrid else ()))
    if len(given) > 2:
        _typed(given[2], "int32" if dtype == "int8" else "float32")
        if given[2].items != channels or given[2].shape[-1:] != (channels,):
            raise _MisfitError(f"with a bias {given[2].shape} for {channels} channels")
    return dtype


def _fully_connected(inputs: _Inputs, options: _Options) -> Expected:
    given = _taken(inputs, 2, 3)
    picture, weights = given[0], given[1]
    if options["weights_format"] or options["bias_type"] or options["keep_dims"]:
        raise _MisfitError("with weights in another order, a bias of another type, or a shape that is kept")
    if len(weights.shape) != 2 or len(picture.shape) != 2 or picture.shape[1] != weights.shape[1]:
        raise _MisfitError(f"of {picture.shape} with weights {weights.shape}")
    dtype = _weighed(given, weights.shape[0], hybrid=True)
    return (((picture.shape[0], weights.shape[0]), (dtype,)),)


def _conv(inputs: _Inputs, options: _Options) -> Expected:
    given = _taken(inputs, 2, 3)
    picture, weights = _pictures(given)
    if options["bias_type"] or weights[3] != picture[3]:
        raise _MisfitError(f"of {picture} with weights {weights}")
    dtype = _weighed(given, weights[0], hybrid=False)
    return (((picture[0], *_slid(picture, weights, options), weights[0]), (dtype,)),)


def _depthwise(inputs: _Inputs, options: _Options) -> Expected:
    given = _taken(inputs, 2, 3)
    picture, weights = _pictures(given)
    if weights[0] != 1 or options["multiplier"] < 1 or weights[3] != picture[3] * options["multiplier"]:
        raise _MisfitError(f"of {picture} with weights {weights} and multiplier {options['multiplier']}")
    dtype = _weighed(given, weights[3], hybrid=False)
    return (((picture[0], *_slid(picture, weights, options), weights[3]), (dtype,)),)


def _pictures(given: Sequence[Tensor]) -> tuple[Shape, Shape]:
    if any(len(tensor.shape) != 4 for tensor in given[:2]):
        raise _MisfitError(f"of {given[0].shape} with weights {given[1].shape}")
    return given[0].shape, given[1].shape


def _pool(inputs: _Inputs, options: _Options) -> Expected:
    (picture,) = _taken(inputs, 1)
    dtype = _typed(picture, "float32", "int8")
    if len(picture.shape) != 4:
        raise _MisfitError(f"of {picture.shape}")
    window = (1, options["filter_h"], options["filter_w"], 1)
    return (((picture.shape[0], *_slid(picture.shape, window, options), picture.shape[3]), (dtype,)),)


def _slid(picture: Shape, window: Shape, options: _Options) -> tuple[int, int]:
    """Height and width of what a window gives that slides over a picture."""
    if options["padding"] not in (_SAME, _VALID):
        raise _MisfitError(f"with padding {options['padding']}")
    sides = []
    for side, name in ((1, "h"), (2, "w")):
        stride, dilation = options[f"stride_{name}"], options.get(f"dilation_{name}", 1)
        if not all(1 <= step <= _LONGEST_STEP for step in (stride, dilation, window[side])):
            raise _MisfitError(f"with a window of {window[side]}, a stride of {stride} and a dilation of {dilation}")
        reach = (window[side] - 1) * dilation + 1 if options["padding"] == _VALID else 1
        sides.append((picture[side] - reach) // stride + 1)
    if min(sides) < 1:
        raise _MisfitError(f"of {picture} with a window {window}, which is larger")
    return sides[0], sides[1]


def _pad(inputs: _Inputs, _options: _Options) -> Expected:
    tensor, paddings = _taken(inputs, 2)
    around = paddings.integers()
    if around is None or paddings.shape != (len(tensor.shape), 2) or not all(0 <= n <= _LONGEST_STEP for n in around):
        raise _MisfitError(f"of {tensor.shape} with paddings {paddings.shape}")
    dtype = _typed(tensor, "float32", "int8")
    return ((tuple(n + around[2 * i] + around[2 * i + 1] for i, n in enumerate(tensor.shape)), (dtype,)),)


def _reshape(inputs: _Inputs, _options: _Options) -> Expected:
    tensor, wanted = _taken(inputs, 2)
    sides = wanted.integers()
    if sides is None or wanted.shape != (len(sides),) or len(sides) > MOST_RANK:
        raise _MisfitError(f"to a shape that is no list of at most {MOST_RANK} sides")
    rest = 1
    for side in sides:
        rest *= 1 if side == -1 else side
    if sides.count(-1) > 1 or not all(side == -1 or 1 <= side <= LONGEST_SIDE for side in sides) or tensor.items % rest:
        raise _MisfitError(f"of {tensor.shape} to {sides}")
    shape = tuple(tensor.items // rest if side == -1 else side for side in sides)
    if -1 not in sides and rest != tensor.items:
        raise _MisfitError(f"of {tensor.shape} to {sides}")
    return ((shape, (_typed(tensor, "float32", "int8"),)),)


def _strided_slice(inputs: _Inputs, options: _Options) -> Expected:
    tensor, *rest = _taken(inputs, 4)
    dtype = _typed(tensor, "float32", "int8")
    begins, ends, strides = (_along(tensor, parameter) for parameter in rest)
    if any(options[mask] for mask in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset")):
        raise _MisfitError("with a mask that changes the number of sides")
    shape = []
    for axis, side in enumerate(tensor.shape):
        begin = 0 if options["begin_mask"] >> axis & 1 else begins[axis]
        end = side if options["end_mask"] >> axis & 1 else ends[axis]
        begin, end = (n + side if n < 0 else n for n in (begin, end))
        if not (0 <= begin < end <= side and 1 <= strides[axis] <= _LONGEST_STEP):
            raise _MisfitError(f"of {tensor.shape} from {begins} to {ends} by {strides}")
        shape.append(-(-(end - begin) // strides[axis]))
    return ((tuple(shape), (dtype,)),)


def _slice(inputs: _Inputs, _options: _Options) -> Expected:
    tensor, *rest = _taken(inputs, 3)
    dtype = _typed(tensor, "float32", "int8")
    begins, sizes = (_along(tensor, parameter) for parameter in rest)
    sizes = tuple(side - begin if n == -1 else n for side, begin, n in zip(tensor.shape, begins, sizes, strict=True))
    fits = (0 <= begin < begin + size <= side for side, begin, size in zip(tensor.shape, begins, sizes, strict=True))
    if not all(fits):
        raise _MisfitError(f"of {tensor.shape} from {begins}, {sizes} of it")
    return ((sizes, (dtype,)),)


def _along(tensor: Tensor, parameter: Tensor) -> tuple[int, ...]:
    """A parameter that has one number for each side."""
    numbers = parameter.integers()
    if numbers is None or parameter.shape != (len(tensor.shape),):
        raise _MisfitError(f"of {tensor.shape} with a parameter {parameter.dtype} {parameter.shape}")
    return numbers


_RULES: Mapping[str, Callable[[_Inputs, _Options], Expected]] = {
    **dict.fromkeys(("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"), _binary),
    **dict.fromkeys(("EXP", "LOG", "NEG"), _real_unary),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _pool),
    "RELU": _unary,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
    "FULLY_CONNECTED": _fully_connected,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "PAD": _pad,
    "RESHAPE": _reshape,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
}
