"""A door that is killed while a release comes in: what it does between two starts, and a look at its slots after.

It does all that a door does but recognize: it goes on with a trial, runs the updater (the self-test's verdict is given,
since what is tried here is the disk), puts on trial, loads, and commits or goes back.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.contract.release import ReleaseKind
from edge.update.bundle import Bundle, open_bundle
from edge.update.machine import Target
from edge.update.problems import Refusal
from edge.update.selftest import Verdict
from edge.update.slots import Slot, Slots
from edge.update.updater import Updater
from tests.fakes.head_releases import FolderOffer, make_bundle, this_door

FIRST, GOOD, WEAK, SICK = "plda-first", "plda-good", "plda-weak", "plda-sick"
ENDS = {GOOD: "committed", WEAK: "refused", SICK: "rolled_back"}
"""How each release ends on this door, however often it is killed."""

_OPERATIONS = ("fsync", "replace", "mkdir", "unlink", "rmdir")


class LostError(AssertionError):
    """A door has no whole head, or a state that no uninterrupted way leads to."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Releases at hand, bundles by id."""

    bundles: dict[str, Bundle]

    @classmethod
    def open(cls, folder: Path) -> Supply:
        """What `make` has put there."""
        bundles = [open_bundle(path) for path in sorted(folder.glob("*.zip"))]
        return cls({bundle.description.release: bundle for bundle in bundles})

    @classmethod
    def make(cls, folder: Path) -> Supply:
        names = enumerate((FIRST, GOOD, WEAK, SICK), 1)
        return cls({name: make_bundle(folder, name, counter) for counter, name in names})


@dataclass(frozen=True, slots=True)
class _Copying:
    """Brings a bundle as a download does: into a folder of the door, from where it is staged."""

    supply: Supply
    folder: Path

    def look(self, _kind: ReleaseKind, release: str) -> FolderOffer | Refusal:
        return FolderOffer(self.supply.bundles[release].description)

    def fetch(self, offer: FolderOffer) -> Bundle | Refusal:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{offer.description.release}.zip"
        shutil.copyfile(self.supply.bundles[offer.description.release].path, path)
        return open_bundle(path, offer.description)


def live(folder: Path, supply: Supply, release: str) -> None:
    """From a start of the door until it has done with a release."""
    slots = Slots(folder / "releases")
    _go_on_with_trial(slots)
    updater = Updater(slots, _Copying(supply, folder / "incoming"), this_door(), list, lambda _: None, _given_verdict)
    if updater.run(_target(supply, release)).step == "activating":
        slots.begin_trial()
        _go_on_with_trial(slots)


def _target(supply: Supply, release: str) -> Target:
    return Target.of(supply.bundles[release].description)


def _given_verdict(slot: Slot, _door: object, _people: object) -> Verdict:
    return Verdict("too weak" if slot.release.release == WEAK else None)


def _go_on_with_trial(slots: Slots) -> None:
    slot = slots.on_trial()
    if slot is None or slots.start_attempt() is None:
        return
    check_whole(slot)
    if slot.release.release == SICK:
        slots.roll_back("the scores of the usual visitors fell")
    else:
        slots.commit()


def killed(folder: Path, supply: Supply, release: str, at: int | None) -> tuple[bool, int]:
    """Let a door live in a process of its own, which kills itself at its so-manieth durable operation.

    at: counted from 0, before and after each; None lets it live on. Whether it was killed, and how many there were.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            operations = _arm(at)
            live(folder, supply, release)
            os.write(writer, str(operations()).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True, at or 0
    if os.waitstatus_to_exitcode(status) != 0:
        raise LostError(f"a door that was not killed did not live to the end ({release}, {at})")
    return False, int(said)


def _arm(at: int | None) -> Callable[[], int]:
    """Count operations of this process, and kill it at one of them."""
    count = 0

    def tick() -> None:
        nonlocal count
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    def counting(operation: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            tick()
            result = operation(*arguments, **options)
            tick()
            return result

        return counted

    for name in _OPERATIONS:
        setattr(os, name, counting(getattr(os, name)))
    return lambda: count


def look(folder: Path, supply: Supply, before: str | None, release: str) -> str:
    """What a door that starts now finds; the step at which it was killed. A kill damages no record.

    Raises:
        LostError: see `check_force`, or a record is damaged.
    """
    damage = Slots(folder / "releases").damage
    if damage is not None:
        raise LostError(damage)
    return check_force(folder, supply, before, release)


def check_force(folder: Path, supply: Supply, before: str | None, release: str) -> str:
    """See `look`.

    Raises:
        LostError: no whole head, half of one, or neither the old nor the new.
    """
    slots = Slots(folder / "releases")
    record, force = slots.record(), slots.in_force()
    found = force.release.release if force is not None else None
    if found not in (before, release) or (
        found == release != before and ENDS.get(release, "") in ("refused", "rolled_back")
    ):
        raise LostError(f"{found} is in force, after {before} and during {release}")
    for slot in (force, slots.staged(), slots.on_trial(), slots.candidate()):
        if slot is not None:
            check_whole(slot)
            if slot.release != supply.bundles[slot.release.release].description:
                raise LostError(f"{slot.folder.name} holds another release than was signed")
    return record.step


def check_whole(slot: Slot) -> None:
    """Raises:
    LostError: a file of it is not as it was signed.
    """
    if damage := slot.damage():
        raise LostError(f"{slot.folder.name}: {damage}")


def main() -> None:
    """`python -m tests.crash.update_door FOLDER SUPPLY`: take one release after the other, and say what is in force.

    FOLDER: of the releases, which is what `trace.py` records.
    """
    folder, supply = Path(sys.argv[1]), Supply.open(Path(sys.argv[2]))
    for release in (FIRST, WEAK, GOOD, SICK):
        print(f"begin {release}", flush=True)
        live(folder.parent, supply, release)
        force = Slots(folder).in_force()
        print(f"force {force.release.release if force is not None else ''}", flush=True)


if __name__ == "__main__":
    main()
