"""All that one transaction may write. Decides which of two reports is the newer, and what an erasure takes along.

Opening, committing and undoing the transaction is left to `FleetStore.write`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, or_, select, update

from edge.contract.fleet import PersonErased, PersonReport
from edge.contract.messages import DoorState, RecognitionEvent
from edge.contract.update import UpdateState
from edge.errors import MessageError
from trainer.store.engine import insert_new, lock, upsert
from trainer.store.packing import dimensions_of, pack
from trainer.store.people import delete_person, named, open_people, plain_text, put_person
from trainer.store.records import Claim, Erased, Poison, Refresh, Reported
from trainer.store.releases import Releases
from trainer.store.sums import Departures
from trainer.store.tables import (
    EVERY_DOOR,
    doors,
    embedders,
    event_quality,
    gone,
    meta,
    people,
    refreshes,
    set_aside,
)
from trainer.store.vault import Vault

REMAINS = "remains"
_STARTED = "refresh_started"
FOR_GOOD = 2**53  # the highest revision that a message can have
_LONGEST_TEXT = 300


class Writer:
    """One transaction. at_s: the time of all that it writes, seconds since 1970 UTC.

    dimensions: of known embedders, by sha256.
    """

    def __init__(self, connection: Connection, vault: Vault, at_s: float, dimensions: Mapping[str, int]) -> None:
        self._connection = connection
        self._vault = vault
        self._at_s = at_s
        self._dimensions = dimensions
        self._departures = Departures()
        self._seen: set[str] = set()
        self.erases = False
        self.releases = Releases(connection, at_s)

    def person(self, report: PersonReport) -> Reported:
        """Put a report in the place of what was known; one that came before, or is older, changes nothing.

        Raises:
            MessageError: it holds no embeddings, or of another dimension than a known embedder's; nothing was written.
        """
        packed = {exemplar.exemplar: pack(exemplar) for exemplar in report.exemplars}
        self._check_dimensions(report)
        lock(self._connection, f"person {report.person}")
        if report.revision <= self._gone_until(report.door, report.person):
            return "gone"
        known = self._known(report.door, report.person)
        if known is not None:
            if known.report == report.report:
                return "stored"
            if known.revision > report.revision:
                return "older"
            self._take_out(known)
        self._meet(report.door)
        put_person(self._connection, self._vault, report, packed, None if known is None else known.id)
        return "stored"

    def erased(self, message: PersonErased) -> Erased:
        """Take a person away, with their part of the sums and what was set aside of them."""
        lock(self._connection, f"person {message.person}")
        known = self._known(message.door, message.person)
        if known is not None and known.revision > message.revision:
            return "older"
        self._meet(message.door)
        self._bury(message.door, message.person, message.revision)
        self._forget_aside(message.person, message.door)
        if known is None:
            return "nobody"
        self._remove(known)
        return "erased"

    def erase_everywhere(self, person: str) -> int:
        """Take a person away at whatever door, for good: no later report brings them back. At how many doors."""
        lock(self._connection, f"person {person}")
        known = self._connection.execute(self._row().where(people.c.person == person)).all()
        self._bury(EVERY_DOOR, person, FOR_GOOD)
        self._forget_aside(person)
        for row in known:
            self._remove(row)
        return len(known)

    def event(self, event: RecognitionEvent) -> bool:
        """Keep an event's figures, and neither who it was nor a name; False where they are kept already."""
        self._meet(event.door)
        values = {
            "event": event.event,
            "door": event.door,
            "received_s": self._at_s,
            "at_s": (event.ended_at or event.started_at).timestamp(),
            "clock_set": event.clock_set,
            "phase": event.phase,
            "outcome": event.outcome,
            "reason": event.reason,
            "width_px": event.quality.width_px,
            "sharpness": event.quality.sharpness,
            "brightness": event.quality.brightness,
            "away_deg": event.quality.away_deg,
            "presence": event.quality.presence,
            "score": event.score,
            "margin": event.margin,
            "frames": event.frames,
            "good_frames": event.good_frames,
            "release": plain_text(event.release),
        }
        return insert_new(self._connection, event_quality, values)

    def state(self, state: DoorState) -> None:
        """Keep a door's newest state."""
        self._meet(state.door)
        values = {
            "state_s": self._at_s,
            "version": plain_text(state.version),
            "release": plain_text(state.release),
            "embedder": state.embedder_sha256,
            "runtime": plain_text(state.runtime),
            "camera": state.camera,
            "people": state.people,
            "queued": state.queued,
            "dropped": state.dropped,
            "last_frame_age_s": state.last_frame_age_s,
            "clock_set": state.clock_set,
            "degraded": json.dumps(state.degraded),
        }
        self._connection.execute(update(doors).where(doors.c.id == state.door).values(**values))

    def update_state(self, state: UpdateState) -> None:
        """Keep how far a door is with releases."""
        self._meet(state.door)
        self.releases.said(state)

    def set_aside(self, poison: Poison) -> bool:
        """Keep a message that cannot be used; of one that came before, how often: False then."""
        wrapped, head = self._vault.seal_aside(poison.sha256, poison.head)
        values = {
            "door": plain_text(poison.door)[:_LONGEST_TEXT],
            "topic": plain_text(poison.topic)[:_LONGEST_TEXT],
            "person": poison.person,
            "reason": plain_text(poison.reason)[:_LONGEST_TEXT],
            "at_s": self._at_s,
            "times": 1,
            "bytes": poison.size,
            "sha256": poison.sha256,
            "wrapped_key": wrapped,
            "head": head,
        }
        same = (set_aside.c.topic == values["topic"], set_aside.c.sha256 == poison.sha256)
        again = {"times": set_aside.c.times + 1, "at_s": self._at_s, "reason": values["reason"]}
        lock(self._connection, f"aside {poison.sha256}")
        if self._connection.execute(update(set_aside).where(*same).values(**again)).rowcount:
            return False
        self._connection.execute(insert(set_aside).values(**values))
        return True

    def refresh(self, refresh: Refresh) -> int:
        """Keep what a refresh decided; its number."""
        values = {
            "at_s": refresh.at_s,
            "embedder": refresh.embedder,
            "decision": refresh.decision,
            "candidate": refresh.candidate,
            "report": refresh.report,
            "counts": json.dumps(dict(refresh.counts)),
        }
        made = self._connection.execute(insert(refreshes).values(**values)).inserted_primary_key
        return int(made[0]) if made else 0

    def claim_refresh(self, due: Callable[[float, float | None], bool]) -> Claim | None:
        """A claim where a refresh is to be started by the caller; of several who ask at once one gets it.

        due: from now and from when the last one was started (None: never), seconds since 1970 UTC. Where none ever was,
        the first to ask sets the time from which it is counted.
        """
        lock(self._connection, "refresh")
        last_s = self._refresh_started()
        is_due = due(self._at_s, last_s)
        if is_due or last_s is None:
            self._refresh_starts(self._at_s)
        return Claim(self._at_s, last_s) if is_due else None

    def give_back(self, claim: Claim) -> None:
        """A claimed refresh came to no end: it is due again, unless another was claimed in the meantime."""
        lock(self._connection, "refresh")
        if self._refresh_started() != claim.at_s:
            return
        if claim.former_s is None:
            self._connection.execute(delete(meta).where(meta.c.name == _STARTED))
        else:
            self._refresh_starts(claim.former_s)

    def finish(self) -> None:
        """The last statements before the commit."""
        self._departures.write(self._connection, self._vault)
        for door in sorted(self._seen):
            self._connection.execute(update(doors).where(doors.c.id == door).values(last_seen_s=self._at_s))
        if self.erases:
            mark = os.urandom(8)
            self._connection.execute(upsert(self._connection, meta, {"name": REMAINS, "value": mark}, {"value": mark}))

    def _check_dimensions(self, report: PersonReport) -> None:
        """A known embedder has those that it has. Of another nobody can tell which report is wrong, so all are kept.

        Its first report's are noted, until nobody is left who was reported by it.
        """
        embedder, dimensions = report.embedder_sha256, dimensions_of(report.exemplars[0])
        right = self._dimensions.get(embedder, dimensions)
        if dimensions != right:
            raise MessageError(
                f"fleet/people: embeddings of {dimensions} numbers; those of embedder {embedder[:12]} have {right}"
            )
        if insert_new(self._connection, embedders, {"sha256": embedder, "dimensions": dimensions}):
            return
        row = select(embedders.c.dimensions).where(embedders.c.sha256 == embedder)
        if self._connection.scalar(row.with_for_update(read=True)) == dimensions:
            return
        self._connection.execute(row.with_for_update())
        if self._connection.scalar(select(people.c.person).where(people.c.embedder == embedder).limit(1)) is None:
            noted = update(embedders).where(embedders.c.sha256 == embedder)
            self._connection.execute(noted.values(dimensions=dimensions))

    def _refresh_started(self) -> float | None:
        found = self._connection.scalar(select(meta.c.value).where(meta.c.name == _STARTED))
        return None if found is None else float(bytes(found))

    def _refresh_starts(self, at_s: float) -> None:
        value = repr(at_s).encode()
        row = {"name": _STARTED, "value": value}
        self._connection.execute(upsert(self._connection, meta, row, {"value": value}))

    def _gone_until(self, door: str, person: str) -> int:
        """The revision up to which reports of this person are of before their erasure; -1 for none."""
        theirs = (gone.c.person == person, or_(gone.c.door == door, gone.c.door == EVERY_DOOR))
        found = self._connection.scalar(select(func.max(gone.c.revision)).where(*theirs))
        return -1 if found is None else int(found)

    def _row(self) -> Select[Any]:
        return select(people).with_for_update()

    def _known(self, door: str, person: str) -> Row[Any] | None:
        return self._connection.execute(self._row().where(named(door, person))).one_or_none()

    def _remove(self, row: Row[Any]) -> None:
        self._take_out(row)
        delete_person(self._connection, row.id)

    def _take_out(self, row: Row[Any]) -> None:
        """Of the sums; what the row holds is about to go."""
        self.erases = True
        if row.pooled:
            opened, _ = open_people(self._connection, self._vault, [row])
            self._departures.add((row.embedder, row.fold), opened.get(row.id))

    def _bury(self, door: str, person: str, revision: int) -> None:
        values = {"door": door, "person": person, "revision": revision, "at_s": self._at_s}
        if not insert_new(self._connection, gone, values):
            older = (gone.c.door == door, gone.c.person == person, gone.c.revision < revision)
            self._connection.execute(update(gone).where(*older).values(revision=revision, at_s=self._at_s))

    def _forget_aside(self, person: str, door: str | None = None) -> None:
        theirs = [set_aside.c.person == person, *([set_aside.c.door == door] if door is not None else [])]
        if self._connection.execute(delete(set_aside).where(*theirs)).rowcount:
            self.erases = True

    def _meet(self, door: str) -> None:
        if door not in self._seen:
            self._seen.add(door)
            values = {"id": door, "first_seen_s": self._at_s, "last_seen_s": self._at_s, "degraded": "[]"}
            insert_new(self._connection, doors, values)
