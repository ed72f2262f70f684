"""The door's line with a stopwatch around each of its models, for `doorward bench`. Chooses nothing to run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from edge.compose import quality_gate
from edge.inference.detector import Detector
from edge.inference.embedder import Embedder
from edge.inference.mesh import Mesh
from edge.inference.spec import SHIPPED, load_manifest
from edge.recognition.align import Alignment
from edge.recognition.recognizer import ActiveModel, Recognizer
from edge.recognition.types import Decision, Detection, Embedding, Face, Floats, Image, Probe
from edge.settings.slices import RecognitionSettings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds of every call, by step. cpu_times: what the process computed meanwhile, over all its threads."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def time(self, step: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the call and note how long it took."""
        start, cpu_start = time.perf_counter(), time.process_time()
        result = call(*args, **kwargs)
        self.cpu_times[step].append((time.process_time() - cpu_start) * 1000)
        self.times[step].append((time.perf_counter() - start) * 1000)
        return result

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done within is not noted, as a warm-up."""
        kept = self.times, self.cpu_times
        self.times, self.cpu_times = defaultdict(list), defaultdict(list)
        try:
            yield
        finally:
            self.times, self.cpu_times = kept


class TimedLine:
    """A recognizer made as `compose.recognizer` makes it. `watch` holds detect, mesh, align, embed, score and frame."""

    def __init__(self, settings: RecognitionSettings, threads: int, models: Path = SHIPPED) -> None:
        """Raises:
        ModelError: a model is missing, damaged or not what the manifest promises.
        """
        manifest = load_manifest(models)
        self.watch = Stopwatch()
        self.recognizer = Recognizer(
            _Detector(Detector(manifest.pick("detector", settings.detector), threads), self.watch),
            _Mesh(Mesh(manifest.pick("mesh"), threads), self.watch),
            _Embedder(Embedder(manifest.pick("embedder", settings.embedder), threads), self.watch),
            quality_gate(settings),
            max_faces=settings.max_faces,
            min_presence=settings.min_presence,
        )

    def see(self, pixels: Image, model: ActiveModel, turn: int) -> list[tuple[Probe, Decision]]:
        """The whole way of one frame. turn: its number in the stream."""
        return self.watch.time("frame", self._see, pixels, model, turn)

    def score(self, embedding: Embedding, model: ActiveModel, step: str) -> None:
        """One embedding against a table, timed under the name `step`."""
        self.watch.time(step, model.candidates, embedding)

    def _see(self, pixels: Image, model: ActiveModel, turn: int) -> list[tuple[Probe, Decision]]:
        probes = self.recognizer.probes(pixels, turn)
        return [(probe, self.recognizer.decide(probe, model)) for probe in probes]


class _Detector:
    def __init__(self, detector: Detector, watch: Stopwatch) -> None:
        self._detector, self._watch = detector, watch

    def detect(self, pixels: Image, turn: int | None = None) -> list[Detection]:
        return self._watch.time("detect", self._detector.detect, pixels, turn)


class _Mesh:
    def __init__(self, mesh: Mesh, watch: Stopwatch) -> None:
        self._mesh, self._watch = mesh, watch

    def fit(self, pixels: Image, detection: Detection) -> Face:
        return self._watch.time("mesh", self._mesh.fit, pixels, detection)


class _Embedder:
    def __init__(self, embedder: Embedder, watch: Stopwatch) -> None:
        self._embedder, self._watch = embedder, watch

    @property
    def id(self) -> str:
        return self._embedder.id

    @property
    def alignment(self) -> Alignment:
        return self._embedder.alignment

    def align(self, pixels: Image, mesh: Floats) -> Image:
        return self._watch.time("align", self._embedder.align, pixels, mesh)

    def embed(self, crop: Image) -> Embedding:
        return self._watch.time("embed", self._embedder.embed, crop)
