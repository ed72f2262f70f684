"""One peer of the benchmark as a child process: started, asked, stopped. The other end is `workers/protocol.py`."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from edge.errors import DoorwardError
from edge.inference.machine import memory_mb
from edge.recognition.types import Floats, Image
from trainer.bench.judge import Measure

CLOCKS = ("ms", "cpu_ms")  # time that passed, and time that the whole process computed
_SOURCES = Path(__file__).resolve().parents[2]
_START_SECONDS = 120
_ANSWER_SECONDS = 300  # a block of 16 frames takes the slowest peer known some 8
# Every library that peers are known to use takes its number of threads from one of these.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Launch:
    """How a peer is started. program: with its first arguments; the frames' file and `weights` come behind them."""

    name: str
    program: Sequence[str]
    weights: str = ""
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """For each frame: milliseconds by every one of CLOCKS, and the embedding, None where no face was found."""

    times: Mapping[str, list[float]]
    embeddings: Sequence[Floats | None]


class PeerProcess:
    """A running peer; make one with `start_peer`."""

    def __init__(self, name: str, process: subprocess.Popen[str], log: Path) -> None:
        self.name = name
        self.versions: dict[str, str] = {}
        self.measure: Measure = "cosine"
        self._process = process
        self._log = log

    def hello(self) -> None:
        """Wait until it is ready.

        Raises:
            DoorwardError: it cannot work here; the line says why.
        """
        answer = self._read(_START_SECONDS)
        if "error" in answer:
            raise DoorwardError(f"{self.name}: {answer['error']}")
        self.versions, self.measure = answer["versions"], answer["measure"]

    def ask(self, frames: Sequence[Image]) -> Answer:
        """What it makes of frames of one size, which `write_frames` has put where the peer reads them.

        Raises:
            DoorwardError: it died or hangs.
        """
        height, width = frames[0].shape[:2]
        request = json.dumps({"count": len(frames), "height": height, "width": width})
        try:
            stdin = cast("IO[str]", self._process.stdin)
            stdin.write(request + "\n")
            stdin.flush()
        except OSError as error:
            raise self._died() from error
        answer = self._read(_ANSWER_SECONDS)
        embeddings = [None if e is None else np.asarray(e, np.float32) for e in answer["embeddings"]]
        return Answer({clock: answer[clock] for clock in CLOCKS}, embeddings)

    def peak_mb(self) -> float:
        """The most memory that it has had."""
        return memory_mb("VmHWM", self._process.pid)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        self._process.kill()
        self._process.communicate()

    def _read(self, seconds: float) -> dict[str, Any]:
        patience = threading.Timer(seconds, self._process.kill)
        patience.start()
        try:
            line = cast("IO[str]", self._process.stdout).readline()
        finally:
            patience.cancel()
        if not line:
            raise self._died()
        return cast("dict[str, Any]", json.loads(line))

    def _died(self) -> DoorwardError:
        self._process.wait()
        said = self._log.read_text("utf-8", "replace").strip().splitlines()
        return DoorwardError(f"{self.name}: ended or did not answer ({said[-1] if said else 'it said nothing'})")


def write_frames(frames: Sequence[Image], file: Path) -> None:
    """Put frames where the peers read them."""
    np.stack(frames).tofile(file)


def start_peer(launch: Launch, file: Path) -> PeerProcess:
    """Start a peer with one thread. file: where the frames will be.

    Raises:
        DoorwardError: its program does not exist, or it cannot work here.
    """
    log = file.with_name(f"{launch.name}.log")
    environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": str(_SOURCES), **(launch.environment or {})}
    command = [*launch.program, str(file), *([launch.weights] if launch.weights else [])]
    try:
        with log.open("w") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )
    except OSError as error:
        raise DoorwardError(f"{launch.name}: {launch.program[0]} cannot be started ({error.strerror})") from error
    peer = PeerProcess(launch.name, process, log)
    try:
        peer.hello()
    except DoorwardError:
        peer.stop()
        raise
    return peer
