"""The two slots on a door's disk, and the durable record of what is in them and in force. How it goes on: `machine.py`.

    releases/state.json         the record, with its hash; releases/before.json  the one before it
    releases/A-7/, B-8/         a release each: release.json and its files; written once, never changed, then removed

A folder is given out by a record before anything is written, and relied on by a record after all of it is durable. So a
file that a runtime has mapped is never written to: another release gets another folder, and a removed file lives on
until it is unmapped. The daemon and the updater's process change the record in turn, under a lock.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.contract.release import DESCRIPTION, ReleaseDescription
from edge.errors import MessageError, ModelError, StoreError
from edge.inference.spec import sha256_of
from edge.store.durable import FileLock, leftovers, make_directory, write_durably
from edge.update.bundle import Bundle
from edge.update.machine import Held, Record, SlotName, Target

_STATE, _BEFORE, _LOCK = "state.json", "before.json", "lock"
_FOLDER = re.compile(r"[AB]-[0-9]{1,9}")
_PATIENCE_S = 10.0  # a record is written in some ms; a card that is slow takes a second
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Slot:
    """A release on the disk. folder: where its files are, beside `release.json`."""

    name: SlotName
    release: ReleaseDescription
    folder: Path

    def damage(self) -> str | None:
        """What of it is no longer as it was signed, in a line; None where every file is."""
        for entry in self.release.files:
            file = self.folder / entry.name
            try:
                if file.stat().st_size != entry.length or sha256_of(file) != entry.sha256:
                    return f"{file.name} is damaged"
            except OSError as error:
                return f"{file.name} cannot be read ({error.strerror})"
        return None


class Slots:
    """The slots below one folder. Making one touches nothing; every change is durable when its method returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def record(self) -> Record:
        """Where things stand; at the beginning, and if both records are damaged, the installed head is in force."""
        found = self._read(_STATE) or self._read(_BEFORE)
        return found if found is not None else Record()

    @property
    def damage(self) -> str | None:
        """That the record is damaged and the one before it, or none, is taken; None where all is well."""
        path = self.folder / _STATE
        if not path.exists() or self._read(_STATE) is not None:
            return None
        instead = "the one before it is" if self._read(_BEFORE) is not None else "the installed head is"
        return f"{path}: damaged; {instead} taken instead"

    def in_force(self) -> Slot | None:
        """The release in force; None: the head that was installed with the program.

        Raises:
            ModelError: its description is damaged; `roll_back` leads to the one before.
        """
        record = self.record()
        return self._slot(record.in_force, record)

    def staged(self) -> Slot | None:
        """A release that passed its self-test and waits for its trial."""
        record = self.record()
        return self._slot(record.slot, record) if record.step == "activating" else None

    def on_trial(self) -> Slot | None:
        """The release on trial, also after a start in the middle of it."""
        record = self.record()
        return self._slot(record.slot, record) if record.step == "trial" else None

    def candidate(self) -> Slot | None:
        """The release that is staged or tested, for the self-test."""
        record = self.record()
        return self._slot(record.slot, record) if record.step in ("staged", "self_testing") else None

    def begin(self, target: Target) -> None:
        """A release is to be fetched, again too."""
        self._change(lambda record: record.begun(target))

    def downloaded(self) -> None:
        """It is here and is looked at."""
        self._change(Record.downloaded)

    def stage(self, bundle: Bundle) -> Slot:
        """Put a release's files into the free slot.

        Raises:
            ModelError: the bundle changed since it was opened.
            StoreError: the disk is full or failing; the release in force is untouched.
        """
        placed = self._change(Record.placed)
        held = placed.held(placed.free)
        assert held is not None
        with _explaining(self.folder):
            bundle.unpack(self.folder / held.folder)
        record = self._change(Record.staged)
        slot = self._slot(record.slot, record)
        assert slot is not None
        return slot

    def begin_test(self) -> Record:
        """Count a self-test before it is begun; the record is `refused` where too many were."""
        return self._change(Record.tested_next)

    def passed(self) -> None:
        """The self-test is passed."""
        self._change(Record.passed)

    def begin_trial(self) -> None:
        """The staged release is on trial from now on; its attempts are counted by `start_attempt`."""
        self._change(Record.on_trial)

    def start_attempt(self) -> int | None:
        """Count an attempt before the release is loaded: how many are left after it.

        None: there was none left, and it is rolled back.
        """
        record = self._change(Record.attempted)
        return record.attempts_left if record.step == "trial" else None

    def commit(self) -> None:
        """The release on trial is in force."""
        self._change(Record.committed)

    def roll_back(self, reason: str) -> None:
        """End a trial, or give up the release in force for the one before it."""
        self._change(lambda record: record.rolled_back(reason))

    def refuse(self, reason: str) -> None:
        """The release is not fit for this door."""
        self._change(lambda record: record.refused(reason))

    def fail(self, reason: str) -> None:
        """Something was in the way that may pass."""
        self._change(lambda record: record.failed(reason))

    def pause(self, reason: str) -> None:
        """Updates rest."""
        self._change(lambda record: record.paused(reason))

    def allow_again(self, release: str) -> None:
        """A release that was refused or rolled back may be tried once more."""
        self._change(lambda record: record.allowed_again(release))

    def sweep(self) -> None:
        """Remove the folders that no record knows, and what a crash left half written; no harm where it fails."""
        with self._locked():
            known = {held.folder for name in (_STATE, _BEFORE) for held in _holdings(self._read(name))}
            for path in sorted(self.folder.iterdir()):
                if _FOLDER.fullmatch(path.name) and path.name not in known:
                    _remove(path)
            for path in (*leftovers(self.folder / _STATE), *leftovers(self.folder / _BEFORE)):
                with suppress(OSError):
                    path.unlink()

    def _change(self, step: Callable[[Record], Record]) -> Record:
        """Read, step, and write, as one.

        Raises:
            StoreError: it could not be made durable; the record is as before.
            OutOfTurnError: the step has no place here.
        """
        with self._locked():
            now = self.record()
            after = step(now)
            if after != now:
                with _explaining(self.folder):
                    if self._read(_STATE) is not None:
                        write_durably(self.folder / _BEFORE, _sealed(now))
                    write_durably(self.folder / _STATE, _sealed(after))
            return after

    def _read(self, name: str) -> Record | None:
        """A record; None where it is missing or damaged."""
        try:
            data = (self.folder / name).read_bytes()
            digest, _, body = data.partition(b"\n")
            if digest.decode("ascii") != hashlib.sha256(body).hexdigest():
                return None
            return Record.from_json(body)
        except (OSError, MessageError, UnicodeDecodeError):
            return None

    def _slot(self, name: SlotName | None, record: Record) -> Slot | None:
        held = record.held(name)
        if name is None or held is None:
            return None
        folder = self.folder / held.folder
        return Slot(name, _description(folder), folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _explaining(self.folder):
            make_directory(self.folder)
            lock = FileLock(self.folder / _LOCK)
            deadline_s = time.monotonic() + _PATIENCE_S
            while not lock.acquire():
                if time.monotonic() > deadline_s:
                    raise StoreError(f"{self.folder}: process {lock.holder} has been writing for {_PATIENCE_S:.0f} s")
                time.sleep(_POLL_S)
        try:
            yield
        finally:
            lock.release()


def _remove(folder: Path) -> None:
    """A slot's folder, in which there are files alone; what cannot be removed is left for another time."""
    with suppress(OSError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _sealed(record: Record) -> bytes:
    body = record.to_json()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _holdings(record: Record | None) -> list[Held]:
    return [held for held in (record.a, record.b) if held is not None] if record is not None else []


def _description(folder: Path) -> ReleaseDescription:
    file = folder / DESCRIPTION
    try:
        return ReleaseDescription.from_json(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}; roll the release back") from error
    except MessageError as error:
        raise ModelError(f"{file}: damaged ({error}); roll the release back") from error


@contextmanager
def _explaining(folder: Path) -> Iterator[None]:
    """What the system says of the folder, in one line with the way out."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; make room on its disk, or make it writable") from error
