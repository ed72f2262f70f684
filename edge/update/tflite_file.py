"""A `.tflite` file as values, parsed without a runtime: tensors, operators, constants. One graph, builtin operators.

Whatever a runtime would follow in such a file is read here, and what is not known here is refused, so that it cannot be
led anywhere else: other subgraphs, custom operators, control flow, variables, sparse or external data, signatures.
Whether a model makes sense, and which operators it may have, is left to `model_check.py`.

Slots and codes are those of TensorFlow's `schema.fbs`, version 3 (`tensorflow/compiler/mlir/lite/schema/schema.fbs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from edge.update.flatbuffer import Flat, MalformedError, Table

IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
# The largest of our models has 348 tensors, 146 operators, 351 buffers and 512 channels.
MOST_TENSORS, MOST_OPERATORS, MOST_CODES = 4096, 4096, 64
MOST_RANK, MOST_CHANNELS, MOST_OPERANDS = 5, 65_536, 16
LONGEST_SIDE = 1 << 24
_STEPS = 200_000
_LONGEST_TEXT = 1024
# Alone these are known to be read by nobody, or as text: others steer the interpreter (`model_control_dependencies`).
_METADATA = frozenset({"min_runtime_version", "CONVERSION_METADATA"})

DTYPES: Mapping[int, tuple[str, int]] = MappingProxyType({0: ("float32", 4), 2: ("int32", 4), 9: ("int8", 1)})
OPTION_FORMS: Mapping[str, tuple[int, tuple[tuple[str, str, int], ...]]] = MappingProxyType(
    {
        "CONV_2D": (
            1,
            (
                ("padding", "b", 0),
                ("stride_w", "i", 0),
                ("stride_h", "i", 0),
                ("activation", "b", 0),
                ("dilation_w", "i", 1),
                ("dilation_h", "i", 1),
                ("bias_type", "b", 0),
            ),
        ),
        "DEPTHWISE_CONV_2D": (
            2,
            (
                ("padding", "b", 0),
                ("stride_w", "i", 0),
                ("stride_h", "i", 0),
                ("multiplier", "i", 0),
                ("activation", "b", 0),
                ("dilation_w", "i", 1),
                ("dilation_h", "i", 1),
            ),
        ),
        "AVERAGE_POOL_2D": (
            5,
            (
                ("padding", "b", 0),
                ("stride_w", "i", 0),
                ("stride_h", "i", 0),
                ("filter_w", "i", 0),
                ("filter_h", "i", 0),
                ("activation", "b", 0),
            ),
        ),
        "FULLY_CONNECTED": (
            8,
            (
                ("activation", "b", 0),
                ("weights_format", "b", 0),
                ("keep_dims", "?", 0),
                ("asymmetric_inputs", "?", 0),
                ("bias_type", "b", 0),
            ),
        ),
        "ADD": (11, (("activation", "b", 0), ("pot_scale", "?", 1))),
        "MUL": (21, (("activation", "b", 0),)),
        "PAD": (22, ()),
        "SUB": (28, (("activation", "b", 0), ("pot_scale", "?", 1))),
        "STRIDED_SLICE": (
            32,
            (
                ("begin_mask", "i", 0),
                ("end_mask", "i", 0),
                ("ellipsis_mask", "i", 0),
                ("new_axis_mask", "i", 0),
                ("shrink_axis_mask", "i", 0),
                ("offset", "?", 0),
            ),
        ),
        "EXP": (33, ()),
        "DEQUANTIZE": (38, ()),
        "MAXIMUM": (39, ()),
        "NEG": (42, ()),
        "SLICE": (48, ()),
        "QUANTIZE": (89, ()),
    }
)
"""By operator: which table of options it may have, and that table's fields in the order of their slots."""
_SAME_FORM = {"MAX_POOL_2D": "AVERAGE_POOL_2D", "MINIMUM": "MAXIMUM"}
_RESHAPE_OPTIONS = 17  # the one table with a list in it

CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "ADD",
        1: "AVERAGE_POOL_2D",
        3: "CONV_2D",
        4: "DEPTHWISE_CONV_2D",
        6: "DEQUANTIZE",
        9: "FULLY_CONNECTED",
        17: "MAX_POOL_2D",
        18: "MUL",
        19: "RELU",
        22: "RESHAPE",
        34: "PAD",
        41: "SUB",
        45: "STRIDED_SLICE",
        47: "EXP",
        55: "MAXIMUM",
        57: "MINIMUM",
        59: "NEG",
        65: "SLICE",
        73: "LOG",
        114: "QUANTIZE",
    }
)


