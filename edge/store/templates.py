"""The template store: who was enrolled, with which exemplars, on disk, each person sealed under a key of their own.

One process writes (the daemon; a lock sees to it), others may read beside it. Every write is one transaction of SQLite
with `synchronous=FULL`: when a method returns, what it did survives a power cut; when it raises `StoreError`, nothing
was written. The recognizer lives on what `load` and the writes answer, never on the disk, so a failing disk stops
enrollment alone.

Left to others: the lock and the state of the disk (`session`), the tables (`schema`), sealing
(`rows`, `keys`), repair (`repair`, `salvage`), copies (`snapshots`), erasing and its
receipts (`erasure`, `receipts`), taking people in and out (`transfer`, `archive`), and when to do any of it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from edge.errors import StoreError
from edge.store.codec import Card
from edge.store.erasure import Eraser, verify_receipt
from edge.store.keys import DeviceKey
from edge.store.receipts import Place, Receipt
from edge.store.rows import PersonRow, SealedRows
from edge.store.salvage import salvage
from edge.store.schema import StorePaths, read_meta, reading, write_meta
from edge.store.session import StoreSession, open_session
from edge.store.snapshots import Snapshots
from edge.store.types import (
    CLOCK_FLOOR_S,
    Enrollment,
    Kind,
    NewExemplar,
    Person,
    StoredPeople,
    StoreRefusedError,
    View,
    clean_name,
)

_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Undone:
    """An enrollment that was taken back. receipt: of the person's erasure, when it had made them; else None."""

    enrollment: Enrollment
    receipt: Receipt | None


