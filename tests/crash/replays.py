"""Power cuts at any call of a recorded worker: the states that the disk might be left in, each opened and looked at.

Every acknowledged change must be there, the one under way as a whole or not at all, nothing may be taken for damaged,
and of people whose erasure was acknowledged no sealed byte may be in any file. Needs strace, and no rights.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.aftermath import LostError, Tally, inspect
from tests.crash.disk import CUTS, Disk, write_image
from tests.crash.trace import Call, Say, Sync, Unlink
from tests.crash.worker import Told, understand

_SHARED_MEMORY = "templates.db-shm"


@dataclass
class ReplayTally(Tally):
    """cuts: images by what of the unsettled was there. unsettled: writes and names that might have gone, in all."""

    cuts: Counter[str] = field(default_factory=Counter)
    unsettled: int = 0


def replay(
    calls: Sequence[Call], recorded: Path, scratch: Path, seed: int, most: int, tally: ReplayTally
) -> Iterator[ReplayTally]:
    """Look at `most` images, spread over the whole recording; the tally after each.

    recorded: the folder that was recorded. scratch: a folder for images.

    Raises:
        LostError: an image does not hold what was acknowledged.
    """
    dice, disk = random.Random(seed), Disk(recorded)
    chosen = Counter(dice.choices(range(len(calls) + 1), _weights(calls), k=most))
    lines = b""
    for position, call in enumerate([*calls, None]):
        told = understand(lines) if position in chosen else Told()
        for number in range(chosen[position]):
            cut = CUTS[(number + position) % len(CUTS)]
            where = f"power cut before call {position} of {len(calls)} (seed {seed}, {cut})"
            tally.unsettled += disk.unsettled
            try:
                _look_at(disk.image(cut, dice), told, scratch / "image", dice, tally)
            except LostError as error:
                raise LostError(f"{where}: {error}") from None
            tally.cuts[cut] += 1
            yield tally
        if call is not None:
            disk.play(call)
            lines += call.text if isinstance(call, Say) else b""


def _weights(calls: Sequence[Call]) -> list[int]:
    """Right before an fsync most is unsettled, and right after an unlink or an acknowledgement most is at stake."""
    before = [8 if isinstance(call, Sync) else 2 for call in calls] + [2]
    behind = [2] + [8 if isinstance(call, Unlink | Say) else 0 for call in calls]
    return [one + other for one, other in zip(before, behind, strict=True)]


def _look_at(image: dict[str, bytes | None], told: Told, folder: Path, dice: random.Random, tally: ReplayTally) -> None:
    if _SHARED_MEMORY in image:
        # Mapped, so that its bytes are in no call, and never synced: after a power cut it may hold anything.
        image[_SHARED_MEMORY] = dice.randbytes(32768) if dice.random() < 0.5 else bytes(32768)
    folder.mkdir(mode=0o700)
    write_image(image, folder)
    inspect(folder, told, tally)
    shutil.rmtree(folder)
