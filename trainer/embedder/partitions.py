"""How a runtime divides a model: in one XNNPACK partition every operation runs in the fast kernels, without a break."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import ModelError


@dataclass(frozen=True, slots=True)
class Partitions:
    """count: pieces handed to XNNPACK. whole: the one piece takes the picture and gives the embedding, with nothing
    outside.
    """

    count: int
    whole: bool


def xnnpack_partitions(file: Path) -> Partitions:
    """Load a model in LiteRT with its default delegate and look at the plan that it made.

    Raises:
        ModelError: LiteRT is not installed or refuses the file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ModelError("counting partitions needs LiteRT: pip install ai-edge-litert") from error
    try:
        interpreter = Interpreter(model_path=str(file), num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{file}: LiteRT refuses it ({str(error).splitlines()[0]})") from error
    # The listing holds every operation of the file and, behind them, one DELEGATE for each piece that replaced some.
    operations = interpreter._get_ops_details()  # noqa: SLF001
    pieces = [op for op in operations if op["op_name"] == "DELEGATE"]
    outputs = {int(detail["index"]) for detail in interpreter.get_output_details()}
    return Partitions(len(pieces), len(pieces) == 1 and _whole(pieces[0], operations, outputs))


def _whole(piece: dict[str, Any], operations: list[dict[str, Any]], outputs: set[int]) -> bool:
    """An operation left outside would have to feed the piece, or make an output in its stead."""
    made = {int(index) for op in operations if op is not piece for index in op["outputs"]}
    fed = {int(index) for index in piece["inputs"]}
    return not made & fed and outputs <= {int(index) for index in piece["outputs"]}
