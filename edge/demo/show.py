"""The demonstration: a whole door with a real broker, a walk-up or a live camera, and its events as they happen.

Plays the script of `story.py`; what it does is done through the door's own button, requests and messages.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edge.adapters.camera_options import CameraOptions
from edge.adapters.clock import SystemClock
from edge.adapters.keyboard import KeyboardPanel
from edge.adapters.mqtt_settings import LinkSettings
from edge.adapters.panel import SilentPanel
from edge.adapters.walkup import Walkup, WalkupCamera, in_turn
from edge.assemble import Given, door
from edge.compose import face_finder
from edge.contract.messages import Enrollment
from edge.contract.topics import Topics
from edge.daemon import Daemon
from edge.demo.broker import DemoBroker, demo_broker
from edge.demo.listener import Listener
from edge.demo.story import STORY, Director
from edge.demo.strip import Strip
from edge.errors import LinkError, StoreError
from edge.ports import Camera, Panel, Press
from edge.recognition.types import Frame
from edge.recognition.visit import Visit, VisitEvent
from edge.settings.slices import CameraSettings, DoorSettings, EnrollmentSettings, MqttSettings, Settings

_DOOR = "front"
_VISIT_S, _PAUSE_S = 6.0, 3.5
_FRAMES_PER_S = 8.0
_CAMERA_FAILURES = 2  # in a row, and the demonstration says what is wrong instead of waiting
_LINK_S = 15.0  # far more than a broker on this machine needs, but the machine may be busy
_NAMING_S = 0.05
_MARK = ".doorward-demo"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """camera: a URL for a live one; None plays the story. folder: for the door's state; of an earlier time, emptied.

    strip: where the picture goes. paced: the story in its own time; else as fast as the machine is.
    """

    camera: str | None
    folder: Path
    strip: Path
    paced: bool = True


def show(options: DemoOptions) -> int:
    """Run the demonstration; 0 when it ended as it must, else 1.

    Raises:
        DoorwardError: no broker, no camera, no models, a folder that is somebody else's; one line says which.
    """
    _empty(options.folder)
    began_s = time.monotonic()
    with demo_broker() as broker:
        print(f"broker: {broker.kind} on {broker.host}:{broker.port}, MQTT {broker.protocol}", flush=True)
        settings = _settings(options, broker)
        code = _play_story(options, settings) if options.camera is None else _play_live(options, settings)
    print(f"took {time.monotonic() - began_s:.0f} s")
    return code


def _play_story(options: DemoOptions, settings: Settings) -> int:
    visits, length_s = in_turn([scene.path for scene in STORY], _VISIT_S, _PAUSE_S)
    camera = WalkupCamera(
        Walkup(visits, length_s, _FRAMES_PER_S),
        CameraOptions(width=640, height=480, frames_per_second=_FRAMES_PER_S),
        SystemClock(),
        find_face=face_finder(),
        paced=options.paced,
        live=False,  # a slow machine plays the story slower, and drops no part of it
    )
    director, panel = Director(STORY), _DirectedPanel()
    with _door(options, settings, camera, panel, director) as (daemon, listener):
        listener.on_enrollment = lambda message: _name_them(message, director, listener)
        daemon.run()
        _wait_for_the_last(director)
    for ended in director.ended:
        mark = "as it must be" if ended.right else f"WRONG, expected {' '.join(filter(None, ended.scene.expected))}"
        who = f"{ended.outcome} {ended.name or ''}".rstrip()
        print(f"{ended.scene.title}: {who}: {mark}")
    return 0 if director.complete else 1


def _play_live(options: DemoOptions, settings: Settings) -> int:
    panel: Panel = KeyboardPanel(sys.stdin.fileno(), sys.stdout) if sys.stdin.isatty() else SilentPanel()
    with _door(options, settings, None, panel, Director(())) as (daemon, _):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.stop())
        daemon.run()
    return 0


@contextlib.contextmanager
def _door(
    options: DemoOptions, settings: Settings, camera: Camera | None, panel: Panel, director: Director
) -> Iterator[tuple[Daemon, Listener]]:
    """A door whose every frame is watched for the strip, and a listener on its broker."""
    pictures, topics = Strip(), Topics(settings.mqtt.base)
    audience = None if options.paced else _Audience(director)
    listener = Listener(_listener_settings(settings.mqtt), topics, sys.stdout)
    listener.on_event = director.saw
    listener.start()
    _wait_until_connected(listener)

    def observe(frame: Frame, visits: tuple[Visit, ...], events: list[VisitEvent]) -> None:
        if audience is not None:
            audience.keep_up(len(events), unnamed=any(not label.verified for label in daemon.labels.values()))
        pictures.see(frame, visits, events, daemon.labels)
        near = max(
            (visit.latest.quality.width_px for visit in visits if visit.last_seen_s == frame.time_s), default=0.0
        )
        if isinstance(panel, _DirectedPanel) and director.presses_now(near):
            panel.press()

    try:
        with door(settings, Given(camera, panel, observe)) as daemon:
            yield daemon, listener
    finally:
        listener.stop()
        if pictures.save(options.strip):
            print(f"the visits as pictures: {options.strip}")


class _Audience:
    """Makes a story without pace wait for its messages: by them the key is pressed and people are named."""

    def __init__(self, director: Director) -> None:
        self._director = director
        self._told = 0

    def keep_up(self, events: int, *, unnamed: bool) -> None:
        """Wait for what the earlier frames told. events: of this frame. unnamed: give time for naming somebody."""
        if not _wait_until(lambda: self._director.heard >= self._told):
            self._told = self._director.heard
        self._told += events
        if unnamed:
            time.sleep(_NAMING_S)


class _DirectedPanel(SilentPanel):
    """A panel whose key the story presses."""

    def start(self, on_press: Callable[[Press], None]) -> None:
        self._on_press = on_press

    def press(self) -> None:
        print("          [the enroll key is pressed]", flush=True)
        self._on_press(Press("press", "button"))


def _name_them(message: Enrollment, director: Director, listener: Listener) -> None:
    """The operator names whoever was just enrolled, by a request."""
    scene = director.scene
    if message.state == "done" and message.person and scene is not None and scene.name:
        data = {"data": {"person": message.person, "name": scene.name}}
        listener.ask(_DOOR, "people_rename", json.dumps(data).encode())


def _wait_until_connected(listener: Listener) -> None:
    if not _wait_until(lambda: listener.connected):
        raise LinkError(f"the demonstration cannot listen to its own broker: {listener.problem}")


def _wait_for_the_last(director: Director) -> None:
    """The last events are still on their way when the camera's source has ended."""
    _wait_until(lambda: len(director.ended) >= len(STORY))


