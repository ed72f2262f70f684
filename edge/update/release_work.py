"""The parts of putting a release in force that take long: records made durable, heads loaded, everybody projected.

Each method runs to its end on one background thread, one at a time; when it is run, and the swap itself, are left to
`activation.py`. A record is durable before what it announces is done, so that a power cut at any point leaves a door
that finds its head at the next start (`force.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge.errors import DoorwardError, MessageError, StoreError
from edge.log import get_logger
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import Head
from edge.store.durable import make_directory, write_durably
from edge.update.floor import Floor
from edge.update.force import Force, head_of, in_force
from edge.update.machine import Record
from edge.update.place import ReleasePlace
from edge.update.reprojection import Changes, People, caught_up, project_all
from edge.update.trial import Visits

_log = get_logger("releases")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A model over everybody who was there when it was begun. people: those. trial: its head is on trial."""

    model: ActiveModel
    people: People
    trial: bool


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """What became of a piece of work. record: where things stand now. table: to be swapped in, or None.

    problem: what stood in the way, in a line; it may be tried again. unwritten: why a release was given up, where that
    could not be recorded yet.
    """

    record: Record
    table: Table | None = None
    problem: str | None = None
    unwritten: str | None = None
    visits: Visits | None = None


class ReleaseWork:
    """See the module. Making one touches nothing."""

    def __init__(
        self, place: ReleasePlace, embedder_sha256: str, installed: Callable[[], Head], target_fpir: float
    ) -> None:
        """installed: loads the head that was installed with the program. target_fpir: of the door's table."""
        self._place = place
        self._slots = place.slots
        self._embedder = embedder_sha256
        self._installed = installed
        self._target_fpir = target_fpir

    def look(self) -> Done:
        """Where things stand, and the visits that were remembered."""
        return Done(self._slots.record(), visits=self._remembered())

    def trust(self, root_file: Path | None) -> Done:
        """Trust the root of the settings, where none is trusted yet."""
        if root_file is not None and not self._place.floor.exists():
            from edge.update.fetch import trust  # with python-tuf, which a daemon has no other use for

            try:
                version = trust(self._place.floor, root_file.read_bytes())
                _log.info("a root of releases is trusted", file=root_file, version=version)
            except OSError as error:
                return Done(self._slots.record(), problem=f"{root_file}: {error.strerror or error}")
            except DoorwardError as error:
                return Done(self._slots.record(), problem=f"{root_file}: {error}")
        return Done(self._slots.record())

    def activate(self, people: People, visits: Visits) -> Done:
        """Put what is staged on trial, count an attempt, and project everybody under it.

        visits: what the trial will be compared with, remembered beforehand. A release that cannot be loaded is rolled
        back at once, and the door goes on as it was.
        """
        try:
            self.remember(visits)
            if self._slots.record().step == "activating":
                self._slots.begin_trial()
            if self._slots.start_attempt() is None:
                return self._now()
        except StoreError as error:
            return Done(self._slots.record(), problem=str(error))
        try:
            slot = self._slots.on_trial()
            assert slot is not None
            force = Force(head_of(slot, self._embedder), slot.release.release, trial=True)
            return replace(self._now(), table=self._project(force, people))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the release's, and costs it its trial
            return self._given_up(error)

    def go_back(self, people: People, reason: str) -> Done:
        """Give up what is on its way or on trial; where nothing is, what is in force, for the one before it.

        Where a trial's end cannot be recorded the door goes back all the same, and its attempts run out.
        """
        problem = unwritten = None
        record = self._slots.record()
        try:
            if record.under_way and record.step != "activating":
                self._slots.refuse(reason)
                return self._now()
            self._slots.roll_back(reason)
        except StoreError as error:
            if record.step != "trial":
                return Done(record, problem=str(error), unwritten=reason)
            problem, unwritten = str(error), reason
        found: list[str] = []
        force = in_force(self._slots, self._embedder, self._installed, found)
        problem = problem or next(iter(found), None)
        return Done(self._slots.record(), self._project(force, people), problem, unwritten)

    def catch_up(self, table: Table, since: Changes, people: People) -> Done:
        """The same table with more changes in it than a frame may wait for."""
        return Done(self._slots.record(), replace(table, model=caught_up(table.model, since), people=people))

    def commit(self, visits: Visits) -> Done:
        """The release on trial is in force. No release up to its counter is taken any more, which is noted first."""
        try:
            slot = self._slots.on_trial()
            if slot is not None:
                floor = Floor.open(self._place.floor)
                if floor is not None:
                    with floor:
                        floor.raise_counter(slot.release.counter)
                self._slots.commit()
            self.remember(visits)
        except DoorwardError as error:
            return Done(self._slots.record(), problem=f"not committed yet: {error}")
        return self._now()

    def remember(self, visits: Visits) -> Done:
        """Keep the visits for the next trial, as far as the disk takes them."""
        with suppress(OSError, StoreError):
            if visits != self._remembered():
                make_directory(self._place.folder)
                write_durably(self._place.visits, visits.to_json())
        return self._now()

    def _project(self, force: Force, people: People) -> Table:
        return Table(project_all(force, people, self._target_fpir), people, force.trial)

    def _given_up(self, error: Exception) -> Done:
        reason = str(error) if isinstance(error, DoorwardError) else f"{type(error).__name__}: {error}"
        try:
            self._slots.roll_back(reason)
        except StoreError as stuck:
            return Done(self._slots.record(), problem=str(stuck), unwritten=reason)
        return self._now()

    def _remembered(self) -> Visits:
        with suppress(OSError, MessageError):
            return Visits.from_json(self._place.visits.read_bytes())
        return Visits()

    def _now(self) -> Done:
        return Done(self._slots.record())
