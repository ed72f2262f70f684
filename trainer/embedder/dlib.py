"""Rebuilds dlib's face recognition ResNet from the weights that face-api publishes for the browser.

The file pair is TensorFlow.js's: a manifest of names, shapes and quantization, and the numbers one after the other.
The network's form is not in the files; it is the one of dlib's `anet_type` and face-api's `FaceRecognitionNet`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge.errors import ModelError
from edge.recognition.types import Floats
from trainer.embedder.builder import PICTURE, Builder
from trainer.embedder.graph import Add, Conv, Graph, Pad, Pool, float32

_SIZE_PX = 150
# In order; a block named "down" halves the map. The stem before them has its own halving.
_BLOCKS = (
    *("conv32_1", "conv32_2", "conv32_3"),
    *("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2"),
    *("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)


def read_dlib(weights: bytes, manifest: bytes) -> Graph:
    """The network with batch normalizations folded into its convolutions; input RGB (pixel - mean) / 256, 150 x 150.

    Raises:
        ModelError: the two files do not belong together or are not dlib's network.
    """
    try:
        return _Network(read_weight_map(weights, manifest)).build()
    except KeyError as error:
        raise ModelError(f"dlib's weights lack {error.args[0]}: another network's files") from error


def read_weight_map(weights: bytes, manifest: bytes) -> dict[str, Floats]:
    """Every array by name; one of q = uint8 is `q * scale + min`.

    Raises:
        ModelError: not a manifest, or the numbers are more or fewer than it lists.
    """
    found: dict[str, Floats] = {}
    try:
        entries = [entry for group in json.loads(manifest) for entry in group["weights"]]
        at = 0
        for entry in entries:
            count = int(np.prod(entry["shape"]))
            dtype = np.dtype(entry.get("quantization", entry)["dtype"])
            flat = np.frombuffer(weights, dtype, count, at)
            found[entry["name"]] = _dequantized(flat, entry).reshape(entry["shape"])
            at += flat.nbytes
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"dlib's weights and their manifest do not fit ({error})") from error
    if at != len(weights):
        raise ModelError(f"dlib's weights hold {len(weights)} bytes, their manifest lists {at}")
    return found


def _dequantized(flat: np.ndarray[Any, Any], entry: Mapping[str, Any]) -> Floats:
    if "quantization" not in entry:
        return float32(flat)
    how = entry["quantization"]
    return float32(flat.astype(np.float64) * how["scale"] + how["min"])


class _Network:
    def __init__(self, arrays: Mapping[str, Floats]) -> None:
        self._arrays = arrays
        self._builder = Builder((_SIZE_PX, _SIZE_PX, 3))

    def build(self) -> Graph:
        put = self._builder.put
        last = self._builder.relu(self._conv(PICTURE, "conv32_down", stride=2, valid=True))
        last = put(Pool("pool", (last,), "max", (3, 3), (2, 2)))
        for prefix in _BLOCKS:
            last = self._residual(last, prefix, down="_down" in prefix)
        last = self._builder.mean("mean", last)
        return self._builder.graph(self._builder.dense("fc", last, self._arrays["fc"].T, None, channels_first=False))

    def _residual(self, source: str, prefix: str, *, down: bool) -> str:
        put = self._builder.put
        inner = self._builder.relu(self._conv(source, f"{prefix}/conv1", stride=2 if down else 1, valid=down))
        inner = self._conv(inner, f"{prefix}/conv2")
        shortcut = put(Pool(f"{prefix}/half", (source,), "average", (2, 2), (2, 2))) if down else source
        inner, shortcut = self._matched(inner, shortcut, prefix)
        return self._builder.relu(put(Add(f"{prefix}/add", (inner, shortcut))))

    def _matched(self, inner: str, shortcut: str, prefix: str) -> tuple[str, str]:
        """Zeros below, to the right and as further channels, where one branch is smaller than the other."""
        (height, width, channels), (to_height, to_width, has) = map(self._builder.shape, (inner, shortcut))
        if has < channels:
            shortcut = self._builder.put(Pad(f"{prefix}/channels", (shortcut,), (0, 0, 0, 0), channels - has))
        if (height, width) != (to_height, to_width):
            inner = self._builder.put(Pad(f"{prefix}/sides", (inner,), (0, to_height - height, 0, to_width - width)))
        return inner, shortcut

    def _conv(self, source: str, prefix: str, *, stride: int = 1, valid: bool = False) -> str:
        scale, offset = self._arrays[f"{prefix}/scale/weights"], self._arrays[f"{prefix}/scale/biases"]
        kernel = self._arrays[f"{prefix}/conv/filters"] * scale
        bias = self._arrays[f"{prefix}/conv/bias"] * scale + offset
        step = (stride, stride)
        sides = (0, 0, 0, 0) if valid else self._builder.same(source, kernel.shape[:2], step)
        return self._builder.put(Conv(prefix, (source,), float32(kernel), float32(bias), step, sides))
