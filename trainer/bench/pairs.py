"""`doorward-trainer bench pairs`: what each embedder keeps in int8 of its float original, on pairs of faces.

Faces are found, meshed and aligned by the door's own line, once for all embedders; embedders take turns on each face,
in random order, so that whatever else the machine does falls on all alike. How pairs are judged is left to `judge.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge import __version__
from edge.contract.bench import BenchReport, Cell, Row, spread
from edge.contract.bench_output import deliver, progress
from edge.inference.detector import Detector
from edge.inference.embedder import Embedder
from edge.inference.machine import commit, this_machine
from edge.inference.mesh import Mesh
from edge.inference.spec import Manifest, ModelSpec, load_manifest
from edge.inference.tflite import runtime_name
from edge.recognition.recognizer import Recognizer
from edge.recognition.types import Face, Floats, Image, Probe
from trainer.bench.data import PAIR_LISTS, FaceData, open_data, sample
from trainer.bench.judge import judge
from trainer.bench.nearest import nearest_to_centre
from trainer.bench.originals import float_originals
from trainer.bench.workers.ours import ANYTHING_GOES
from trainer.embedder.pairs import PairList
from trainer.embedder.partitions import xnnpack_partitions

SUMMARY_LIST = "balanced"
_QUICK_PER_FOLD = 4
_WARM_UP = 5
_PROGRESS_EVERY = 250
_NOTES = (
    "acc: 10 folds, threshold from the other nine, 95 % Wilson interval.",
    "tar_1e3: genuine pairs accepted at FAR 1e-3, 95 % bootstrap over pairs; a single impostor pair decides it.",
    "embed_ms: time that passed, on one thread; embed_cpu_ms: what that thread computed meanwhile.",
    "A face that the line did not find fails its pairs: they count as wrong. acc_found leaves such pairs out.",
    "The summary is of the default embedder on the list of balanced pairs.",
    "The persons are public figures who probably sit in the embedders' training sets too: the figures are optimistic.",
)


@dataclass(slots=True, eq=False)
class Candidate:
    """One embedder file under measurement. vectors: by picture, of faces that were found. times, cpu_times: ms."""

    name: str
    precision: str
    embedder: Embedder
    vectors: dict[str, Floats] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    cpu_times: list[float] = field(default_factory=list)

    @property
    def spec(self) -> ModelSpec:
        return self.embedder.spec


def run_pairs(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files that were asked for."""
    manifest = load_manifest(arguments.models)
    data = open_data(arguments.data)
    lists = [_pairs(data, name, quick=arguments.quick) for name in PAIR_LISTS]
    floats = {} if arguments.int8_only else float_originals(manifest, arguments.cache)
    candidates = list(_candidates(manifest, floats))
    line = FaceLine(manifest)
    paths = sorted(set().union(*(pairs.paths for pairs in lists)))
    for seed in range(arguments.seeds):
        embed_all(data, paths, line, candidates, seed)
    deliver(_report(manifest, lists, candidates, len(paths), arguments), arguments)
    return 0


class FaceLine:
    """The door's way to the face that a picture is about."""

    def __init__(self, manifest: Manifest) -> None:
        """Raises:
        ModelError: a default model is missing or damaged.
        """
        detector, mesh, embedder = (manifest.pick(role) for role in ("detector", "mesh", "embedder"))
        self._line = Recognizer(Detector(detector), Mesh(mesh), Embedder(embedder), ANYTHING_GOES)

    def face(self, pixels: Image) -> Face | None:
        """The face nearest the centre among those that the mesh believes in."""
        faces = self._line.faces(pixels)
        height, width = pixels.shape[:2]
        place = nearest_to_centre((face.detection.box.centre for face in faces), width, height)
        return None if place is None else faces[place]

    def probe(self, pixels: Image) -> Probe | None:
        """That face with its quality and its embedding by the default embedder."""
        face = self.face(pixels)
        return None if face is None else self._line.probe(pixels, face)


def embed_all(data: FaceData, paths: Sequence[str], line: FaceLine, candidates: Sequence[Candidate], seed: int) -> None:
    """Embed every picture's face by every candidate, and note the time of each."""
    random = np.random.default_rng(seed)
    for number, place in enumerate(random.permutation(len(paths)), 1):
        path = paths[place]
        pixels = data.face(path)
        face = line.face(pixels)
        if face is not None:
            for turn in random.permutation(len(candidates)):
                _embed(candidates[turn], path, pixels, face, counted=number > _WARM_UP)
        if number % _PROGRESS_EVERY == 0:
            progress(f"pictures: {number} of {len(paths)}")


