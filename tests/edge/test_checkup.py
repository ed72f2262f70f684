"""`doctor`'s checks: what each finds where all is well, and the line and exit code where it is not."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.control import ControlServer
from edge.checkup import Finding, examine
from edge.contract.codec import to_object
from edge.contract.messages import Response
from edge.demo.story import PICTURES
from edge.inbox import Asked
from edge.settings.slices import (
    CameraSettings,
    MqttSettings,
    PanelSettings,
    RecognitionSettings,
    Settings,
)
from edge.stored import control_path
from tests.fakes.broker import free_port
from tests.fakes.door import roster_in, settings_in
from tests.fakes.messages import STATE
from tests.fakes.templates import NOW, pictures

WALKUP = f"walkup:{PICTURES / 'obama.jpg'}?seconds=1&pause=1&pace=0"


def found(settings: Settings, what: str, *, with_camera: bool = False) -> Finding:
    return next(finding for finding in examine(settings, with_camera=with_camera) if finding.what == what)


def test_a_door_on_which_all_is_well(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, camera=CameraSettings(url=WALKUP, width=640, height=480))
    with roster_in(settings):
        pass
    findings = examine(settings, with_camera=True)
    assert [finding.what for finding in findings] == [
        "settings",
        "runtime",
        "models",
        "head",
        "store",
        "disk",
        "clock",
        "broker",
        "panel",
        "camera",
        "daemon",
    ]
    assert {(finding.verdict, finding.code) for finding in findings} == {("well", 0)}
    texts = {finding.what: finding.text for finding in findings}
    assert texts["store"] == f"0 people in {tmp_path}"
    assert texts["daemon"] == "not running"
    assert texts["broker"] == "none wanted ([mqtt] enabled = false)"
    assert texts["camera"].startswith("walkup:")
    assert "640x480, first frame after" in texts["camera"]
    assert "blazeface" in texts["models"]


def test_looking_makes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    settings = settings_in(folder)
    assert found(settings, "disk").verdict == "warning"
    assert found(settings, "disk").text == f"{folder} is not there yet; the first start makes it"
    assert not folder.exists()


def test_an_embedder_that_is_not_there_is_a_fault_of_the_models(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, recognition=RecognitionSettings(embedder="nobody"))
    assert (found(settings, "models").verdict, found(settings, "models").code) == ("fault", 3)
    assert found(settings, "models").text.startswith("no embedder named 'nobody'; there is: ")


def test_a_store_that_is_another_program_s_is_a_fault(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with roster_in(settings):
        pass
    key = tmp_path / "device.key"
    key.write_text(key.read_text().replace("0", "1"))
    finding = found(settings, "store")
    assert (finding.verdict, finding.code) == ("fault", 6)
    assert "encrypted with key" in finding.text


def test_people_of_another_embedder_are_warned_of(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with roster_in(settings) as roster:
        roster.enroll("Anna", pictures(1), NOW, verified=True)
    finding = found(settings, "store")
    assert finding.verdict == "warning"
    assert finding.text.startswith("1 of 1 cannot be recognized")
    assert "Anna" not in finding.text


def test_a_folder_whose_name_is_too_long_is_a_fault_in_one_line(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / ("x" * 300))
    for what in ("store", "disk"):
        assert found(settings, what).verdict == "fault"
        assert "name too long" in found(settings, what).text


def test_a_camera_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, camera=CameraSettings(url=f"folder:{tmp_path / 'none'}"))
    finding = found(settings, "camera", with_camera=True)
    assert (finding.verdict, finding.code) == ("fault", 4)
    assert finding.text.startswith(f"camera folder:{tmp_path / 'none'}: No such file or directory")


def test_a_password_in_a_camera_s_address_is_not_shown(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, camera=CameraSettings(url="rtsp://me:secret@127.0.0.1:9/live", timeout_s=1.0))
    finding = found(settings, "camera", with_camera=True)
    assert finding.verdict == "fault"
    assert "secret" not in finding.text


@pytest.mark.broker
def test_a_broker_that_is_away_is_a_fault_and_says_that_the_door_works(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, mqtt=MqttSettings(host="127.0.0.1", port=free_port()))
    finding = found(settings, "broker")
    assert (finding.verdict, finding.code) == ("fault", 7)
    assert finding.text.endswith("the door works without it, and its events wait")


@pytest.mark.broker
def test_a_broker_that_answers_is_named_with_its_protocol(tmp_path: Path, broker: Any) -> None:
    settings = settings_in(tmp_path, mqtt=MqttSettings(host="127.0.0.1", port=broker.port))
    assert found(settings, "broker") == Finding("broker", "well", f"127.0.0.1:{broker.port} answers, MQTT 5")


def test_a_clock_that_was_never_set_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.adapters.clock.time.time", lambda: 5.0)
    finding = found(settings_in(tmp_path), "clock")
    assert finding.verdict == "warning"
    assert "recognition goes on" in finding.text


def test_a_panel_says_where_its_button_is(tmp_path: Path) -> None:
    pytest.importorskip("gpiozero")
    with_button = settings_in(tmp_path, panel=PanelSettings(button_pin=17))
    assert found(with_button, "panel").text.startswith("button on GPIO 17, gpiozero 2.")
    with_leds = settings_in(tmp_path, panel=PanelSettings(green_led_pin=22))
    assert found(with_leds, "panel").text.startswith("no button, gpiozero 2.")


def answering(settings: Settings, response: Response) -> ControlServer:
    def ask(asked: Asked) -> bool:
        asked.reply(response)
        return True

    folder = settings.store.folder
    assert folder is not None
    folder.mkdir(exist_ok=True)
    server = ControlServer(control_path(settings.store), ask)
    server.start()
    return server


def status(**changes: Any) -> Response:
    data = to_object(replace(STATE, degraded=(), **changes))
    return Response(verb="status", status="ok", error=None, data=data, transaction=None)


def test_a_running_daemon_is_asked_how_it_is_and_its_camera_is_left_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, camera=CameraSettings(url=f"folder:{tmp_path / 'none'}"))
    server = answering(settings, status(people=12, queued=3))
    try:
        findings = {finding.what: finding for finding in examine(settings, with_camera=True)}
    finally:
        server.stop()
    assert findings["daemon"].text == "running: camera ok, 12 people, 3 events wait, all well"
    assert findings["camera"] == Finding("camera", "well", f"folder:{tmp_path / 'none'}: the daemon has it")


def test_people_who_wait_to_be_shared_are_counted(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    server = answering(settings, status(people=12, queued=3, unshared=2))
    try:
        text = found(settings, "daemon").text
    finally:
        server.stop()
    assert text == "running: camera ok, 12 people, 3 events wait, 2 to be shared, all well"


def test_a_daemon_in_trouble_is_a_warning(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    data = to_object(STATE)
    server = answering(settings, Response(verb="status", status="ok", error=None, data=data, transaction=None))
    try:
        finding = found(settings, "daemon")
    finally:
        server.stop()
    assert (finding.verdict, finding.text) == ("warning", "running: camera ok, 12 people, 0 events wait; disk is full")


@pytest.mark.parametrize("data", [{}, {"degraded": "none"}, {"camera": 7}])
def test_a_daemon_that_answers_something_else_is_a_fault_and_the_report_goes_on(
    tmp_path: Path, data: dict[str, Any]
) -> None:
    settings = settings_in(tmp_path)
    server = answering(settings, Response(verb="status", status="ok", error=None, data=data, transaction=None))
    try:
        findings = examine(settings, with_camera=False)
    finally:
        server.stop()
    assert findings[-1].what == "daemon"
    assert findings[-1].verdict == "fault"
    assert len(findings) == 10


def test_a_daemon_that_does_not_answer_is_a_fault_and_the_report_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.adapters.control._ANSWER_S", 0.1)
    settings = settings_in(tmp_path)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(control_path(settings.store)))
        silent.listen()
        findings = examine(settings, with_camera=False)
    assert (findings[-1].verdict, findings[-1].code) == ("fault", 7)
    assert findings[-1].text.endswith("look at its log")
    assert len(findings) == 10