class TemplateStore:
    """The store of one door. Made by `TemplateStore.open`; used by one thread at a time.

    Every writing method raises `StoreRefusedError` where what was asked cannot be done, and `StoreError` where the disk
    or the file is the trouble. Times (`wall_s`) are seconds since 1970 UTC.
    """

    def __init__(self, session: StoreSession, places: Sequence[Place]) -> None:
        self.session = session
        self._places = places
        self._seen: dict[str, float] = {}

    @classmethod
    def open(
        cls,
        path: Path,
        key: DeviceKey,
        *,
        exclusive: bool = True,
        keep_snapshots: int = 5,
        places: Sequence[Place] = (),
    ) -> TemplateStore:
        """Open the store at `path`, making it where nothing is.

        exclusive: be the one process that writes. False only reads, also beside a running daemon.
        places: what else is to be emptied when somebody is erased.

        Raises:
            StoreError: another process writes, another key, a newer schema, or nothing that can be read.
        """
        paths = StorePaths(path)
        session = open_session(paths, key, Snapshots(paths, keep=keep_snapshots), exclusive=exclusive)
        return cls(session, places)

    @property
    def refusal(self) -> str | None:
        """Why nothing can be written just now (disk full, read-only), or None."""
        return self.session.refusal

    @property
    def report(self) -> list[str]:
        """What opening found amiss and did about it, one line each."""
        return self.session.report.lines()

    def load(self) -> StoredPeople:
        """Everybody. Rows that do not open are brought back from a snapshot where one has them, else reported."""
        with self.session.explaining("reading the templates"):
            people = self.session.rows.read()
        if self.refusal is not None or not (people.damage or people.blind):
            return people
        with self.session.explaining("repairing the templates"):
            return self._repair(people)

    def some(self, people: Collection[str]) -> Mapping[str, Person]:
        """Those of these ids who are there, as they are now, each by the id that they go by."""
        with self.session.explaining("reading the templates"):
            rows = self.session.rows
            return rows.read({member for person in people for member in rows.group(rows.holder(person))}).people

    def views(self, exemplar: str) -> tuple[View, ...]:
        """The made-worse views of one exemplar, for the fleet's statistics."""
        with self.session.explaining(f"reading the views of {exemplar}"):
            return self.session.rows.views(exemplar)

    def add_person(
        self, name: str | None, exemplars: Sequence[NewExemplar], *, wall_s: float, verified: bool = False
    ) -> Person:
        """Enroll somebody new. Without a name they are `Person 7`, and not verified whatever `verified` says.

        Raises:
            StoreRefusedError: no exemplar, or a name that is none.
            ValueError: an embedding that is none.
        """
        if not exemplars:
            raise StoreRefusedError("somebody can only be enrolled with at least one picture")
        known_as = None if name is None else clean_name(name)
        with self.session.write("the enrollment") as rows:
            person = self._new_id()
            card = Card(known_as or self._next_name(), verified=verified and known_as is not None, created_s=wall_s)
            rows.add_person(person, card)
            return self._enroll(rows, rows.person(person), exemplars, wall_s, new_person=True)

    def add_exemplars(self, person: str, exemplars: Sequence[NewExemplar], *, wall_s: float) -> Person:
        """Add pictures to somebody enrolled."""
        if not exemplars:
            raise StoreRefusedError("nothing to add: at least one picture is needed")
        with self.session.write(f"adding pictures to {person}") as rows:
            return self._enroll(rows, _holder(rows, person), exemplars, wall_s, new_person=False)

    def rename(self, person: str, name: str) -> Person:
        """Give somebody a name; that verifies them. Two people may bear the same."""
        known_as = clean_name(name)
        with self.session.write(f"renaming {person}") as rows:
            row = _holder(rows, person)
            rows.change(row, replace(row.card, name=known_as, verified=True), None)
            return _person(rows, person)

    def confirm(self, person: str) -> Person:
        """Say that somebody is who they are called."""
        with self.session.write(f"confirming {person}") as rows:
            row = _holder(rows, person)
            rows.change(row, replace(row.card, verified=True), None)
            return _person(rows, person)

    def merge(self, source: str, into: str) -> Person:
        """Make two people one, under `into`'s name. Exemplars stay under their origin, so that `unmerge` parts them."""
        if source == into:
            raise StoreRefusedError(f"{source}: nobody can be merged with themselves")
        with self.session.write(f"merging {source} into {into}") as rows:
            row, _ = _holder(rows, source), _holder(rows, into)
            rows.change(row, row.card, into)
            return _person(rows, into)

    def unmerge(self, source: str) -> tuple[Person, Person]:
        """Undo the merge of `source`, with all that was merged into them before; answers them and whom they leave."""
        with self.session.write(f"unmerging {source}") as rows:
            row = rows.person(source)
            if row.merged_into is None:
                raise StoreRefusedError(f"{source}: was not merged into anybody")
            rows.change(row, row.card, None)
            return _person(rows, source), _person(rows, rows.holder(row.merged_into))

    def deny(self, person: str, probes: Sequence[NewExemplar], behind: Sequence[str], *, event: str) -> Person:
        """Somebody says "that is not me". The pictures are kept so that they are not taken for this person again, and
        the exemplars that spoke for them come under review.

        probes: wrongly recognized pictures. behind: ids of the exemplars that they were taken for. event: its id.
        """
        with self.session.write(f"marking event {event} as wrong") as rows:
            for probe in probes:
                rows.add_exemplar(_holder(rows, person), probe, Kind.DENIED)
            rows.put_under_review(rows.group(person), behind, event)
            return _person(rows, person)

    def keep_exemplar(self, exemplar: str) -> Person:
        """End an exemplar's review: it is right."""
        with self.session.write(f"keeping exemplar {exemplar}") as rows:
            origin = rows.origin(exemplar)
            rows.end_review(exemplar)
            return _person(rows, rows.holder(origin))

    def reject_exemplar(self, exemplar: str, *, wall_s: float) -> Person | None:
        """Take an exemplar away for good, damaged or not; None when its person's own row is damaged."""
        doing = f"rejecting exemplar {exemplar}"
        self.session.require_writable(doing)
        with self.session.explaining(doing):
            origin = self.session.rows.origin(exemplar)
            self._eraser().remove_exemplars([exemplar], wall_s=wall_s)
            holder = self.session.rows.holder(origin)
            return self.session.rows.read(self.session.rows.group(holder)).people.get(holder)

    def last_enrollment(self) -> Enrollment | None:
        """What `undo_last_enrollment` would take back. There is one at most, so that nobody undoes the whole house."""
        with self.session.explaining("reading the last enrollment"):
            text = read_meta(self.session.connection, "last_enrollment")
        try:
            entry = json.loads(text) if text is not None else None
            return entry and Enrollment(**{**entry, "exemplars": tuple(entry["exemplars"])})
        except (ValueError, TypeError, KeyError):
            return None

    def undo_last_enrollment(self, *, wall_s: float) -> Undone | None:
        """Take the last enrollment back, with the person if it had made them; None when there is none."""
        doing = "undoing the last enrollment"
        self.session.require_writable(doing)
        last = self.last_enrollment()
        if last is None:
            return None
        if not last.new_person:
            with self.session.explaining(doing):
                self._eraser().remove_exemplars(last.exemplars, wall_s=wall_s)
            return Undone(last, None)
        with self.session.explaining(doing):
            rows = self.session.rows
            merged = [rows.person(member) for member in rows.merged_directly(last.person)]

            def part() -> None:
                for row in merged:
                    rows.change(row, row.card, None)

            return Undone(last, self._eraser().erase([last.person], wall_s=wall_s, beside=part))

    def erase(self, person: str, *, wall_s: float) -> Receipt:
        """Erase somebody and all who were merged into them: key, rows, log, snapshots, every place beside the store.

        A receipt that is not `complete` names what could not be emptied; `finish_erasures` tries again.
        """
        doing = f"erasing {person}"
        self.session.require_writable(doing)
        with self.session.explaining(doing):
            group = self.session.rows.erasable(person)
            receipt = self._eraser().erase(group, wall_s=wall_s)
        for member in group:
            self._seen.pop(member, None)
        return receipt

    def finish_erasures(self) -> list[Receipt]:
        """Complete erasures that a crash or an absent place cut short; to be called at the start and now and then."""
        doing = "finishing an erasure"
        self.session.require_writable(doing)
        with self.session.explaining(doing):
            return self._eraser().finish()

    def verify(self, receipt: Receipt) -> list[str]:
        """Look again for what a receipt says is gone; one line a finding, none when it holds."""
        return verify_receipt(receipt, self.session.paths, self.session.key, self.session.snapshots, self._places)

    def touch(self, person: str, wall_s: float) -> None:
        """Note that somebody was seen. In memory: `flush_seen` writes, so that no frame waits for the disk."""
        if wall_s >= CLOCK_FLOOR_S:
            self._seen[person] = max(wall_s, self._seen.get(person, wall_s))

    def flush_seen(self) -> int:
        """Write what `touch` noted, in one transaction; answers for how many people. Kept for later when it fails."""
        if not self._seen:
            return 0
        with self.session.write("noting who was seen", counted=False) as rows:
            rows.note_seen(self._seen)
        count = len(self._seen)
        self._seen.clear()
        return count

    def snapshot(self) -> Path | None:
        """Take a snapshot unless the newest holds everything; to be called after enrollments, when there is time."""
        self.session.require_writable("taking a snapshot")
        return self.session.snapshots.take_if_changed(self.session.connection)

    def close(self) -> None:
        """Write what is pending, if the disk allows, and give the store back."""
        with contextlib.suppress(StoreError):
            self.flush_seen()
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repair(self, before: StoredPeople) -> StoredPeople:
        people = before
        for snapshot in self.session.snapshots.good(self.session.key.key_id):
            with reading(snapshot) as source:
                salvage(self.session.connection, source, self.session.key)
            people = self.session.rows.read()
            if not (people.damage or people.blind):
                break
        if people.blind:
            with self.session.write("dropping damaged views") as rows:
                rows.drop_views(people.blind)
        back = [line for line in before.damage if line not in people.damage]
        views = [f"{exemplar}: its views for the fleet were damaged" for exemplar in before.blind]
        return replace(people, repaired=(*back, *views), blind=())

    def _enroll(
        self, rows: SealedRows, row: PersonRow, exemplars: Sequence[NewExemplar], wall_s: float, *, new_person: bool
    ) -> Person:
        for exemplar in exemplars:
            rows.add_exemplar(row, exemplar, Kind.ENROLLED)
        enrollment = Enrollment(row.id, tuple(exemplar.id for exemplar in exemplars), new_person, wall_s)
        write_meta(self.session.connection, "last_enrollment", json.dumps(asdict(enrollment)))
        return _person(rows, row.id)

    def _new_id(self) -> str:
        while True:
            person = "p_" + "".join(secrets.choice(_ID_LETTERS) for _ in range(8))
            if not self.session.rows.is_taken(person):
                return person

    def _next_name(self) -> str:
        text = read_meta(self.session.connection, "next_number") or "1"
        number = int(text) if text.isdecimal() else 1
        write_meta(self.session.connection, "next_number", str(number + 1))
        return f"Person {number}"

    def _eraser(self) -> Eraser:
        session = self.session
        return Eraser(session.paths, session.connection, session.key, session.snapshots, self._places)


def _holder(rows: SealedRows, person: str) -> PersonRow:
    """The row of somebody who goes by their own id."""
    row = rows.person(person)
    if row.merged_into is not None:
        raise StoreRefusedError(
            f"{person}: was merged into {row.merged_into}: name that one, or unmerge {person} first"
        )
    return row


def _person(rows: SealedRows, person: str) -> Person:
    return rows.read(rows.group(person)).people[person]