def _wait_until(holds: Callable[[], bool]) -> bool:
    """Whether it came to hold in time."""
    deadline = time.monotonic() + _LINK_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _empty(folder: Path) -> None:
    """Make the folder, or empty the one of an earlier demonstration; never touches what anybody else keeps there."""
    mark = folder / _MARK
    try:
        if folder.exists() and any(folder.iterdir()):
            if not mark.exists():
                raise StoreError(f"{folder}: holds files that are no demonstration's; name another with --folder")
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{folder}: {error.strerror}; name another with --folder") from error


def _settings(options: DemoOptions, broker: DemoBroker) -> Settings:
    plain = Settings()
    return replace(
        plain,
        door=DoorSettings(id=_DOOR, name="Front door"),
        camera=plain.camera
        if options.camera is None
        else CameraSettings(url=options.camera, reopen_failures_before_exit=_CAMERA_FAILURES),
        enrollment=EnrollmentSettings(shots=3, timeout_s=12.0, min_interval_s=0.3),
        store=replace(plain.store, folder=options.folder.absolute()),
        mqtt=MqttSettings(host=broker.host, port=broker.port, protocol=broker.protocol),
    )


def _listener_settings(mqtt: MqttSettings) -> LinkSettings:
    return LinkSettings(mqtt.host, "doorward-demo-listener", mqtt.port, protocol=mqtt.protocol)
