"""One release, from being heard of to standing ready for its trial: fetch, verify, stage, self-test. Then it is over.

Runs in a process of its own (`__main__.py`), which recognition never waits for. Each step is durable before it is done
(`slots.py`), so that another run goes on where this one was interrupted. Putting a release on trial, committing it and
going back are the daemon's, as is the choice of when to run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from edge.contract.release import ReleaseDescription, ReleaseKind
from edge.contract.update import UpdateStep
from edge.errors import DoorwardError, ModelError, StoreError
from edge.update.bundle import Bundle
from edge.update.forgotten import Enrolled
from edge.update.machine import Record, Target
from edge.update.problems import Code, Refusal
from edge.update.selftest import ThisDoor, Verdict, misfit, self_test
from edge.update.slots import Slot, Slots

# What somebody has to see to, or time has to mend; trying again at once is of no use.
_PAUSING: frozenset[Code] = frozenset({"clock", "expired", "no_root", "damaged"})
_EVERY = 0.05  # of a download, between two lines that tell of it


class Offered(Protocol):
    """A release that is signed and may be fetched."""

    @property
    def description(self) -> ReleaseDescription: ...


OfferT = TypeVar("OfferT", bound=Offered)


class Fetches(Protocol[OfferT]):
    """Brings releases; `fetch.ReleaseClient` is one. Neither raises for what the network or the repository does."""

    def look(self, kind: ReleaseKind, release: str) -> OfferT | Refusal: ...

    def fetch(self, offer: OfferT) -> Bundle | Refusal: ...


@dataclass(frozen=True, slots=True)
class Told:
    """Where it is, for whoever waits. progress: of the download, 0..1. facts: of the self-test, ids and numbers."""

    step: UpdateStep
    release: str
    progress: float = 0.0
    reason: str | None = None
    missing_layers: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


_NOTHING, _WHOLE = Told("idle", ""), Told("idle", "", progress=1.0)

Tells = Callable[[Told], None]
TriesOn = Callable[[Slot, ThisDoor, Sequence[Enrolled]], Verdict]


class Updater(Generic[OfferT]):
    """Takes one release as far as it goes."""

    def __init__(
        self,
        slots: Slots,
        fetcher: Fetches[OfferT],
        door: ThisDoor,
        people: Callable[[], Sequence[Enrolled]],
        tell: Tells,
        try_on: TriesOn = self_test,
    ) -> None:
        """people: everybody with their exemplars by the door's embedder; asked for when the self-test begins."""
        self._slots, self._fetcher, self._door, self._people = slots, fetcher, door, people
        self._tell, self._try_on = tell, try_on
        self._told = Told("idle", "")

    def run(self, wanted: Target) -> Told:
        """Take the release up or go on with it; how far it came is the last that was told, too.

        `activating`: it waits for its trial. `refused`: not fit. `failed`, `paused`: the reason says what is in the
        way.
        """
        self._told = Told("idle", wanted.release)
        try:
            return self._run(wanted)
        except StoreError as error:
            return self._failed(str(error))
        except OSError as error:
            return self._failed(f"{error.strerror or error}; make room on the disk, or make it writable")
        except DoorwardError as error:
            return self._failed(str(error))

    def _run(self, wanted: Target) -> Told:
        self._slots.sweep()
        record = self._slots.record()
        if record.step == "activating" and _same(record, wanted):
            return self._say(record)
        if (unwanted := record.wants(wanted)) is not None:
            return self._say(replace(record, reason=unwanted), Told("idle", wanted.release))
        slot = self._staged_before(record, wanted) or self._fetched(wanted)
        return self._tested(slot) if isinstance(slot, Slot) else slot

    def _staged_before(self, record: Record, wanted: Target) -> Slot | None:
        """What an interrupted run has staged already, if it is whole."""
        if not _same(record, wanted):
            return None
        with suppress(ModelError):
            slot = self._slots.candidate()
            return slot if slot is not None and slot.damage() is None else None
        return None

    def _fetched(self, wanted: Target) -> Slot | Told:
        self._slots.begin(wanted)
        self._say(self._slots.record())
        offer = self._fetcher.look(wanted.kind, wanted.release)
        if isinstance(offer, Refusal):
            return self._not_had(offer)
        # From here on what was signed counts, and not what the notice said.
        self._slots.begin(Target.of(offer.description))
        if (problem := misfit(offer.description, self._door)) is not None:
            return self._refused(problem)
        bundle = self._fetcher.fetch(offer)
        if isinstance(bundle, Refusal):
            return self._not_had(bundle)
        self._slots.downloaded()
        self._say(self._slots.record(), _WHOLE)
        slot = self._slots.stage(bundle)
        bundle.path.unlink(missing_ok=True)
        self._say(self._slots.record(), _WHOLE)
        return slot

    def _tested(self, slot: Slot) -> Told:
        record = self._slots.begin_test()
        told = self._say(record, _WHOLE)
        if record.step == "refused":
            return told
        verdict = self._try_on(slot, self._door, self._people())
        about = Told("idle", "", 1.0, None, verdict.missing_layers, verdict.facts)
        if verdict.reason is None:
            self._slots.passed()
            return self._say(self._slots.record(), about)
        if verdict.again:
            # The record stays: another run tests again, and the count of tests ends that some time.
            return self._say(replace(record, step="failed", reason=verdict.reason), about)
        self._slots.refuse(verdict.reason)
        return self._say(self._slots.record(), about)

    def on_progress(self, share: float) -> None:
        """For whoever downloads. share: 0..1."""
        if self._told.step == "downloading" and (share >= self._told.progress + _EVERY or share >= 1):
            self._told = replace(self._told, progress=share)
            self._tell(self._told)

    def _not_had(self, refusal: Refusal) -> Told:
        if refusal.final:
            return self._refused(refusal.words)
        if refusal.code in _PAUSING:
            self._slots.pause(refusal.words)
            return self._say(self._slots.record())
        return self._failed(refusal.words)

    def _refused(self, reason: str) -> Told:
        self._slots.refuse(reason)
        return self._say(self._slots.record())

    def _failed(self, reason: str) -> Told:
        """Told in any case; on a full disk the record stays at the step that was interrupted, to go on from there."""
        with suppress(StoreError):
            if self._slots.record().under_way:
                self._slots.fail(reason)
        told = replace(self._told, step="failed", reason=reason)
        self._tell(told)
        return told

    def _say(self, record: Record, about: Told | None = None) -> Told:
        """about: what else there is to tell than the record's step and reason."""
        name = about.release if about is not None else ""
        name = name or (record.target.release if record.target is not None else self._told.release)
        self._told = replace(about or _NOTHING, step=record.step, release=name, reason=record.reason)
        self._tell(self._told)
        return self._told


def _same(record: Record, wanted: Target) -> bool:
    """About the same release; its counter a notice may have wrong."""
    return record.target is not None and record.target.release == wanted.release
