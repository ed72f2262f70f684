"""Rings: which door gets a release when, and whether the next ring may follow. Pure; the time is passed in.

A release goes to ring 0 first. The next ring follows by itself once enough doors of the last one have had it in force
for a while; it stops by itself once too many failed or one undid it. Nothing here knows of a store or a broker.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

# hawkBit's words for what became of an action at a device; "scheduled" is before the door has begun.
Status = Literal["scheduled", "downloading", "proceeding", "closed success", "closed failure", "rejected", "cancelled"]
FAILED: frozenset[Status] = frozenset({"closed failure", "rejected"})
CLOSED: frozenset[Status] = FAILED | {"closed success"}

FORM = "rings parted by commas, each a list of doors or a share, as in: door-a door-b, 10%, rest"
MOST_RINGS = 16
_DOOR = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?) ?%")
REST = "rest"
_SLACK = 1e-9  # 98 of 100 are 98 %, whatever floats say


@dataclass(frozen=True, slots=True)
class Ring:
    """doors: those that are named; or share: of all others, 0..1. Neither: whoever is left."""

    doors: frozenset[str] = frozenset()
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Rings:
    """In the order in which they come; the last one takes whoever is left."""

    rings: tuple[Ring, ...]

    @classmethod
    def parse(cls, text: str) -> Rings:
        """Raises:
        ValueError: not of FORM; the text says what is wrong.
        """
        parts = [part.strip() for part in text.split(",")]
        if parts[-1] != REST:
            raise ValueError(f"the last ring must be {REST}, so that no door is left out; write {FORM}")
        if len(parts) > MOST_RINGS:
            raise ValueError(f"{len(parts)} rings are too many; at most {MOST_RINGS} are allowed")
        rings = tuple(_ring(part) for part in parts[:-1])
        _check(rings)
        return cls((*rings, Ring()))

    def __len__(self) -> int:
        return len(self.rings)

    def plan(self, doors: Iterable[str]) -> dict[str, int]:
        """The ring of each door. The same doors always come to the same rings.

        Of the doors that no ring names, a share takes its part of them all, rounded up, in the order of their hashes.
        """
        planned = {door: place for door in set(doors) if (place := self._named(door)) is not None}
        others = sorted(set(doors) - set(planned), key=_order)
        start = 0
        for number, ring in enumerate(self.rings):
            if ring.share is not None:
                count = math.ceil(ring.share * len(others) - _SLACK)
                planned |= dict.fromkeys(others[start : start + count], number)
                start += count
        return planned | dict.fromkeys(others[start:], len(self.rings) - 1)

    def late(self, door: str) -> int:
        """The ring of a door that was not there when the others were planned: the last, unless one names it."""
        named = self._named(door)
        return len(self.rings) - 1 if named is None else named

    def names(self, ring: int) -> frozenset[str]:
        """The doors that a ring names."""
        return self.rings[ring].doors

    def _named(self, door: str) -> int | None:
        return next((number for number, ring in enumerate(self.rings) if door in ring.doors), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """When the next ring follows, and when none does.

    success: share of the doors that are done which must have succeeded. least: so many must be done; where fewer of the
    ring are there, all of those. wait_s: a success counts once it has lasted so long.
    """

    success: float = 0.98
    least: int = 20
    wait_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class AtDoor:
    """How far a door is with a release.

    changed_s: since when it is so. rolled_back: it had it in force once and undid it, whatever came after.
    excused: an operator went on in spite of it, so it counts neither for nor against. present: it was heard of lately.
    """

    door: str
    ring: int
    status: Status
    changed_s: float
    rolled_back: bool = False
    excused: bool = False
    present: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now. reason: one line for an operator."""

    act: Literal["wait", "promote", "finish", "stop"]
    reason: str