@dataclass(frozen=True, slots=True)
class Tensor:
    """shape: all sides at least 1; () is a scalar. constant: its bytes in the file, None where it is computed.

    scales, zero_points: of its quantization, one or one a channel along `axis`; empty for none.
    """

    shape: tuple[int, ...]
    dtype: str
    item_bytes: int
    constant: memoryview | None = field(repr=False)
    scales: tuple[float, ...] = field(repr=False)
    zero_points: tuple[int, ...] = field(repr=False)
    axis: int

    @property
    def items(self) -> int:
        count = 1
        for side in self.shape:
            count *= side
        return count

    @property
    def bytes(self) -> int:
        return self.items * self.item_bytes

    def integers(self) -> tuple[int, ...] | None:
        """A constant's values; None where it is computed or is not int32."""
        if self.constant is None or self.dtype != "int32":
            return None
        data = bytes(self.constant)
        return tuple(int.from_bytes(data[at : at + 4], "little", signed=True) for at in range(0, len(data), 4))


@dataclass(frozen=True, slots=True)
class Operator:
    """inputs, outputs: places of tensors; an input of -1 is one that is left out."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TfliteFile:
    """inputs, outputs: places of tensors."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def parse_tflite(data: bytes) -> TfliteFile:
    """Parse a whole file.

    Raises:
        MalformedError: it is no such file, or has something that is not known here; one line says what.
    """
    model = Flat(data, _STEPS).root(IDENTIFIER).only(8, "the model")
    if (version := model.number(0, "I")) != _SCHEMA_VERSION:
        raise MalformedError(f"is of schema version {version}; {_SCHEMA_VERSION} is known here")
    model.none(5, what="the model's old list of metadata")
    model.text(3, _LONGEST_TEXT)
    model.children(7, 0)
    codes = [_code(table) for table in model.children(1, MOST_CODES)]
    buffers = [_buffer(table, len(data)) for table in model.children(4, MOST_TENSORS + 64)]
    if not buffers or buffers[0] is not None:
        raise MalformedError("has no first buffer, or something in it, which stands for nothing")
    for table in model.children(6, 16):
        _check_metadata(table, len(buffers))
    graphs = model.children(2, 2)
    if len(graphs) != 1:
        raise MalformedError(f"has {len(graphs)} graphs; one is allowed")
    return _graph(graphs[0].only(6, "the graph"), codes, buffers)


def _code(table: Table) -> str:
    """The operator that a code stands for."""
    table.only(4, "an operator code").none(1, what="an operator code (of an operator of somebody's own)")
    number, old = table.number(3, "i"), table.number(0, "b")
    if number != old and (number > 127 or old != 0):
        # Readers take the larger one; what is written by old and new writers agrees.
        raise MalformedError(f"has an operator with the two codes {old} and {number}")
    if number not in CODES:
        raise MalformedError(f"has an operator of code {number}, which no head or embedder may have")
    if not 1 <= table.number(2, "i", 1) <= 16:
        raise MalformedError(f"has {CODES[number]} in version {table.number(2, 'i', 1)}")
    return CODES[number]


def _buffer(table: Table, most: int) -> memoryview | None:
    table.only(3, "a buffer")
    if table.number(1, "Q") or table.number(2, "Q"):
        raise MalformedError("has a buffer outside of the model")
    found = table.bytes(0, most)
    return found or None


def _check_metadata(table: Table, buffers: int) -> None:
    name, buffer = table.only(2, "metadata").text(0, _LONGEST_TEXT), table.number(1, "I")
    if name not in _METADATA or buffer >= buffers:
        raise MalformedError(f"has metadata {name[:40]!r}, which is not known here, or whose buffer is not there")


def _graph(graph: Table, codes: list[str], buffers: list[memoryview | None]) -> TfliteFile:
    graph.text(4, _LONGEST_TEXT)
    if graph.number(5, "i", -1) != -1:
        raise MalformedError("has debugging data, which is not known here")
    tensors = tuple(_tensor(table, buffers) for table in graph.children(0, MOST_TENSORS))
    operators = tuple(_operator(table, codes, len(tensors)) for table in graph.children(3, MOST_OPERATORS))
    inputs, outputs = (_places(graph, slot, len(tensors), "the graph") for slot in (1, 2))
    return TfliteFile(tensors, operators, inputs, outputs)


