"""Turns a graph into TensorFlow: to run it while converting, and to hand it to the TFLite converter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge.recognition.types import Floats
from trainer.embedder.graph import (
    Add,
    Affine,
    Conv,
    Depthwise,
    Graph,
    Multiply,
    Node,
    Pad,
    Pool,
    PRelu,
    Relu,
    Shape,
    Sides,
    Sigmoid,
    same_padding,
)


def concrete_function(graph: Graph) -> Any:
    """A `tf.function` of one picture, `(1, H, W, 3)` float32, to its embedding, `(1, D)`; every weight a constant."""
    import tensorflow as tf

    dimension = graph.dimension()

    def embed(picture: Any) -> Any:
        return tf.reshape(_forward(tf, graph, picture)[graph.output], (1, dimension))

    spec = tf.TensorSpec((1, *graph.input_shape), tf.float32, name=graph.input)
    return tf.function(embed, input_signature=[spec], autograph=False).get_concrete_function()


def runner(graph: Graph, names: Sequence[str]) -> Callable[[Floats], dict[str, Floats]]:
    """A function of pictures, `(N, H, W, 3)` float32, to the named tensors, each `(N, height, width, channels)`."""
    import tensorflow as tf

    spec = tf.TensorSpec((None, *graph.input_shape), tf.float32)

    @tf.function(input_signature=[spec], autograph=False)  # type: ignore[untyped-decorator]
    def run(pictures: Any) -> Any:
        tensors = _forward(tf, graph, pictures)
        return {name: tensors[name] for name in names}

    return lambda pictures: {name: value.numpy() for name, value in run(tf.constant(pictures)).items()}


def embeddings(graph: Graph, pictures: Floats) -> Floats:
    """Run the network in float. pictures: `(N, H, W, 3)`, normalized. Returns `(N, D)`."""
    run = runner(graph, [graph.output])
    parts = [run(pictures[start : start + 16])[graph.output] for start in range(0, len(pictures), 16)]
    return np.concatenate(parts).reshape(len(pictures), graph.dimension())


def scope(number: int) -> str:
    """What a converted file calls the tensors of a graph's node by: short, since the names are a part of the file."""
    return f"n{number}"


def _forward(tf: Any, graph: Graph, picture: Any) -> dict[str, Any]:
    shapes = graph.shapes()
    tensors = {graph.input: picture}
    for number, node in enumerate(graph.nodes):
        sources = [tensors[source] for source in node.sources]
        with tf.name_scope(scope(number)):
            tensors[node.name] = _apply(tf, node, sources, shapes[node.sources[0]])
    return tensors


def _apply(tf: Any, node: Node, sources: list[Any], shape: Shape) -> Any:
    x = sources[0]
    match node:
        case Conv() | Depthwise():
            return _convolved(tf, node, x, shape)
        case Pool():
            pool = tf.nn.max_pool2d if node.kind == "max" else tf.nn.avg_pool2d
            return pool(x, node.size, node.stride, "SAME" if node.same else "VALID")
        case Pad():
            top, bottom, left, right = node.padding
            return tf.pad(x, ((0, 0), (top, bottom), (left, right), (0, node.channels)))
    return _pointwise(tf, node, sources)


def _convolved(tf: Any, node: Conv | Depthwise, x: Any, shape: Shape) -> Any:
    x, padding = _padded(tf, x, shape, node.kernel.shape[:2], node.stride, node.padding)
    strides = (1, *node.stride, 1)
    if isinstance(node, Conv):
        return tf.nn.conv2d(x, node.kernel, strides, padding) + node.bias
    return tf.nn.depthwise_conv2d(x, node.kernel[..., None], strides, padding) + node.bias


def _pointwise(tf: Any, node: PRelu | Relu | Sigmoid | Affine | Add | Multiply, sources: list[Any]) -> Any:
    x = sources[0]
    match node:
        case PRelu():
            # The converter knows PRELU by this spelling, and by three dimensions of the slope.
            return tf.nn.relu(x) + -node.slope[None, None] * tf.nn.relu(-x)
        case Relu():
            return tf.nn.relu(x) if node.cap is None else tf.minimum(tf.nn.relu(x), node.cap)
        case Sigmoid():
            return tf.sigmoid(x)
        case Affine():
            return x * node.scale + node.offset
        case Add():
            return x + sources[1]
        case Multiply():
            return x * sources[1]


def _padded(
    tf: Any, x: Any, shape: Shape, size: Sequence[int], stride: tuple[int, int], padding: Sides
) -> tuple[Any, str]:
    """PyTorch pads both sides alike where TensorFlow's SAME, at stride 2, pads only below and to the right."""
    if not any(padding):
        return x, "VALID"
    if padding == same_padding(shape, tuple(size), stride):
        return x, "SAME"
    top, bottom, left, right = padding
    return tf.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0))), "VALID"
