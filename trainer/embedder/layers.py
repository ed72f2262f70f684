"""Where an int8 file loses precision: every tensor that it shares with the float network, on the same faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Floats
from trainer.embedder.emit import scope
from trainer.embedder.graph import Graph


@dataclass(frozen=True, slots=True)
class LayerError:
    """snr_db: power of the float tensor over that of the int8 file's deviation from it; below about 20 dB is poor."""

    layer: str
    snr_db: float


def layer_errors(graph: Graph, float_content: bytes, int8_content: bytes, pictures: Floats) -> list[LayerError]:
    """graph: what both files were made from, so that their tensors bear the same names.
    pictures: `(N, H, W, 3)`, normalized.

    Returns the poorest first.
    """
    power: dict[str, list[float]] = {}
    reference, quantized = _Probe(float_content), _Probe(int8_content)
    for picture in pictures:
        expected, found = reference.tensors(picture), quantized.tensors(picture)
        for name in expected.keys() & found.keys():
            wanted = expected[name].astype(np.float64)
            wrong = wanted - found[name]
            sums = power.setdefault(name, [0.0, 0.0])
            sums[0] += float((wanted**2).sum())
            sums[1] += float((wrong**2).sum())
    layers = {scope(number): node.name for number, node in enumerate(graph.nodes)}
    errors = [
        LayerError(layers[first], 10 * float(np.log10(max(signal, 1e-30) / max(noise, 1e-30))))
        for name, (signal, noise) in power.items()
        if (first := name.split("/")[0]) in layers
    ]
    return sorted(errors, key=lambda error: error.snr_db)


class _Probe:
    """A runtime that keeps every tensor, which the fast kernels do not."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._interpreter = Interpreter(
            model_content=content,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        made = {int(index) for op in self._interpreter._get_ops_details() for index in op["outputs"]}  # noqa: SLF001
        self._made = [detail for detail in self._interpreter.get_tensor_details() if detail["index"] in made]

    def tensors(self, picture: Floats) -> Mapping[str, NDArray[np.float64]]:
        scale, zero = self._input["quantization"]
        fed = picture if scale == 0 else np.clip(np.rint(picture / scale) + zero, -128, 127)
        self._interpreter.set_tensor(self._input["index"], fed[None].astype(self._input["dtype"]))
        self._interpreter.invoke()
        return {detail["name"]: self._real(detail) for detail in self._made}

    def _real(self, detail: dict[str, Any]) -> NDArray[np.float64]:
        raw: NDArray[np.float64] = self._interpreter.get_tensor(detail["index"]).astype(np.float64)
        scale, zero = detail["quantization"]
        return raw if scale == 0 else (raw - zero) * scale
