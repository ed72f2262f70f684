"""A convolutional embedder as a short list of nodes: what every reader makes, every rewrite takes, and `emit` emits.

Tensors are `(1, height, width, channels)` float32, each named by the node that makes it. A dense layer over a whole
map is a convolution as large as the map, and a global average a pooling as large as the map, so that no layout but
this one exists. Reading files and running the network are left to others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from edge.errors import ModelError
from edge.recognition.types import Floats

Shape: TypeAlias = tuple[int, int, int]  # height, width, channels
Sides: TypeAlias = tuple[int, int, int, int]  # top, bottom, left, right, in pixels of zeros


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """kernel: `(height, width, in, out)`; bias: `(out,)`; stride: down, across."""

    name: str
    sources: tuple[str, ...]
    kernel: Floats
    bias: Floats
    stride: tuple[int, int] = (1, 1)
    padding: Sides = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Depthwise:
    """One filter for each channel. kernel: `(height, width, channels)`; bias: `(channels,)`."""

    name: str
    sources: tuple[str, ...]
    kernel: Floats
    bias: Floats
    stride: tuple[int, int] = (1, 1)
    padding: Sides = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class PRelu:
    """x where x is positive, else slope x. slope: `(channels,)`."""

    name: str
    sources: tuple[str, ...]
    slope: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Relu:
    """cap: the largest value let through, 6 for ReLU6."""

    name: str
    sources: tuple[str, ...]
    cap: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sigmoid:
    """Of each value."""

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """scale x + offset, both `(channels,)`: a batch normalization on its own."""

    name: str
    sources: tuple[str, ...]
    scale: Floats
    offset: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Add:
    """Of two tensors of one shape."""

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Multiply:
    """Of two tensors; a 1 x 1 map is spread over the other (squeeze and excitation)."""

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """size, stride: down, across. same: TensorFlow's SAME, where pixels outside the map take no part; else only whole
    windows.
    """

    name: str
    sources: tuple[str, ...]
    kind: Literal["max", "average"]
    size: tuple[int, int]
    stride: tuple[int, int]
    same: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pad:
    """Zeros on the sides, and further channels of zeros."""

    name: str
    sources: tuple[str, ...]
    padding: Sides
    channels: int = 0


Node: TypeAlias = Conv | Depthwise | PRelu | Relu | Sigmoid | Affine | Add | Multiply | Pool | Pad


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """nodes: each after those it reads. input: the name by which nodes read the picture. output: the embedding's
    node.
    """

    input: str
    input_shape: Shape
    nodes: tuple[Node, ...]
    output: str

    def node(self, name: str) -> Node | None:
        """The node of that name; None for the picture."""
        return next((node for node in self.nodes if node.name == name), None)

    def readers(self, name: str) -> list[Node]:
        """The nodes that read a tensor."""
        return [node for node in self.nodes if name in node.sources]

    def shapes(self) -> dict[str, Shape]:
        """Every tensor's shape.

        Raises:
            ModelError: two nodes do not fit; the line names the second.
        """
        found = {self.input: self.input_shape}
        for node in self.nodes:
            found[node.name] = shape_of(node, [found[source] for source in node.sources])
        return found

    def dimension(self) -> int:
        """How many numbers an embedding has.

        Raises:
            ModelError: the output is a map, not one vector.
        """
        height, width, channels = self.shapes()[self.output]
        if (height, width) != (1, 1):
            raise ModelError(
                f"the output is a map of {height} x {width} x {channels}, not one vector: this is not an embedder"
            )
        return channels

    def mapped(self, change: Callable[[Node], Iterator[Node]]) -> Graph:
        """The graph with each node replaced by others, the last of which bears its name."""
        return replace(self, nodes=tuple(new for node in self.nodes for new in change(node)))

    def replaced(self, changed: Mapping[str, Node]) -> Graph:
        """The graph with some nodes changed, by name."""
        return replace(self, nodes=tuple(changed.get(node.name, node) for node in self.nodes))

    def weights(self) -> int:
        """How many trained numbers it holds."""
        return sum(value.size for node in self.nodes for value in _arrays(node))

    def multiplications(self) -> int:
        """Multiply-accumulates for one picture."""
        shapes = self.shapes()
        return sum(
            shapes[n.name][0] * shapes[n.name][1] * n.kernel.size for n in self.nodes if isinstance(n, Conv | Depthwise)
        )


def shape_of(node: Node, sources: list[Shape]) -> Shape:
    """A node's output shape.

    Raises:
        ModelError: the node does not fit what it reads.
    """
    height, width, channels = sources[0]
    match node:
        case Conv():
            _fits(
                node.name,
                node.kernel.shape[2] == channels,
                f"its kernel takes {node.kernel.shape[2]} channels, it gets {channels}",
            )
            return *_windows(
                node.name, sources[0], node.kernel.shape[:2], node.stride, node.padding
            ), node.kernel.shape[3]
        case Depthwise():
            _fits(
                node.name,
                node.kernel.shape[2] == channels,
                f"its kernel takes {node.kernel.shape[2]} channels, it gets {channels}",
            )
            return *_windows(node.name, sources[0], node.kernel.shape[:2], node.stride, node.padding), channels
        case Pool():
            sides = same_padding(sources[0], node.size, node.stride) if node.same else (0, 0, 0, 0)
            return *_windows(node.name, sources[0], node.size, node.stride, sides), channels
        case Pad():
            top, bottom, left, right = node.padding
            return height + top + bottom, width + left + right, channels + node.channels
        case Add():
            _fits(node.name, sources[0] == sources[1], f"it adds {sources[0]} and {sources[1]}")
        case Multiply():
            _fits(node.name, sources[0][2] == sources[1][2], f"it multiplies {sources[0]} by {sources[1]}")
            return max(height, sources[1][0]), max(width, sources[1][1]), channels
        case _:
            for array in _arrays(node):
                _fits(node.name, array.shape == (channels,), f"it holds {array.shape} numbers for {channels} channels")
    return sources[0]


def same_padding(shape: tuple[int, ...], size: tuple[int, ...], stride: tuple[int, ...]) -> Sides:
    """What TensorFlow calls SAME, as zeros on each side."""
    sides: list[int] = []
    for length, window, step in zip(shape[:2], size, stride, strict=True):
        total = max((-(-length // step) - 1) * step + window - length, 0)
        sides += [total // 2, total - total // 2]
    return sides[0], sides[1], sides[2], sides[3]


def pruned(graph: Graph) -> Graph:
    """Without nodes that the output does not depend on."""
    needed = {graph.output}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.sources)
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.name in needed))


def _windows(
    name: str, shape: Shape, size: tuple[int, ...], stride: tuple[int, int], padding: Sides
) -> tuple[int, int]:
    top, bottom, left, right = padding
    height, width = shape[0] + top + bottom - size[0], shape[1] + left + right - size[1]
    _fits(
        name,
        min(height, width) >= 0,
        f"its window of {size[0]} x {size[1]} is larger than the map of {shape[0]} x {shape[1]}",
    )
    return height // stride[0] + 1, width // stride[1] + 1


def _fits(name: str, right: bool, what: str) -> None:
    if not right:
        raise ModelError(f"layer {name}: {what}")


def _arrays(node: Node) -> list[Floats]:
    match node:
        case Conv() | Depthwise():
            return [node.kernel, node.bias]
        case PRelu():
            return [node.slope]
        case Affine():
            return [node.scale, node.offset]
    return []


def float32(array: object) -> Floats:
    """As contiguous float32."""
    return np.ascontiguousarray(array, np.float32)
