"""Whether a model file of a release may be shown to a runtime: its parts fit together, are allowed, and fit the device.

Every operator's tensors are checked for number, type and shape as its kernel will take them for granted, and what it
computes for being computed once and before it is used. What the numbers in it do is the self-test's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ModelError
from edge.update.flatbuffer import MalformedError
from edge.update.operator_shapes import CONSTANT_FROM, expected_outputs
from edge.update.tflite_file import Operator, Tensor, TfliteFile, parse_tflite

# What the exporters write (`trainer/export.py`, with float and with int8 weights; `trainer/embedder/builder.py`).
_HEAD = frozenset(
    {"FULLY_CONNECTED", "STRIDED_SLICE", "SLICE", "RESHAPE", "LOG", "EXP", "NEG", "MUL", "ADD", "SUB"}
    | {"MINIMUM", "MAXIMUM", "QUANTIZE", "DEQUANTIZE"}
)
_EMBEDDER = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "MAX_POOL_2D", "ADD", "MUL", "RELU"}
    | {"PAD", "RESHAPE", "QUANTIZE", "DEQUANTIZE"}
)


@dataclass(frozen=True, slots=True)
class Slot:
    """What an input or an output of the model must be; None: any side, or any of the types of embedders."""

    shape: tuple[int | None, ...]
    dtype: str | None


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What a kind of model may be.

    operators: which. inputs, outputs: exactly these. most_operators: of all. most_bytes: of the file; most_live_bytes:
    of everything that is computed, as if none of it shared a place, which bounds what a runtime's planner needs.
    most_macs: multiplications of one run.
    """

    operators: frozenset[str]
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    most_operators: int
    most_bytes: int
    most_live_bytes: int
    most_macs: int


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """operators: how many of each. constant_bytes, live_bytes: of what is in the file, and of what is computed."""

    operators: Mapping[str, int]
    tensors: int
    constant_bytes: int
    live_bytes: int
    macs: int


def head_rules(dim: int) -> ModelRules:
    """Of a head for embeddings of so many dimensions: `(1, dim + 1)` to z `(1, dim)` and the precision `(1, 1)`.

    A head has eleven operators, dim^2 weights and about 2 dim live numbers; what is allowed is some times that.
    """
    return ModelRules(
        operators=_HEAD,
        inputs=(Slot((1, dim + 1), "float32"),),
        outputs=(Slot((1, dim), "float32"), Slot((1, 1), "float32")),
        most_operators=48,
        most_bytes=(8 * dim + 512) * dim + (64 << 10),
        most_live_bytes=256 * dim + (64 << 10),
        most_macs=4 * (dim + 1) * dim + 1024,
    )


def embedder_rules(dim: int) -> ModelRules:
    """Of an embedder: one picture, `(1, side, side, 3)`, to `(1, dim)`.

    Of ours the largest have 5.6 MB of constants, 11 MB of computed tensors and 272 million multiplications.
    """
    return ModelRules(
        operators=_EMBEDDER,
        inputs=(Slot((1, None, None, 3), None),),
        outputs=(Slot((1, dim), None),),
        most_operators=1024,
        most_bytes=32 << 20,
        most_live_bytes=128 << 20,
        most_macs=2_000_000_000,
    )


def check_model(file: Path, rules: ModelRules) -> ModelFacts:
    """Look at a model file without a runtime.

    Raises:
        ModelError: it cannot be read, is malformed, or breaks a rule; one line says what.
    """
    try:
        size = file.stat().st_size
        if size > rules.most_bytes:
            raise ModelError(f"{file.name}: has {size} bytes; at most {rules.most_bytes} are allowed")
        return check_bytes(file.read_bytes(), rules)
    except OSError as error:
        raise ModelError(f"{file.name}: cannot be read ({error.strerror})") from error
    except MalformedError as error:
        raise ModelError(f"{file.name}: {error}") from error


def check_bytes(data: bytes, rules: ModelRules) -> ModelFacts:
    """The same of bytes.

    Raises:
        MalformedError: see `check_model`.
    """
    if len(data) > rules.most_bytes:
        raise MalformedError(f"has {len(data)} bytes; at most {rules.most_bytes} are allowed")
    model = parse_tflite(data)
    names = Counter(operator.name for operator in model.operators)
    if strange := sorted(set(names) - rules.operators):
        raise MalformedError(f"has operators that are not allowed: {', '.join(strange)}")
    if not 0 < len(model.operators) <= rules.most_operators:
        raise MalformedError(f"has {len(model.operators)} operators; 1 to {rules.most_operators} are allowed")
    _check_ends(model, rules)
    _check_order(model)
    for operator in model.operators:
        _check_operator(operator, model.tensors)
    facts = _facts(model, names)
    if facts.live_bytes > rules.most_live_bytes:
        raise MalformedError(f"computes {facts.live_bytes} bytes; at most {rules.most_live_bytes} are allowed")
    if facts.macs > rules.most_macs:
        raise MalformedError(f"takes {facts.macs} multiplications; at most {rules.most_macs} are allowed")
    return facts


