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

from edge.receipts import find_marks, read_receipt
from tests.crash.disk import CUTS, Cut, Disk, write_image
from tests.crash.house import EMPTY, House, after, difference, look, newcomer
from tests.crash.kills import LostError
from tests.crash.trace import Call, Say, Sync, Unlink
from tests.crash.worker import Told, understand
from tests.fakes.templates import everything, open_store

_SHARED_MEMORY = "templates.db-shm"


@dataclass
class Images:
    """What came of it. unsettled: writes and names that the power cut might have taken, in the mean."""

    images: int = 0
    cuts: Counter[str] = field(default_factory=Counter)
    under_way: Counter[str] = field(default_factory=Counter)
    whole: int = 0
    absent: int = 0
    receipts: int = 0
    unsettled: int = 0


def replay(calls: Sequence[Call], recorded: Path, scratch: Path, seed: int, most: int) -> Iterator[Images]:
    """Look at `most` images, spread over the whole recording; the tally after each.

    recorded: the folder that was recorded. scratch: a folder for images.

    Raises:
        LostError: an image does not hold what was acknowledged.
    """
    dice = random.Random(seed)
    disk, tally = Disk(recorded), Images()
    chosen = Counter(dice.choices(range(len(calls) + 1), _weights(calls), k=most))
    lines = b""
    for position, call in enumerate([*calls, None]):
        told = understand(lines) if position in chosen else Told()
        for number in range(chosen[position]):
            cut = CUTS[(number + position) % len(CUTS)]
            where = f"power cut before call {position} of {len(calls)} (seed {seed}, {cut})"
            tally.unsettled += disk.unsettled
            _look_at(disk.image(cut, dice), told, scratch / "image", dice, tally, where)
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


def _look_at(
    image: dict[str, bytes | None], told: Told, folder: Path, dice: random.Random, tally: Images, where: str
) -> None:
    if _SHARED_MEMORY in image:
        # Mapped, so that its bytes are in no call, and never synced: after a power cut it may hold anything.
        image[_SHARED_MEMORY] = dice.randbytes(32768) if dice.random() < 0.5 else bytes(32768)
    folder.mkdir(mode=0o700)
    write_image(image, folder)
    try:
        _expect_nothing_erased(folder, told, tally)
        _expect_everybody(folder, told, tally)
    except LostError as error:
        raise LostError(f"{where}: {error}") from None
    shutil.rmtree(folder)
    tally.images += 1


def _expect_nothing_erased(folder: Path, told: Told, tally: Images) -> None:
    for number in told.receipts:
        receipts = folder / "receipts"
        receipt = read_receipt(receipts / f"{number:06d}.json")
        marks = [bytes.fromhex(mark) for mark in receipt.marks]
        for path in everything(folder):
            if path.parent != receipts and (found := find_marks(path, marks)):
                raise LostError(f"{path.name}: {found} pieces of what receipt {number} says is erased")
        tally.receipts += 1


def _expect_everybody(folder: Path, told: Told, tally: Images) -> None:
    house: House = EMPTY
    for change, person in told.done:
        house = after(house, change, person)
    with open_store(folder) as store:
        found = look(store)
        wrong = difference(found, house)
        if told.begun is None:
            tally.under_way["nothing"] += 1
        else:
            tally.under_way[told.begun.verb] += 1
            tally.absent += wrong is None
            tally.whole += wrong is not None
            if wrong is not None:
                wrong = difference(found, after(house, told.begun, newcomer(found, house, told.begun)))
                wrong = wrong and f"{wrong}; under way was {told.begun}"
        if wrong is not None:
            raise LostError(wrong)
        store.finish_erasures()
