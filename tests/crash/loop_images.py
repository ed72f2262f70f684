"""Power cuts of a real ext4: the store lies on a loop device, whose backing file is copied while a worker writes.

The worker is stopped for the copy, and nothing is synced: what the file system had not yet handed to its device is not
in the copy, as it would not be on the card. The copy is mounted, which replays the journal, and the store is opened. A
copy during which the device was written to is thrown away, since it may hold a state that never was. Needs root.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.aftermath import LostError, Tally, inspect
from tests.crash.house import EMPTY
from tests.crash.kills import read_lines
from tests.crash.worker import Told, start, understand

_MIB = 32
_PER_WORKER = 25
_JOURNALS = ("ordered", "writeback")
"""ext4's ways: data before the names that tell of it, which is the default, and in no order at all."""


@dataclass
class LoopTally(Tally):
    """journals: images by ext4's `data=`. thrown_away: copies during which the device was written to."""

    journals: Counter[str] = field(default_factory=Counter)
    thrown_away: int = 0


def loop_missing() -> str | None:
    """Why no file system can be mounted here, or None."""
    if os.geteuid() != 0:
        return "mounting a file system needs root"
    missing = [name for name in ("mkfs.ext4", "losetup", "mount") if shutil.which(name) is None]
    if missing:
        return f"{missing[0]} is not installed"
    tried = subprocess.run(["losetup", "--find"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"no loop device: {tried.stderr.strip()}"


def images(scratch: Path, seed: int, most: int) -> Iterator[LoopTally]:
    """Make and look at so many images; the tally after each. scratch: a folder on any disk.

    Raises:
        LostError: an image does not hold what was acknowledged.
    """
    dice, tally = random.Random(seed), LoopTally()
    number = 0
    while tally.looks < most:
        journal = _JOURNALS[number % len(_JOURNALS)]
        number += 1
        backing = scratch / f"{number}.ext4"
        _make_file_system(backing)
        with _mounted(backing, scratch / "mounted", journal) as device:
            for _ in _watch(scratch, backing, device, dice, tally, min(_PER_WORKER, most - tally.looks)):
                tally.journals[journal] += 1
                yield tally
        backing.unlink()


def _watch(
    scratch: Path, backing: Path, device: str, dice: random.Random, tally: LoopTally, most: int
) -> Iterator[None]:
    """One worker's life: stop it at any moment, copy, look, let it go on."""
    copy, store = scratch / "copy.ext4", scratch / "mounted" / "store"
    store.mkdir()
    child, reader = start(store, EMPTY, random.Random(dice.randrange(1 << 30)))
    lines = b""
    try:
        for _ in range(most):
            lines += _run_a_while(child, reader, dice)
            if _copied_in_peace(backing, copy, device):
                _look_at(copy, scratch / "image", understand(lines), tally)
                yield
            else:
                tally.thrown_away += 1
            os.kill(child, signal.SIGCONT)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)


def _run_a_while(child: int, reader: int, dice: random.Random) -> bytes:
    """What the worker told until it stood still."""
    until = time.monotonic() + dice.uniform(0, 0.08)
    lines = b""
    while (left_s := until - time.monotonic()) > 0:
        lines += read_lines(reader, left_s)
    os.kill(child, signal.SIGSTOP)
    _, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        raise LostError("the worker ended by itself")
    return lines + read_lines(reader, 0)


def _copied_in_peace(backing: Path, copy: Path, device: str) -> bool:
    before = _writes(device)
    _run("cp", "--reflink=never", "--sparse=always", backing, copy)
    return before == _writes(device)


def _look_at(copy: Path, mount: Path, told: Told, tally: LoopTally) -> None:
    with _mounted(copy, mount, "ordered"):
        # The folder itself was made before the worker began, and nothing was promised of it.
        (mount / "store").mkdir(mode=0o700, exist_ok=True)
        inspect(mount / "store", told, tally)


def _make_file_system(backing: Path) -> None:
    with backing.open("xb") as file:
        file.truncate(_MIB << 20)
    # Without lazy initialization, or the kernel would write by itself for a while.
    _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", backing)


@contextlib.contextmanager
def _mounted(backing: Path, folder: Path, journal: str) -> Iterator[str]:
    """Mount a file's file system; the loop device's name."""
    folder.mkdir(exist_ok=True)
    device = _run("losetup", "--find", "--show", backing).strip()
    try:
        _run("mount", "-o", f"data={journal}", device, folder)
        try:
            yield device
        finally:
            _run("umount", folder)
    finally:
        _run("losetup", "--detach", device)


def _writes(device: str) -> Sequence[str]:
    """Writes done and requests under way, as the kernel counts them (Documentation/block/stat.rst)."""
    counts = Path("/sys/class/block", Path(device).name, "stat").read_text("ascii").split()
    return counts[4], counts[8]


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout
