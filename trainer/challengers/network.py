"""What is trained: a map of embeddings and the directions of the identities it learns from, as Keras layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge.recognition.types import Floats


def build(directions: Floats, seed: int) -> tuple[Any, Any]:
    """A linear map that begins as the identity, and the identities' directions in its space.

    directions: `(C, D)` where the identities begin. Both are built, `kernel` is their only weight; call this in the
    scope of the strategy that trains them.
    """
    import tensorflow as tf

    keras = tf.keras
    keras.utils.set_random_seed(seed)
    identities, dim = directions.shape
    mapping = keras.layers.Dense(dim, use_bias=False, kernel_initializer="identity", name="map")
    classes = keras.layers.Dense(identities, use_bias=False, kernel_initializer="zeros", name="identities")
    mapping.build((None, dim))
    classes.build((None, dim))
    classes.kernel.assign(np.ascontiguousarray(directions.T))
    return mapping, classes
