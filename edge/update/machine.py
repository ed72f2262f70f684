"""How a release gets into force on a door, as a value that each event turns into the next. Pure: reads, writes nothing.

    idle -> downloading -> verifying -> staged -> self_testing -> activating -> trial -> committed
                 any of these -> refused | failed | paused            trial, committed -> rolled_back

`slots.py` makes each record durable before what it announces is done, so that a power cut leaves a record from which
things go on: everything up to `self_testing` may be done again, and a trial counts its attempts down beforehand. Until
`committed`, what was in force stays so. A release that was refused or rolled back is not tried again by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, TypeAlias

from edge.contract.codec import between, chars, count, matches
from edge.contract.messages import Counter, Message, Schema
from edge.contract.release import ReleaseDescription, ReleaseId, ReleaseKind
from edge.contract.update import UpdateStep

SlotName: TypeAlias = Literal["A", "B"]

MOST_ATTEMPTS = 3  # of a trial; loads of a head that ended with a crash or a power cut
MOST_TESTS = 3  # self-tests that were begun and never answered
_REMEMBERED = 64  # releases that are not tried again
_LONGEST_REASON = 300  # what a report of the state takes

_UNDER_WAY: tuple[UpdateStep, ...] = ("downloading", "verifying", "staged", "self_testing", "activating")
_ENDS: tuple[UpdateStep, ...] = ("idle", "refused", "failed", "rolled_back", "paused")


class OutOfTurnError(RuntimeError):
    """An event that has no place in this state: a mistake of the caller, or two of them at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The release that things are about."""

    release: ReleaseId
    kind: ReleaseKind
    counter: Counter

    @classmethod
    def of(cls, release: ReleaseDescription) -> Target:
        return cls(release=release.release, kind=release.kind, counter=release.counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a slot holds. folder: its name below that of all releases; each is written once and never again."""

    folder: Annotated[str, matches(r"[AB]-[0-9]{1,9}", "a slot's letter, - and a number")]
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Message):
    """Where a door is with releases.

    in_force: the slot that is; None is the head that was installed with the program. previous: what was before it.
    target: what it is about. slot: where that is, from `staged` on. a, b: what the slots hold.
    attempts_left, tests_left: of a trial and of self-tests. number: of the last folder that was given out.
    reason: why it ended as it did, in a line.
    passed_over: releases that were refused or rolled back.
    """

    KIND: ClassVar[str] = "releases"
    MAX_BYTES: ClassVar[int] = 16_384
    schema: Schema = "1.0"
    step: UpdateStep = "idle"
    in_force: SlotName | None = None
    previous: SlotName | None = None
    target: Target | None = None
    slot: SlotName | None = None
    a: Held | None = None
    b: Held | None = None
    attempts_left: Annotated[int, between(0, MOST_ATTEMPTS)] = 0
    tests_left: Annotated[int, between(0, MOST_TESTS)] = 0
    number: Annotated[int, between(0, 999_999_999)] = 0
    reason: Annotated[str, chars(1, _LONGEST_REASON)] | None = None
    passed_over: Annotated[tuple[ReleaseId, ...], count(0, _REMEMBERED)] = ()

    def conflict(self) -> str | None:
        named = {"in_force": self.in_force, "previous": self.previous, "slot": self.slot}
        for key, name in named.items():
            if name is not None and self.held(name) is None:
                return f"key '{key}': slot {name} holds nothing"
        if self.in_force is not None and self.in_force in (self.previous, self._writing):
            return "key 'in_force': is the slot that is left, or written to"
        if self.step in (*_UNDER_WAY, "trial") and self.target is None:
            return f"key 'target': must be given in {self.step}"
        if self.step in ("staged", "self_testing", "activating", "trial") and self.slot is None:
            return f"key 'slot': must be given in {self.step}"
        return None

    @property
    def _writing(self) -> SlotName | None:
        return self.slot if self.step != "committed" else None

    def held(self, name: SlotName | None) -> Held | None:
        """What a slot holds."""
        return None if name is None else self.a if name == "A" else self.b

    @property
    def attempt(self) -> int:
        """Which attempt of a trial this is, from 1; 0 before the first."""
        return MOST_ATTEMPTS - self.attempts_left if self.step == "trial" else 0

    @property
    def free(self) -> SlotName:
        """The slot that may be written to."""
        return "B" if self.in_force == "A" else "A"

    @property
    def under_way(self) -> bool:
        """A release is on its way that is not yet in force, nor on trial."""
        return self.step in _UNDER_WAY

    def wants(self, target: Target) -> str | None:
        """Why this release is not to be begun; None where it is."""
        if self.step == "trial":
            return f"{self.target.release if self.target else 'a release'} is on trial"
        held = self.held(self.in_force)
        if held is not None and held.target.release == target.release:
            return f"{target.release} is in force"
        if target.release in self.passed_over:
            return f"{target.release} was refused or rolled back before"
        return None

    def begun(self, target: Target) -> Record:
        """A release is to be fetched, for the first time or again; what was under way is given up."""
        if self.step == "trial":
            raise OutOfTurnError("a release is on trial; commit it or roll it back first")
        return replace(
            self, step="downloading", target=target, slot=None, reason=None, attempts_left=0, tests_left=MOST_TESTS
        )

    def downloaded(self) -> Record:
        """All of it is here; what it is, is looked at."""
        return replace(_in(self, "downloading", "verifying"), step="verifying")

    def placed(self) -> Record:
        """The free slot is given a new folder, which is not yet relied on."""
        record = _in(self, "verifying")
        free, number = self.free, record.number + 1
        assert record.target is not None
        held = Held(folder=f"{free}-{number}", target=record.target)
        previous = None if record.previous == free else record.previous
        return replace(
            record,
            number=number,
            previous=previous,
            a=held if free == "A" else record.a,
            b=held if free == "B" else record.b,
        )

    def staged(self) -> Record:
        """The files are in the free slot, durably."""
        record = _in(self, "verifying")
        held = record.held(record.free)
        if held is None or held.target != record.target:
            raise OutOfTurnError("the release was not placed in the free slot")
        return replace(record, step="staged", slot=record.free)

    def tested_next(self) -> Record:
        """A self-test is begun; too many that never answered are an answer."""
        record = _in(self, "staged", "self_testing")
        if record.tests_left == 0:
            return record.refused(f"the self-test was begun {MOST_TESTS} times and gave no answer")
        return replace(record, step="self_testing", tests_left=record.tests_left - 1)

    def passed(self) -> Record:
        """The self-test is passed: it may be put on trial."""
        return replace(_in(self, "self_testing"), step="activating")

    def on_trial(self) -> Record:
        """It is put on trial."""
        return replace(_in(self, "activating"), step="trial", attempts_left=MOST_ATTEMPTS)

    def attempted(self) -> Record:
        """An attempt is begun; where none is left, that was the last."""
        record = _in(self, "trial")
        if record.attempts_left == 0:
            return record.rolled_back(f"{MOST_ATTEMPTS} attempts to run it ended before it was found healthy")
        return replace(record, attempts_left=record.attempts_left - 1)

    def committed(self) -> Record:
        """It is in force."""
        record = _in(self, "trial")
        return replace(
            record, step="committed", in_force=record.slot, previous=record.in_force, slot=None, attempts_left=0
        )

    def rolled_back(self, reason: str) -> Record:
        """Back to what was before: a trial is ended, or what is in force is given up for the one before it."""
        record = _in(self, "activating", "trial", "committed", *_ENDS)
        if record.step in ("activating", "trial"):
            return _ended(record, "rolled_back", reason, record.target)
        held = record.held(record.in_force)
        if held is None:
            raise OutOfTurnError("there is nothing to roll back: the head that was installed is in force")
        back = replace(record, in_force=record.previous, previous=None, target=held.target)
        return _ended(back, "rolled_back", reason, held.target)

    def refused(self, reason: str) -> Record:
        """It is not fit for this door, and will not become so."""
        record = _in(self, *_UNDER_WAY)
        return _ended(record, "refused", reason, record.target)

    def failed(self, reason: str) -> Record:
        """Something was in the way that may pass: the network, a full disk."""
        return _ended(_in(self, *_UNDER_WAY, *_ENDS), "failed", reason)

    def paused(self, reason: str) -> Record:
        """Updates rest, until somebody or something lifts it: an operator's word, a clock that is not set."""
        return _ended(_in(self, *_UNDER_WAY, *_ENDS, "committed"), "paused", reason)

    def allowed_again(self, release: str) -> Record:
        """An operator wants a release that was refused or rolled back tried once more."""
        return replace(self, passed_over=tuple(name for name in self.passed_over if name != release))


def _ended(record: Record, step: UpdateStep, reason: str, passed_over: Target | None = None) -> Record:
    line = " ".join(reason.split())[:_LONGEST_REASON] or "no reason was given"
    names = record.passed_over
    if passed_over is not None:
        names = (*(name for name in names if name != passed_over.release), passed_over.release)[-_REMEMBERED:]
    return replace(record, step=step, reason=line, passed_over=names, slot=None, attempts_left=0, tests_left=0)


def _in(record: Record, *steps: UpdateStep) -> Record:
    if record.step not in steps:
        raise OutOfTurnError(f"a release that is {record.step} cannot be taken as {' or '.join(steps)}")
    return record
