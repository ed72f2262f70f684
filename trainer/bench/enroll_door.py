"""Runs the door's half of `bench enroll` (`edge/bench/enroll.py`) as a process, and tells its times as rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.contract.bench import Row, spread
from edge.contract.bench_output import progress
from edge.errors import DoorwardError
from trainer.bench.data import Enrollee, FaceData
from trainer.metrics import wilson_interval

ENROLLED, INTO_TABLE, NAMED = "last shot to recognized", "one more person", "recognized on the next frame"
ASKED = "request answered while recognizing"
TOTAL, SUM = "total", "sum"
MS, CPU_MS = "ms", "cpu_ms"
_SHOTS = 3
_SOURCES = Path(__file__).resolve().parents[2]
_SECONDS = 3600


@dataclass(frozen=True, slots=True, eq=False)
class DoorTimes:
    """What the door's half found; see `edge/bench/enroll.py`."""

    steps: Mapping[str, Mapping[str, Sequence[float]]]
    recognized: Sequence[bool]
    refused: int
    tables: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
    requests: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """One for each clock, step and table, and for each kind of request; then the share of visitors recognized."""
        for clock, steps in self.steps.items():
            for step, times in steps.items():
                yield {"measure": ENROLLED, "step": step, "clock": clock, "unit": "ms", **spread(times)}
        for size, clocks in self.tables.items():
            for clock, steps in clocks.items():
                into: Row = {"measure": INTO_TABLE, "people": int(size), "clock": clock, "unit": "ms"}
                for step, times in steps.items():
                    yield {**into, "step": step, **spread(times)}
                yield {**into, "step": SUM, **spread(_sums(steps))}
        for people, kinds in self.requests.items():
            for kind, times in kinds.items():
                asked: Row = {"measure": ASKED, "people": int(people), "step": kind, "clock": MS, "unit": "ms"}
                yield {**asked, **spread(times), "p99": _p99(times), "max": max(times)}
        low, high = wilson_interval(sum(self.recognized), len(self.recognized))
        share = {"n": len(self.recognized), "value": sum(self.recognized) / len(self.recognized)}
        yield {"measure": NAMED, "unit": "share", **share, "low": low, "high": high, "failed": self.refused}

    def summary(self) -> dict[str, float]:
        """The time that somebody waits, what the last table costs over the first, and how the largest house answers."""
        sizes = sorted(self.tables, key=int)
        found = {}
        for end, clock in (("", MS), ("_cpu", CPU_MS)):
            found[f"enroll_to_recognized{end}_ms"] = float(np.median(self.steps[clock][TOTAL]))
            first, last = (float(np.median(_sums(self.tables[size][clock]))) for size in (sizes[0], sizes[-1]))
            found[f"person_{sizes[-1]}_over_person_{sizes[0]}{end}"] = last / first
        if self.requests:
            largest = self.requests[max(self.requests, key=int)]
            found["request_ms_p99"] = _p99([each for times in largest.values() for each in times])
        return found


def time_a_door(
    data: FaceData,
    visitors: Sequence[Enrollee],
    models: Path,
    sizes: Sequence[int],
    repeats: int,
    houses: Sequence[int] = (),
    requests: int = 0,
) -> DoorTimes:
    """Have a door enroll these people, and synthetic ones into tables of these sizes, and ask houses of these many.

    Raises:
        DoorwardError: it failed, or none of the visitors could be enrolled.
    """
    plan = {
        "visitors": [
            {
                "shots": [str(data.face_file(path).resolve()) for path in visitor.shots[:_SHOTS]],
                "probes": [str(data.face_file(path).resolve()) for path in visitor.probes],
            }
            for visitor in visitors
        ],
        "sizes": list(sizes),
        "repeats": repeats,
        "models": str(models.resolve()),
        "houses": list(houses),
        "requests": requests,
    }
    with tempfile.TemporaryDirectory(prefix="doorward-plan-") as folder:
        file = Path(folder) / "plan.json"
        file.write_text(json.dumps(plan), "utf-8")
        found = DoorTimes(**_run([sys.executable, "-m", "edge.bench.enroll", str(file)]))
    if not found.recognized:
        raise DoorwardError(f"{data.folder}: nobody of the enrollment list has pictures that a door would enroll")
    return found


def _run(command: list[str]) -> dict[str, Any]:
    """What it prints. Its progress is passed on; where it fails, the last line that it said is the reason."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_SOURCES), os.environ.get("PYTHONPATH", "")])}
    said = ""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as answer:
        with subprocess.Popen(command, stdout=answer, stderr=subprocess.PIPE, text=True, env=environment) as process:
            patience = threading.Timer(_SECONDS, process.kill)
            patience.start()
            assert process.stderr is not None
            for line in process.stderr:
                said = line.strip() or said
                progress(f"door: {said}")
            patience.cancel()
        if process.returncode:
            raise DoorwardError(f"the door's half of the bench failed: {said or process.returncode}")
        answer.seek(0)
        found: dict[str, Any] = json.load(answer)
    return found


def _p99(times: Sequence[float]) -> float:
    return float(np.quantile(times, 0.99))


def _sums(steps: Mapping[str, Sequence[float]]) -> list[float]:
    """What each enrollment took in all; scoring is the next frame's affair."""
    return [sum(each) for each in zip(*(steps[step] for step in ("commit", "row", "threshold")), strict=True)]
