"""The process in which a head is tried on: shut in, it loads it, times it, and looks for the door's people with it.

`python -m edge.update.tryout` with a job on standard input (`tryout_job.py`); it answers lines of JSON: the step that
it is at, and at last what it found. It judges as far as numbers go; who asks decides (`selftest.py`), and counts a
process that ends without an answer as an answer.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from edge.errors import ModelError
from edge.inference.head import canary_error, load_head, read_description
from edge.inference.tflite import runtime_name
from edge.recognition.plda import Plda
from edge.recognition.types import Embedding
from edge.update.confine import die_with_parent, shut_in
from edge.update.forgotten import compare, look_for_all
from edge.update.tryout_job import Job, unpack

_LEAST_RUNS, _MOST_RUNS, _TIMED_S = 8, 20_000, 0.2
_STATUS = "/proc/self/status"


def main() -> int:
    """See the module. 0 also for a head that is refused: that is an answer."""
    die_with_parent()
    job = unpack(sys.stdin.buffer.read())
    runtime_name()  # which loads the runtime, while libraries can still be loaded from anywhere
    with open(_STATUS, "rb", buffering=0) as status:  # noqa: PTH123  kept open: later no file can be
        missing = shut_in(job.limits, [job.candidate.parent, job.current.parent])
        _say(step="shut_in", missing=missing)
        try:
            _say(**_tried(job, status))
        except ModelError as error:
            _say(step="done", reason=str(error))
        except MemoryError:
            _say(step="done", reason="it takes more memory than it may")
    return 0


def _tried(job: Job, status: Any) -> dict[str, Any]:
    before_mb = _memory_mb(status, "VmRSS")
    _say(step="loading")
    head = load_head(job.candidate, job.embedder_sha256)
    said = read_description(job.candidate)
    _say(step="running")
    worst, project_ms = canary_error(said, head.project), _project_ms(head, said.dim)
    taken_mb = max(_memory_mb(status, "VmHWM") - before_mb, 0.0)
    found: dict[str, Any] = {"canary_error": worst, "project_ms": project_ms, "memory_mb": taken_mb}
    reason = _over(job, found)
    if reason is None and job.people:
        _say(step="looking_for_everybody")
        current = load_head(job.current, job.embedder_sha256)
        now, then = (look_for_all(one, job.people, job.target_fpir) for one in (head, current))
        forgotten = compare([who.person for who in job.people], then, now)
        reason, found = forgotten.reason, {**found, **asdict(forgotten)}
    return {**found, "step": "done", "reason": reason}


def _over(job: Job, found: dict[str, Any]) -> str | None:
    """What exceeds the budget."""
    for key, most, unit in (
        ("project_ms", job.budget.project_ms, "ms for one projection"),
        ("memory_mb", job.budget.memory_mb, "MB of memory"),
    ):
        if not found[key] <= most:
            return f"takes {found[key]:.3g} {unit}; at most {most:g} are allowed"
    return None


def _project_ms(head: Plda, dim: int) -> float:
    """Mean processor time of a projection, which a busy machine does not make longer; its clock may tick in 10 ms."""
    random = np.random.default_rng(0)
    probes = [Embedding(x / np.linalg.norm(x), 1.0) for x in random.standard_normal((16, dim)).astype(np.float32)]
    began_s, runs = time.process_time(), 0
    while runs < _LEAST_RUNS or (runs < _MOST_RUNS and time.process_time() - began_s < _TIMED_S):
        head.project(probes[runs % len(probes)])
        runs += 1
    return 1e3 * (time.process_time() - began_s) / runs


def _memory_mb(status: Any, field: str) -> float:
    status.seek(0)
    lines = status.read().decode("ascii", "replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def _say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