def _check_ends(model: TfliteFile, rules: ModelRules) -> None:
    for kind, places, slots in (("input", model.inputs, rules.inputs), ("output", model.outputs, rules.outputs)):
        if len(places) != len(slots) or len(set(places)) != len(places):
            raise MalformedError(f"has {kind}s {places}; {len(slots)} are wanted")
        for place, slot in zip(places, slots, strict=True):
            if not _fits(model.tensors[place], slot):
                found = model.tensors[place]
                raise MalformedError(f"has an {kind} of {found.dtype} {found.shape}, wanted {_words(slot)}")


def _fits(tensor: Tensor, slot: Slot) -> bool:
    dtypes = ("float32", "int8") if slot.dtype is None else (slot.dtype,)
    sides = len(tensor.shape) == len(slot.shape) and all(
        wanted in (None, side) for side, wanted in zip(tensor.shape, slot.shape, strict=True)
    )
    return sides and tensor.dtype in dtypes


def _words(slot: Slot) -> str:
    return f"{slot.dtype or 'float32 or int8'} ({', '.join('any' if n is None else str(n) for n in slot.shape)})"


def _check_order(model: TfliteFile) -> None:
    """Everything is computed once, before it is used, and by an operator or given; no constant is written to."""
    ready = {place for place, tensor in enumerate(model.tensors) if tensor.constant is not None}
    if ready & set(model.inputs):
        raise MalformedError("has an input that is a constant")
    ready |= set(model.inputs)
    for operator in model.operators:
        if not set(operator.inputs) - {-1} <= ready:
            raise MalformedError(f"has {operator.name} of a tensor that nothing has computed before it")
        if set(operator.outputs) & ready or len(set(operator.outputs)) != len(operator.outputs):
            raise MalformedError(f"has {operator.name} that writes to a tensor that has a value already")
        ready |= set(operator.outputs)
    if not set(model.outputs) <= ready:
        raise MalformedError("has an output that nothing computes")


def _check_operator(operator: Operator, tensors: tuple[Tensor, ...]) -> None:
    inputs = tuple(tensors[place] if place >= 0 else None for place in operator.inputs)
    expected = expected_outputs(operator.name, inputs, operator.options)
    found = tuple(tensors[place] for place in operator.outputs)
    if [(tensor.shape, tensor.dtype in dtypes) for tensor, (_, dtypes) in zip(found, expected, strict=False)] != [
        (shape, True) for shape, _ in expected
    ] or len(found) != len(expected):
        told = ", ".join(f"{tensor.dtype} {tensor.shape}" for tensor in found)
        wanted = ", ".join(f"{' or '.join(dtypes)} {shape}" for shape, dtypes in expected)
        raise MalformedError(f"has {operator.name} that gives {told}, where {wanted} comes out")
    late = [tensor for tensor in inputs[CONSTANT_FROM.get(operator.name, len(inputs)) :] if tensor is not None]
    if any(tensor.constant is None for tensor in late):
        raise MalformedError(f"has {operator.name} whose parameters are not constants")
    for tensor in (*(tensor for tensor in inputs if tensor is not None), *found):
        _check_quantization(operator.name, tensor)


def _check_quantization(name: str, tensor: Tensor) -> None:
    """One scale, or one for each channel; without any, int8 means nothing to a kernel."""
    count = len(tensor.scales)
    if tensor.dtype == "int8" and count == 0:
        raise MalformedError(f"has {name} on int8 that has no scale")
    if count > 1 and not (0 <= tensor.axis < len(tensor.shape) and tensor.shape[tensor.axis] == count):
        raise MalformedError(f"has {name} on a tensor {tensor.shape} with {count} scales along its side {tensor.axis}")
    if count > 1 and tensor.constant is None:
        raise MalformedError(f"has {name} on a computed tensor with {count} scales")


def _facts(model: TfliteFile, names: Mapping[str, int]) -> ModelFacts:
    constants = sum(len(tensor.constant) for tensor in model.tensors if tensor.constant is not None)
    live = sum(tensor.bytes for tensor in model.tensors if tensor.constant is None)
    macs = sum(_macs(operator, model.tensors) for operator in model.operators)
    return ModelFacts(dict(names), len(model.tensors), constants, live, macs)


def _macs(operator: Operator, tensors: tuple[Tensor, ...]) -> int:
    """Multiplications of one operator; of one that has no weights, one for each number that it gives."""
    out = tensors[operator.outputs[0]]
    if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return out.items * tensors[operator.inputs[1]].items // out.shape[-1]
    if operator.name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        return out.items * operator.options["filter_w"] * operator.options["filter_h"]
    return out.items
