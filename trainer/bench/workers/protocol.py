"""The loop that every peer's process runs: frames come in a file, times and embeddings go back as lines of JSON.

One hello first, `{"name", "versions", "measure"}` or `{"error"}`; then for each request `{"count", "height", "width"}`
one answer `{"ms": [...], "cpu_ms": [...], "embeddings": [[...] or null, ...]}`. The caller writes the frames, RGB uint8
one after the other, into the file before it asks. A frame is copied into memory before its time begins. ms is the time
that passed; cpu_ms is what the whole process computed meanwhile, which other programs on the machine hardly change and
which betrays a second thread.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Worker:
    """A peer that is ready.

    embed: one RGB frame, `(H, W, 3)` uint8, to the embedding of the face nearest its centre; None where none is found.
    versions: of what it stands on, by package. measure: how two of its embeddings are compared.
    """

    name: str
    versions: Mapping[str, str]
    measure: str
    embed: Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]] | None]


def serve(start: Callable[[str], Worker]) -> int:
    """Run the loop. start: makes the worker from the weights' folder, which may be empty."""
    answers = _own_stdout()
    frames, weights = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    try:
        worker = start(weights)
    except Exception as error:  # noqa: BLE001 - whatever a peer's package raises, the caller is told in one line
        _say(answers, {"error": " ".join(f"{type(error).__name__}: {error}".split())})
        return 1
    _say(answers, {"name": worker.name, "versions": dict(worker.versions), "measure": worker.measure})
    for line in sys.stdin:
        _say(answers, _answer(worker, frames, json.loads(line)))
    return 0


def _answer(worker: Worker, frames: str, request: dict[str, int]) -> dict[str, Any]:
    shape = (request["count"], request["height"], request["width"], 3)
    times: list[float] = []
    cpu_times: list[float] = []
    embeddings: list[list[float] | None] = []
    for frame in np.fromfile(frames, np.uint8, int(np.prod(shape))).reshape(shape):
        own = frame.copy()
        start, cpu_start = time.perf_counter(), time.process_time()
        embedding = worker.embed(own)
        cpu_times.append((time.process_time() - cpu_start) * 1000)
        times.append((time.perf_counter() - start) * 1000)
        embeddings.append(None if embedding is None else [float(v) for v in embedding])
    return {"ms": times, "cpu_ms": cpu_times, "embeddings": embeddings}


def _own_stdout() -> TextIO:
    """Standard output for the answers alone: what a peer's library prints goes to standard error instead."""
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return kept


def _say(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()
