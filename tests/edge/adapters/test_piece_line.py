"""The updater's line on a real broker: what it asks, what it takes, and what it says where the broker denies it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.adapters.clock import SystemClock
from edge.adapters.mqtt_settings import LinkSettings
from edge.adapters.piece_line import MqttPieceLine, line_settings
from edge.contract.topics import Topics
from edge.contract.update import UpdateRequest
from edge.update.collect import Collector
from edge.update.pieces import Pace
from edge.update.problems import FetchError
from tests.fakes.broker import Broker, free_port
from tests.fakes.messages import PIECE, PIECE_REQUEST
from tests.fakes.world import World, wait_until

pytestmark = pytest.mark.broker

REQUEST, CHUNK = "doorward/front/update/request", "doorward/front/update/chunk"


@contextmanager
def line_to(port: int) -> Iterator[MqttPieceLine]:
    settings = line_settings(
        LinkSettings("127.0.0.1", "doorward-front", port=port, availability="doorward/front/availability")
    )
    line = MqttPieceLine(settings, Topics("doorward"), "front", pause=lambda _failures: 0.05)
    try:
        yield line
    finally:
        line.close()


def denying(folder: Path, *rules: str) -> Broker:
    (folder / "acl").write_text("\n".join(rules) + "\n")
    (folder / "acl").chmod(0o600)
    return Broker(folder, f"acl_file {folder / 'acl'}")


def wait_for_denial(line: MqttPieceLine) -> FetchError:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            line.wait(0.1)
        except FetchError as error:
            return error
    raise AssertionError("nothing was denied")


def test_it_is_beside_the_door_s_connection_and_leaves_no_word_when_it_ends(broker: Broker) -> None:
    with World(broker.port, "doorward/front/availability") as world, line_to(broker.port) as line:
        line.connect()
        assert line.connected
        assert line.problem is None
        line.close()
        wait_until(lambda: "doorward-front-update" in broker.log.read_text(), "the broker's log names it")
        assert world.heard == []


def test_a_request_says_where_its_answer_belongs(broker: Broker) -> None:
    with World(broker.port, REQUEST) as world, line_to(broker.port) as line:
        line.connect()
        line.ask(PIECE_REQUEST)
        wait_until(lambda: bool(world.heard), "the request")
    heard = world.heard[0]
    assert UpdateRequest.from_json(heard.payload) == PIECE_REQUEST
    assert heard.correlation == PIECE_REQUEST.number.to_bytes(4, "big")
    assert not heard.retained
    assert heard.response_topic == CHUNK


def test_a_piece_is_taken_and_what_is_none_is_passed_over(broker: Broker) -> None:
    with World(broker.port) as world, line_to(broker.port) as line:
        line.connect()
        assert line.wait(0.2) is None
        for payload in (b"", b"no piece", PIECE.to_json()):
            world.publish(CHUNK, payload)
        assert line.wait(5) == PIECE
        assert line.wait(0.2) is None


def test_a_line_that_is_lost_connects_again(broker: Broker) -> None:
    with line_to(broker.port) as line:
        line.connect()
        broker.kill()
        assert line.wait(5) is None
        assert not line.connected
        line.ask(PIECE_REQUEST)
        line.connect()
        assert not line.connected
        assert str(broker.port) in (line.problem or "")
        broker.start()
        line.connect()
        assert line.connected
        with World(broker.port) as world:
            world.publish(CHUNK, PIECE.to_json())
            assert line.wait(5) == PIECE


def test_nobody_at_the_port_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    port = free_port()
    with line_to(port) as line:
        line.connect()
        assert not line.connected
        assert line.problem is not None
        assert f"127.0.0.1:{port}" in line.problem


def test_a_broker_that_keeps_the_pieces_back_in_silence_is_thought_of(tmp_path: Path) -> None:
    """Mosquitto grants the subscription and then delivers nothing, so that it looks like a server that is away."""
    broker = denying(tmp_path, "topic write doorward/front/update/request")
    try:
        with line_to(broker.port) as line:
            collector = Collector(line, SystemClock(), Pace(grace_s=0.5))
            with World(broker.port) as world:
                world.publish(CHUNK, PIECE.to_json())
                with pytest.raises(FetchError, match="that the broker lets this door read update/chunk") as caught:
                    list(collector.pieces("targets/x.zip", 100))
            assert caught.value.code == "away"
    finally:
        broker.stop()


def test_a_broker_that_denies_our_requests_is_named_with_the_way_out(tmp_path: Path) -> None:
    broker = denying(tmp_path, "topic read doorward/front/update/chunk")
    try:
        with line_to(broker.port) as line:
            line.connect()
            line.ask(PIECE_REQUEST)
            error = wait_for_denial(line)
    finally:
        broker.stop()
    assert error.code == "denied"
    assert str(error).startswith(f"the broker refuses {REQUEST}: Not authorized")
    assert str(error).endswith("check its access rules")
