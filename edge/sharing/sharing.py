"""Keeps the trainer told of what is in the store: looks what differs, notes it, sends it, takes acknowledgements in.

On the daemon's thread, between frames, in small slices: a turn looks at a few changed people and makes one message at
most. It goes by levels and not by events: what the trainer has not acknowledged of the store as it is now is sent,
however that came about, so a kill, a lost connection, a full queue or a lost acknowledgement lose nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from edge.contract.fleet import PersonErased, PersonReport
from edge.errors import MessageError, StoreError
from edge.events import clock_set
from edge.inbox import Acknowledged
from edge.log import get_logger
from edge.ports import Clock, Handover
from edge.roster import Roster
from edge.sharing.reports import Sender, person_erased, person_report
from edge.sharing.schedule import Pace, Schedule
from edge.sharing.wishes import report_id, shared_of, wish
from edge.store.told import NOTHING, Told, ToldRows
from edge.store.types import Person, View

_log = get_logger("sharing")
_LOOKS_A_TURN = 50  # some microseconds each
_HOLD_S = 60.0  # after the store failed
_FULL_S = 1.0  # after the link had no room


class Post(Protocol):
    """The way to the trainer."""

    @property
    def connection(self) -> int | None:
        """Which connection there is, None for none."""
        ...

    def send(self, message: PersonReport | PersonErased) -> Handover:
        """Raises: MessageError, for what a reader would have to refuse."""
        ...


@dataclass(frozen=True, slots=True)
class Shared:
    """What is shared. share: False tells of nobody, and still has taken back what was told before.

    views: of an exemplar, by its id, from the store; may raise a StoreError.
    """

    door: str
    embedder: str
    share: bool
    rows: ToldRows
    views: Callable[[str], Sequence[View]]


class Sharing:
    """See the module. Not for more than one thread."""

    def __init__(self, shared: Shared, roster: Roster, post: Post, clock: Clock, pace: Pace | None = None) -> None:
        self._shared = shared
        self._roster = roster
        self._post = post
        self._clock = clock
        self._schedule = Schedule(pace or Pace())
        self._told: dict[str, Told] | None = None
        self._seen: dict[str, Person] = {}
        self._unseen: deque[str] = deque()
        self._generation: int | None = None
        self._connection: int | None = None
        self._held_until_s = float("-inf")

    @property
    def waiting(self) -> int | None:
        """People whom the trainer has yet to acknowledge something of; None where nothing is shared."""
        return self._schedule.waiting if self._shared.share or self._schedule.waiting else None

    def turn(self, now_s: float) -> None:
        """One slice of work; to be called again and again. now_s: monotonic."""
        if now_s < self._held_until_s:
            return
        try:
            self._look()
            self._tell_one(now_s)
        except StoreError as error:
            self._held_until_s = now_s + _HOLD_S
            _log.warning("nothing is shared for now; trying again later", reason=error)

    def acknowledged(self, ack: Acknowledged, now_s: float) -> None:
        """The trainer is done with some messages. What is not noted now is sent and acknowledged once more."""
        try:
            self._acknowledged({str(one) for one in ack.ids}, now_s)
        except StoreError as error:
            _log.warning("an acknowledgement could not be noted; what it names is sent again", reason=error)
        finally:
            ack.done()

    def _acknowledged(self, reports: set[str], now_s: float) -> None:
        news = [told for told in self._all_told().values() if told.report in reports and not told.acknowledged]
        if not news:
            return
        self._shared.rows.acknowledge([told.report for told in news])
        for told in news:
            self._all_told()[told.person] = replace(told, acknowledged=True)
            self._schedule.answered(told.person, now_s)
            self._weigh(told.person)  # the store may be on by now
            _log.info("the trainer acknowledged", person=told.person, revision=told.revision)
        if any(told.fingerprint == NOTHING for told in news):
            self._roster.tend_soon()  # an erasure's receipt may wait for it

    def _all_told(self) -> dict[str, Told]:
        if self._told is None:
            self._told = self._shared.rows.read()
        return self._told

    def _look(self) -> None:
        if self._generation != self._roster.generation:
            self._generation = self._roster.generation
            people = self._roster.people
            changed = [person for person, now in people.items() if self._seen.get(person) is not now]
            gone = [person for person in self._all_told() | self._seen if person not in people]
            self._unseen = deque([*changed, *gone])
        for _ in range(min(_LOOKS_A_TURN, len(self._unseen))):
            person = self._unseen.popleft()
            self._weigh(person)
            if person in self._roster.people:
                self._seen[person] = self._roster.people[person]
            else:
                self._seen.pop(person, None)

    def _weigh(self, person: str) -> None:
        told, wanted = self._all_told().get(person), self._wish(person)
        if wanted is None:
            self._schedule.drop(person)
        else:
            self._schedule.want(person, news=told is None or told.fingerprint != wanted)

    def _wish(self, person: str) -> str | None:
        held, told = self._roster.people.get(person), self._all_told().get(person)
        if held is None and told is not None and not told.is_over and self._shared.rows.whereabouts(person) == "here":
            return None  # their row is damaged, which is no reason to take anything back
        return wish(held, told, self._shared.embedder, share=self._shared.share)

    def _tell_one(self, now_s: float) -> None:
        connection = self._post.connection
        if connection is None:
            self._connection = None
            return
        if connection != self._connection:
            self._connection = connection
            self._schedule.begin_anew()
        person = self._schedule.next(now_s)
        wanted = self._wish(person) if person is not None else None
        if person is not None and wanted is None:
            self._schedule.drop(person)
        elif person is not None and wanted is not None:
            self._send(person, self._noted(person, wanted), now_s)

    def _noted(self, person: str, fingerprint: str) -> Told:
        """The row for what is to be told, on the disk; one that is still to be acknowledged is taken again."""
        told = self._all_told().get(person)
        if told is not None and told.fingerprint == fingerprint:
            return told
        revision = self._shared.rows.next_revision(self._clock.wall_s())
        report = report_id(self._shared.door, person, revision, fingerprint)
        told = Told(person, revision, fingerprint, self._shared.embedder, str(report), acknowledged=False)
        self._shared.rows.note(told)
        self._all_told()[person] = told
        _log.info("the trainer is told", person=person, revision=revision, erased=fingerprint == NOTHING)
        return told

    def _send(self, person: str, told: Told, now_s: float) -> None:
        try:
            result = self._post.send(self._message(person, told))
        except StoreError:
            self._schedule.sent(person, now_s)  # the others first, next time
            raise
        except MessageError as error:
            self._schedule.drop(person)
            _log.warning("a person cannot be shared until they change", person=person, reason=error)
            return
        if result is Handover.FULL:
            self._held_until_s = now_s + _FULL_S
        elif result is not Handover.AWAY:  # one that is too large is tried again like one that is not answered
            self._schedule.sent(person, now_s)

    def _message(self, person: str, told: Told) -> PersonReport | PersonErased:
        sender = Sender(self._shared.door, self._clock.wall_s(), clock_set(self._clock))
        if told.fingerprint == NOTHING:
            return person_erased(told, sender)
        held = self._roster.people[person]
        return person_report(told, held, shared_of(held, told.embedder), self._shared.views, sender)
