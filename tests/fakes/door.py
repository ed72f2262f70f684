"""A whole door of the shipped parts, with the real models and a real store, that a test can look into.

What is seen by one walk-up is the same each time, so it is drawn once and looked at once a test run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from edge import assemble
from edge.adapters.camera_options import CameraOptions
from edge.adapters.capture import Capture, CaptureOptions
from edge.adapters.delivery import Delivery, DeliverySettings
from edge.adapters.memory_link import MemoryLink
from edge.adapters.outbox import Outbox
from edge.adapters.panel import SilentPanel
from edge.adapters.post import MqttPost
from edge.adapters.release_post import ReleasePost
from edge.adapters.requests import NetworkRequests
from edge.adapters.walkup import Walkup, WalkupCamera, in_turn
from edge.compose import face_finder, force_at_start, model_over, recognizer
from edge.contract.messages import DoorState, Enrollment, RecognitionEvent, Response
from edge.contract.topics import Topics
from edge.daemon import Command, Daemon, Observer, ignore
from edge.demo.story import PICTURES
from edge.desk.desk import Desk
from edge.enrollment.panel_patterns import PatternName
from edge.errors import StoreError
from edge.inbox import Inbox
from edge.ports import Camera, Clock, Press
from edge.recognition.recognizer import Recognizer
from edge.recognition.types import Frame, Image, Probe
from edge.recognition.visit import Visit, VisitEvent
from edge.roster import Roster
from edge.settings.slices import (
    DoorSettings,
    EnrollmentSettings,
    MqttSettings,
    PresenceSettings,
    RecognitionSettings,
    Settings,
    StoreSettings,
)
from edge.stored import folder_of, open_store
from edge.update.activation import Activation
from edge.update.bringing import RunsUpdater
from edge.update.force import Force
from edge.update.news import News

DOOR = "front"
TOPICS = Topics("doorward")
BEGIN_S = 1000.0
NOW_S = 1_800_000_000.0
VISIT_S, PAUSE_S, PER_S = 4.0, 1.5, 8.0


@dataclass
class SetClock:
    """Stands still unless a test moves it."""

    now_s: float = BEGIN_S
    wall: float = NOW_S

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.wall


class SeenBefore(Recognizer):
    """The shipped line, which looks at each picture object once for each of the detector's two turns."""

    def __init__(self, line: Recognizer) -> None:
        self.__dict__.update(line.__dict__)
        self._seen: dict[tuple[int, int | None], tuple[Image, list[Probe]]] = {}

    def probes(self, pixels: Image, turn: int | None = None) -> list[Probe]:
        key = id(pixels), None if turn is None else turn % 2
        kept = self._seen.get(key)
        if kept is None or kept[0] is not pixels:
            kept = self._seen[key] = (pixels, super().probes(pixels, turn))
        return kept[1]


@cache
def line() -> SeenBefore:
    """The door's own recognizer, loaded once a test run."""
    return SeenBefore(recognizer(RecognitionSettings()))


@cache
def walkup(name: str) -> tuple[Image, ...]:
    """Somebody of a shipped picture who walks up, stands there and leaves, drawn once; the hall without a name."""
    seconds = VISIT_S if name else 1 / PER_S
    visits, length_s = in_turn([PICTURES / f"{name}.jpg"], seconds, 0.0) if name else ((), seconds)
    options = CameraOptions(width=640, height=480)
    camera = WalkupCamera(Walkup(visits, length_s, PER_S), options, SetClock(), find_face=face_finder())
    camera.open()
    return tuple(frame.pixels for frame in iter(camera.read, None) if frame is not None)


def film(*names: str) -> list[Frame]:
    """These people one after another, an empty hall before, between and after; times begin at BEGIN_S."""
    hall = walkup("") * round(PAUSE_S * PER_S)
    pictures = [*hall, *(pixels for name in names for pixels in (*walkup(name), *hall))]
    return [Frame(pixels, BEGIN_S + number / PER_S, number) for number, pixels in enumerate(pictures)]


