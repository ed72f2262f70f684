"""`doorward-trainer bench peers`: Doorward's whole way beside other programs', on the same pictures in one run.

Each peer is a process of its own with one thread. Blocks of pictures come in random order, and within each block the
peers take turns in random order, one at a time: whatever else the machine does falls on all alike. A decoded frame goes
in, the embedding of the face nearest its centre comes out. How pairs are judged is left to `judge.py`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from edge import __version__
from edge.adapters.pictures import read_picture
from edge.contract.bench import BenchReport, Cell, Row, spread
from edge.contract.bench_output import deliver, progress
from edge.errors import DoorwardError
from edge.inference.machine import commit, this_machine
from edge.inference.spec import load_manifest
from edge.inference.tflite import runtime_name
from edge.recognition.types import Floats, Image
from trainer.bench.data import FaceData, open_data, sample
from trainer.bench.judge import judge
from trainer.bench.process import CLOCKS, Launch, PeerProcess, start_peer, write_frames
from trainer.embedder.pairs import Figure, PairList

PAIR_LIST = "balanced"
OURS, DLIB = "doorward", "face_recognition"
PICTURE, FRAME = "picture", "640x480"  # as it comes, and pasted into a frame as a door's camera gives it
_WIDTH, _HEIGHT = 640, 480
_BLOCK = 16
_FRAMES, _QUICK_FRAMES, _QUICK_PER_FOLD = 480, 16, 2
_RESAMPLES = 1000
# What is behind a ratio's name in the summary, and the row that it is of.
_RATIOS = {
    "": f"ratio ms {FRAME}",
    "_cpu": f"ratio cpu_ms {FRAME}",
    "_picture": f"ratio ms {PICTURE}",
    "_picture_cpu": f"ratio cpu_ms {PICTURE}",
}
_WORKERS = Path(__file__).parent / "workers"
_NOTES = (
    "ms: time that passed, median over pictures; low and high are the quartiles.",
    "cpu_ms: time that the process computed meanwhile, which other programs hardly change; above ms, it had threads.",
    "ratio: a peer's median over ours, 95 % bootstrap over blocks; above 1 Doorward is faster.",
    "The summary's ratios are of 640x480 frames, those named picture of pictures as they come (250x250 in LFW).",
    "acc: 10 folds on the balanced pairs, pictures as they come; a face not found fails its pairs.",
    "acc_found leaves pairs with such a face out.",
    "The persons are public figures who probably sit in every embedder's training set: accuracies are optimistic.",
)


@dataclass(slots=True, eq=False)
class Entrant:
    """One peer with what it did. times: by clock and kind of frame, one list of ms for each block."""

    process: PeerProcess
    times: dict[tuple[str, str], list[list[float]]] = field(default_factory=lambda: defaultdict(list))
    found: dict[str, int] = field(default_factory=lambda: {PICTURE: 0, FRAME: 0})
    vectors: dict[str, Floats] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.process.name

    def blocks(self, kind: str) -> int:
        return len(self.times["ms", kind])

    def all_times(self, clock: str, kind: str) -> list[float]:
        return [ms for block in self.times[clock, kind] for ms in block]

    def median(self, clock: str, kind: str, blocks: Sequence[int]) -> float:
        """Milliseconds a frame over some blocks, each as often as it is named."""
        return float(np.median(np.concatenate([self.times[clock, kind][block] for block in blocks])))


def run_peers(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files that were asked for."""
    data = open_data(arguments.data)
    pairs = data.pairs(PAIR_LIST)
    if arguments.quick:
        pairs = sample(pairs, _QUICK_PER_FOLD)
    with tempfile.TemporaryDirectory(prefix="doorward-peers-") as folder, ExitStack() as stack:
        file = Path(folder) / "frames"
        entrants, skipped = _start(list(launches(arguments)), file, stack)
        for seed in range(arguments.seeds):
            measure(data, pairs, entrants, file, _QUICK_FRAMES if arguments.quick else _FRAMES, seed)
        report = _report(pairs, entrants, skipped, arguments)
    deliver(report, arguments)
    return 0


