"""A whole door from its settings: what it needs comes up in order, and everything is given back, however it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.adapters import capture
from edge.adapters.clock import SystemClock
from edge.adapters.control import ask_daemon
from edge.adapters.fake_camera import FakeCamera
from edge.adapters.panel import SilentPanel
from edge.assemble import Given, door
from edge.contract.messages import Request
from edge.errors import CameraError, PanelError, StoreError
from edge.ports import Press
from edge.settings.slices import CameraSettings, FleetSettings, MqttSettings, Settings
from edge.stored import control_path
from tests.fakes.broker import Broker
from tests.fakes.door import DOOR, Film, film, roster_in, settings_in
from tests.fakes.templates import NOW, pictures
from tests.fakes.world import World, wait_until


class BrokenPanel(SilentPanel):
    def start(self, on_press: Callable[[Press], None]) -> None:
        raise PanelError("panel: button_pin 17 cannot be had; check the wiring")


def nothing_is_left(settings: Settings) -> None:
    """The store is free and the socket is gone."""
    assert not control_path(settings.store).exists()
    with roster_in(settings):
        pass


def test_a_door_runs_answers_its_machine_and_gives_everything_back(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with door(settings, Given(camera=Film(film()))) as daemon:
        answers = []
        asking = threading.Thread(
            target=lambda: answers.append(ask_daemon(control_path(settings.store), Request(verb="status", data={})))
        )
        asking.start()
        while asking.is_alive():
            daemon._drain()
            time.sleep(0.01)
        daemon.run()
    assert [answer.data["door"] for answer in answers if answer] == [DOOR]
    nothing_is_left(settings)


def test_a_second_door_on_the_same_store_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    second = FakeCamera([[None]], SystemClock())
    with door(settings, Given(camera=Film(film()))):
        with (
            pytest.raises(StoreError, match=r"people\.db is held by process \d+"),
            door(settings, Given(camera=second)),
        ):
            pass
        assert second.opened == 0
        assert control_path(settings.store).is_socket()


@pytest.mark.parametrize("run", [1, 2])
def test_what_cannot_be_had_is_one_error_and_the_rest_is_given_back(tmp_path: Path, run: int) -> None:
    settings = settings_in(tmp_path)
    for _ in range(run):
        with pytest.raises(PanelError, match="button_pin 17"), door(settings, Given(Film(film()), BrokenPanel())):
            pass
    nothing_is_left(settings)


def test_a_camera_of_no_kind_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, camera=CameraSettings(url="webcam"))
    with pytest.raises(CameraError, match="unknown kind"), door(settings):
        pass
    nothing_is_left(settings)


def test_a_long_path_to_the_state_folder_is_no_hindrance(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / ("a" * 120))
    with door(settings, Given(camera=Film(film()))) as daemon:
        daemon.run()
    nothing_is_left(settings)


def test_people_who_cannot_be_recognized_are_told_of_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_in(tmp_path)
    with roster_in(settings) as roster:
        roster.enroll("Anna", pictures(1), NOW, verified=True)
    with caplog.at_level("INFO", logger="doorward"), door(settings, Given(camera=Film(film()))):
        pass
    told = [vars(record)["values"]["found"] for record in caplog.records if record.getMessage() == "template store"]
    assert [line.partition(":")[0] for line in told] == ["1 of 1 cannot be recognized"]


def test_sharing_without_mqtt_is_said_to_share_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_in(tmp_path, fleet=FleetSettings(share=True))
    with caplog.at_level("WARNING", logger="doorward"), door(settings, Given(camera=Film(film()))) as daemon:
        daemon.run()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["nothing is shared: set [mqtt] enabled = true, or [fleet] share = false"]


@pytest.mark.broker
def test_a_camera_that_hangs_does_not_hold_up_the_goodbye(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "_JOIN_S", 2.0)
    comes_back = threading.Event()
    settings = settings_in(tmp_path, mqtt=MqttSettings(host="127.0.0.1", port=broker.port))
    with World(broker.port, f"doorward/{DOOR}/#") as world:
        name = f"doorward/{DOOR}/availability"
        with door(settings, Given(camera=FakeCamera([[comes_back]], SystemClock()))) as daemon:
            wait_until(lambda: world.on(name) == [b"online"], "connected")
            daemon.stop()
            daemon.run()
            offline_s: list[float] = []

            def watch() -> None:
                world.wait_for(name, b"offline")
                offline_s.append(time.monotonic())

            watching = threading.Thread(target=watch)
            watching.start()
            began_s = time.monotonic()
        ended_s = time.monotonic()
        comes_back.set()
    assert ended_s - began_s >= 2.0
    watching.join()
    assert offline_s[0] < ended_s - 0.5
    nothing_is_left(settings)
