"""Which head a door scores with: that of the release on trial or in force, or the one installed with the program.

At a start this decides and writes: an attempt of a trial is counted down before its head is loaded, so that a head that
brings the door down is given up in the end, and a release whose head does not load is rolled back for the one before
it. Commands beside the daemon only read. Loading at run time, for a swap, begins here too; the swap is `activation.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from edge.errors import DoorwardError, ModelError, StoreError
from edge.inference.head import load_head
from edge.recognition.scoring import Head
from edge.update.slots import Slot, Slots

FACTORY_RELEASE = "factory"
"""What the head that was installed with the program is called in events and states."""

_HEAD = "*.head.json"
_MOST_BACK = 3  # there are two slots; what is behind both is the installed head


@dataclass(frozen=True, slots=True)
class Force:
    """A head that scores.

    release: which it is of. trial: it is on trial. found: lines about what did not go as planned.
    """

    head: Head
    release: str
    trial: bool = False
    found: tuple[str, ...] = ()


def head_of(slot: Slot, embedder_sha256: str) -> Head:
    """The head of a release, every file of which is as it was signed, and whose canaries answer as they should.

    Raises:
        ModelError: it cannot be had, and why.
    """
    if damage := slot.damage():
        raise ModelError(f"{slot.release.release}: {damage}")
    files = sorted(slot.folder.glob(_HEAD))
    if len(files) != 1:
        raise ModelError(f"{slot.release.release}: has {len(files)} heads; one is wanted")
    return load_head(files[0], embedder_sha256)


def standing(slots: Slots, embedder_sha256: str, installed: Callable[[], Head]) -> Force:
    """The head in force, for a command beside the daemon: nothing is written, and a trial is not its business.

    Raises:
        ModelError: it cannot be loaded.
    """
    slot = slots.in_force()
    return Force(head_of(slot, embedder_sha256), slot.release.release) if slot is not None else _installed(installed)


def at_start(slots: Slots, embedder_sha256: str, installed: Callable[[], Head]) -> Force:
    """The head that a daemon begins with. There is always one, unless the installed one cannot be loaded either.

    Raises:
        ModelError: the installed head is missing or damaged.
    """
    found = [slots.damage] if slots.damage else []
    force = _on_trial(slots, embedder_sha256, found) or in_force(slots, embedder_sha256, installed, found)
    return Force(force.head, force.release, force.trial, tuple(found))


def in_force(slots: Slots, embedder_sha256: str, installed: Callable[[], Head], found: list[str]) -> Force:
    """The head in force; a release that cannot be loaded is rolled back. found: is given a line for each.

    Raises:
        ModelError: the installed head is missing or damaged.
    """
    for _ in range(_MOST_BACK):
        try:
            slot = slots.in_force()
            if slot is None:
                break
            return Force(head_of(slot, embedder_sha256), slot.release.release)
        except Exception as error:  # noqa: BLE001 - whatever a runtime says to a file, the door has another head
            found.append(_line(error))
            try:
                slots.roll_back(_line(error))
            except (DoorwardError, RuntimeError, OSError) as stuck:
                found.append(f"{_line(stuck)}; the installed head is taken meanwhile")
                break
    return _installed(installed)


def _on_trial(slots: Slots, embedder_sha256: str, found: list[str]) -> Force | None:
    """The head on trial, its attempt counted; None where there is none, or none any more."""
    record = slots.record()
    if record.step != "trial":
        return None
    try:
        if slots.start_attempt() is None:
            found.append(slots.record().reason or "the trial was ended")
            return None
    except StoreError as error:
        found.append(f"the trial waits: its attempt cannot be counted ({error})")
        return None
    try:
        slot = slots.on_trial()
        assert slot is not None
        return Force(head_of(slot, embedder_sha256), slot.release.release, trial=True)
    except Exception as error:  # noqa: BLE001 - as above
        found.append(_line(error))
        with suppress(StoreError):  # it stays on trial with one attempt less, and the head in force serves
            slots.roll_back(_line(error))
        return None


def _installed(installed: Callable[[], Head]) -> Force:
    return Force(installed(), FACTORY_RELEASE)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, DoorwardError) else f"{type(error).__name__}: {text}"