def launches(arguments: argparse.Namespace) -> Iterator[Launch]:
    """Doorward first, then all peers that are known, whether or not they are here."""
    weights = arguments.peers or arguments.data.resolve().parent / "peers"
    yield Launch(OURS, _python(sys.executable, "ours"), str(arguments.models))
    yield Launch(DLIB, _python(arguments.peer_python, "dlib_peer"))
    yield Launch("opencv_yunet", _python(arguments.peer_python, "opencv_peer"), str(weights))
    modules = {"NODE_PATH": str(arguments.peer_node.resolve() / "node_modules")} if arguments.peer_node else None
    yield Launch("face_api", ["node", str(_WORKERS / "face_api.cjs")], environment=modules)


def measure(data: FaceData, pairs: PairList, entrants: Sequence[Entrant], file: Path, frames: int, seed: int) -> None:
    """Send all pictures of the pairs, and some of them in frames, through every entrant."""
    random = np.random.default_rng(seed)
    paths = [str(path) for path in random.permutation(sorted(pairs.paths))]
    backgrounds = data.backgrounds()
    plan = [(PICTURE, block) for block in _blocks(paths)] + [(FRAME, block) for block in _blocks(paths[:frames])]
    _warm_up([data.face(path) for path in paths[:4]], entrants, file)
    for number, place in enumerate(random.permutation(len(plan)), 1):
        kind, block = plan[place]
        pictures = [data.face(path) for path in block]
        if kind == FRAME:
            pictures = [in_frame(p, read_picture(backgrounds[random.integers(len(backgrounds))])) for p in pictures]
        for same_size, names in _by_size(pictures, block):
            write_frames(same_size, file)
            for turn in random.permutation(len(entrants)):
                _take(entrants[turn], kind, same_size, names)
        if number % 10 == 0 or number == len(plan):
            progress(f"blocks: {number} of {len(plan)}")


