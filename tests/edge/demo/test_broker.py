"""The demonstration's own broker: real ones on loopback, and a plain answer where there is none."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.demo.broker import DemoBroker, Kind, command_for, demo_broker, free_port, wait_until_ready
from edge.errors import LinkError

needs_amqtt = pytest.mark.skipif(
    importlib.util.find_spec("amqtt") is None, reason="amqtt (extra demo) is not installed"
)
needs_mosquitto = pytest.mark.skipif(command_for("mosquitto", 0, Path()) is None, reason="mosquitto is not installed")
EACH = [pytest.param("mosquitto", marks=needs_mosquitto), pytest.param("amqtt", marks=needs_amqtt)]


def delivered(running: DemoBroker) -> bytes:
    """What comes back of one QoS 1 message that a client sends to itself through the broker."""
    protocol = mqtt.MQTTv5 if running.protocol == "5" else mqtt.MQTTv311
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    subscribed, arrived = threading.Event(), threading.Event()
    payloads: list[bytes] = []

    def take(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        payloads.append(bytes(message.payload))
        arrived.set()

    def note(_client: mqtt.Client, _data: object, _number: int, _reasons: object, _properties: object) -> None:
        subscribed.set()

    client.on_message, client.on_subscribe = take, note
    client.connect(running.host, running.port)
    client.loop_start()
    client.subscribe("doorward/#", qos=1)
    assert subscribed.wait(10)
    client.publish("doorward/a/event", b"hello", qos=1)
    arrived.wait(10)
    client.disconnect()
    client.loop_stop()
    return b"".join(payloads)


@pytest.mark.broker
@pytest.mark.parametrize("kind", EACH)
def test_a_message_goes_through_and_the_port_is_closed_in_the_end(kind: Kind) -> None:
    with demo_broker([kind]) as running:
        assert running.kind == kind
        assert running.host == "127.0.0.1"
        assert delivered(running) == b"hello"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((running.host, running.port), timeout=2)


@pytest.mark.broker
@needs_mosquitto
def test_two_demonstrations_run_side_by_side() -> None:
    with demo_broker() as one, demo_broker() as other:
        assert one.port != other.port
        assert delivered(one) == delivered(other) == b"hello"


@pytest.mark.broker
@needs_mosquitto
def test_mosquitto_is_found_where_a_user_s_path_does_not_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with demo_broker(["mosquitto"]) as running:
        assert running.protocol == "5"


@pytest.mark.broker
@needs_mosquitto
def test_a_port_taken_in_the_meantime_is_given_up_for_another() -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        free = free_port()
        ports = [squatter.getsockname()[1], free]
        with demo_broker(["mosquitto"], find_port=lambda: ports.pop(0)) as running:
            assert running.port == free


def test_without_any_broker_the_way_out_is_told() -> None:
    with pytest.raises(LinkError, match="no broker on this machine; install one with `sudo apt-get install mosquitto`"):
        demo_broker([]).__enter__()


@pytest.mark.broker
def test_a_broker_that_does_not_start_is_told_with_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\necho first >&2\necho out of luck >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(LinkError, match=r"^mosquitto does not start \(out of luck\); install one"):
        demo_broker(["mosquitto"]).__enter__()


@pytest.mark.broker
@needs_amqtt
def test_amqtt_ends_when_its_parent_does() -> None:
    port = free_port()
    command = command_for("amqtt", port, Path())
    assert command is not None
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert wait_until_ready(process, port)
        process.stdin.close()  # what the kernel does for a parent that was killed
        assert process.wait(10) == 0
