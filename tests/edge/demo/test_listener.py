"""What the demonstration's receiver prints and passes on."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from edge.adapters.mqtt_settings import LinkSettings
from edge.contract.messages import Enrollment, RecognitionEvent
from edge.contract.topics import Topics
from edge.demo.listener import Listener, enrollment_line, event_line
from edge.ports import Incoming
from tests.fakes.broker import Broker
from tests.fakes.messages import ENROLLMENT, EVENT, RESPONSE
from tests.fakes.world import World, wait_until


class Hearing:
    """A listener that is told messages as its link would."""

    def __init__(self, port: int = 1) -> None:
        self.out = io.StringIO()
        self.listener = Listener(LinkSettings("127.0.0.1", "ear", port), Topics("doorward"), self.out)
        self.events: list[RecognitionEvent] = []
        self.steps: list[Enrollment] = []
        self.listener.on_event = self.events.append
        self.listener.on_enrollment = self.steps.append

    def hear(self, topic: str, payload: bytes) -> str:
        """What is printed of it, without the time."""
        before = len(self.out.getvalue())
        self.listener.on_message(Incoming(f"doorward/front/{topic}", payload))
        return self.out.getvalue()[before:].partition(" s  ")[2]


def test_an_event_is_printed_and_passed_on() -> None:
    hearing = Hearing()
    assert hearing.hear("events", EVENT.to_json()).split() == [
        "doorward/front/events",
        *["started", "known", "Søren", "Kierkegaard", "score", "41.50"],
    ]
    assert hearing.events == [EVENT]


def test_a_step_of_an_enrollment_is_printed_and_passed_on() -> None:
    hearing = Hearing()
    assert hearing.hear("enrollment", ENROLLMENT.to_json()).endswith(" refused 2 of 4 (too dark)\n")
    assert hearing.steps == [ENROLLMENT]


def test_a_response_is_printed_with_its_error() -> None:
    hearing = Hearing()
    assert hearing.hear("response/rename", RESPONSE.to_json()).endswith(" ok\n")
    failed = replace(RESPONSE, status="error", error="nobody is called 'Eve'")
    assert hearing.hear("response/rename", failed.to_json()).endswith(" nobody is called 'Eve'\n")


def test_what_is_no_message_is_printed_as_that_and_not_passed_on() -> None:
    hearing = Hearing()
    assert "event: is not JSON" in hearing.hear("events", b"{")
    assert hearing.hear("lights/on", b"{}") == ""
    assert not hearing.events


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (replace(EVENT, name=None), "started known p7  score 41.50"),
        (replace(EVENT, outcome="stranger", person=None, name=None, stranger="s1", score=None), "started stranger s1"),
        (
            replace(EVENT, outcome="unclear", person=None, name=None, reason="blurred", score=None, provisional=True),
            "started unclear blurred  (provisional)",
        ),
    ],
)
def test_an_event_says_the_most_that_it_knows(event: RecognitionEvent, line: str) -> None:
    assert event_line(event) == line


def test_a_step_says_only_what_it_knows() -> None:
    done = replace(ENROLLMENT, state="done", reason=None, shots=0, shots_needed=0, name="Ada", person="p7")
    assert enrollment_line(done) == "done Ada"
    assert enrollment_line(replace(done, state="timed_out", name=None)) == "timed out"


@pytest.mark.broker
def test_over_a_real_broker_it_hears_and_asks(broker: Broker) -> None:
    hearing = Hearing(broker.port)
    hearing.listener.start()
    try:
        wait_until(lambda: hearing.listener.connected, f"connected: {hearing.listener.problem}")
        with World(broker.port, "doorward/#") as world:
            hearing.listener.ask("front", "status", b'{"transaction": "t"}')
            world.wait_for("doorward/front/request/status", b'{"transaction": "t"}')
            world.publish("doorward/front/events", EVENT.to_json())
            wait_until(lambda: hearing.events == [EVENT], "heard")
    finally:
        hearing.listener.stop()
    assert not hearing.listener.connected
