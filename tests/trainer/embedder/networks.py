"""Small networks with everything that a face embedder has, with random weights, and how to run them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge.recognition.types import Floats
from trainer.embedder.builder import PICTURE, Builder
from trainer.embedder.graph import Add, Conv, Depthwise, Graph, PRelu, float32

SIDE = 32


def pictures(count: int, seed: int = 0, side: int = SIDE) -> Floats:
    """Smooth random pictures in -1..1, `(count, side, side, 3)`."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(-1, 1, (count, 4, 4, 3))
    return float32(np.kron(coarse, np.ones((1, side // 4, side // 4, 1))))


def slopes(channels: int, seed: int) -> Floats:
    """As wild as MobileFaceNet's: -9 to 9."""
    return float32(np.random.default_rng(seed).uniform(-9, 9, channels))


class Maker:
    """Adds layers with random weights to a builder; `last` is what the next layer reads."""

    def __init__(self, seed: int = 0, side: int = SIDE) -> None:
        self.builder = Builder((side, side, 3))
        self.last = PICTURE
        self._random = np.random.default_rng(seed)

    def numbers(self, *shape: int, scale: float = 1.0) -> Floats:
        return float32(self._random.normal(0, scale, shape))

    def conv(self, out: int, size: int = 1, stride: int = 1, *, padded: bool = True) -> Maker:
        channels = self.builder.shape(self.last)[2]
        kernel = self.numbers(size, size, channels, out, scale=(size * size * channels) ** -0.5)
        sides = self.builder.same(self.last, (size, size), (stride, stride)) if padded else (0, 0, 0, 0)
        return self.put(
            Conv(self._name("conv"), (self.last,), kernel, self.numbers(out, scale=0.1), (stride, stride), sides)
        )

    def depthwise(self, size: int = 3, stride: int = 1, *, padded: bool = True) -> Maker:
        channels = self.builder.shape(self.last)[2]
        kernel = self.numbers(size, size, channels, scale=1 / size)
        sides = self.builder.same(self.last, (size, size), (stride, stride)) if padded else (0, 0, 0, 0)
        bias = self.numbers(channels, scale=0.1)
        return self.put(Depthwise(self._name("depthwise"), (self.last,), kernel, bias, (stride, stride), sides))

    def prelu(self, slope: Floats | None = None) -> Maker:
        channels = self.builder.shape(self.last)[2]
        values = self.numbers(channels, scale=3) if slope is None else slope
        return self.put(PRelu(self._name("prelu"), (self.last,), values))

    def add(self, other: str) -> Maker:
        return self.put(Add(self._name("add"), (self.last, other)))

    def put(self, node: Any) -> Maker:
        self.last = self.builder.put(node)
        return self

    def graph(self) -> Graph:
        return self.builder.graph(self.last)

    def _name(self, kind: str) -> str:
        return self.builder.new_name(kind)


def face_network(seed: int = 0, side: int = SIDE, *, stem_padded: bool = True) -> Graph:
    """A MobileFaceNet in small: stem, depthwise, residual bottleneck, global depthwise, two linear layers."""
    maker = Maker(seed, side).conv(8, 3, 2, padded=stem_padded).prelu().depthwise().prelu().conv(8)
    shortcut = maker.last
    maker.conv(16).prelu().depthwise().prelu().conv(8).add(shortcut)
    maker.conv(24).prelu()
    height = maker.builder.shape(maker.last)[0]
    return maker.depthwise(height, padded=False).conv(24).conv(12).graph()