def in_frame(picture: Image, background: Image) -> Image:
    """The picture in the middle of a 640 x 480 frame of a place without people."""
    frame = Pillow.fromarray(background).resize((_WIDTH, _HEIGHT), Pillow.Resampling.BICUBIC)
    small = Pillow.fromarray(picture)
    small.thumbnail((_WIDTH, _HEIGHT))
    frame.paste(small, ((_WIDTH - small.width) // 2, (_HEIGHT - small.height) // 2))
    return np.asarray(frame)


def ratio(peer: Entrant, ours: Entrant, clock: str, kind: str) -> Figure:
    """The peer's median time over ours, with its 95 % interval from blocks drawn with replacement."""
    blocks = ours.blocks(kind)
    random = np.random.default_rng(0)
    drawn = [random.integers(0, blocks, blocks).tolist() for _ in range(_RESAMPLES)]
    ratios = [peer.median(clock, kind, d) / ours.median(clock, kind, d) for d in [list(range(blocks)), *drawn]]
    low, high = np.percentile(ratios[1:], [2.5, 97.5])
    return Figure(ratios[0], float(low), float(high))


def _python(program: str, module: str) -> list[str]:
    return [program, "-m", f"trainer.bench.workers.{module}"]


def _start(wanted: Sequence[Launch], file: Path, stack: ExitStack) -> tuple[list[Entrant], dict[str, str]]:
    """Those that run, and why the others do not. Doorward itself must run."""
    entrants, skipped = [], {}
    for launch in wanted:
        try:
            process = start_peer(launch, file)
        except DoorwardError as error:
            if launch.name == OURS:
                raise
            skipped[launch.name] = str(error)
            progress(f"skipped {error}")
            continue
        stack.callback(process.stop)
        entrants.append(Entrant(process))
    return entrants, skipped


def _blocks(paths: Sequence[str]) -> list[Sequence[str]]:
    return [paths[start : start + _BLOCK] for start in range(0, len(paths), _BLOCK)]


def _by_size(pictures: Sequence[Image], names: Sequence[str]) -> Iterator[tuple[list[Image], list[str]]]:
    """A block's pictures, those of one size together, as the peers take them."""
    for size in sorted({picture.shape for picture in pictures}):
        chosen = [(p, n) for p, n in zip(pictures, names, strict=True) if p.shape == size]
        yield [p for p, _ in chosen], [n for _, n in chosen]


def _warm_up(pictures: Sequence[Image], entrants: Sequence[Entrant], file: Path) -> None:
    """First inferences set up kernels and memory; they are not counted."""
    for same_size, _ in _by_size(pictures, [""] * len(pictures)):
        write_frames(same_size, file)
        for entrant in entrants:
            entrant.process.ask(same_size)


def _take(entrant: Entrant, kind: str, frames: Sequence[Image], names: Sequence[str]) -> None:
    answer = entrant.process.ask(frames)
    for clock, times in answer.times.items():
        entrant.times[clock, kind].append(times)
    for name, embedding in zip(names, answer.embeddings, strict=True):
        if embedding is not None:
            entrant.found[kind] += 1
            if kind == PICTURE:
                entrant.vectors[name] = embedding


def _report(
    pairs: PairList, entrants: Sequence[Entrant], skipped: Mapping[str, str], arguments: argparse.Namespace
) -> BenchReport:
    ours = entrants[0]
    rows = [row for entrant in entrants for row in _rows(entrant, ours, pairs)]
    rows += [{"peer": name, "measure": "skipped", "why": why} for name, why in skipped.items()]
    embedder = load_manifest(arguments.models).pick("embedder")
    settings: dict[str, Cell] = {
        "data": str(arguments.data),
        "embedder": embedder.name,
        "embedder_sha256": embedder.sha256,
        "pictures": len(pairs.paths),
        "frames": len(ours.all_times("ms", FRAME)),
        "block": _BLOCK,
        "quick": arguments.quick,
        "seeds": arguments.seeds,
        **{f"versions {e.name}": ", ".join(f"{k} {v}" for k, v in e.process.versions.items()) for e in entrants},
    }
    machine = this_machine(runtime_name())
    return BenchReport("peers", __version__, commit(), machine, settings, tuple(rows), _summary(rows), _NOTES)


def _rows(entrant: Entrant, ours: Entrant, pairs: PairList) -> Iterator[Row]:
    who: dict[str, Cell] = {"peer": entrant.name}
    verdict = judge(pairs, entrant.vectors, entrant.process.measure)
    yield {
        **who,
        "measure": "acc",
        "unit": "share",
        "n": verdict.pairs,
        "value": verdict.accuracy.value,
        "low": verdict.accuracy.low,
        "high": verdict.accuracy.high,
        "failed": verdict.failed,
    }
    alone = verdict.accuracy_found
    measured = {"n": verdict.pairs - verdict.failed, "value": alone.value, "low": alone.low, "high": alone.high}
    yield {**who, "measure": "acc_found", "unit": "share", **measured}
    for kind in (PICTURE, FRAME):
        for clock in CLOCKS:
            yield from _time_rows(who, entrant, ours, clock, kind)
    yield {**who, "measure": "peak_rss", "unit": "MB", "n": 1, "value": entrant.process.peak_mb()}


def _time_rows(who: Row, entrant: Entrant, ours: Entrant, clock: str, kind: str) -> Iterator[Row]:
    times = entrant.all_times(clock, kind)
    blind = len(times) - entrant.found[kind]
    yield {**who, "measure": f"{clock} {kind}", "unit": "ms", **spread(times), "failed": blind}
    if entrant is not ours:
        figure = ratio(entrant, ours, clock, kind)
        measured = {"n": entrant.blocks(kind), "value": figure.value, "low": figure.low, "high": figure.high}
        yield {**who, "measure": f"ratio {clock} {kind}", "unit": "ratio", **measured}


def _summary(rows: Sequence[Row]) -> dict[str, float]:
    """What could be measured; a peer that is not here has no figures."""
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if isinstance(value := row.get("value"), int | float):
            values[str(row["peer"])][str(row["measure"])] = float(value)
    ours = values.pop(OURS)
    summary = {"acc": ours["acc"], "ms": ours[f"ms {FRAME}"], "cpu_ms": ours[f"cpu_ms {FRAME}"]}
    if DLIB in values:
        summary["acc_dlib"] = values[DLIB]["acc"]
        summary |= {f"ratio_dlib{end}": values[DLIB][measure] for end, measure in _RATIOS.items()}
    if values:
        summary["acc_best_peer"] = max(peer["acc"] for peer in values.values())
        fastest = {end: min(peer[measure] for peer in values.values()) for end, measure in _RATIOS.items()}
        summary |= {f"ratio_fastest{end}": value for end, value in fastest.items()}
    return summary
