"""`doctor`'s checks: each looks at one thing that a door needs, and says what to do where it is not well.

A check returns what it found or raises; what is printed, and the exit code, are left to `commands/doctor.py`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from edge.adapters.cameras import printable_url
from edge.adapters.clock import SystemClock
from edge.adapters.control import ask_daemon
from edge.adapters.mqtt import try_connection
from edge.assemble import link_settings, pins_of
from edge.compose import camera_for, force_of
from edge.contract.codec import from_object
from edge.contract.messages import DoorState, Request
from edge.errors import CameraError, DoorwardError, LinkError, PanelError, StoreError
from edge.events import clock_set
from edge.inference.spec import load_manifest
from edge.inference.tflite import Model, runtime_name
from edge.roster import unusable
from edge.settings.slices import Settings
from edge.stored import control_path, folder_of, open_people, store_path
from edge.update.place import ReleasePlace

Verdict = Literal["well", "warning", "fault"]
_LEAST_FREE_MB = 50
_NOT_RUNNING = "not running"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. code: the exit code that a fault stands for, else 0."""

    what: str
    verdict: Verdict
    text: str
    code: int = 0


class Doubtful(Exception):  # noqa: N818  (no error: the door works, and somebody should know)
    """A check's way to warn."""


def examine(settings: Settings, *, with_camera: bool) -> list[Finding]:
    """Every check, in the order in which a door needs the things."""
    daemon = _finding("daemon", lambda: _daemon(settings))
    running = daemon.text != _NOT_RUNNING
    checks: list[tuple[str, Callable[[], str]]] = [
        ("settings", lambda: f"from {settings.source}" if settings.source else "all defaults"),
        ("runtime", lambda: f"{runtime_name()}, Python {platform.python_version()}, numpy {np.__version__}"),
        ("models", lambda: _models(settings)),
        ("head", lambda: _head(settings)),
        ("store", lambda: _store(settings)),
        ("disk", lambda: _disk(settings)),
        ("clock", _clock),
        ("broker", lambda: _broker(settings, running=running)),
        ("panel", lambda: _panel(settings)),
    ]
    if with_camera:
        checks.append(("camera", lambda: _camera(settings, running=running)))
    return [*(_finding(what, check) for what, check in checks), daemon]


def _finding(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "well", check())
    except Doubtful as doubt:
        return Finding(what, "warning", str(doubt))
    except DoorwardError as error:
        return Finding(what, "fault", str(error), error.exit_code)
    except OSError as error:
        return Finding(what, "fault", str(error), DoorwardError.exit_code)


def _daemon(settings: Settings) -> str:
    """What a running daemon says of itself."""
    response = ask_daemon(control_path(settings.store), Request(verb="status", data={}))
    if response is None:
        return _NOT_RUNNING
    if response.error is not None:
        raise Doubtful(f"running, and does not tell its state: {response.error}")
    state = from_object("status", DoorState, response.data, unknown_allowed=True)
    words = f"running: camera {state.camera}, {state.people} people, {state.queued} events wait"
    words += f", {state.unshared} to be shared" if state.unshared else ""
    if state.degraded:
        raise Doubtful(f"{words}; {'; '.join(state.degraded)}")
    return f"{words}, all well"


def _models(settings: Settings) -> str:
    manifest = load_manifest()
    chosen = (("detector", settings.recognition.detector), ("mesh", ""), ("embedder", settings.recognition.embedder))
    names = []
    for role, name in chosen:
        model = Model(manifest.pick(role, name))
        model.run(np.zeros(model.spec.inputs[0].shape, model.spec.inputs[0].dtype))
        names.append(f"{model.spec.name} {model.spec.sha256[:12]}")
    return ", ".join(names)


def _head(settings: Settings) -> str:
    force, place = (
        force_of(settings.recognition, folder_of(settings.store)),
        ReleasePlace.below(folder_of(settings.store)),
    )
    words = f"{force.head.id} for the embedder in use, release {force.release}"
    record = place.slots.record()
    target = record.target.release if record.target is not None else "a release"
    if record.step == "trial":
        words += f"; {target} is on trial"
    if (damage := place.slots.damage) is not None:
        raise Doubtful(f"{words}; {damage}")
    if record.step in ("refused", "rolled_back", "failed", "paused"):
        raise Doubtful(f"{words}; {target} is {record.step.replace('_', ' ')}: {record.reason}")
    if settings.releases.enabled and settings.releases.root_file is None and not place.floor.exists():
        raise Doubtful(f"{words}; no release can come: set [releases] root_file, or `doorward releases trust ROOT`")
    return words


def _store(settings: Settings) -> str:
    people = open_people(settings.store)
    if people.damage:
        raise StoreError(f"{len(people.damage)} damaged rows: {people.damage[0]}")
    path = store_path(settings.store)
    if path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise StoreError(f"{path}: cannot be written by this user; the door recognizes, and can enroll nobody")
    if aside := sorted(path.parent.glob(f"{path.name}.damaged-*")):
        raise Doubtful(f"{len(people.people)} people; a damaged store was set aside as {aside[-1].name}")
    embedder = load_manifest().pick("embedder", settings.recognition.embedder)
    if (trouble := unusable(people.people, embedder.sha256)) is not None:
        raise Doubtful(trouble)
    return f"{len(people.people)} people in {folder_of(settings.store)}"


def _disk(settings: Settings) -> str:
    folder = folder_of(settings.store)
    if not folder.exists():
        raise Doubtful(f"{folder} is not there yet; the first start makes it")
    free_mb = shutil.disk_usage(folder).free // 2**20
    if free_mb < _LEAST_FREE_MB:
        raise StoreError(f"{folder}: {free_mb} MB free; enrolling needs {_LEAST_FREE_MB}: make room")
    return f"{free_mb} MB free"


def _clock() -> str:
    clock = SystemClock()
    if not clock_set(clock):
        raise Doubtful("the clock is not set; events say so, recognition goes on; is the network there?")
    return datetime.fromtimestamp(clock.wall_s(), UTC).isoformat(timespec="seconds")


def _broker(settings: Settings, *, running: bool) -> str:
    if not settings.mqtt.enabled:
        return "none wanted ([mqtt] enabled = false)"
    link = link_settings(settings, suffix="-doctor")
    try:
        try_connection(link)
    except LinkError as error:
        raise LinkError(f"{error}; the door works without it, and its events wait") from error
    return f"{link.broker} answers, MQTT {link.protocol}" + (", the daemon has its own connection" if running else "")


def _panel(settings: Settings) -> str:
    pins = pins_of(settings.panel)
    if not pins.any:
        return "none wired; presses come by request or keyboard"
    try:
        version = importlib.metadata.version("gpiozero")
    except importlib.metadata.PackageNotFoundError as error:
        raise PanelError("gpiozero is not installed; `apt install python3-gpiozero python3-lgpio`") from error
    button = "no button" if pins.button is None else f"button on GPIO {pins.button}"
    return f"{button}, gpiozero {version}"


def _camera(settings: Settings, *, running: bool) -> str:
    url = printable_url(settings.camera.url)
    if running:
        return f"{url}: the daemon has it"
    camera = camera_for(settings.camera)
    began_s = time.monotonic()
    try:
        camera.open()
        frame = camera.read()
    finally:
        camera.close()
    if frame is None:
        raise CameraError(f"camera {url}: gives no frame")
    height, width = frame.pixels.shape[:2]
    return f"{url}: {width}x{height}, first frame after {time.monotonic() - began_s:.1f} s"
