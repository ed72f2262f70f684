"""An operator's own embedder: reads a Keras, ONNX or TFLite file and the description of how it wants its pictures.

A file that is int8 already is taken as it is; everything else goes through the same rewriting as the shipped embedders.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from edge.errors import ModelError
from edge.inference.spec import Preprocessing
from edge.recognition.align import Alignment
from trainer.embedder.alignments import NAMED
from trainer.embedder.graph import Graph
from trainer.embedder.manifest import Description
from trainer.embedder.read_onnx import read_onnx
from trainer.embedder.read_tflite import read_tflite

_KEYS = {"name", "colour", "mean", "std", "size", "alignment", "licence", "origin"}
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")  # becomes a file's name
_TEMPLATE_PX = {"five_point_112": 112, "dlib": 150}
_MESH_POINTS = 468
_MOST_BYTES = 512 * 2**20  # an embedder for a door is a hundredth of that


@dataclass(frozen=True, slots=True)
class CustomDescription:
    """size: side of the aligned picture, px."""

    description: Description
    size: int


def read_description(file: Path) -> CustomDescription:
    """Read a preprocessing description, TOML: name, colour, mean, std, size, alignment, licence, origin; every key is
    needed.

    mean, std: one number or three. alignment: a name of `alignments.NAMED`, or a table of `groups` (lists of mesh
    indices) and `template` (as many x, y in pixels).

    Raises:
        ModelError: missing, not TOML, or a key that is unknown, missing or of a wrong type; the line names it.
    """
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: not TOML ({error})") from error
    if unknown := sorted(raw.keys() - _KEYS):
        raise ModelError(f"{file}: unknown key {unknown[0]!r}; there are {', '.join(sorted(_KEYS))}")
    if missing := sorted(_KEYS - raw.keys()):
        raise ModelError(f"{file}: the key {missing[0]!r} is missing")
    return _Values(file, raw).description()


def read_network(file: Path) -> Graph | bytes:
    """The network, or the file's bytes where it is int8 TFLite already.

    Raises:
        ModelError: missing, empty, truncated, of an unknown kind, or holding what embedders here do not use.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ModelError(f"{file}: larger than {_MOST_BYTES // 2**20} MiB; a door cannot run it")
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}") from error
    if not content:
        raise ModelError(f"{file}: empty")
    match file.suffix.lower():
        case ".tflite":
            return content if is_quantized(content, file) else read_tflite(content, str(file))
        case ".onnx":
            return read_onnx(content, str(file))
        case ".keras" | ".h5":
            return read_tflite(keras_to_tflite(file), str(file))
    raise ModelError(f"{file}: of an unknown kind; an embedder is a .tflite, .onnx, .keras or .h5 file")


def is_quantized(content: bytes, file: Path) -> bool:
    """Whether a TFLite file takes integers.

    Raises:
        ModelError: the runtime refuses it.
    """
    from ai_edge_litert.interpreter import Interpreter

    if content[4:8] != b"TFL3":
        raise ModelError(f"{file}: not a TFLite file, or a truncated one")
    try:
        details = Interpreter(model_content=content).get_input_details()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{file}: the TFLite runtime refuses it ({str(error).splitlines()[0]})") from error
    return bool(details) and np.issubdtype(details[0]["dtype"], np.integer)


def keras_to_tflite(file: Path) -> bytes:
    """A Keras model as float TFLite bytes.

    Raises:
        ModelError: Keras cannot load it, or it has no fixed picture size.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    try:
        model = tf.keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras has no error class of its own for a bad file
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{file}: Keras cannot load it ({reason})") from error
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:]:
        raise ModelError(
            f"{file}: its input is {shape}, expected (batch, height, width, 3) with fixed height and width"
        )
    spec = tf.TensorSpec((1, *shape[1:]), tf.float32)
    function = tf.function(lambda picture: model(picture, training=False)).get_concrete_function(spec)
    # Without freezing, Keras 3 gives the converter a network whose weights it silently leaves out.
    frozen = convert_variables_to_constants_v2(function)
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen], model).convert())


class _Values:
    """A description's raw values with checks that name the key."""

    def __init__(self, file: Path, raw: dict[str, Any]) -> None:
        self._file, self._raw = file, raw

    def description(self) -> CustomDescription:
        name, colour, size = self._text("name"), self._text("colour"), self._raw["size"]
        if not _NAME.fullmatch(name):
            raise self._wrong("name", "letters a-z, digits, '_', '-' and '.', 64 at most")
        if colour not in ("RGB", "BGR"):
            raise self._wrong("colour", '"RGB" or "BGR"')
        if type(size) is not int or not 32 <= size <= 512:
            raise self._wrong("size", "a whole number of pixels, 32 to 512")
        std = self._triple("std")
        if min(std) <= 0:
            raise self._wrong("std", "above 0")
        order = cast("Literal['RGB', 'BGR']", colour)
        preprocessing = Preprocessing(order, self._triple("mean"), std)
        terms = (self._text("licence"), self._text("origin"))
        return CustomDescription(Description(name, "embedder", preprocessing, self._alignment(size), *terms), size)

    def _alignment(self, size: int) -> Alignment:
        value = self._raw["alignment"]
        if isinstance(value, str) and value in NAMED:
            scale = size / _TEMPLATE_PX[value]
            named = NAMED[value]
            return Alignment(named.groups, tuple((x * scale, y * scale) for x, y in named.template))
        try:
            groups = tuple(tuple(int(index) for index in group) for group in value["groups"])
            template = tuple((float(x), float(y)) for x, y in value["template"])
        except (KeyError, TypeError, ValueError) as error:
            names = " or ".join(repr(name) for name in NAMED)
            raise self._wrong("alignment", f"{names}, or a table of groups and template") from error
        indices = [index for group in groups for index in group]
        if len(groups) != len(template) or len(groups) < 2 or not all(groups):
            raise self._wrong("alignment", "as many template points as groups, two at least, no group empty")
        if min(indices) < 0 or max(indices) >= _MESH_POINTS:
            raise self._wrong("alignment", f"of mesh indices 0 to {_MESH_POINTS - 1}")
        return Alignment(groups, template)

    def _text(self, key: str) -> str:
        value = self._raw[key]
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self._wrong(key, "a line of text")
        return value.strip()

    def _triple(self, key: str) -> tuple[float, float, float]:
        value = self._raw[key]
        values = value if isinstance(value, list) else [value] * 3
        if len(values) != 3 or not all(type(number) in (int, float) and np.isfinite(number) for number in values):
            raise self._wrong(key, "a number or three")
        return float(values[0]), float(values[1]), float(values[2])

    def _wrong(self, key: str, wanted: str) -> ModelError:
        return ModelError(f"{self._file}: {key} is {self._raw[key]!r}, expected {wanted}")
