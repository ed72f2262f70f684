"""Releases in the store: what was signed, which doors each goes to, what doors said of them. One transaction's worth.

Which ring follows, and what a door is told, is decided in `trainer/releases/`; here it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select, update

from edge.contract.release import ReleaseDescription
from edge.contract.update import UpdateState
from trainer.releases.progress import status_after, undone
from trainer.releases.rings import CLOSED
from trainer.store.engine import insert_new, lock, upsert
from trainer.store.people import plain_text
from trainer.store.records import Door
from trainer.store.release_records import DoorUpdate, Release, ReleaseStatus, RolloutDoor
from trainer.store.status import read_doors
from trainer.store.tables import door_updates, meta, releases, rollout_doors

_COUNTER = "release_counter"


class Releases:
    """Reads and writes within one transaction. at_s: its time, seconds since 1970 UTC."""

    def __init__(self, connection: Connection, at_s: float) -> None:
        self._connection = connection
        self.at_s = at_s

    def lock(self) -> None:
        """Until the transaction ends nobody else changes a rollout."""
        lock(self._connection, "releases")

    def next_counter(self, floor: int) -> int:
        """A counter above every one given out before, and above `floor`; given out for good once committed."""
        lock(self._connection, "release counter")
        found = self._connection.scalar(select(meta.c.value).where(meta.c.name == _COUNTER))
        number = max(0 if found is None else int(bytes(found)), floor) + 1
        value = str(number).encode()
        self._connection.execute(upsert(self._connection, meta, {"name": _COUNTER, "value": value}, {"value": value}))
        return number

    def claim(self, what: str, holder: str, for_s: float) -> bool:
        """Whether `holder` may do `what` for so long: nobody else does then. Ask again before it ends."""
        name = f"claim {what}"
        lock(self._connection, name)
        found = self._connection.scalar(select(meta.c.value).where(meta.c.name == name))
        if found is not None:
            until, _, other = bytes(found).decode().partition(" ")
            if other != holder and float(until) > self.at_s:
                return False
        value = f"{self.at_s + for_s!r} {holder}".encode()
        self._connection.execute(upsert(self._connection, meta, {"name": name, "value": value}, {"value": value}))
        return True

    def add(self, description: ReleaseDescription, even_refused: str | None = None) -> bool:
        """Keep what was signed; False where it is kept already."""
        values = {
            "id": description.release,
            "counter": description.counter,
            "compatible": description.compatible,
            "description": description.to_json().decode(),
            "status": "signed",
            "signed_s": description.at.timestamp(),
            "rings": "",
            "ring": 0,
            "why": "",
            "even_refused": even_refused if even_refused is None else plain_text(even_refused),
        }
        return insert_new(self._connection, releases, values)

    def all(self) -> list[Release]:
        """Every release, the newest first."""
        rows = self._connection.execute(select(releases).order_by(releases.c.counter.desc()))
        return [_release(row) for row in rows]

    def begin(self, release: str, rings: str, plan: Mapping[str, int], ring: int) -> None:
        """Publish it to the doors of a plan. ring: the first that gets it."""
        now = {"status": "running", "published_s": self.at_s, "rings": rings, "why": ""}
        self._change(release, now | {"ring": ring, "ring_opened_s": self.at_s})
        self.join(release, plan)

    def join(self, release: str, plan: Mapping[str, int]) -> None:
        """Doors that the release is to go to; those that are in it already stay as they are."""
        for door, ring in sorted(plan.items()):
            values = {"release": release, "door": door, "ring": ring, "status": "scheduled", "changed_s": self.at_s}
            fixed = {"rolled_back": False, "excused": False, "attempt": 0}
            insert_new(self._connection, rollout_doors, values | fixed)

    def open_ring(self, release: str, ring: int) -> None:
        """Let the release go to a further ring."""
        self._change(release, {"ring": ring, "ring_opened_s": self.at_s})

    def end(self, release: str, status: ReleaseStatus, why: str, counter: int | None = None) -> None:
        """Stop, withdraw, supersede: the doors that are not done are called off. counter: of a withdrawal."""
        values: dict[str, Any] = {"status": status, "why": plain_text(why)}
        self._change(release, values if counter is None else values | {"withdrawn_counter": counter})
        mine = (rollout_doors.c.release == release, rollout_doors.c.status.not_in(CLOSED))
        changed = {"status": "cancelled", "changed_s": self.at_s}
        self._connection.execute(update(rollout_doors).where(*mine).values(**changed))

    def mark(self, release: str, status: ReleaseStatus, why: str = "") -> None:
        """Another status; the doors stay as they are."""
        self._change(release, {"status": status, "why": plain_text(why)})

    def resume(self, release: str) -> None:
        """Go on: doors that failed are excused, those that were called off are to get it again."""
        self._change(release, {"status": "running", "why": ""})
        mine = rollout_doors.c.release == release
        failed = rollout_doors.c.status.in_(("closed failure", "rejected")) | rollout_doors.c.rolled_back
        self._connection.execute(update(rollout_doors).where(mine, failed).values(excused=True))
        again = {"status": "scheduled", "changed_s": self.at_s}
        off = rollout_doors.c.status == "cancelled"
        self._connection.execute(update(rollout_doors).where(mine, off).values(**again))

    def doors_of(self, *releases: str) -> list[RolloutDoor]:
        """The doors that these go to, by name."""
        mine = rollout_doors.c.release.in_(releases)
        query = select(rollout_doors).where(mine).order_by(rollout_doors.c.door, rollout_doors.c.release)
        return [RolloutDoor(**_columns(row)) for row in self._connection.execute(query)]

    def fleet(self) -> list[Door]:
        """Every door that was ever heard of, by name."""
        return read_doors(self._connection)

    def updates(self) -> list[DoorUpdate]:
        """What each door last said, by name."""
        rows = self._connection.execute(select(door_updates).order_by(door_updates.c.door))
        return [_update(row) for row in rows]

    def said(self, state: UpdateState) -> bool:
        """Keep what a door says, and how far that brings it; False for an older word than the one that is kept.

        The door must be in the store.
        """
        known = select(door_updates.c.at_s, door_updates.c.clock_set).where(door_updates.c.door == state.door)
        row = self._connection.execute(known.with_for_update()).one_or_none()
        if row is not None and row.clock_set and state.clock_set and row.at_s > state.at.timestamp():
            return False
        values = _said(state, self.at_s)
        changed = {name: value for name, value in values.items() if name != "door"}
        self._connection.execute(upsert(self._connection, door_updates, values, changed))
        for name in {state.release, state.target} - {None}:
            self._advance(str(name), state)
        return True

    def _advance(self, release: str, state: UpdateState) -> None:
        key = (rollout_doors.c.release == release, rollout_doors.c.door == state.door)
        row = self._connection.execute(select(rollout_doors).where(*key).with_for_update()).one_or_none()
        if row is None:
            return
        status = status_after(row.status, release, state)
        values: dict[str, Any] = {"status": status}
        if state.target == release:
            values |= {"attempt": state.attempt, "reason": _text(state.reason)}
        if undone(row.status, release, state):
            values["rolled_back"] = True
        if status != row.status:
            values["changed_s"] = self.at_s
        self._connection.execute(update(rollout_doors).where(*key).values(**values))

    def _change(self, release: str, values: dict[str, Any]) -> None:
        self._connection.execute(update(releases).where(releases.c.id == release).values(**values))


def _release(row: Row[Any]) -> Release:
    values = {name: value for name, value in _columns(row).items() if name not in ("id", "counter", "compatible")}
    return Release(**values | {"description": ReleaseDescription.from_json(row.description.encode())})


def _update(row: Row[Any]) -> DoorUpdate:
    return DoorUpdate(**_columns(row) | {"missing_layers": tuple(json.loads(row.missing_layers))})


def _columns(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping


def _said(state: UpdateState, received_s: float) -> dict[str, Any]:
    return {
        "door": state.door,
        "release": plain_text(state.release),
        "counter": state.counter,
        "target": state.target,
        "state": state.state,
        "attempt": state.attempt,
        "reason": _text(state.reason),
        "progress": state.progress,
        "missing_layers": json.dumps([plain_text(layer) for layer in state.missing_layers]),
        "at_s": state.at.timestamp(),
        "clock_set": state.clock_set,
        "received_s": received_s,
    }


def _text(text: str | None) -> str | None:
    return None if text is None else plain_text(text)
