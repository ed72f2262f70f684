"""Runs a module in a process of its own and takes nothing of it for granted: bounded in time and in what it says.

The job goes in over a pipe, so that no embedding is in a file or on a command line; lines of JSON come back over
another. That the process shuts itself in before it touches anything is its own first step (`confine.py`); whatever then
becomes of it (a crash, no end, no memory) ends it alone, and is told here in a line.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST_SAID = 1 << 20
_MOST_NOISE = 1 << 13
_BLOCK = 1 << 16
_LATE = "it took too long and was ended"
_GRACE_S = 5.0  # for a process that has closed its pipes to be gone
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DOORWARD_RUNTIME")


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended. said: the JSON objects of its lines. problem: why it gave no whole answer, or None.

    outside: the problem may lie outside of it: something killed it (a machine short of memory does), or it was late on
    a machine that is busy; another try may end otherwise.
    """

    said: tuple[Mapping[str, Any], ...]
    problem: str | None
    outside: bool = False


def run_apart(module: str, job: bytes, wall_s: float) -> Ended:
    """Run `python -m module` with `job` on its standard input.

    wall_s: when it is killed at the latest.

    Raises:
        OSError: no process can be started.
    """
    until_s = time.monotonic() + wall_s
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=_environment(os.environ),
        start_new_session=True,
    )
    try:
        said, noise, problem = _talk(process, job, until_s)
    finally:
        _end(process)
    late = problem == _LATE
    killed = problem is None and process.returncode == -signal.SIGKILL
    problem = problem or _problem(process.returncode, noise)
    lines = _lines(said)
    if problem is None and lines is None:
        problem = "it answered what is no JSON"
    return Ended(lines or (), problem, outside=late or killed)


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Little, since some of it may be secret. Threads would stay outside of what a process shuts itself in."""
    sources = str(Path(__file__).resolve().parents[2])
    modules = dict.fromkeys([sources, *(path for path in sys.path if Path(path).is_absolute())])
    kept = {name: ours[name] for name in _KEPT if name in ours}
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **kept,
        **one_thread,
        "PYTHONPATH": os.pathsep.join(modules),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/nonexistent",
        "DOORWARD_DEBUG": "1",  # a runtime's chatter comes over our pipe; to silence it a file would be written to
    }


def _talk(process: subprocess.Popen[bytes], job: bytes, until_s: float) -> tuple[bytes, bytes, str | None]:
    """Hand in the job and take what comes, at the same time: either side may wait for the other."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    heard = {"out": bytearray(), "err": bytearray()}
    left = memoryview(job)
    with selectors.DefaultSelector() as selector:
        for pipe, what in ((process.stdin, "in"), (process.stdout, "out"), (process.stderr, "err")):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_WRITE if what == "in" else selectors.EVENT_READ, what)
        while selector.get_map():
            waits_s = until_s - time.monotonic()
            if waits_s <= 0:
                return bytes(heard["out"]), bytes(heard["err"]), _LATE
            for key, _ in selector.select(waits_s):
                if key.data == "in":
                    left = _hand_in(process.stdin, left)
                    done = not left
                else:
                    done = _hear(key.fd, heard[key.data])
                if done:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]  # it is one of our pipes
            _tail(heard["err"])
            if len(heard["out"]) > _MOST_SAID:
                return b"", bytes(heard["err"]), f"it said more than {_MOST_SAID} bytes and was ended"
    return bytes(heard["out"]), bytes(heard["err"]), None


def _hand_in(pipe: Any, left: memoryview) -> memoryview:
    try:
        return left[os.write(pipe.fileno(), left[:_BLOCK]) :]
    except BlockingIOError:
        return left
    except OSError:
        return left[len(left) :]  # it has ended; why, its end tells


def _hear(descriptor: int, heard: bytearray) -> bool:
    """Whether nothing more will come."""
    try:
        data = os.read(descriptor, _BLOCK)
    except BlockingIOError:
        return False
    heard += data
    return not data


def _tail(noise: bytearray) -> None:
    """Of noise only the latest is kept."""
    del noise[:-_MOST_NOISE]


def _end(process: subprocess.Popen[bytes]) -> None:
    """It, and whatever it may have started."""
    try:
        # With its pipes closed it is on its way out; with one of them open it is not to be waited for.
        silent = process.stdout is not None and process.stdout.closed
        process.wait(_GRACE_S if silent else 0)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _problem(returncode: int, noise: bytes) -> str | None:
    if returncode == 0:
        return None
    if returncode == -signal.SIGXCPU:
        return "it took more processor time than it may"
    if returncode == -signal.SIGKILL:
        return "it was killed"
    last = noise.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no word why"]
    told = "".join(letter if letter.isprintable() else "?" for letter in last[0])[:200]
    if returncode < 0:
        return f"it crashed ({signal.Signals(-returncode).name}; {told})"
    return f"it failed ({told})"


def _lines(said: bytes) -> tuple[Mapping[str, Any], ...] | None:
    """Objects, a line each; None where anything is not one."""
    try:
        found = [json.loads(line) for line in said.splitlines()]
    except (ValueError, RecursionError):
        return None
    return tuple(found) if all(isinstance(line, dict) for line in found) else None
