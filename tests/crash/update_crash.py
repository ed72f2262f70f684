"""Releases under fire: `python -m tests.crash.update_crash`, kill -9 at every durable operation and many times each.

For each way that a release ends (committed, refused, rolled back) the door is killed before and after every fsync,
rename, new folder and removal, `--rounds` times over with more kills in its next lives, until it is let live to the
end. After each kill it must have a whole head, the old or the new; at the end, the release's own end.

Exit codes: 0 nothing was lost; 1 something was, and the door is left for a look.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edge.update.slots import Slots
from tests.crash.update_door import ENDS, FIRST, LostError, Supply, killed, live, look

Tally = Counter[str]
_MOST_LIVES = 12


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=50, help="times that every operation is killed at (default: 50)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="update-crash-"))
    tally: Tally = Counter()
    try:
        for done, at_step in enumerate(siege(scratch, arguments.rounds, random.Random(arguments.seed)), 1):
            tally[at_step] += 1
            if done % 500 == 0:
                print(f"{done} kills", flush=True)
    except LostError as error:
        print(f"LOST: {error}\nthe door is left in {scratch}", file=sys.stderr)
        return 1
    shutil.rmtree(scratch)
    print(f"{tally.total()} kills, nothing lost; by the step that they hit:")
    print("\n".join(f"  {step}: {count}" for step, count in sorted(tally.items())))
    return 0


def siege(scratch: Path, rounds: int, dice: random.Random, stride: int = 1) -> Iterator[str]:
    """The step that each kill hit. stride: take every so-manieth operation alone."""
    supply = Supply.make(scratch / "supply")
    for release, end in ENDS.items():
        _, operations = killed(_door(scratch, supply), supply, release, None)
        for number in range(rounds):
            for at in range(number % stride, operations, stride):
                yield from _one_door(_door(scratch, supply), supply, release, end, at, dice if number else None)


def _door(scratch: Path, supply: Supply) -> Path:
    """A door on which a first release is in force; made once and copied."""
    template, folder = scratch / "template", scratch / "door"
    if not template.exists():
        template.mkdir()
        live(template, supply, FIRST)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    return folder


def _one_door(
    folder: Path, supply: Supply, release: str, end: str, at: int, dice: random.Random | None
) -> Iterator[str]:
    """Kill it there, and with dice again and again in its next lives, so that the last one comes to the end."""
    for life in range(_MOST_LIVES):
        more = life == 0 or (dice is not None and dice.random() < 0.6)
        was_killed, _ = killed(folder, supply, release, at if more else None)
        step = look(folder, supply, FIRST, release)
        if not was_killed:
            break
        yield step
        at = int(dice.expovariate(1 / 15)) if dice is not None else 0
    else:
        killed(folder, supply, release, None)
        look(folder, supply, FIRST, release)
    record = Slots(folder / "releases").record()
    # Trials that were killed over and over are undone, as they must be.
    ends = {end, "rolled_back"} if dice is not None else {end}
    if record.step not in ends and not (dice is not None and "gave no answer" in (record.reason or "")):
        raise LostError(f"{release} ended as {record.step} ({record.reason}) instead of {end}")


if __name__ == "__main__":
    sys.exit(main())