def _embed(candidate: Candidate, path: str, pixels: Image, face: Face, *, counted: bool) -> None:
    crop = candidate.embedder.align(pixels, face.mesh)
    start, cpu_start = time.perf_counter(), time.thread_time()
    embedding = candidate.embedder.embed(crop)
    cpu_taken, taken = time.thread_time() - cpu_start, time.perf_counter() - start
    candidate.vectors[path] = embedding.x
    if counted:
        candidate.times.append(taken * 1000)
        candidate.cpu_times.append(cpu_taken * 1000)


def _pairs(data: FaceData, name: str, *, quick: bool) -> PairList:
    pairs = data.pairs(name)
    return sample(pairs, _QUICK_PER_FOLD) if quick else pairs


def _candidates(manifest: Manifest, floats: Mapping[str, ModelSpec]) -> Iterator[Candidate]:
    for name, spec in manifest.models.items():
        if spec.role == "embedder":
            yield Candidate(name, _precision(spec), Embedder(spec))
            if name in floats:
                yield Candidate(name, "float", Embedder(floats[name]))


def _precision(spec: ModelSpec) -> str:
    return "int8" if spec.inputs[0].dtype == "int8" else "float"


def _report(
    manifest: Manifest,
    lists: Sequence[PairList],
    candidates: Sequence[Candidate],
    pictures: int,
    arguments: argparse.Namespace,
) -> BenchReport:
    rows = [row for candidate in candidates for row in _rows(candidate, lists)]
    settings: dict[str, Cell] = {
        "data": str(arguments.data),
        "detector": manifest.defaults["detector"],
        "default_embedder": manifest.defaults["embedder"],
        "default_embedder_sha256": manifest.pick("embedder").sha256,
        "pictures": pictures,
        "quick": arguments.quick,
        "seeds": arguments.seeds,
    }
    summary = _summary(rows, manifest.defaults["embedder"])
    return BenchReport(
        "pairs", __version__, commit(), this_machine(runtime_name()), settings, tuple(rows), summary, _NOTES
    )


def _rows(candidate: Candidate, lists: Sequence[PairList]) -> Iterator[Row]:
    who: dict[str, Cell] = {"embedder": candidate.name, "precision": candidate.precision}
    for pairs in lists:
        verdict = judge(pairs, candidate.vectors)
        for measure, figure, count in (
            ("acc", verdict.accuracy, verdict.pairs),
            ("acc_found", verdict.accuracy_found, verdict.pairs - verdict.failed),
            ("tar_1e3", verdict.tar, int(pairs.same.sum())),
        ):
            yield {
                **who,
                "list": pairs.name,
                "measure": measure,
                "unit": "share",
                "n": count,
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
                "failed": verdict.failed,
            }
    yield {**who, "measure": "embed_ms", "unit": "ms", **spread(candidate.times)}
    yield {**who, "measure": "embed_cpu_ms", "unit": "ms", **spread(candidate.cpu_times)}
    partitions = xnnpack_partitions(candidate.spec.path)
    yield {**who, "measure": "xnnpack_partitions", "unit": "partitions", "n": 1, "value": partitions.count}
    yield {**who, "measure": "size", "unit": "bytes", "n": 1, "value": candidate.spec.path.stat().st_size}


def _summary(rows: Sequence[Row], embedder: str) -> dict[str, float]:
    """What was measured of the default embedder; its float figures are left out where there is no original."""
    wanted = {
        "float_acc": ("float", "acc", SUMMARY_LIST),
        "int8_acc": ("int8", "acc", SUMMARY_LIST),
        "float_acc_found": ("float", "acc_found", SUMMARY_LIST),
        "int8_acc_found": ("int8", "acc_found", SUMMARY_LIST),
        "float_tar_1e3": ("float", "tar_1e3", SUMMARY_LIST),
        "int8_tar_1e3": ("int8", "tar_1e3", SUMMARY_LIST),
        "embed_int8_ms": ("int8", "embed_ms", None),
        "embed_float_ms": ("float", "embed_ms", None),
        "embed_int8_cpu_ms": ("int8", "embed_cpu_ms", None),
        "embed_float_cpu_ms": ("float", "embed_cpu_ms", None),
        "xnnpack_partitions": ("int8", "xnnpack_partitions", None),
    }
    found = {(r["precision"], r["measure"], r.get("list")): r["value"] for r in rows if r["embedder"] == embedder}
    values = {key: found.get(cell) for key, cell in wanted.items()}
    return {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
