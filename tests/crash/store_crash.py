"""The template store under fire: `python -m tests.crash.store_crash` (or `make crash`), some minutes long.

Three trials. Each ends at the first thing that is lost, by half or unreadable, and leaves the store for a look:
- kills: kill -9 at a worker that enrolls, adds, renames, merges, parts, rejects, undoes and erases (`kills.py`);
- images: power cuts of a real ext4 on a loop device, which needs root (`loop_images.py`);
- replays: power cuts with unsettled writes dropped, reordered and torn, which needs strace (`replays.py`).

Exit codes: 0 nothing was lost; 1 something was; 2 what a trial needs is missing here: `--images 0` leaves it out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from tests.crash.aftermath import LostError, Tally
from tests.crash.kills import Siege
from tests.crash.loop_images import images, loop_missing
from tests.crash.replays import ReplayTally, replay
from tests.crash.trace import record, strace_missing

_CHANGES_PER_RECORDING = 60
_REPLAYS_PER_RECORDING = 500

Trial: TypeAlias = Callable[[Path, int, int], Iterator[Tally]]
"""From a scratch folder, a seed and how many; the tally after each."""


def main() -> int:
    """See the module's text."""
    arguments = _parser().parse_args()
    trials: dict[str, tuple[int, Trial, str | None]] = {
        "kills": (arguments.kills, kills, None),
        "images": (arguments.images, images, loop_missing() if arguments.images else None),
        "replays": (arguments.replays, replays, strace_missing() if arguments.replays else None),
    }
    missing = [f"{name}: {reason}" for name, (_, _, reason) in trials.items() if reason is not None]
    if missing:
        print("\n".join(missing), file=sys.stderr)
        return 2
    scratch = Path(tempfile.mkdtemp(prefix="store-crash-", dir=arguments.folder))
    figures: dict[str, Any] = {"seed": arguments.seed}
    try:
        for name, (most, trial, _) in trials.items():
            if most == 0:
                print(f"{name}: left out")
                continue
            figures[name] = _tried(name, trial, scratch / name, arguments.seed, most)
    except LostError as error:
        print(f"LOST: {error}\nthe store is left in {scratch}", file=sys.stderr)
        return 1
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    shutil.rmtree(scratch)
    return 0


def kills(scratch: Path, seed: int, most: int) -> Iterator[Tally]:
    """One store, killed so many times."""
    siege = Siege(scratch, seed)
    for _ in range(most):
        siege.kill()
        yield siege.tally


def replays(scratch: Path, seed: int, most: int) -> Iterator[Tally]:
    """Several recordings, each with power cuts at some hundred places."""
    tally = ReplayTally()
    for number, start in enumerate(range(0, most, _REPLAYS_PER_RECORDING)):
        recorded = scratch / f"recorded-{number}"
        recorded.mkdir()
        calls = record(recorded, seed + number, _CHANGES_PER_RECORDING)
        yield from replay(calls, recorded, scratch, seed, min(_REPLAYS_PER_RECORDING, most - start), tally)


def _tried(name: str, trial: Trial, scratch: Path, seed: int, most: int) -> dict[str, Any]:
    scratch.mkdir(mode=0o700)
    started = time.monotonic()
    step = max(1, most // 10)
    figures: dict[str, Any] = {}
    for number, tally in enumerate(trial(scratch, seed, most), start=1):
        if number % step == 0:
            print(f"{name}: {number} of {most}, {time.monotonic() - started:.0f} s", flush=True)
        figures = vars(tally)
    figures = {**figures, "seconds": round(time.monotonic() - started, 1)}
    print(f"{name}: nothing lost, nothing by half, nothing unreadable: {json.dumps(figures)}", flush=True)
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="store_crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    memory = Path("/dev/shm")
    parser.add_argument("--kills", type=int, default=1500, metavar="N")
    parser.add_argument("--images", type=int, default=250, metavar="N")
    parser.add_argument("--replays", type=int, default=3000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument(
        "--folder", type=Path, default=memory if memory.is_dir() else None, help="where stores are made"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for keeping")
    return parser


if __name__ == "__main__":
    sys.exit(main())
