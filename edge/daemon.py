"""The door's loop: drain the inbox, take a frame, recognize, emit. One thread owns it, so recognition needs no locks.

It only strings finished collaborators together: who is there is decided in `recognition/`, enrollments are carried out
in `enrolling.py`, requests are answered on the desk, and everything slow or shared happens behind an adapter.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.adapters.capture import Capture, CaptureState
from edge.contract.messages import Enrollment as EnrollmentMessage
from edge.desk.desk import Desk
from edge.desk.work import Jobs
from edge.door_state import StateTeller
from edge.enrollment.enrolling import Enrolling
from edge.errors import CameraError, StoreError
from edge.event_memory import EventMemory
from edge.events import PersonLabel, Telling, message_of
from edge.inbox import Acknowledged, Asked, Inbox
from edge.log import get_logger
from edge.ports import Clock, Panel, Press
from edge.recognition.presence import Presence
from edge.recognition.recognizer import Recognizer
from edge.recognition.types import Frame
from edge.recognition.visit import Visit, VisitEvent
from edge.retention import Retention
from edge.roster import Roster
from edge.sharing.sharing import Sharing
from edge.update.activation import Activation

_log = get_logger("door")
# How long the loop waits for a frame before it looks into its inbox again: a press is felt at once.
_FRAME_WAIT_S = 0.2
_CHORES_EVERY_S = 300.0  # each costs the SD card a commit


class Post(Protocol):
    """Where messages leave the door; takes each at once and keeps what must not be lost."""

    def event(self, event_id: str, payload: bytes, person: str | None) -> None: ...

    def enrollment(self, message: EnrollmentMessage) -> None: ...


Command = Press | Asked | Acknowledged
Observer = Callable[[Frame, tuple[Visit, ...], list[VisitEvent]], None]


def ignore(_frame: Frame, _visits: tuple[Visit, ...], _events: list[VisitEvent]) -> None:
    """The observer of a door that nobody draws."""


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the loop strings together. observer: is shown each frame with its visits, for drawing."""

    capture: Capture
    recognizer: Recognizer
    presence: Presence
    enrolling: Enrolling
    roster: Roster
    desk: Desk
    inbox: Inbox[Command]
    panel: Panel
    post: Post
    state: StateTeller
    clock: Clock
    telling: Telling
    memory: EventMemory = field(default_factory=EventMemory)
    retention: Retention | None = None
    sharing: Sharing | None = None
    releases: Activation | None = None
    observer: Observer = ignore


@dataclass(frozen=True, slots=True)
class LoopRules:
    """exit_when_camera_failed: end, so that the supervisor starts everything afresh."""

    exit_when_camera_failed: bool = True


