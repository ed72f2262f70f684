"""The door's word about releases, `update/state`, from the record and what goes on beside it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from edge.contract.update import UpdateState, UpdateStep
from edge.events import clock_set
from edge.ports import Clock
from edge.update.force import FACTORY_RELEASE
from edge.update.machine import Record
from edge.update.updater import Told

_NEED_REASON: tuple[UpdateStep, ...] = ("refused", "failed", "rolled_back", "paused")
_WHOLE: tuple[UpdateStep, ...] = ("verifying", "staged", "self_testing", "activating", "trial", "committed")


@dataclass(frozen=True, slots=True)
class Facts:
    """Beside the record. told: by a process that brings a release. problem: why it ended without its word.

    wanted: the release that is to be brought. held_back: one that is announced and not taken, since `pin` is kept.
    layers: of the sandbox, that this device does not have.
    """

    told: Told | None = None
    problem: str | None = None
    wanted: str | None = None
    held_back: str | None = None
    pin: str | None = None
    layers: tuple[str, ...] = ()


def state_of(door: str, record: Record, facts: Facts, clock: Clock) -> UpdateState:
    """The message as it is now."""
    step, target, reason, progress = _where(record, facts)
    held = record.held(record.in_force)
    return UpdateState(
        door=door,
        release=held.target.release if held is not None else FACTORY_RELEASE,
        counter=held.target.counter if held is not None else 0,
        target=target,
        state=step,
        attempt=record.attempt,
        reason=(reason or ("no reason was given" if step in _NEED_REASON else None)),
        progress=progress,
        missing_layers=facts.layers,
        at=datetime.fromtimestamp(max(clock.wall_s(), 0.0), UTC),
        clock_set=clock_set(clock),
    )


def _where(record: Record, facts: Facts) -> tuple[UpdateStep, str | None, str | None, float]:
    """Step, target, reason and progress."""
    told, target = facts.told, record.target.release if record.target is not None else None
    if told is not None and told.step != "idle" and told.release:
        return told.step, told.release, told.reason, told.progress
    if facts.problem is not None and facts.wanted is not None and record.step != "trial":
        step: UpdateStep = "paused" if record.step == "paused" else "failed"
        return step, facts.wanted, facts.problem[:300], 0.0
    if facts.held_back is not None and not record.under_way and record.step != "trial":
        return "paused", facts.held_back, f"the door is pinned to {facts.pin}", 0.0
    return record.step, target, record.reason, 1.0 if record.step in _WHOLE else 0.0
