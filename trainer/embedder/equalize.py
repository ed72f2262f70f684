"""Evens out how far a network's channels reach, so that one int8 scale for a tensor wastes no bits on quiet ones.

Scaling a channel by s > 0 passes through ReLU and PReLU; what makes a tensor takes s, what reads it takes 1/s, and
the float network stays the same (Nagel et al. 2019, "Data-free quantization through weight equalization"; here with
measured ranges).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from edge.recognition.types import Floats
from trainer.embedder.emit import runner
from trainer.embedder.graph import Add, Conv, Depthwise, Graph, Node, Pool, PRelu, Relu, float32
from trainer.embedder.rewrite import scale_inputs, scale_outputs

_PERCENTILE = 99.99  # a channel's range; the very largest values are outliers that deserve no bits
_QUIET = 1e-3  # a channel quieter than this share of the loudest counts as that loud
_BATCH = 16


@dataclass(slots=True)
class _Group:
    """Tensors that must share one scale, since something between them mixes or passes them on channel by channel."""

    tensors: set[str] = field(default_factory=set)
    fixed: bool = False
    residual: bool = False


def equalized(graph: Graph, pictures: Floats) -> Graph:
    """pictures: `(N, H, W, 3)` float32, normalized, as varied as the network will see."""
    ranges = channel_ranges(graph, pictures)
    scales: dict[str, Floats] = {}
    for group in _groups(graph):
        if not group.fixed:
            scale = _scale(graph, group, ranges)
            scales |= dict.fromkeys(group.tensors, scale)
    return graph.mapped(lambda node: iter([_scaled(node, scales)]))


def channel_ranges(graph: Graph, pictures: Floats) -> dict[str, Floats]:
    """How far each channel of each tensor reaches from zero, `(channels,)`: the mean of its percentile over batches."""
    names = [node.name for node in graph.nodes]
    run = runner(graph, names)
    batches = [pictures[start : start + _BATCH] for start in range(0, len(pictures), _BATCH)]
    found: dict[str, list[Floats]] = {name: [] for name in names}
    for batch in batches:
        for name, value in run(batch).items():
            flat = np.abs(value).reshape(-1, value.shape[-1])
            rank = int(len(flat) * _PERCENTILE / 100)
            found[name].append(np.partition(flat, rank, axis=0)[rank] if rank < len(flat) - 1 else flat.max(axis=0))
    return {name: float32(np.mean(values, axis=0)) for name, values in found.items()}


def _groups(graph: Graph) -> list[_Group]:
    of: dict[str, _Group] = {}
    for name in (graph.input, *(node.name for node in graph.nodes)):
        of[name] = _Group({name}, fixed=name in (graph.input, graph.output))
    for node in graph.nodes:
        if isinstance(node, Conv | Depthwise):
            continue
        joint = _merged([of[name] for name in (node.name, *node.sources)])
        joint.residual |= isinstance(node, Add)
        joint.fixed |= not _passes_scale(node)
        of |= dict.fromkeys(joint.tensors, joint)
    return list({id(group): group for group in of.values()}.values())


def _passes_scale(node: Node) -> bool:
    return isinstance(node, Add | PRelu | Pool) or (isinstance(node, Relu) and node.cap is None)


def _merged(groups: Iterable[_Group]) -> _Group:
    parts = list(groups)
    tensors = set().union(*(part.tensors for part in parts))
    return _Group(tensors, any(part.fixed for part in parts), any(part.residual for part in parts))


def _scale(graph: Graph, group: _Group, ranges: dict[str, Floats]) -> Floats:
    """Exponents as measured on MobileFaceNet: what a depthwise filter reads is evened out wholly, since that has one
    scale a channel of its own; elsewhere the reader's weights, which take 1/s, are kept in balance with the ranges.
    """
    reach = _floored(np.max([ranges[name] for name in group.tensors], axis=0))
    readers = [node for name in group.tensors for node in graph.readers(name)]
    weights = [np.abs(node.kernel).max(axis=(0, 1, 3)) for node in readers if isinstance(node, Conv)]
    if not weights:
        return float32(1 / reach)
    weight = _floored(np.max(weights, axis=0))
    if group.residual:
        return float32(np.sqrt(weight / reach))
    if any(isinstance(node, Depthwise) for node in readers):
        return float32(1 / reach)
    return float32(reach**-0.7 * weight**0.3)


def _floored(values: Floats) -> Floats:
    return float32(np.maximum(values, max(float(values.max()) * _QUIET, 1e-12)))


def _scaled(node: Node, scales: dict[str, Floats]) -> Node:
    if not isinstance(node, Conv | Depthwise):
        return node
    if node.sources[0] in scales:
        node = scale_inputs(node, 1 / scales[node.sources[0]])
    return scale_outputs(node, scales[node.name]) if node.name in scales else node