class Daemon:
    """One door at work. `run` returns when it is stopped or its camera's source has ended."""

    def __init__(self, parts: Collaborators, rules: LoopRules) -> None:
        self._parts = parts
        self._rules = rules
        self._stopping = False
        self._chores_due_s = 0.0
        self._store_is_well = True
        self._camera_was: CaptureState | None = None
        self._frame_s: float | None = None
        self._jobs = Jobs(lambda asked: parts.desk.work(asked.request, local=asked.local, attached=asked.attached))

    @property
    def now_s(self) -> float:
        """Monotonic seconds: the clock's, but of a film or a folder time goes on with the frames alone."""
        if self._parts.capture.live or self._frame_s is None:
            return self._parts.clock.monotonic_s()
        return self._frame_s

    @property
    def labels(self) -> Mapping[str, PersonLabel]:
        """Who is who, for an observer."""
        return self._parts.roster.labels

    def stop(self) -> None:
        """Ask the loop to end after this frame; from any thread or a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Every visit that is told to have started is told to have ended, too.

        Raises:
            CameraError: the camera failed for good, and the rules say to end then; or a film or folder is damaged.
        """
        try:
            while not self._stopping and self._parts.capture.state is not CaptureState.ENDED:
                self._turn()
        finally:
            self._jobs.stop()
            self._parts.enrolling.cancel(self.now_s)
            self._emit(self._parts.presence.finish())

    def _turn(self) -> None:
        self._drain()
        frame = self._parts.capture.next(0.0 if self._jobs.waiting else _FRAME_WAIT_S)
        if frame is not None:
            self._with_frame(frame)
        elif self._parts.capture.live:
            self._without_frame()
        self._chores()

    def _drain(self) -> None:
        """What came since the last frame, and a slice of what takes longer."""
        self._jobs.go_on()
        for command in self._parts.inbox.drain():
            if isinstance(command, Asked):
                self._jobs.begin(command)
                self._parts.memory.keep_only(self._parts.roster.people)
            elif isinstance(command, Acknowledged):
                self._acknowledged(command)
            else:
                self._press(command)

    def _acknowledged(self, ack: Acknowledged) -> None:
        if self._parts.sharing is None:
            ack.done()
        else:
            self._parts.sharing.acknowledged(ack, self._parts.clock.monotonic_s())

    def _press(self, press: Press) -> None:
        _log.info("pressed", kind=press.kind, source=press.source)
        if press.kind == "press":
            self._parts.enrolling.press(self.now_s)
        elif press.kind == "hold":
            self._parts.enrolling.hold(self.now_s)
        else:
            self.stop()

    def _with_frame(self, frame: Frame) -> None:
        parts = self._parts
        probes = parts.recognizer.probes(frame.pixels, frame.number)
        self._frame_s = frame.time_s
        parts.enrolling.faces(self.now_s, probes, parts.roster.model, frame)
        events = parts.presence.update(frame.time_s, probes, parts.roster.model)
        self._note_sponsors(frame)
        parts.state.frame(frame.time_s)
        if parts.releases is not None:
            parts.releases.frame(frame.time_s)
        parts.observer(frame, parts.presence.visits, events)
        self._emit(events)

    def _without_frame(self) -> None:
        self._parts.enrolling.tick(self.now_s)
        self._emit(self._parts.presence.update(self.now_s, (), self._parts.roster.model))

    def _emit(self, events: list[VisitEvent]) -> None:
        parts = self._parts
        for event in events:
            model = parts.roster.model
            message = message_of(event, parts.telling, model.release, parts.roster.labels, parts.clock, uuid.uuid4)
            parts.post.event(str(message.event), message.to_json(), message.person)
            _log.info(
                "visit",
                phase=message.phase,
                visit=message.visit,
                outcome=message.outcome,
                person=message.person or message.stranger,
                provisional=message.provisional,
                margin=message.margin,
                frames=message.frames,
            )
            if parts.releases is not None:
                parts.releases.saw(event, model)
            if message.person is not None:
                parts.memory.note(str(message.event), message.visit, message.person, event.best)
                parts.roster.saw(message.person, parts.clock.wall_s())

    def _note_sponsors(self, frame: Frame) -> None:
        """Somebody verified who stands there, firmly told, may sponsor an enrollment, however long they have stood."""
        for visit in self._parts.presence.visits:
            person = self._parts.roster.people.get(visit.person or "")
            told_firmly = visit.said == (visit.person, False)
            if person is not None and person.verified and told_firmly and visit.last_seen_s == frame.time_s:
                self._parts.enrolling.saw_verified(self.now_s, visit.id)

    def _chores(self) -> None:
        """What may wait: the camera's state, and now and then the disk."""
        self._watch_camera()
        now_s = self._parts.clock.monotonic_s()
        if self._parts.sharing is not None:
            self._parts.sharing.turn(now_s)
        if self._parts.releases is not None:
            self._parts.releases.turn(self.now_s)
        self._parts.state.tell(now_s)
        # In the midst of a longer work, as an import, there would be a snapshot after each slice.
        changed = self._parts.roster.changed and not self._jobs.waiting
        if now_s < self._chores_due_s and not (changed and self._store_is_well):
            return
        self._chores_due_s = now_s + _CHORES_EVERY_S
        try:
            self._parts.roster.tend()
            if self._parts.retention is not None:
                self._parts.retention.tend()
            self._store_is_well = True
        except StoreError as error:
            self._store_is_well = False
            _log.warning("the store could not be tended; trying again later", reason=error)

    def _watch_camera(self) -> None:
        state = self._parts.capture.state
        if state is self._camera_was:
            return
        self._camera_was = state
        if state in {CaptureState.LOST, CaptureState.FAILED}:
            _log.warning("camera lost", reason=self._parts.capture.error)
            self._parts.panel.show("camera_lost")
        elif state is CaptureState.OPEN:
            _log.info("camera gives frames")
            if not self._parts.enrolling.active:
                self._parts.panel.show("idle")
        if state is CaptureState.FAILED and (self._rules.exit_when_camera_failed or not self._parts.capture.live):
            silent = "the camera's driver gives no frames and does not come back; check the camera"
            raise CameraError(self._parts.capture.error or silent)
