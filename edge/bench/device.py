"""`doorward bench`: the time for each step of a frame on this device, the whole way, memory, and the time to be ready.

The line measured is the door's own, with a stopwatch around each model: steps and whole come from the same frames.
Frames hold one face each, from the pictures that ship. Camera, templates on disk and broker are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from edge import __version__
from edge.adapters.pictures import read_picture
from edge.bench.line import Stopwatch, TimedLine
from edge.bench.process import FRAMES, write_scene
from edge.compose import active_model, head_for, recognizer
from edge.contract.bench import BenchReport, Row, spread
from edge.contract.bench_output import add_output_options, deliver, progress
from edge.errors import DoorwardError
from edge.inference.machine import commit, this_machine
from edge.inference.spec import load_manifest
from edge.inference.tflite import runtime_name
from edge.recognition.recognizer import ActiveModel, Recognizer
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Exemplar, Floats, Image
from edge.settings import load_settings
from edge.settings.slices import RecognitionSettings

PICTURES = Path(__file__).parents[1] / "demo" / "pictures"
_WIDTH, _HEIGHT, _GREY = 640, 480, 127
# Shares of the frame's height that a picture fills: somebody right at the door, and a few steps away.
_SIZES = (1.0, 0.7)
_THREADS = (1, 2)
_TABLES = (1, 100, 1000)  # people
_TABLE = 100  # people of the whole way's table
_STEPS = ("detect", "mesh", "align", "embed", *(f"score {size}" for size in _TABLES), "frame")
# A runtime's helper threads go on spinning for some ms after their work, on the very cores that the next line needs.
_SETTLE_S = 0.05
_COLD_SECONDS = 120  # a Zero 2 W with a slow card needs some 20
_VISITOR = "visitor"
_NOTES = (
    f"Frames of {_WIDTH}x{_HEIGHT}, as a stream, with one face each; value is the median, low and high the quartiles.",
    f"frame: detect, mesh, quality, align, embed and score against {_TABLE} people, without the camera.",
    "nobody: a frame without a face, in which far faces are searched in one half of the frame more.",
    "computed: what the process computed meanwhile, on all its threads; other programs hardly change it.",
    f"cold_start: from starting Python to the first recognition, {_TABLE} people, threshold calibrated, files cached.",
    f"rss: of that process after {FRAMES} more frames; peak: the most it had. Neither has store, camera or broker.",
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured. rounds: times that each frame is seen. cold: fresh processes."""

    rounds: int
    cold: int


FULL, QUICK = Effort(rounds=60, cold=7), Effort(rounds=4, cold=2)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A frame that holds one face which the door can tell, and the embedding of that face."""

    name: str
    pixels: Image
    embedding: Embedding


def add_bench_command(subparsers: Any) -> None:
    """Put `bench` among the commands."""
    parser = subparsers.add_parser(
        "bench", help="measure this device: time for each step of a frame, memory, time to be ready"
    )
    add_output_options(parser)
    parser.set_defaults(run=run_bench)


def run_bench(arguments: argparse.Namespace) -> int:
    """Measure with the door's own settings, print, and write the files that were asked for."""
    settings = load_settings(arguments.settings).recognition
    effort = QUICK if arguments.quick else FULL
    scenes = find_scenes(PICTURES, recognizer(settings))
    empty = find_empty(PICTURES, recognizer(settings))
    lines, quiet = ({threads: TimedLine(settings, threads) for threads in _THREADS} for _ in range(2))
    head = head_for(settings)
    tables = {size: table(settings, head, scenes, size) for size in _TABLES}
    for seed in range(arguments.seeds):
        watch_frames(lines, scenes, tables, effort.rounds, seed)
        watch_nobody(quiet, empty, tables[_TABLE], effort.rounds, seed)
    colds = list(cold_starts(scenes, arguments.settings, effort.cold * arguments.seeds))
    deliver(_report(settings, lines, quiet, colds, arguments), arguments)
    return 0


