"""What must hold of a store after whatever befell it, and the tally of having looked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from edge.store.receipts import find_marks, read_receipt
from edge.store.templates import TemplateStore
from tests.crash.house import EMPTY, Change, House, after, difference, look, newcomer
from tests.crash.worker import Told
from tests.fakes.templates import NOW, everything, open_store


class LostError(AssertionError):
    """The store does not tell what was acknowledged, or tells something by half."""


@dataclass
class Tally:
    """What was looked at and came out well.

    whole, absent: of the changes that were under way, how many were there afterwards and how many were not, by verb.
    between: how often no change was under way. receipts: how often an acknowledged erasure was searched for remains.
    """

    looks: int = 0
    between: int = 0
    whole: Counter[str] = field(default_factory=Counter)
    absent: Counter[str] = field(default_factory=Counter)
    receipts: int = 0


def house_of(told: Told, before: House = EMPTY) -> House:
    """The model with all that was acknowledged."""
    house = before
    for change, person in told.done:
        house = after(house, change, person)
    return house


def settle(store: TemplateStore, house: House, under_way: Change | None, tally: Tally) -> House:
    """Look at an open store; the model as it turned out.

    Raises:
        LostError: something acknowledged is not there, or something is by half.
    """
    tally.looks += 1
    found = look(store)
    wrong = difference(found, house)
    if under_way is None:
        tally.between += 1
    elif wrong is None:
        tally.absent[under_way.verb] += 1
    else:
        tally.whole[under_way.verb] += 1
        house = after(house, under_way, newcomer(found, house, under_way))
        wrong = difference(found, house)
    if wrong is not None:
        raise LostError(f"{wrong}; under way was {under_way}")
    return house


def inspect(folder: Path, told: Told, tally: Tally) -> None:
    """Look at a store as a power cut left it: first at its raw files, then as the daemon opens it.

    Raises:
        LostError: as above, or a sealed byte is left of somebody whose erasure was acknowledged.
    """
    for number in told.receipts:
        _search(folder, number)
        tally.receipts += 1
    with open_store(folder) as store:
        house = settle(store, house_of(told), told.begun, tally)
        store.finish_erasures()
        _go_on(store, house, told.begun)


def _go_on(store: TemplateStore, house: House, cut_off: Change | None) -> None:
    """Erase whose erasure was cut off, or anybody: whatever the crash left must not keep it from being complete."""
    holders = house.holders()
    if not holders:
        return
    receipt = store.erase(cut_off.person if cut_off and cut_off.person in holders else holders[0], wall_s=NOW)
    if findings := store.verify(receipt):
        raise LostError(f"the next erasure's receipt does not hold: {findings[0]}")


def _search(folder: Path, number: int) -> None:
    receipts = folder / "receipts"
    marks = [bytes.fromhex(mark) for mark in read_receipt(receipts / f"{number:06d}.json").marks]
    for path in everything(folder):
        if path.parent != receipts and (found := find_marks(path, marks)):
            raise LostError(f"{path.name}: {found} pieces of what receipt {number} says is erased")
