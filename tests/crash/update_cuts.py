"""Power cuts at any call of a door that takes releases: the states that its disk might be left in, each looked at.

The release that was in force, or the one that was under way, must be in force and whole; no record may be damaged, and
what a slot is said to hold must be there. Needs strace, and no rights.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.crash.disk import CUTS, Disk, write_image
from tests.crash.trace import Call, Say, Sync, record_program
from tests.crash.update_door import LostError, Supply, check_force


def recorded(scratch: Path) -> tuple[Path, Supply, list[Call]]:
    """The folder of releases of a door that took four, its supply, and all that it asked of the system."""
    supply, folder = Supply.make(scratch / "supply"), scratch / "door" / "releases"
    folder.mkdir(parents=True)
    calls = record_program(folder, ["tests.crash.update_door", str(folder), str(scratch / "supply")])
    return folder, supply, calls


def cuts(
    calls: Sequence[Call], folder: Path, supply: Supply, scratch: Path, seed: int, most: int
) -> Iterator[tuple[str, str]]:
    """Of `most` images, the kind of each cut and the step that a door is at that starts from it.

    Raises:
        LostError: an image does not hold what it must.
    """
    dice, disk = random.Random(seed), Disk(folder)
    weights = [8 if isinstance(call, Sync) else 2 for call in calls]
    chosen = Counter(dice.choices(range(len(calls)), weights, k=most))
    force: str | None = None
    release = ""
    for position, call in enumerate(calls):
        for number in range(chosen[position]):
            cut = CUTS[(number + position) % len(CUTS)]
            image = scratch / "image" / "releases"
            image.mkdir(parents=True)
            write_image(disk.image(cut, dice), image)
            try:
                yield cut, check_force(image.parent, supply, force, release)
            except LostError as error:
                raise LostError(
                    f"power cut before call {position} of {len(calls)} (seed {seed}, {cut}): {error}"
                ) from None
            shutil.rmtree(image.parent)
        if not isinstance(call, Say):
            disk.play(call)
            continue
        verb, _, name = call.text.decode().strip().partition(" ")
        if verb == "begin":
            release = name
        elif verb == "force":
            force = name or None
