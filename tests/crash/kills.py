"""kill -9 again and again at a worker that changes one and the same store, and a look at the store after each.

Every acknowledged change must be there, and the one that was under way as a whole or not at all. The moments: while
opening, anywhere inside a change (by how long changes of its kind took so far), inside an SQL statement, before an
fsync, when the store has returned but nothing was told, and right after the acknowledgement.
"""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.store.receipts import read_receipt
from tests.crash.aftermath import LostError, Tally, house_of, settle
from tests.crash.house import EMPTY
from tests.crash.worker import Aim, SelfKill, Told, start, understand
from tests.fakes.templates import open_store

_AIMS: dict[Aim, int] = {"opening": 2, "inside": 8, "statement": 2, "fsync": 2, "untold": 2, "acknowledged": 4}
_PATIENCE_S = 60.0


@dataclass
class KillTally(Tally):
    """aims: kills by where they were aimed. verbs: acknowledged changes by verb."""

    aims: Counter[str] = field(default_factory=Counter)
    verbs: Counter[str] = field(default_factory=Counter)
    most_people: int = 0


class Siege:
    """One store under fire. Its folder is kept from kill to kill."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._dice = random.Random(seed)
        self._house = EMPTY
        self._pace: dict[str, float] = {}
        self.tally = KillTally()

    def kill(self) -> None:
        """Let a worker work, kill it, and look.

        Raises:
            LostError: what was acknowledged is not there, or something is there by half.
        """
        aim = self._dice.choices(list(_AIMS), list(_AIMS.values()))[0]
        told = self._fire(aim)
        for verb, took_s in told.took_s:
            self._pace[verb] = 0.8 * self._pace.get(verb, took_s) + 0.2 * took_s
        self._house = house_of(told, self._house)
        self.tally.verbs.update(change.verb for change, _ in told.done)
        self.tally.aims[aim] += 1
        self.tally.most_people = max(self.tally.most_people, len(self._house.people))
        self._inspect(told)

    def _fire(self, aim: Aim) -> Told:
        number = self._dice.randrange(6)
        # The longest statement takes some hundred steps, and an erasure some ten fsyncs.
        count = int(10 ** self._dice.uniform(0, 2.6)) if aim == "statement" else self._dice.randrange(10)
        mine = SelfKill(aim, number, count) if aim not in ("opening", "inside") else None
        dice = random.Random(self._dice.randrange(1 << 30))
        child, reader = start(self._folder, self._house, dice, kill=mine)
        try:
            told = self._shoot(child, reader, aim, number)
        finally:
            os.close(reader)
        return understand(told)

    def _shoot(self, child: int, reader: int, aim: Aim, number: int) -> bytes:
        """All that the child told. `number`: of the change that is aimed at, where the aim is ours."""
        told = b""
        if aim == "opening":
            time.sleep(self._dice.uniform(0, 1.3 * self._pace.get("open", 0.01)))
        elif aim == "inside":
            started = time.perf_counter()
            told = _read(reader, lambda told: told.count(b'"open"') == 1)
            self._pace["open"] = time.perf_counter() - started
            told += _read(reader, lambda told: told.count(b'"begin"') > number)
            begun = understand(told).begun
            time.sleep(self._dice.uniform(0, 1.1 * self._pace.get(begun.verb if begun else "", 0.002)))
        if aim in ("opening", "inside"):
            os.kill(child, signal.SIGKILL)
        told += _read(reader, lambda _: False)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise LostError(f"the worker ended by itself, before it was killed ({aim})")
        return told

    def _inspect(self, told: Told) -> None:
        """Through a reader, which leaves the log for the next worker to find, or as the daemon opens it."""
        nothing_yet = not any(self._folder.glob("templates.db"))
        with open_store(self._folder, exclusive=nothing_yet or self._dice.random() < 0.5) as store:
            self._house = settle(store, self._house, told.begun, self.tally)
            if store.refusal is None:
                store.finish_erasures()
            for number in told.receipts:
                receipt = read_receipt(store.session.paths.receipts / f"{number:06d}.json")
                if findings := store.verify(receipt):
                    raise LostError(f"receipt {number} does not hold: {findings[0]}")
                self.tally.receipts += 1
        strange = [path.name for path in self._folder.iterdir() if ".damaged" in path.name]
        if strange:
            raise LostError(f"{strange[0]}: something was taken for damaged")


def read_lines(reader: int, patience_s: float) -> bytes:
    """What a worker tells within so many seconds; nothing when that is nothing."""
    if not select.select([reader], [], [], patience_s)[0]:
        return b""
    return os.read(reader, 1 << 16)


def _read(reader: int, enough: Callable[[bytes], bool]) -> bytes:
    told = b""
    while not enough(told):
        if not select.select([reader], [], [], _PATIENCE_S)[0]:
            raise LostError(f"the worker said nothing for {_PATIENCE_S:.0f} s")
        data = os.read(reader, 1 << 16)
        if not data:
            break
        told += data
    return told
