"""From a graph to the bytes of a TFLite file, in float or in int8 throughout, through TensorFlow's own converter."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from edge.recognition.types import Floats
from trainer.embedder.emit import concrete_function
from trainer.embedder.graph import Graph


def float_file(graph: Graph) -> bytes:
    """The network as it is, in float32."""
    converter, keep = _converter(graph)
    content = _quietly(converter)
    del keep
    return content


def int8_file(graph: Graph, pictures: Floats, lowest: float, highest: float) -> bytes:
    """The network quantized to int8 throughout, input and output too.

    graph: rewritten for it, see `rewrite` and `equalize`. pictures: `(N, H, W, 3)` float32, normalized: what ranges
    are taken from. lowest, highest: of a normalized pixel; they fix the input's scale, whether or not a picture
    holds them.
    """
    import tensorflow as tf

    converter, keep = _converter(graph)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _samples(pictures, lowest, highest)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    content = _quietly(converter)
    del keep
    return content


def _converter(graph: Graph) -> tuple[Any, Any]:
    """The converter, and the function that it needs alive."""
    import tensorflow as tf

    function = concrete_function(graph)
    return tf.lite.TFLiteConverter.from_concrete_functions([function], function), function


def _quietly(converter: Any) -> bytes:
    with warnings.catch_warnings():
        # It expects statistics of the input's range, which the pictures give it.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected", UserWarning)
        return bytes(converter.convert())


def _samples(pictures: Floats, lowest: float, highest: float) -> Iterator[list[Floats]]:
    for number, picture in enumerate(pictures):
        sample = picture[None].copy()
        if number == 0:
            sample[0, 0, 0], sample[0, 0, 1] = lowest, highest  # two pixels of one corner: the network hardly sees them
        yield [np.ascontiguousarray(sample)]
