"""The process that is killed: does changes to a store and tells each on a descriptor, before and after, a line each.

`done` is the acknowledgement: it is written only after the store returned. Run as a program it does so many changes of
a seeded script and ends, which is what `trace.py` records: `python -m tests.crash.worker FOLDER SEED CHANGES`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from edge.store.templates import TemplateStore
from tests.crash.house import EMPTY, Change, House, after, carry_out, choose
from tests.fakes.templates import open_store

Aim: TypeAlias = Literal["opening", "inside", "statement", "fsync", "untold", "acknowledged"]


@dataclass(frozen=True, slots=True)
class SelfKill:
    """Where the worker kills itself: in the change of this number, counted from 0.

    aim: `statement` after so many steps of SQLite's machine, `fsync` at the so-manieth fsync of our own, `untold` when
    the store has returned and nothing was told, `acknowledged` right after the acknowledgement.
    """

    aim: Aim
    change: int
    count: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker told. begun: the change that it was at, or None; receipts: numbers of those it was given."""

    done: tuple[tuple[Change, str], ...] = ()
    begun: Change | None = None
    receipts: tuple[int, ...] = ()
    took_s: tuple[tuple[str, float], ...] = ()


def work(
    folder: Path, house: House, dice: random.Random, pipe: int, *, kill: SelfKill | None = None, most: int = 1_000_000
) -> None:
    """Open the store and change it, until killed or `most` changes are done."""
    store = open_store(folder)
    store.finish_erasures()
    _tell(pipe, {"open": True})
    for number in range(most):
        change = choose(house, dice)
        _tell(pipe, {"begin": asdict(change)})
        mine = kill if kill is not None and kill.change == number else None
        if mine is not None:
            _arm(store, mine)
        started = time.perf_counter()
        person, receipt = carry_out(store, change)
        took = time.perf_counter() - started
        if mine is not None and mine.aim == "untold":
            _kill_myself()
        _tell(pipe, {"done": person, "receipt": receipt.number if receipt else None, "took": took})
        if mine is not None and mine.aim != "untold":
            _kill_myself()
        house = after(house, change, person)
        store = _meanwhile(store, folder, dice)
    store.close()


def start(folder: Path, house: House, dice: random.Random, *, kill: SelfKill | None = None) -> tuple[int, int]:
    """Fork a worker that works until it is killed; its process id, and the end of the pipe on which it tells."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(folder, house, dice, writer, kill=kill)
        except BaseException:  # noqa: BLE001 - whatever it was, this process must not go on as a second driver
            traceback.print_exc()
        os._exit(1)
    os.close(writer)
    return child, reader


def understand(lines: bytes) -> Told:
    """What the lines of a worker say; a last line that was cut off is nothing."""
    done: list[tuple[Change, str]] = []
    receipts: list[int] = []
    took: list[tuple[str, float]] = []
    begun: Change | None = None
    for told in _documents(lines):
        if "begin" in told:
            begun = Change(**{**told["begin"], "pictures": tuple(told["begin"]["pictures"])})
        elif "done" in told:
            assert begun is not None
            done.append((begun, told["done"]))
            took.append((begun.verb, told["took"]))
            receipts += [told["receipt"]] if told["receipt"] is not None else []
            begun = None
    return Told(tuple(done), begun, tuple(receipts), tuple(took))


def main() -> None:
    """See the module's text."""
    folder, seed, most = sys.argv[1:]
    work(Path(folder), EMPTY, random.Random(int(seed)), sys.stdout.fileno(), most=int(most))


def _documents(lines: bytes) -> Iterator[dict[str, Any]]:
    for line in lines.split(b"\n")[:-1]:
        yield json.loads(line)


def _tell(pipe: int, what: dict[str, Any]) -> None:
    line = json.dumps(what).encode() + b"\n"
    assert os.write(pipe, line) == len(line)


def _meanwhile(store: TemplateStore, folder: Path, dice: random.Random) -> TemplateStore:
    """What a daemon does between changes: snapshots, noting who was seen, and now and then a restart."""
    if dice.random() < 0.2:
        store.snapshot()
    if dice.random() < 0.1:
        store.close()
        store = open_store(folder)
        store.finish_erasures()
    return store


def _arm(store: TemplateStore, kill: SelfKill) -> None:
    if kill.aim == "statement":
        store.session.connection.set_progress_handler(_kill_myself, max(1, kill.count))
    elif kill.aim == "fsync":
        setattr(os, "fsync", _killing_at(kill.count, os.fsync))  # noqa: B010 - to the checker, a function is no variable


def _killing_at(count: int, fsync: Callable[[Any], None]) -> Callable[[Any], None]:
    left = count

    def killing(descriptor: Any) -> None:
        nonlocal left
        if left == 0:
            _kill_myself()
        left -= 1
        fsync(descriptor)

    return killing


def _kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
