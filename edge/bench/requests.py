"""How long a request waits while frames are recognized: a whole door, asked over its own socket as commands ask it.

Somebody stands before the camera all the time, at more frames a second than most devices keep up with. The times are
the asker's: to connect, the door's turn with what it was at, and the whole answer read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.adapters.control import ask_daemon
from edge.adapters.pictures import read_picture
from edge.assemble import Given, door
from edge.bench.device import PICTURES, pasted
from edge.contract.messages import Request
from edge.errors import DoorwardError
from edge.recognition.types import Frame
from edge.recognition.visit import Visit, VisitEvent
from edge.settings.slices import DoorSettings, MqttSettings, RecognitionSettings, Settings, StoreSettings
from edge.stored import control_path

VERBS = ("people_list", "people_show", "people_rename", "status")
_FRAMES_PER_S = 30.0
_FRAMES_BETWEEN = 1  # recognized before the next request, so that each meets the door at work


class Standing:
    """A live camera before which the same person stands."""

    live = True

    def __init__(self, picture: Path) -> None:
        self._pixels = pasted(read_picture(picture), 0.9)
        self._number = 0

    def open(self) -> None:
        """Nothing to do."""

    def read(self) -> Frame:
        time.sleep(1 / _FRAMES_PER_S)
        self._number += 1
        return Frame(self._pixels, time.monotonic(), self._number - 1)

    def close(self) -> None:
        """Nothing to do."""


class _Seen:
    """Counts the frames in which the door saw somebody."""

    def __init__(self) -> None:
        self._count = 0
        self._more = threading.Condition()

    def frame(self, _frame: Frame, visits: tuple[Visit, ...], _events: list[VisitEvent]) -> None:
        with self._more:
            self._count += bool(visits)
            self._more.notify_all()

    def wait_for(self, more: int) -> None:
        """Raises: DoorwardError, where the door does not get on."""
        with self._more:
            wanted = self._count + more
            if not self._more.wait_for(lambda: self._count >= wanted, 60.0):
                raise DoorwardError("the door recognizes nobody while it is asked")


def ask_while_recognizing(folder: Path, settings: RecognitionSettings, repeats: int) -> Mapping[str, Sequence[float]]:
    """Milliseconds that each request of each verb took. folder: the state of a door that knows somebody.

    Raises:
        DoorwardError: the door does not start, or does not do what it is asked.
    """
    store, seen = StoreSettings(folder=folder), _Seen()
    whole = Settings(DoorSettings(id="bench"), recognition=settings, store=store, mqtt=MqttSettings(enabled=False))
    times: dict[str, list[float]] = {verb: [] for verb in VERBS}
    with _working(whole, Given(Standing(PICTURES / "obama.jpg"), observer=seen.frame)):
        seen.wait_for(3)
        someone = _asked(control_path(store), "people_list")["people"][0]["person"]
        for number in range(repeats):
            for verb, data in _round(someone, number).items():
                seen.wait_for(_FRAMES_BETWEEN)
                began_s = time.perf_counter()
                _asked(control_path(store), verb, data)
                times[verb].append((time.perf_counter() - began_s) * 1000)
    return times


def _round(someone: str, number: int) -> dict[str, dict[str, Any]]:
    rename = {"person": someone, "name": f"Bench {number}"}
    return {"people_list": {}, "people_show": {"person": someone}, "people_rename": rename, "status": {}}


def _asked(path: Path, verb: str, data: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    response = ask_daemon(path, Request(verb=verb, data=data or {}))
    if response is None or response.error is not None:
        raise DoorwardError(f"{verb}: {response.error if response else 'the door does not run'}")
    return response.data


@contextmanager
def _working(settings: Settings, given: Given) -> Iterator[None]:
    with door(settings, given) as daemon:
        thread = threading.Thread(target=daemon.run, name="door")
        thread.start()
        try:
            yield
        finally:
            daemon.stop()
            thread.join()
