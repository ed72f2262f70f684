"""What an int8 embedder keeps of its float original: embeddings, verification, time, and how the runtime divides it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.inference.embedder import Embedder
from edge.inference.spec import ModelSpec
from edge.inference.tflite import Model, runtime_name
from trainer.embedder.convert import Converted
from trainer.embedder.faces import FaceFinder, MeshedPicture
from trainer.embedder.layers import LayerError
from trainer.embedder.pairs import (
    Embeddings,
    Figure,
    PairFigures,
    PairList,
    difference,
    embed_pictures,
    every_pair,
    figures,
    scores,
)
from trainer.embedder.partitions import Partitions, xnnpack_partitions

_TIMED = 300
_POOREST = 5
STRICT_FAR = 1e-4  # with some hundred persons enrolled and a thousand visits, the region where a door works


@dataclass(frozen=True, slots=True)
class Comparison:
    """On one list of pairs. gained: int8 less float."""

    pairs: int
    float: PairFigures
    int8: PairFigures
    gained: PairFigures


@dataclass(frozen=True, slots=True)
class Parity:
    """Of one embedder; whatever is of the float original is None where there is none.

    cosine_mean, cosine_min: of int8 to float, over `faces` pictures. float_ms, int8_ms: as `inference_ms`.
    lists: by the list's name. strict: TAR at FAR 1e-4 with every picture against every other, int8. layers: the
    poorest.
    """

    name: str
    weights: int | None
    multiplications: int | None
    float_bytes: int | None
    int8_bytes: int
    float_ms: float | None
    int8_ms: float
    partitions: Partitions
    faces: int
    cosine_mean: float | None
    cosine_min: float | None
    lists: Mapping[str, Comparison]
    strict_float: Figure | None
    strict: Figure | None
    layers: tuple[LayerError, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the times were taken, and with what."""

    processor: str
    architecture: str
    cores: int
    runtime: str


@dataclass(frozen=True, slots=True, eq=False)
class TestPictures:
    """folder: where the lists' paths begin. lists: of pairs; may be empty. faces: compared where there are no lists."""

    folder: Path
    lists: Sequence[PairList]
    faces: Sequence[MeshedPicture]


def compare(all_converted: Sequence[Converted], pictures: TestPictures, finder: FaceFinder) -> list[Parity]:
    """Measure every embedder on the same pictures; each picture is read and meshed once."""
    specs = [spec for c in all_converted for spec in (c.int8, c.float) if spec is not None]
    embedders = {spec.path.name: Embedder(spec) for spec in specs}
    if pictures.lists:
        paths = set().union(*(pairs.paths for pairs in pictures.lists))
        embeddings = embed_pictures(pictures.folder, paths, finder, embedders)
    else:
        embeddings = {name: _embed_faces(embedder, pictures.faces) for name, embedder in embedders.items()}
    return [_parity(converted, embeddings, pictures.lists) for converted in all_converted]


def this_machine() -> Machine:
    """The machine that runs this."""
    return Machine(_processor(), platform.machine(), os.cpu_count() or 1, runtime_name())


def inference_ms(spec: ModelSpec) -> float:
    """Time of one inference on one thread, ms: the tenth percentile, since other work on a machine only adds."""
    model = Model(spec, threads=1)
    tensor = np.zeros(spec.inputs[0].shape, spec.inputs[0].dtype)
    return 1e3 * float(np.percentile([_seconds(model, tensor) for _ in range(_TIMED)], 10))


def _seconds(model: Model, tensor: NDArray[Any]) -> float:
    start = time.perf_counter()
    model.run(tensor)
    return time.perf_counter() - start


def _parity(converted: Converted, embeddings: Mapping[str, Embeddings], lists: Sequence[PairList]) -> Parity:
    spec, graph = converted.int8, converted.graph
    int8 = embeddings[spec.path.name]
    reference = embeddings[converted.float.path.name] if converted.float else None
    cosines = _cosines(int8, reference) if reference else None
    return Parity(
        name=spec.name,
        weights=graph.weights() if graph else None,
        multiplications=graph.multiplications() if graph else None,
        float_bytes=converted.float.path.stat().st_size if converted.float else None,
        int8_bytes=spec.path.stat().st_size,
        float_ms=inference_ms(converted.float) if converted.float else None,
        int8_ms=inference_ms(spec),
        partitions=xnnpack_partitions(spec.path),
        faces=len(int8),
        cosine_mean=float(cosines.mean()) if cosines is not None else None,
        cosine_min=float(cosines.min()) if cosines is not None else None,
        lists={pairs.name: _comparison(pairs, int8, reference or int8) for pairs in lists},
        strict_float=every_pair(reference, STRICT_FAR) if lists and reference else None,
        strict=every_pair(int8, STRICT_FAR) if lists else None,
        layers=converted.layers[:_POOREST],
    )


def _comparison(pairs: PairList, int8: Embeddings, reference: Embeddings) -> Comparison:
    new, old = scores(pairs, int8), scores(pairs, reference)
    return Comparison(len(new), figures(pairs, old), figures(pairs, new), difference(pairs, new, old))


def _embed_faces(embedder: Embedder, faces: Sequence[MeshedPicture]) -> Embeddings:
    found: Embeddings = {}
    for number, face in enumerate(faces):
        assert face.mesh is not None
        embedding = embedder.embed(embedder.align(face.pixels, face.mesh))
        found[str(number)] = (embedding.x * embedding.norm).astype(np.float32)
    return found


def _cosines(one: Embeddings, other: Embeddings) -> NDArray[np.float64]:
    return np.array(
        [
            float(one[key] @ other[key] / max(float(np.linalg.norm(one[key]) * np.linalg.norm(other[key])), 1e-12))
            for key in sorted(one)
        ]
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.processor() or "unknown"