def find_scenes(folder: Path, line: Recognizer) -> list[Scene]:
    """The folder's pictures, pasted into frames, as far as each then shows one face that is good enough to tell.

    Raises:
        DoorwardError: there is none.
        PictureError: a file there is no picture.
    """
    scenes = []
    for file in sorted(folder.glob("*.jpg")):
        for size in _SIZES:
            pixels = pasted(read_picture(file), size)
            probes = line.probes(pixels)
            if len(probes) == 1 and line.refusal(probes[0]) is None:
                scenes.append(Scene(f"{file.stem} {size:.0%}", pixels, probes[0].embedding))
    if not scenes:
        raise DoorwardError(
            f"{folder}: no picture there shows one face that these settings can tell; reinstall Doorward"
        )
    return scenes


def find_empty(folder: Path, line: Recognizer) -> list[Image]:
    """The folder's pictures in which nobody is found, as frames.

    Raises:
        DoorwardError: there is none.
        PictureError: a file there is no picture.
    """
    frames = (pasted(read_picture(file), 1.0) for file in sorted(folder.glob("*.jpg")))
    empty = [pixels for pixels in frames if not line.faces(pixels)]
    if not empty:
        raise DoorwardError(f"{folder}: every picture there shows somebody; reinstall Doorward")
    return empty


def pasted(picture: Image, size: float) -> Image:
    """The picture in the middle of a grey 640 x 480 frame. size: of the frame's height, 0..1."""
    scale = min(size * _HEIGHT / picture.shape[0], _WIDTH / picture.shape[1])
    width, height = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    frame = Pillow.new("RGB", (_WIDTH, _HEIGHT), (_GREY,) * 3)
    small = Pillow.fromarray(picture).resize((width, height), Pillow.Resampling.BICUBIC)
    frame.paste(small, ((_WIDTH - width) // 2, (_HEIGHT - height) // 2))
    return np.asarray(frame)


def synthetic_people(count: int, dim: int, seed: int) -> Floats:
    """Unit vectors in random directions, `(count, dim)`: a table's time depends on nothing else."""
    drawn = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def table(settings: RecognitionSettings, head: Head, scenes: Sequence[Scene], size: int) -> ActiveModel:
    """The visitor of the first scene and synthetic people up to `size`, under the door's head and threshold."""
    names, embeddings = _people(scenes[0], size)
    people = zip(names, embeddings, strict=True)
    return active_model(settings, head, [Exemplar(name, Embedding(x, 1.0)) for name, x in people])


def watch_frames(
    lines: Mapping[int, TimedLine], scenes: Sequence[Scene], tables: Mapping[int, ActiveModel], rounds: int, seed: int
) -> None:
    """Send every frame through every line `rounds` times, each time in another order.

    Numbers of threads take turns from round to round, so that whatever else the machine does falls on all alike.
    """
    random = np.random.default_rng(seed)
    for number in range(rounds):
        for line in _in_turns(random, lines, scenes[0].pixels, tables[_TABLE]):
            for place in random.permutation(len(scenes)):
                line.see(scenes[place].pixels, tables[_TABLE], number)
                for size, model in tables.items():
                    line.score(scenes[place].embedding, model, f"score {size}")
        progress(f"frames, order {seed + 1}: round {number + 1} of {rounds}")


def watch_nobody(
    lines: Mapping[int, TimedLine], frames: Sequence[Image], model: ActiveModel, rounds: int, seed: int
) -> None:
    """The same for frames in which nobody is, as most of a door's are."""
    random = np.random.default_rng(seed)
    for number in range(rounds):
        for line in _in_turns(random, lines, frames[0], model):
            for place in random.permutation(len(frames)):
                line.see(frames[place], model, number)


def cold_starts(scenes: Sequence[Scene], settings_file: Path | None, count: int) -> Iterator[dict[str, float]]:
    """Start a process afresh, and again: `cold_start` in ms until it recognized the visitor, then `rss` and `peak`, MB.

    Raises:
        DoorwardError: it failed, hung, or did not recognize the visitor.
    """
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as folder:
        scene = Path(folder) / "scene.npz"
        write_scene(scene, scenes[0].pixels, *_people(scenes[0], _TABLE))
        for number in range(count):
            yield _cold_start([str(scene), *([str(settings_file)] if settings_file else [])])
            progress(f"cold start: {number + 1} of {count}")


def _people(scene: Scene, size: int) -> tuple[list[str], Floats]:
    others = synthetic_people(size - 1, len(scene.embedding.x), seed=size)
    return [_VISITOR, *(f"synthetic {n}" for n in range(size - 1))], np.vstack([scene.embedding.x[None], others])


def _in_turns(
    random: np.random.Generator, lines: Mapping[int, TimedLine], pixels: Image, model: ActiveModel
) -> Iterator[TimedLine]:
    """Every line once, in random order and each of them warm: a first look, which sets up kernels, is not counted."""
    for threads in random.permutation(list(lines)):
        line = lines[int(threads)]
        time.sleep(_SETTLE_S)
        with line.watch.paused():
            line.see(pixels, model, 0)
        yield line


def _cold_start(arguments: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "edge.bench.process", *arguments]
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        patience = threading.Timer(_COLD_SECONDS, process.kill)
        patience.start()
        assert process.stdout is not None
        first = process.stdout.readline()
        milliseconds = (time.perf_counter() - start) * 1000
        rest, errors = process.communicate()
        patience.cancel()
    if process.returncode:
        lines = errors.strip().splitlines()
        reason = lines[-1] if lines and process.returncode > 0 else f"no answer within {_COLD_SECONDS} s"
        raise DoorwardError(f"a fresh process could not recognize anybody: {reason}")
    if (found := json.loads(first)["recognized"]) != _VISITOR:
        raise DoorwardError(f"a fresh process should recognize {_VISITOR!r} but says {found!r}; check the settings")
    memory = json.loads(rest)
    return {"cold_start": milliseconds, "rss": memory["rss_mb"], "peak": memory["peak_mb"]}


def _environment() -> dict[str, str]:
    """Ours, with the folder of this very package first, wherever the command was started."""
    sources = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [sources, os.environ.get("PYTHONPATH")]))}


