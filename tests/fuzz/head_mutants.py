"""Mutants of a signed head's model: bytes, and what the bytes mean. Each is what an attacker with the key would sign.

Some change the file as bytes (bits, offsets, lengths, parts cut or moved), more its parts by TFLite's own schema:
tensors, operators, options, constants, quantization, where they point to. None equals the model that it was made from.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.fakes.releases import mutated

_EXTREMES = (0, 1, -1, 2, 3, 127, 128, 255, 4096, 65_535, 2**24, 2**31 - 1, -(2**31), 193, 192, 191)
_REALS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"))
_OPERATORS = (0, 3, 4, 9, 18, 22, 25, 32, 34, 41, 45, 47, 53, 55, 57, 59, 65, 73, 92, 114, 118, 119)


def mutants(model: bytes, seed: int) -> Iterator[bytes]:
    """Endlessly, the same for a seed."""
    chance = random.Random(seed)
    while True:
        make = chance.choice((_bytes, _offset, _parts, _parts, _parts))
        try:
            mutant = make(model, chance)
        except (ValueError, TypeError, OverflowError, struct.error, AttributeError, AssertionError):
            continue  # what the schema's own writer cannot write
        if mutant != model:
            yield mutant


def _bytes(model: bytes, chance: random.Random) -> bytes:
    return mutated(model, chance)


def _offset(model: bytes, chance: random.Random) -> bytes:
    """A number of the file's frame, which is what lies beside the large constants."""
    data = bytearray(model)
    for _ in range(chance.choice((1, 1, 2, 4))):
        edge = chance.choice((range(0, 512, 2), range(len(data) - 4096, len(data) - 4, 2)))
        at = chance.choice(edge)
        now = struct.unpack_from("<i", data, at)[0]
        value = chance.choice((*_EXTREMES, now + 4, now - 4, now + 1, len(data), -at, chance.getrandbits(31)))
        struct.pack_into("<I", data, at, value % 2**32)
    return bytes(data)


def _parts(model: bytes, chance: random.Random) -> bytes:
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice(_CHANGES)(tree, chance)
    builder = flatbuffers.Builder(len(model) + 4096)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(tree: Any, chance: random.Random) -> None:
    tensor = chance.choice(tree.subgraphs[0].tensors)
    what = chance.choice(("shape", "type", "buffer", "variable", "signature", "quantization", "rank"))
    if what == "shape":
        rank = chance.choice((0, 1, 2, 2, 3, 5, 6))
        tensor.shape = np.array([_number(chance) for _ in range(rank)], np.int32)
    elif what == "type":
        tensor.type = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 17))
    elif what == "buffer":
        tensor.buffer = chance.choice((0, 1, 3, 4, 9, len(tree.buffers) - 1, len(tree.buffers), 2**31))
    elif what == "variable":
        tensor.isVariable = True
    elif what == "signature":
        tensor.shapeSignature = np.array([-1, _number(chance)], np.int32)
    elif what == "rank":
        tensor.hasRank = False
    else:
        tensor.quantization = _quantization(chance)


def _quantization(chance: random.Random) -> Any:
    made = schema.QuantizationParametersT()
    count = chance.choice((0, 1, 1, 2, 192, 193))
    made.scale = np.array([chance.choice((*_REALS, 0.1)) for _ in range(count)], np.float32)
    made.zeroPoint = np.array([chance.choice((0, 1, -128, 127, 2**40)) for _ in range(count)], np.int64)
    made.quantizedDimension = _number(chance)
    return made


def _operator(tree: Any, chance: random.Random) -> None:
    graph = tree.subgraphs[0]
    operator = chance.choice(graph.operators)
    places = [-1, *range(len(graph.tensors)), len(graph.tensors), 2**31 - 1]
    what = chance.choice(("inputs", "input", "outputs", "output", "opcode", "options", "remove", "twice", "swap"))
    if what in ("inputs", "outputs"):
        setattr(operator, what, np.array([chance.choice(places) for _ in range(chance.randrange(5))], np.int32))
    elif what in ("input", "output"):
        of = list(getattr(operator, f"{what}s"))
        of[chance.randrange(len(of))] = chance.choice(places)
        setattr(operator, f"{what}s", np.array(of, np.int32))
    elif what == "opcode":
        operator.opcodeIndex = chance.choice((*range(len(tree.operatorCodes) + 1), 2**31))
    elif what == "options":
        _options(operator, chance)
    elif what == "remove":
        graph.operators.remove(operator)
    elif what == "twice":
        graph.operators.append(operator)
    else:
        graph.operators.insert(chance.randrange(len(graph.operators)), graph.operators.pop())


def _options(operator: Any, chance: random.Random) -> None:
    options = operator.builtinOptions
    if options is None or not vars(options) or chance.random() < 0.2:
        operator.builtinOptionsType = chance.randrange(127)
        return
    name = chance.choice(sorted(vars(options)))
    now = getattr(options, name)
    setattr(options, name, not now if isinstance(now, bool) else _number(chance) % 128)


def _code(tree: Any, chance: random.Random) -> None:
    code = chance.choice(tree.operatorCodes)
    if chance.random() < 0.3:
        code.version = _number(chance)
    elif chance.random() < 0.2:
        code.customCode = "FlexErf"
    else:
        code.builtinCode = code.deprecatedBuiltinCode = chance.choice(_OPERATORS)


def _constant(tree: Any, chance: random.Random) -> None:
    buffers = [buffer for buffer in tree.buffers if buffer.data is not None and len(buffer.data)]
    data = chance.choice(buffers)
    what = chance.choice(("number", "all", "shorter", "longer", "whole number", "scale"))
    if what == "shorter":
        data.data = data.data[: -chance.choice((1, 4, 8))]
    elif what == "longer":
        data.data = np.concatenate([data.data, np.zeros(chance.choice((1, 4, 4096)), np.uint8)])
    else:
        values = np.array(data.data, np.uint8).view("<i4" if what == "whole number" else "<f4").copy()
        with np.errstate(all="ignore"):
            if what == "all":
                values[:] = chance.choice(_REALS)
            elif what == "scale":
                values *= chance.choice((0.5, -1.0, 1e30, 1e-30, 1.01))
            else:
                values[chance.randrange(len(values))] = (
                    _number(chance) if what == "whole number" else chance.choice(_REALS)
                )
        data.data = values.view(np.uint8)


def _graph(tree: Any, chance: random.Random) -> None:
    graph = tree.subgraphs[0]
    what = chance.choice(("inputs", "outputs", "more graphs", "metadata", "external", "tensors", "codes", "buffers"))
    places = (0, 11, 12, 21, len(graph.tensors), -1)
    if what in ("inputs", "outputs"):
        setattr(graph, what, np.array([chance.choice(places) for _ in range(chance.randrange(4))], np.int32))
    elif what == "more graphs":
        tree.subgraphs.append(graph)
    elif what == "metadata":
        tree.metadata[0].name, tree.metadata[0].buffer = "model_control_dependencies", chance.choice((3, 24, 2**31))
    elif what == "external":
        buffer = chance.choice(tree.buffers)
        buffer.data, buffer.offset, buffer.size = None, chance.choice((2, 4096, 2**40)), chance.choice((1, 2**40))
    else:
        del {"tensors": graph.tensors, "codes": tree.operatorCodes, "buffers": tree.buffers}[what][-1]


def _number(chance: random.Random) -> int:
    return chance.choice(_EXTREMES)


_CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    _tensor,
    _tensor,
    _operator,
    _operator,
    _code,
    _constant,
    _constant,
    _graph,
)