def _tensor(table: Table, buffers: list[memoryview | None]) -> Tensor:
    table.only(10, "a tensor").none(6, 7, 9, what="a tensor (sparse, or of a shape that varies)")
    table.text(3, _LONGEST_TEXT)
    shape, kind, buffer = table.numbers(0, "i", MOST_RANK) or (), table.number(1, "b"), table.number(2, "I")
    if table.number(5, "?"):
        raise MalformedError("has a variable, which lives from one run to the next")
    table.number(8, "?")
    if any(not 1 <= side <= LONGEST_SIDE for side in shape):
        raise MalformedError(f"has a tensor of shape {shape}")
    if kind not in DTYPES or buffer >= len(buffers):
        raise MalformedError(f"has a tensor of type {kind} in buffer {buffer}")
    scales, zero_points, axis = _quantization(table.child(4))
    tensor = Tensor(shape, *DTYPES[kind], buffers[buffer], scales, zero_points, axis)
    if tensor.constant is not None and len(tensor.constant) != tensor.bytes:
        raise MalformedError(f"has a tensor of {tensor.bytes} bytes with a constant of {len(tensor.constant)}")
    return tensor


def _quantization(table: Table | None) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    if table is None:
        return (), (), 0
    table.only(7, "a quantization").none(5, what="a quantization of somebody's own")
    if table.number(4, "B"):
        raise MalformedError("has a quantization of somebody's own")
    for slot in (0, 1):  # the least and the largest value, which no reader uses
        table.reals(slot, MOST_CHANNELS)
    scales, zeros = table.reals(2, MOST_CHANNELS) or (), table.numbers(3, "q", MOST_CHANNELS) or ()
    if len(scales) != len(zeros):
        raise MalformedError(f"has a quantization of {len(scales)} scales and {len(zeros)} zero points")
    if not all(0 < scale < float("inf") for scale in scales) or not all(-128 <= zero <= 127 for zero in zeros):
        raise MalformedError("has a quantization with a scale that is none, or a zero point beyond 8 bits")
    return scales, zeros, table.number(6, "i")


def _operator(table: Table, codes: list[str], tensors: int) -> Operator:
    table.only(14, "an operator").none(5, 7, 8, 12, what="an operator (options of somebody's own, variables)")
    code = table.number(0, "I")
    if code >= len(codes):
        raise MalformedError(f"has an operator of code {code} of {len(codes)}")
    if any(table.number(slot, letter) for slot, letter in ((6, "b"), (9, "Q"), (10, "Q"), (11, "B"))):
        raise MalformedError(f"has {codes[code]} with options of another kind")
    if table.number(13, "i", -1) != -1:
        raise MalformedError("has debugging data, which is not known here")
    inputs = _places(table, 1, tensors, codes[code], absent=True)
    outputs = _places(table, 2, tensors, codes[code])
    return Operator(codes[code], inputs, outputs, _options(table, codes[code]))


def _places(table: Table, slot: int, tensors: int, what: str, *, absent: bool = False) -> tuple[int, ...]:
    places = table.numbers(slot, "i", MOST_OPERANDS) or ()
    if any(not (-1 if absent else 0) <= place < tensors for place in places):
        raise MalformedError(f"has {what} with tensors {places} of {tensors}")
    return places


def _options(table: Table, name: str) -> Mapping[str, int]:
    kind, options = table.number(3, "B"), table.child(4)
    if (kind != 0) != (options is not None):
        raise MalformedError(f"has {name} with options of kind {kind}, {'missing' if options is None else 'unnamed'}")
    if name == "RESHAPE" and kind == _RESHAPE_OPTIONS and options is not None:
        options.only(1, f"{name}'s options").numbers(0, "i", MOST_RANK)
        return {}
    allowed, fields = OPTION_FORMS.get(_SAME_FORM.get(name, name), (0, ()))
    if options is None:
        return {option: default for option, _, default in fields}
    if kind != allowed:
        raise MalformedError(f"has {name} with options of kind {kind}; {allowed} is its own")
    options.only(len(fields), f"{name}'s options")
    return {option: options.number(slot, letter, default) for slot, (option, letter, default) in enumerate(fields)}