class Film:
    """A finite camera of frames that are there already."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self._left: Iterator[Frame] = iter(())

    @property
    def live(self) -> bool:
        return False

    def open(self) -> None:
        self._left = iter(self._frames)

    def read(self) -> Frame | None:
        return next(self._left, None)

    def close(self) -> None:
        self._left = iter(())


class ShownPanel(SilentPanel):
    """Keeps the patterns that it was to show."""

    def __init__(self) -> None:
        self.shown: list[PatternName] = []

    def show(self, pattern: PatternName) -> None:
        self.shown.append(pattern)


@dataclass
class Door:
    """daemon: ready to run. link: what it says to the world. store is closed with the door."""

    daemon: Daemon
    link: MemoryLink
    panel: ShownPanel
    roster: Roster
    inbox: Inbox[Command]
    capture: Capture
    delivery: Delivery
    desk: Desk
    releases: Activation | None = None
    on_frame: Observer = ignore

    def press(self, kind: str = "press") -> None:
        presses = {
            "press": Press("press", "button"),
            "hold": Press("hold", "button"),
            "quit": Press("quit", "keyboard"),
        }
        assert self.inbox.put(presses[kind])

    def events(self) -> list[RecognitionEvent]:
        """As the broker got them."""
        assert self.delivery.drain(20.0)
        return [RecognitionEvent.from_json(payload) for payload in self._on("event")]

    def enrollments(self) -> list[Enrollment]:
        return [Enrollment.from_json(payload) for payload in self._on("enrollment")]

    def states(self) -> list[DoorState]:
        return [DoorState.from_json(payload) for payload in self._on("state")]

    def responses(self, verb: str) -> list[Response]:
        return [Response.from_json(payload) for payload in self._on("response", verb)]

    def ask(self, verb: str, payload: bytes = b"") -> None:
        """As somebody would over the broker; the answer comes once the daemon has turned."""
        self.link.receive(TOPICS.name("request", DOOR, verb), payload)

    def _on(self, topic: str, verb: str = "") -> list[bytes]:
        name = TOPICS.name(topic, DOOR, verb)
        return [message.payload for message in self.link.published if message.topic == name]


def settings_in(folder: Path, **slices: object) -> Settings:
    """Settings of a door that keeps its things in a folder."""
    plain = Settings(
        door=DoorSettings(id=DOOR, name=DOOR),
        enrollment=EnrollmentSettings(shots=3, timeout_s=5.0, min_interval_s=0.3),
        presence=PresenceSettings(visit_end_s=1.0),
        store=StoreSettings(folder=folder),
        mqtt=MqttSettings(enabled=False),
    )
    return replace(plain, **slices)  # type: ignore[arg-type] # each is the slice that its name says


@contextmanager
def roster_in(settings: Settings, force: Force | None = None) -> Iterator[Roster]:
    """The people of a door, as the daemon opens them. force: the head to recognize with, that of a start if None."""
    with open_store(settings.store) as store:
        force = force or force_at_start(settings.recognition, folder_of(settings.store))
        roster = Roster(store, store.load(), model_over(settings.recognition, force.head, force.release))
        roster.ready()
        yield roster


@contextmanager
def door_in(
    settings: Settings,
    camera: Camera,
    *,
    clock: Clock | None = None,
    options: CaptureOptions | None = None,
    link: MemoryLink | None = None,
    updater: Callable[[Inbox[News]], RunsUpdater] | None = None,
) -> Iterator[Door]:
    """A door before this camera, put together as the daemon's own, on a link without a broker.

    A test may set the door's `on_frame`, which is shown what an observer is.
    updater: made with where its news go; with one the door takes releases.
    """
    time, link, panel = clock or SetClock(), link or MemoryLink(), ShownPanel()
    with ExitStack() as stack:
        force = force_at_start(settings.recognition, folder_of(settings.store))
        roster = stack.enter_context(roster_in(settings, force))
        inbox: Inbox[Command] = Inbox()
        news: Inbox[News] = Inbox()
        folder = settings.store.folder
        assert folder is not None
        delivery = Delivery(Outbox(folder / "outbox.db"), link, DeliverySettings(commit_every_s=0.01))
        delivery.start()
        stack.callback(delivery.stop)
        notices = ReleasePost(TOPICS, DOOR, link, news.put)
        link.start(delivery, NetworkRequests(TOPICS, DOOR, link, inbox.put), notices)
        stack.callback(link.stop)
        capture = Capture(camera, options or CaptureOptions(), time)
        capture.start()
        stack.callback(capture.stop)
        post = MqttPost(TOPICS, DOOR, link, delivery)

        def observe(frame: Frame, visits: tuple[Visit, ...], events: list[VisitEvent]) -> None:
            door.on_frame(frame, visits, events)

        releases = None
        if updater is not None:
            releases = assemble.activation(settings, roster, news, updater(news), time, notices, on_trial=force.trial)
            assert releases is not None
            stack.callback(releases.close)
        parts = assemble._Parts(settings, line(), roster, inbox, post, panel, capture, time, observe, releases=releases)
        daemon = assemble._daemon(parts)
        door = Door(daemon, link, panel, roster, inbox, capture, delivery, daemon._parts.desk, releases)
        yield door


def failing(call: Callable[..., object]) -> Callable[..., object]:
    """The same call on a disk that takes nothing any more."""

    def fail(*_: object, **__: object) -> object:
        raise StoreError(f"{call.__name__} failed: the disk is full: make room on it")

    return fail