def _report(
    settings: RecognitionSettings,
    lines: Mapping[int, TimedLine],
    quiet: Mapping[int, TimedLine],
    colds: Sequence[Mapping[str, float]],
    arguments: argparse.Namespace,
) -> BenchReport:
    rows = [row for n in _THREADS for row in _time_rows(n, lines[n].watch, quiet[n].watch)]
    rows += [_cold_row(step, unit, colds) for step, unit in (("cold_start", "ms"), ("rss", "MB"), ("peak", "MB"))]
    return BenchReport(
        bench="door",
        version=__version__,
        commit=commit(),
        machine=this_machine(runtime_name()),
        settings=_told(settings, arguments),
        rows=tuple(rows),
        summary=_summary(lines, quiet, colds),
        notes=_NOTES,
    )


def _time_rows(threads: int, watch: Stopwatch, quiet: Stopwatch) -> Iterator[Row]:
    for step in _STEPS:
        yield {"step": step, "threads": threads, "unit": "ms", **spread(watch.times[step])}
    yield {"step": "frame, computed", "threads": threads, "unit": "ms", **spread(watch.cpu_times["frame"])}
    yield {"step": "nobody", "threads": threads, "unit": "ms", **spread(quiet.times["frame"])}
    yield {"step": "nobody, computed", "threads": threads, "unit": "ms", **spread(quiet.cpu_times["frame"])}


def _cold_row(step: str, unit: str, colds: Sequence[Mapping[str, float]]) -> Row:
    return {"step": step, "threads": None, "unit": unit, **spread([cold[step] for cold in colds])}


def _summary(
    lines: Mapping[int, TimedLine], quiet: Mapping[int, TimedLine], colds: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    one, two = ({step: spread(lines[n].watch.times[step])["value"] for step in _STEPS} for n in _THREADS)
    return {
        **{f"{step}_ms": one[step] for step in ("detect", "mesh", "align", "embed")},
        "score_ms": one[f"score {_TABLE}"],
        "frame_ms": one["frame"],
        "frame_cpu_ms": spread(lines[1].watch.cpu_times["frame"])["value"],
        "nobody_ms": spread(quiet[1].watch.times["frame"])["value"],
        "frames_per_s": 1000 / one["frame"],
        "frames_per_s_2_threads": 1000 / two["frame"],
        "rss_mb": spread([cold["rss"] for cold in colds])["value"],
        "cold_start_ms": spread([cold["cold_start"] for cold in colds])["value"],
    }


def _told(settings: RecognitionSettings, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "detector": load_manifest().pick("detector", settings.detector).name,
        "embedder": (embedder := load_manifest().pick("embedder", settings.embedder)).name,
        "embedder_sha256": embedder.sha256,
        "quick": arguments.quick,
        "seeds": arguments.seeds,
    }
