"""The float files that the shipped embedders were made from: built once from public weights and kept in the cache.

Building needs TensorFlow and, the first time, the packages; a second run needs neither.
"""

from __future__ import annotations

from pathlib import Path

from edge.contract.bench_output import progress
from edge.errors import ModelError
from edge.inference.spec import Manifest, ModelSpec
from trainer.embedder.catalogue import DLIB_RESNET, EMBEDDERS, Shipped
from trainer.embedder.dlib import read_dlib
from trainer.embedder.graph import Graph
from trainer.embedder.manifest import describe_model
from trainer.embedder.quantize import float_file
from trainer.embedder.read_tflite import read_tflite
from trainer.embedder.sources import fetch

_FOLDER = "originals"


def float_originals(manifest: Manifest, cache: Path) -> dict[str, ModelSpec]:
    """By the embedder's name in the manifest; an embedder that an operator brought has no original here.

    Raises:
        ModelError: the weights cannot be fetched, or TensorFlow is not installed.
    """
    return {shipped.description.name: _original(shipped, cache) for shipped in _in_both(manifest)}


def _in_both(manifest: Manifest) -> list[Shipped]:
    return [shipped for shipped in EMBEDDERS if shipped.description.name in manifest.models]


def _original(shipped: Shipped, cache: Path) -> ModelSpec:
    # Named after its weights, so that another version's file is never taken for this one's.
    file = cache / _FOLDER / f"{shipped.description.name}_{shipped.sources[0].sha256[:12]}.tflite"
    if not file.is_file():
        progress(f"building {file.name}")
        _write(file, _convert(_graph(shipped, cache)))
    return describe_model(file, shipped.description)


def _graph(shipped: Shipped, cache: Path) -> Graph:
    contents = [fetch(source, cache) for source in shipped.sources]
    return read_dlib(*contents) if shipped is DLIB_RESNET else read_tflite(contents[0], shipped.sources[0].member)


def _convert(graph: Graph) -> bytes:
    try:
        return float_file(graph)
    except ImportError as error:
        raise ModelError(f"float originals need TensorFlow ({error}); pip install 'doorward[trainer]'") from error


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all: a run that is interrupted leaves no half file for the next."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_bytes(content)
        part.replace(file)
    except OSError as error:
        raise ModelError(f"{file}: cannot be written ({error.strerror}); name another folder with --cache") from error
