"""Where the door's messages go: which topic, how often delivered, what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.delivery import Delivery, DeliverySettings
from edge.adapters.memory_link import MemoryLink
from edge.adapters.outbox import Outbox
from edge.adapters.post import MqttPost, NoPost
from edge.contract.messages import DoorState, Enrollment, RecognitionEvent
from edge.contract.topics import Topics
from edge.door_state import Queue
from tests.fakes.messages import ENROLLMENT, STATE, new_event
from tests.fakes.world import wait_until


class Posting:
    def __init__(self, file: Path, *, online: bool) -> None:
        self.link = MemoryLink(online=online)
        self.delivery = Delivery(Outbox(file), self.link, DeliverySettings(commit_every_s=0.01, tidy_every_s=0.01))
        self.delivery.start()
        self.link.start(self.delivery)
        self.post = MqttPost(Topics("doorward"), "front", self.link, self.delivery)

    def send(self, event: RecognitionEvent) -> None:
        self.post.event(str(event.event), event.to_json(), event.person)

    def stop(self) -> None:
        self.link.stop()
        self.delivery.stop()


@pytest.fixture
def posting(tmp_path: Path) -> Iterator[Posting]:
    made = Posting(tmp_path / "outbox.db", online=True)
    yield made
    made.stop()


def test_an_event_goes_out_on_its_topic_and_is_not_retained(posting: Posting) -> None:
    event = new_event()
    posting.send(event)
    assert posting.delivery.drain(20)
    (message,) = posting.link.published
    assert (message.topic, message.qos, message.retain) == ("doorward/front/events", 1, False)
    assert RecognitionEvent.from_json(message.payload) == event
    wait_until(lambda: posting.post.queue() == Queue(0, 0, None), "nothing waits any more")


def test_the_state_is_retained_and_an_enrollment_s_step_is_not(posting: Posting) -> None:
    posting.post.state(STATE)
    posting.post.enrollment(ENROLLMENT)
    state, step = posting.link.published
    assert (state.topic, state.qos, state.retain) == ("doorward/front/state", 1, True)
    assert DoorState.from_json(state.payload) == STATE
    assert (step.topic, step.qos, step.retain) == ("doorward/front/enrollment", 1, False)
    assert Enrollment.from_json(step.payload) == ENROLLMENT


def test_without_a_broker_events_wait_and_are_counted_and_go_out_in_order_once_it_is_there(tmp_path: Path) -> None:
    posting = Posting(tmp_path / "outbox.db", online=False)
    events = [new_event() for _ in range(5)]
    for event in events:
        posting.send(event)
    wait_until(lambda: posting.post.queue().queued == 5, "they wait")
    posting.post.enrollment(ENROLLMENT)  # nobody is there to see it, and later it would tell nothing
    posting.link.connect()
    assert posting.delivery.drain(20)
    assert [RecognitionEvent.from_json(m.payload) for m in posting.link.published] == events
    posting.stop()


def test_what_waits_about_a_person_can_be_erased(tmp_path: Path) -> None:
    posting = Posting(tmp_path / "outbox.db", online=False)
    mine, other = new_event(person="p_mine"), new_event(person="p_other")
    posting.send(mine)
    posting.send(other)
    assert posting.delivery.flush()
    assert posting.post.erase_person("p_mine") == 1
    assert posting.post.queue().queued == 1
    posting.stop()
    kept = (tmp_path / "outbox.db").read_bytes()
    assert str(mine.event).encode() not in kept
    assert str(other.event).encode() in kept


def test_a_door_without_a_broker_takes_everything_and_keeps_nothing(tmp_path: Path) -> None:
    post = NoPost(tmp_path / "outbox.db")
    post.event("id", b"{}", None)
    post.enrollment(ENROLLMENT)
    post.state(STATE)
    assert post.queue() == Queue()
    assert post.erase_person("p") == 0
    assert not list(tmp_path.iterdir())


def test_events_of_a_time_with_a_broker_are_erased_without_one_too(tmp_path: Path) -> None:
    posting = Posting(tmp_path / "outbox.db", online=False)
    posting.send(new_event(person="p_mine"))
    assert posting.delivery.flush()
    posting.stop()
    assert NoPost(tmp_path / "outbox.db").erase_person("p_mine") == 1
    assert NoPost(tmp_path / "outbox.db").erase_person("p_mine") == 0
