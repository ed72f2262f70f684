"""The link to a real broker: what the world sees of it, and each pitfall of MQTT clients by its name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.mqtt import MqttLink, Subscription
from edge.ports import Handover, Incoming
from tests.fakes.broker import Broker
from tests.fakes.link import AVAILABILITY, BASE, EVENTS, STATE, Listener, make_link, running, settings_for
from tests.fakes.log_lines import lines
from tests.fakes.world import World, wait_until

pytestmark = pytest.mark.broker

ROOT = Path(__file__).resolve().parents[3]
BOTH_VERSIONS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@pytest.fixture
def listener() -> Listener:
    return Listener()


# ---- what the world sees ---------------------------------------------------------------------------------------------


@BOTH_VERSIONS
def test_online_is_retained_and_a_clean_stop_says_offline(broker: Broker, listener: Listener, protocol: str) -> None:
    with World(broker.port, AVAILABILITY) as world:
        with running(make_link(broker.port, protocol=protocol), listener):
            world.wait_for(AVAILABILITY, b"online")
            with World(broker.port, AVAILABILITY, name="late") as late:
                late.wait_for(AVAILABILITY, b"online")
                assert late.heard[0].retained
        world.wait_for(AVAILABILITY, b"offline")
        assert world.on(AVAILABILITY) == [b"online", b"offline"]


@BOTH_VERSIONS
def test_messages_arrive_in_order_and_are_told_as_delivered(broker: Broker, listener: Listener, protocol: str) -> None:
    with World(broker.port, EVENTS) as world, running(make_link(broker.port, protocol=protocol), listener) as link:
        for number in range(150):
            assert link.publish(EVENTS, b"%d" % number, token=f"t{number}") is Handover.TAKEN
        world.wait_for(EVENTS, b"149")
        assert world.on(EVENTS) == [b"%d" % number for number in range(150)]
        wait_until(lambda: len(listener.delivered) == 150, "all are delivered")
        assert listener.delivered == [(f"t{number}", None) for number in range(150)]


def test_a_request_is_answered_where_an_mqtt_5_asker_wants_it(broker: Broker, listener: Listener) -> None:
    with World(broker.port, "replies/42") as world, running(make_link(broker.port), listener) as link:
        request = f"{BASE}/request/undo"
        world.publish(request, b"{}", response_topic="replies/42", correlation=b"\x00c1")
        wait_until(lambda: bool(listener.messages), "the request came")
        message = listener.messages[0]
        assert (message.topic, message.payload) == (request, b"{}")
        assert (message.response_topic, message.correlation) == ("replies/42", b"\x00c1")
        assert message.response_topic is not None
        link.publish(message.response_topic, b'{"status":"ok"}', correlation=message.correlation)
        world.wait_for("replies/42", b'{"status":"ok"}')
        assert world.heard[0].correlation == b"\x00c1"


def test_a_request_over_mqtt_3_has_no_reply_topic(broker: Broker, listener: Listener) -> None:
    with World(broker.port) as world, running(make_link(broker.port, protocol="3.1.1"), listener):
        world.publish(f"{BASE}/request/undo", b"{}", response_topic="replies/42", correlation=b"c")
        wait_until(lambda: bool(listener.messages), "the request came")
        assert listener.messages[0].response_topic is None
        assert listener.messages[0].correlation is None


# ---- pitfalls --------------------------------------------------------------------------------------------------------


CHILD = """
import sys, time
from tests.fakes.link import Listener, make_link
link = make_link(int(sys.argv[1]), protocol=sys.argv[2])
link.start(Listener())
time.sleep(60)
"""


@pytest.mark.scenario
@BOTH_VERSIONS
def test_the_broker_says_offline_when_the_door_is_killed(broker: Broker, protocol: str) -> None:
    with World(broker.port, AVAILABILITY) as world:
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(broker.port), protocol], cwd=ROOT)
        try:
            world.wait_for(AVAILABILITY, b"online")
        finally:
            os.kill(child.pid, signal.SIGKILL)
            child.wait(10)
        world.wait_for(AVAILABILITY, b"offline")
        with World(broker.port, AVAILABILITY, name="late") as late:
            late.wait_for(AVAILABILITY, b"offline")
            assert late.heard[0].retained


@BOTH_VERSIONS
def test_a_listener_that_raises_does_not_end_the_link(
    broker: Broker, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    class Raising(Listener):
        def on_message(self, message: Incoming) -> None:
            super().on_message(message)
            raise SystemExit if message.payload == b"7" else KeyError("person")

    listener = Raising(acknowledges=False)
    with World(broker.port) as world, running(make_link(broker.port, protocol=protocol), listener) as link:
        for number in range(30):  # more than the broker would have under way at once, if poison were not acknowledged
            world.publish(f"{BASE}/request/undo", b"%d" % number)
        wait_until(lambda: len(listener.messages) == 30, "all are seen")
        assert link.connected
        assert listener.connections == [1]
    assert lines(caplog) == ["the link's listener failed on what it was told listener=Raising"] * 30


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_link_thread_that_died_is_started_again(
    broker: Broker, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    with World(broker.port, EVENTS) as world, running(make_link(broker.port), listener) as link:
        first, whole, deaths = link._thread, link._exchange, iter([True])
        assert first is not None

        def exchange(*arguments: Any) -> None:
            if next(deaths, False):
                raise SystemExit  # what even the thread's own guard lets through
            whole(*arguments)

        link._exchange = exchange  # type: ignore[method-assign,assignment] # a fault
        wait_until(lambda: not first.is_alive(), "the thread is dead")
        assert listener.losses == 1, "nobody is told that it is connected"
        wait_until(lambda: link.connected, "it is connected again")
        assert link.publish(EVENTS, b"alive")
        world.wait_for(EVENTS, b"alive")
    assert caplog.text.count("the link's thread had ended; it is started again") == 1


def test_publishing_from_within_a_listener_does_not_deadlock(broker: Broker) -> None:
    class Answering(Listener):
        def on_delivered(self, token: str, refused: str | None) -> None:
            super().on_delivered(token, refused)
            if len(self.delivered) < 50 and self.link is not None:
                self.link.publish(EVENTS, b"next", token=token)

    listener = Answering()
    with running(make_link(broker.port), listener) as link:
        link.publish(EVENTS, b"first", token="t")
        wait_until(lambda: len(listener.delivered) == 50, "each delivery led to the next")


def test_many_threads_may_publish_at_once(broker: Broker, listener: Listener) -> None:
    with World(broker.port, EVENTS) as world, running(make_link(broker.port), listener) as link:

        def publish(name: str) -> None:
            for number in range(40):
                while link.publish(EVENTS, f"{name}{number}".encode()) is Handover.FULL:
                    time.sleep(0.01)

        threads = [threading.Thread(target=publish, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        wait_until(lambda: len(world.on(EVENTS)) == 160, "all of them came")
        assert len(set(world.on(EVENTS))) == 160


def test_a_message_larger_than_the_broker_takes_is_refused_before_it_is_sent(
    make_broker: Callable[..., Broker], listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker("max_packet_size 5000")
    with World(broker.port, EVENTS) as world, running(make_link(broker.port), listener) as link:
        assert link.publish(EVENTS, bytes(6000)) is Handover.TOO_LARGE
        assert link.publish(EVENTS, b"after")
        world.wait_for(EVENTS, b"after")
        assert world.on(EVENTS) == [b"after"]
        assert listener.losses == 0
    assert lines(caplog) == [f"a message is larger than the broker takes topic={EVENTS} bytes=6000 limit=4488"]


def test_without_a_limit_of_the_broker_s_our_own_holds(broker: Broker, listener: Listener) -> None:
    with running(make_link(broker.port, protocol="3.1.1", max_packet_bytes=2000), listener) as link:
        assert link.publish(EVENTS, bytes(2000)) is Handover.TOO_LARGE
        assert link.publish(EVENTS, bytes(1900)) is Handover.TAKEN


@BOTH_VERSIONS
def test_a_message_that_is_too_large_for_us_is_passed_over(broker: Broker, listener: Listener, protocol: str) -> None:
    with (
        World(broker.port) as world,
        running(make_link(broker.port, protocol=protocol, max_packet_bytes=5000), listener),
    ):
        world.publish(f"{BASE}/request/undo", bytes(50_000))
        world.publish(f"{BASE}/request/undo", b"small")
        wait_until(lambda: bool(listener.messages), "the small one came")
        assert [message.payload for message in listener.messages] == [b"small"]


@BOTH_VERSIONS
def test_a_retained_command_is_an_old_one_and_is_not_carried_out(
    broker: Broker, listener: Listener, protocol: str
) -> None:
    with World(broker.port) as world:
        world.publish(f"{BASE}/request/erase", b"old", retain=True)
        with running(make_link(broker.port, protocol=protocol), listener):
            world.publish(f"{BASE}/request/erase", b"new")
            wait_until(lambda: bool(listener.messages), "the new one came")
            assert [message.payload for message in listener.messages] == [b"new"]


@BOTH_VERSIONS
def test_retained_messages_that_are_wanted_are_seen(broker: Broker, listener: Listener, protocol: str) -> None:
    with World(broker.port) as world:
        world.publish("notice", b"kept", retain=True)
        link = MqttLink(settings_for(broker.port, protocol=protocol), [Subscription("notice", retained=True)])
        with running(link, listener):
            wait_until(lambda: bool(listener.messages), "the kept one came")


def test_a_broker_killed_and_started_again_finds_subscriptions_and_state_restored(
    make_broker: Callable[..., Broker], listener: Listener
) -> None:
    broker = make_broker()  # without persistence: it forgets subscriptions, sessions and retained messages
    with running(make_link(broker.port), listener) as link:
        assert link.publish(STATE, b"state 1", retain=True)
        assert link.publish(STATE, b"state 2", retain=True)
        broker.kill()
        wait_until(lambda: listener.losses == 1, "the loss is noticed")
        assert not link.connected
        assert link.publish(EVENTS, b"x") is Handover.AWAY
        assert link.publish(STATE, b"state 3", retain=True) is Handover.TAKEN
        broker.start()
        wait_until(lambda: link.connected, "connected again")
        with World(broker.port, f"{BASE}/#") as world:
            world.wait_for(STATE, b"state 3")
            world.wait_for(AVAILABILITY, b"online")
            assert {heard.topic: heard.payload for heard in world.heard if heard.retained} == {
                STATE: b"state 3",
                AVAILABILITY: b"online",
            }
            world.publish(f"{BASE}/request/undo", b"after")
            wait_until(lambda: bool(listener.messages), "the subscription is there again")


def test_an_empty_retained_message_clears_the_topic_and_stays_cleared(broker: Broker, listener: Listener) -> None:
    with running(make_link(broker.port), listener) as link:
        link.publish("homeassistant/device/front/config", b"{}", retain=True)
        link.publish("homeassistant/device/front/config", b"", retain=True)
        wait_until(lambda: not link._retained, "it is forgotten")
        with World(broker.port, "homeassistant/#") as world:
            assert world.heard == []


@BOTH_VERSIONS
def test_the_session_is_kept_so_that_a_command_sent_meanwhile_arrives(
    broker: Broker, listener: Listener, protocol: str
) -> None:
    with running(make_link(broker.port, protocol=protocol), listener):
        pass
    with World(broker.port) as world:
        world.publish(f"{BASE}/request/undo", b"meanwhile")
    with running(make_link(broker.port, protocol=protocol), listener):
        wait_until(lambda: bool(listener.messages), "the command waited at the broker")
        assert listener.messages[0].payload == b"meanwhile"


@BOTH_VERSIONS
def test_a_command_is_acknowledged_by_hand_and_comes_again_if_it_was_not(broker: Broker, protocol: str) -> None:
    careless = Listener(acknowledges=False)
    with World(broker.port) as world:
        with running(make_link(broker.port, protocol=protocol), careless):
            world.publish(f"{BASE}/request/undo", b"once")
            wait_until(lambda: len(careless.messages) == 1, "it came")
        careful = Listener()
        with running(make_link(broker.port, protocol=protocol), careful) as link:
            wait_until(lambda: len(careful.messages) == 1, "it came again")
            link.acknowledge(careless.messages[0])  # of an earlier connection: does nothing
        forgetful = Listener()
        with running(make_link(broker.port, protocol=protocol), forgetful):
            time.sleep(0.3)
            assert forgetful.messages == []


def test_a_message_for_an_earlier_connection_is_not_sent_by_this_one(broker: Broker, listener: Listener) -> None:
    with running(make_link(broker.port), listener) as link:
        assert link.publish(EVENTS, b"x", connection=listener.connections[-1] - 1) is Handover.AWAY
        assert link.publish(EVENTS, b"x", connection=listener.connections[-1]) is Handover.TAKEN


def test_an_answer_that_was_under_way_when_the_broker_died_is_sent_again(broker: Broker, listener: Listener) -> None:
    reader_is_there = threading.Event()

    def pause(_failures: int) -> float:
        reader_is_there.wait(10)
        return 0.0

    with running(MqttLink(settings_for(broker.port), pause=pause), listener) as link:
        broker.freeze()  # what is sent now is never answered
        assert link.publish(f"{BASE}/response/undo", b"answer")
        assert link.publish(EVENTS, b"event", token="t")
        broker.kill()
        wait_until(lambda: listener.losses == 1, "the loss is noticed")
        broker.start()
        with World(broker.port, f"{BASE}/response/+", EVENTS) as world:
            reader_is_there.set()
            world.wait_for(f"{BASE}/response/undo", b"answer")
            wait_until(lambda: link.connected, "connected again")
            link.publish(EVENTS, b"last")
            world.wait_for(EVENTS, b"last")
            assert world.on(EVENTS) == [b"last"], "what has a token is its owner's to send again"


def test_a_queue_that_nobody_empties_is_bounded(broker: Broker, listener: Listener) -> None:
    link = make_link(broker.port)
    with running(link, listener):
        link._exchange = lambda *_args, **_kwargs: time.sleep(0.05)  # type: ignore[method-assign] # a link that hangs
        time.sleep(1.2)
        results = [link.publish(EVENTS, b"x") for _ in range(250)]
        assert results.count(Handover.FULL) >= 50


def test_a_topic_that_cannot_be_published_to_is_refused_and_harms_nothing(broker: Broker, listener: Listener) -> None:
    with running(make_link(broker.port), listener) as link:
        link.publish("a/+/b", b"x", token="bad")
        link.publish(EVENTS, b"x", token="good")
        wait_until(lambda: len(listener.delivered) == 2, "both are settled")
        (bad, why), good = listener.delivered
        assert bad == "bad"
        assert why is not None
        assert "not a topic to publish to" in why
        assert good == ("good", None)
        assert link.connected


def test_the_heartbeat_goes_on_while_connected_and_while_not(broker: Broker, listener: Listener) -> None:
    with running(make_link(broker.port), listener) as link:
        connected_s = link.heartbeat_s
        wait_until(lambda: link.heartbeat_s > connected_s, "it goes on")
        broker.kill()
        wait_until(lambda: not link.connected, "the loss is noticed")
        lost_s = link.heartbeat_s
        wait_until(lambda: link.heartbeat_s > lost_s, "it goes on all the same")


def test_a_frozen_broker_is_noticed_by_the_keepalive(broker: Broker, listener: Listener) -> None:
    with running(make_link(broker.port, keepalive_s=1), listener):
        broker.freeze()
        wait_until(lambda: listener.losses == 1, "no answer to the ping", timeout_s=10)
        broker.thaw()
        wait_until(lambda: len(listener.connections) == 2, "connected again")
