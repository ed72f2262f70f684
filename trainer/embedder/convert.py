"""One embedder's way from a graph to its float and int8 files, each described as a door reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.errors import ModelError
from edge.inference.spec import ModelSpec, Preprocessing
from edge.recognition.types import Floats, Image
from trainer.embedder.equalize import equalized
from trainer.embedder.faces import MeshedPicture, crop
from trainer.embedder.graph import Graph, float32
from trainer.embedder.layers import LayerError, layer_errors
from trainer.embedder.manifest import Description, describe_model
from trainer.embedder.quantize import float_file, int8_file
from trainer.embedder.rewrite import bound_slopes, expanded, fold_preprocessing, simplified

_LAYER_FACES = 8  # each runs twice in slow kernels that keep every tensor; more moved no layer by a decibel


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """float: the network as published, for comparison; None for a file that came in int8. graph: likewise.

    layers: of the int8 file against the rewritten float network, poorest first; empty where not measured.
    """

    int8: ModelSpec
    float: ModelSpec | None = None
    graph: Graph | None = None
    layers: tuple[LayerError, ...] = ()


def convert(
    graph: Graph,
    description: Description,
    faces: Sequence[MeshedPicture],
    folder: Path,
    *,
    layers: bool,
) -> Converted:
    """Write `NAME.tflite` and `NAME_float.tflite` into `folder`.

    faces: to calibrate on. layers: measure every layer's error too.

    Raises:
        ModelError: the network's picture is not square, its alignment is missing, or there is no face to calibrate on.
    """
    published = describe_file(folder / f"{description.name}_float.tflite", float_file(graph), description)
    ready, preprocessing = fold_preprocessing(graph, description.preprocessing)
    pictures = calibration_pictures(ready, replace(description, preprocessing=preprocessing), faces)
    network = expanded(equalized(bound_slopes(simplified(ready)), pictures))
    content = int8_file(network, pictures, *pixel_range(preprocessing))
    int8 = describe_file(
        folder / f"{description.name}.tflite", content, replace(description, preprocessing=preprocessing)
    )
    errors = layer_errors(network, float_file(network), content, pictures[:_LAYER_FACES]) if layers else []
    return Converted(int8, published, graph, tuple(errors))


def describe_file(file: Path, content: bytes, description: Description) -> ModelSpec:
    """Write a model and describe it."""
    file.write_bytes(content)
    return describe_model(file, description)


def calibration_pictures(graph: Graph, description: Description, faces: Sequence[MeshedPicture]) -> Floats:
    """The faces as the network takes them, `(N, H, W, 3)` float32, normalized.

    Raises:
        ModelError: as `convert`.
    """
    height, width, _ = graph.input_shape
    if height != width or description.alignment is None:
        raise ModelError(f"{description.name}: takes {height} x {width} pictures; an embedder's are square and aligned")
    if not faces:
        raise ModelError(f"{description.name}: no face to calibrate on; give --data a folder of pictures with faces")
    crops = [crop(face, description.alignment, height) for face in faces]
    return np.stack([normalized(picture, description.preprocessing) for picture in crops])


def normalized(picture: Image, preprocessing: Preprocessing) -> Floats:
    """`(H, W, 3)` float32 in the preprocessing's colour order. picture: RGB uint8."""
    ordered = picture if preprocessing.colour == "RGB" else picture[..., ::-1]
    return float32((ordered - np.array(preprocessing.mean)) / np.array(preprocessing.std))


def pixel_range(preprocessing: Preprocessing) -> tuple[float, float]:
    """The lowest and highest value that a normalized pixel can have in any channel."""
    ends = (np.array([[0.0], [255.0]]) - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    return float(ends.min()), float(ends.max())
