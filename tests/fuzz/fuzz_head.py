"""Mutants of a signed head against the door that tries them on: `python tests/fuzz/fuzz_head.py --mutants 5000`.

Each is first looked at as a door does, in this process, which must refuse or accept it within a second or two and raise
nothing else. What is accepted is tried on in a process that shuts itself in; there it may crash or hang, and is then
refused. What passes even that is loaded and run in a process that stands for the daemon, where nothing may happen.

It ends with 1 at the first crash, hang or strange exception outside of the shut-in process, and leaves the mutant.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# Before numpy is loaded: a process that shuts itself in has one thread, and is not let make others.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from edge.inference.head import canary_error, load_head, read_description
from edge.update import tryout
from edge.update.confine import Limits
from edge.update.flatbuffer import MalformedError
from edge.update.forgotten import Enrolled
from edge.update.model_check import check_bytes, head_rules
from edge.update.tryout_job import Budget, Job, pack
from tests.fakes.head_releases import DIM, EMBEDDER, MODEL, SHIPPED, drawn_people, write_head
from tests.fuzz.head_mutants import mutants

_SLOWEST_LOOK_S = 2.0
_PATIENCE_S = 60.0
_AT_A_TIME = 500


class FoundError(AssertionError):
    """A mutant that does harm outside of where it is shut in."""


@dataclass
class Tally:
    """What became of mutants. slowest_look_s: of the looks without a runtime."""

    ends: Counter[str] = field(default_factory=Counter)
    slowest_look_s: float = 0.0

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in self.ends.most_common())
        return f"{self.ends.total()} mutants: {ends}; slowest look {1e3 * self.slowest_look_s:.0f} ms"


def fuzz(count: int, seed: int, folder: Path, tally: Tally) -> None:
    """Try so many mutants.

    Raises:
        FoundError: one does harm; it is left in `folder`.
    """
    people = tuple(drawn_people(3))
    for mutant in islice(mutants(MODEL, seed), count):
        (folder / "mutant.tflite").write_bytes(mutant)
        began_s = time.monotonic()
        accepted = _looked_at(mutant)
        took_s = time.monotonic() - began_s
        tally.slowest_look_s = max(tally.slowest_look_s, took_s)
        if took_s > _SLOWEST_LOOK_S:
            raise FoundError(f"a look took {took_s:.1f} s")
        tally.ends[_tried_on(mutant, folder, people) if accepted else "refused by a look"] += 1


def _looked_at(mutant: bytes) -> bool:
    try:
        check_bytes(mutant, head_rules(DIM))
    except MalformedError as error:
        if "\n" in str(error) or not str(error):
            raise FoundError(f"no line: {error!r}") from error
        return False
    except Exception as error:
        raise FoundError(f"a look raised {error!r}") from error
    return True


def _tried_on(mutant: bytes, folder: Path, people: tuple[Enrolled, ...]) -> str:
    """With the canaries of the head that it was made from, and its own hash in a description that counts as signed."""
    description = write_head(folder / "head", mutant)
    job = Job(description, SHIPPED, EMBEDDER.sha256, 0.01, people, Limits(256, 20), Budget(10, 64))
    status, said = _forked(lambda: _shut_in(pack(job)))
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name} where it was shut in"
    answer = json.loads(said.splitlines()[-1]) if said else {}
    if os.WEXITSTATUS(status) or answer.get("step") != "done":
        return "ended without an answer where it was shut in"
    if answer["reason"] is not None:
        return "refused by the self-test"
    status, said = _forked(lambda: _as_the_daemon(description))
    if status != 0 or said != b"fine":
        raise FoundError(f"passed, and in the daemon ended with {status} ({said!r})")
    return "passed as good as the head"


def _shut_in(job: bytes) -> None:
    """What `python -m edge.update.tryout` does; a fork saves the time that it takes to start Python."""
    sys.stdin = io.TextIOWrapper(io.BytesIO(job))
    if tryout.main() != 0:
        raise SystemExit(1)


def _as_the_daemon(description: Path) -> None:
    head = load_head(description, EMBEDDER.sha256)
    if canary_error(read_description(description), head.project) < 1:
        print("fine", end="", flush=True)


def _forked(do: Callable[[], Any]) -> tuple[int, bytes]:
    """How a process ended, and what it said.

    Raises:
        FoundError: it did not end by itself.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writer, 1)
            sys.stdout = os.fdopen(1, "w")
            os.close(reader)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.environ["DOORWARD_DEBUG"] = "1"
            do()
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(int(_PATIENCE_S))
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if not signal.alarm(0):
        raise FoundError(f"a process did not end within {_PATIENCE_S:.0f} s")
    return status, said


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder, tally = Path(tempfile.mkdtemp(prefix="fuzz-head-")), Tally()
    try:
        for start in range(0, arguments.mutants, _AT_A_TIME):
            fuzz(min(_AT_A_TIME, arguments.mutants - start), arguments.seed + start, folder, tally)
            print(tally, flush=True)
    except FoundError as error:
        print(f"FOUND: {error}\nthe mutant is {folder / 'mutant.tflite'}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
