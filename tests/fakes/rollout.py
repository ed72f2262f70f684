"""A small fleet as the store hears of it: doors that tell their state, and how far they are with a release."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from edge.contract.update import UpdateState, UpdateStep
from tests.fakes.candidates import EMBEDDER
from tests.fakes.messages import STATE, UPDATE_STATE
from trainer.store.store import FleetStore


def meet(store: FleetStore, doors: Iterable[str], **changes: Any) -> None:
    """The doors tell their state."""
    kept: dict[str, Any] = {"embedder_sha256": EMBEDDER.sha256, "version": "0.1.0"}
    with store.write() as writer:
        for door in doors:
            writer.state(replace(STATE, door=door, **(kept | changes)))


def said(door: str, release: str, step: UpdateStep, at_s: float = 1e9, **changes: Any) -> UpdateState:
    """What a door says of a release. The release is in force from the moment that it is committed."""
    reason = "as told" if step in ("refused", "failed", "rolled_back", "paused") else None
    in_force = release if step == "committed" else "factory-1"
    base = replace(UPDATE_STATE, door=door, release=in_force, target=release, state=step, attempt=1, reason=reason)
    return replace(base, at=datetime.fromtimestamp(at_s, UTC), **changes)


def say(store: FleetStore, *states: UpdateState) -> None:
    """The store hears of it."""
    with store.write() as writer:
        for state in states:
            writer.update_state(state)


def statuses(store: FleetStore, release: str) -> dict[str, str]:
    """How far each door is with a release."""
    with store.reading_releases() as kept:
        return {row.door: row.status for row in kept.doors_of(release)}
