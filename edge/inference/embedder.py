"""The embedder at work: an aligned face in, a unit vector and its norm out. Which embedder it is, its spec says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.inference.spec import ModelSpec, Preprocessing, TensorSpec
from edge.inference.tflite import Model
from edge.recognition.align import warp
from edge.recognition.types import Embedding, Floats, Image

_SMALLEST_NORM = 1e-6  # below it a vector has no direction


class Embedder:
    """A loaded embedder, int8 or float, with its own alignment."""

    def __init__(self, spec: ModelSpec, threads: int = 1) -> None:
        """Raises:
        ModelError: the file is not the one that `spec` describes, or the description lacks what an embedder needs.
        """
        if spec.alignment is None:
            raise ModelError(f"{spec.path}: an embedder's description needs an alignment")
        self._model = Model(spec, threads)
        if [len(tensor.shape) for tensor in (*spec.inputs, *spec.outputs)] != [4, 2]:
            raise ModelError(f"{spec.path}: an embedder takes one picture and gives one vector, this does not")
        self.spec = spec
        self.id = spec.sha256
        self.dim = spec.outputs[0].shape[-1]
        self.alignment = spec.alignment
        self._side = spec.inputs[0].shape[1]
        self._output = spec.outputs[0]
        self._table = input_table(spec.preprocessing, spec.inputs[0])

    def align(self, pixels: Image, mesh: Floats) -> Image:
        """Bring a face upright and to size.

        pixels: RGB frame. mesh: `(468, 3)` in its pixels.
        Returns an RGB crop, `(side, side, 3)` uint8.
        """
        return warp(pixels, self.alignment.matrix(mesh), (self._side, self._side))

    def embed(self, crop: Image) -> Embedding:
        """crop: an aligned RGB face, `(side, side, 3)` uint8."""
        (raw,) = self._model.run(self._quantize(crop)[None])
        return unit(dequantize(raw[0], self._output))

    def _quantize(self, crop: Image) -> NDArray[Any]:
        ordered = crop if self.spec.preprocessing.colour == "RGB" else crop[..., ::-1]
        return np.asarray(self._table[ordered, np.arange(3)])


def input_table(preprocessing: Preprocessing, tensor: TensorSpec) -> NDArray[Any]:
    """Normalization and quantization at once: `(256, 3)`, pixel value and channel to what the input tensor takes."""
    mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
    real = (np.arange(256)[:, None] - mean) / std
    if tensor.scale == 0:
        return np.asarray(real, tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    steps = np.rint(real / tensor.scale) + tensor.zero_point
    return np.asarray(steps.clip(limits.min, limits.max), tensor.dtype)


def dequantize(raw: NDArray[Any], tensor: TensorSpec) -> Floats:
    """Real values of a tensor by its own scale and zero point."""
    if tensor.scale == 0:
        return raw.astype(np.float32)
    return ((raw.astype(np.float32) - tensor.zero_point) * tensor.scale).astype(np.float32)


def unit(vector: Floats) -> Embedding:
    """Split into direction and norm. A vector without direction keeps norm 0 and matches nobody."""
    norm = float(np.linalg.norm(vector))
    if norm < _SMALLEST_NORM:
        return Embedding(np.zeros_like(vector), 0.0)
    return Embedding((vector / norm).astype(np.float32), norm)