def judge(rings: Rings, active: int, doors: Sequence[AtDoor], rules: Rules, now_s: float) -> Verdict:
    """Whether the release goes on. active: the last ring that it went to; doors: all of them, of every ring."""
    opened = [door for door in doors if door.ring <= active and not door.excused]
    if trouble := _trouble(opened, rules):
        return Verdict("stop", trouble)
    here = [door for door in opened if door.ring == active]
    if lack := _lack(rings, active, here, rules, now_s):
        return Verdict("wait", lack)
    if active + 1 < len(rings):
        return Verdict("promote", f"ring {active} is well: {_words(here)}")
    return Verdict("finish", f"the last ring is well: {_words(here)}")


def next_ring(rings: Rings, active: int, doors: Sequence[AtDoor]) -> int:
    """The ring after `active`; one that nobody is in, and that names no door, is passed over."""
    filled = {door.ring for door in doors}
    following = (n for n in range(active + 1, len(rings)) if n in filled or rings.names(n))
    return next(following, len(rings) - 1)


def tally(doors: Iterable[AtDoor]) -> Mapping[Status, int]:
    """How many doors are where."""
    counts: dict[Status, int] = {}
    for door in doors:
        counts[door.status] = counts.get(door.status, 0) + 1
    return counts


def _trouble(opened: Sequence[AtDoor], rules: Rules) -> str | None:
    """Why it must stop; more failures than can be made up for by all who are still to come, or one that undid it."""
    undone = [door.door for door in opened if door.rolled_back]
    if undone:
        return f"{_some(undone)} went back to the former release"
    failed = [door.door for door in opened if door.status in FAILED]
    if failed and len(failed) > (1 - rules.success) * len(opened) + _SLACK:
        return f"{len(failed)} of {len(opened)} doors failed or refused it: {_some(failed)}"
    return None


def _lack(rings: Rings, active: int, here: Sequence[AtDoor], rules: Rules, now_s: float) -> str | None:
    """What is missing before the next ring may follow; None where nothing is."""
    if not here:
        named = rings.names(active)
        return (
            f"ring {active} names doors that cannot take it or were never heard of: {_some(named)}" if named else None
        )
    expected = [door for door in here if door.present or door.status in CLOSED]
    if not expected:
        return f"no door of ring {active} was heard of lately"
    done = [door for door in expected if door.status in CLOSED]
    needed = min(rules.least, len(expected))
    if len(done) < needed:
        return f"{len(done)} of {needed} doors that ring {active} waits for are done"
    lasted = [d for d in done if d.status == "closed success" and now_s - d.changed_s >= rules.wait_s]
    failed = sum(door.status in FAILED for door in done)
    if len(lasted) + failed < needed:
        return f"{len(lasted)} of {needed} doors of ring {active} have had it for {_time(rules.wait_s)}"
    if len(lasted) < rules.success * (len(lasted) + failed) - _SLACK:
        return f"{failed} doors of ring {active} failed; {len(lasted)} successes are not enough beside them"
    return None


def _ring(part: str) -> Ring:
    if found := _SHARE.fullmatch(part):
        share = float(found[1]) / 100
        if not 0 < share <= 1:
            raise ValueError(f"{part!r}: a share is above 0 % and up to 100 %")
        return Ring(share=share)
    doors = part.split()
    if not doors or REST in doors or not all(_DOOR.fullmatch(door) for door in doors):
        raise ValueError(f"{part!r} is no ring; write {FORM}")
    return Ring(frozenset(doors))


def _check(rings: Sequence[Ring]) -> None:
    seen: set[str] = set()
    for ring in rings:
        if twice := seen & ring.doors:
            raise ValueError(f"{min(twice)} is in two rings; a door is in one")
        seen |= ring.doors
    if sum(ring.share or 0.0 for ring in rings) > 1 + _SLACK:
        raise ValueError("the shares are more than 100 % together")


def _order(door: str) -> bytes:
    return hashlib.sha256(f"ring {door}".encode()).digest()


def _words(doors: Sequence[AtDoor]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(tally(doors).items())) or "nobody is in it"


def _some(doors: Iterable[str]) -> str:
    names = sorted(doors)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _time(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds:g} s"
