"""Puts a graph together node by node, with every tensor's shape known at once. Shared by the readers of all formats."""

from __future__ import annotations

import numpy as np

from edge.errors import ModelError
from edge.recognition.types import Floats
from trainer.embedder.graph import (
    Affine,
    Conv,
    Graph,
    Node,
    Pool,
    Relu,
    Shape,
    Sides,
    float32,
    pruned,
    same_padding,
    shape_of,
)

PICTURE = "picture"


class Builder:
    """Names are the caller's; `new_name` makes one where a format has none or uses it twice."""

    def __init__(self, picture: Shape) -> None:
        self._nodes: list[Node] = []
        self._shapes: dict[str, Shape] = {PICTURE: picture}

    def put(self, node: Node) -> str:
        """Add a node and return its name.

        Raises:
            ModelError: it does not fit what it reads.
        """
        self._shapes[node.name] = shape_of(node, [self._shapes[source] for source in node.sources])
        self._nodes.append(node)
        return node.name

    def shape(self, name: str) -> Shape:
        return self._shapes[name]

    def new_name(self, wanted: str) -> str:
        """`wanted`, or the next free `wanted/2`."""
        name, number = wanted, 1
        while name in self._shapes:
            number += 1
            name = f"{wanted}/{number}"
        return name

    def same(self, source: str, size: tuple[int, ...], stride: tuple[int, int]) -> Sides:
        """TensorFlow's SAME for a window over a tensor."""
        return same_padding(self._shapes[source], size, stride)

    def relu(self, source: str, cap: float | None = None) -> str:
        return self.put(Relu(self.new_name(f"{source}/relu"), (source,), cap))

    def affine(self, name: str, source: str, scale: object, offset: object) -> str:
        """`scale * x + offset`; a single number stands for every channel."""
        channels = self._shapes[source][2]
        try:
            wide = [np.broadcast_to(np.asarray(values).reshape(-1), (channels,)) for values in (scale, offset)]
        except ValueError as error:
            raise ModelError(f"layer {name}: its constant does not fit {channels} channels") from error
        return self.put(Affine(name, (source,), float32(wide[0]), float32(wide[1])))

    def mean(self, name: str, source: str) -> str:
        """Global average."""
        height, width, _ = self._shapes[source]
        return self.put(Pool(name, (source,), "average", (height, width), (height, width)))

    def dense(self, name: str, source: str, matrix: Floats, bias: Floats | None, *, channels_first: bool) -> str:
        """A dense layer over the flattened map. matrix: `(out, in)`. channels_first: how the map was flattened."""
        height, width, channels = self._shapes[source]
        if matrix.ndim != 2 or matrix.shape[1] != height * width * channels:
            raise ModelError(
                f"layer {name}: its matrix of {matrix.shape} does not fit a map of {height} x {width} x {channels}"
            )
        if channels_first:
            kernel = matrix.reshape(-1, channels, height, width).transpose(2, 3, 1, 0)
        else:
            kernel = matrix.reshape(-1, height, width, channels).transpose(1, 2, 3, 0)
        return self.put(Conv(name, (source,), float32(kernel), bias_or_zeros(bias, kernel.shape[3])))

    def graph(self, output: str) -> Graph:
        """The finished graph, without what the output does not need."""
        return pruned(Graph(PICTURE, self._shapes[PICTURE], tuple(self._nodes), output))


def bias_or_zeros(bias: Floats | None, channels: int) -> Floats:
    """A bias that a file left out is zero."""
    return np.zeros(channels, np.float32) if bias is None else float32(bias)
