"""What the link tells when it does not work: one line of the cause and the way out, once and not at each try."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable

import pytest

from edge.adapters.mqtt import MqttLink, pause_s, try_connection
from edge.errors import LinkError
from tests.fakes.broker import Broker, free_port
from tests.fakes.link import AVAILABILITY, Listener, make_link, running, settings_for
from tests.fakes.log_lines import lines
from tests.fakes.world import World, wait_until

pytestmark = pytest.mark.broker


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture(autouse=True)
def informative(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "doorward")


def test_no_broker_at_the_start_is_one_line_and_the_link_keeps_trying(
    make_broker: Callable[..., Broker], listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    tries: list[int] = []

    def pause(failures: int) -> float:
        tries.append(failures)
        return 0.02

    link = MqttLink(settings_for(port), pause=pause)
    with running(link, listener, wait=False):
        wait_until(lambda: len(tries) >= 10, "it tries again and again")
        assert tries[:10] == list(range(1, 11))
        problem = f"no broker answers at 127.0.0.1:{port}; does it run, is it what mqtt.host and mqtt.port say?"
        assert link.problem == problem
        assert lines(caplog) == [f"{problem}; trying again, events wait"]
        assert "Traceback" not in caplog.text
        broker = make_broker(port=port)
        wait_until(lambda: link.connected, "it finds the broker that came")
        assert link.problem is None
        assert lines(caplog, logging.INFO)[-1] == f"connected broker=127.0.0.1:{broker.port} mqtt=5 session=new"


def test_pauses_double_to_two_minutes_with_a_share_of_chance() -> None:
    assert [pause_s(failures, 1.0) for failures in range(1, 10)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert pause_s(1, 0.0) == 0.5
    assert pause_s(10_000, 0.0) == 60
    spread = {MqttLink(settings_for(1))._pause(5) for _ in range(20)}
    assert len(spread) > 10
    assert all(8 <= pause <= 16 for pause in spread)


class FakeServer:
    """Takes one connection, reads the greeting, and says what it was told to."""

    def __init__(self, *says: bytes) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.port: int = self._socket.getsockname()[1]
        self._says = says
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._socket, self._socket.accept()[0] as peer:
            for words in self._says:
                peer.recv(1000)
                peer.sendall(words)


WELCOME = b"\x20\x03\x00\x00\x00"  # CONNACK of MQTT 5: no session, success, no properties


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0x8E, "gave our place to another client of the id doorward-front; every door needs an id of its own"),
        (0x8B, "shuts down"),
        (0x87, "no longer lets us in; check its access rules"),
        (0x97, "ended the connection: Quota exceeded"),
    ],
)
def test_a_broker_that_sends_us_away_is_told_with_its_reason(
    listener: Listener, caplog: pytest.LogCaptureFixture, code: int, words: str
) -> None:
    server = FakeServer(WELCOME, bytes([0xE0, 0x01, code]))
    with running(make_link(server.port), listener, wait=False):
        wait_until(lambda: bool(lines(caplog)), "the log tells")
        assert lines(caplog)[0] == f"127.0.0.1:{server.port} {words}; trying again, events wait"


def test_two_clients_of_one_id_are_suspected_when_connections_do_not_last(
    broker: Broker, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    with running(make_link(broker.port), listener):
        for _ in range(3):
            wait_until(lambda: listener.link is not None and listener.link.connected, "connected")
            with World(broker.port, name="doorward-front"):
                losses = listener.losses
                wait_until(lambda losses=losses: listener.losses > losses, "it lost its place")  # type: ignore[misc] # bound early
        wait_until(lambda: "another client of the id doorward-front" in caplog.text, "the log tells")


def test_something_that_is_no_broker_is_told() -> None:
    with pytest.raises(LinkError, match="closed the connection before it answered; is it an MQTT broker"):
        try_connection(settings_for(FakeServer(b"SSH-2.0-OpenSSH_9.2\r\n").port))


def test_trying_a_connection_does_not_disturb_the_door(broker: Broker, listener: Listener) -> None:
    with World(broker.port, AVAILABILITY) as world, running(make_link(broker.port), listener):
        world.wait_for(AVAILABILITY, b"online")
        try_connection(settings_for(broker.port))
        time.sleep(0.2)
        assert listener.losses == 0
        assert world.on(AVAILABILITY) == [b"online"]
