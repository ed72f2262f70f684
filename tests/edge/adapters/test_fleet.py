"""The trainer's messages over a link: on the right topics, and every acknowledgement is taken off the broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge.adapters.fleet import FleetPost
from edge.adapters.memory_link import MemoryLink
from edge.contract.fleet import PersonReport
from edge.contract.topics import Topics
from edge.errors import MessageError
from edge.inbox import Acknowledged
from edge.ports import Handover
from tests.fakes.messages import ACK, ERASED, FLEET_ACK, REPORT, VIEW

ACK_TOPIC = "doorward/front/fleet/ack"


class House:
    def __init__(self, *, takes: bool = True, online: bool = True, max_packet_bytes: int = 1_000_000) -> None:
        self.link = MemoryLink(online=online, max_packet_bytes=max_packet_bytes)
        self.handed_in: list[Acknowledged] = []
        self.takes = takes
        take: Callable[[Acknowledged], bool] = self._take
        self.post = FleetPost(Topics("doorward"), "front", self.link, take)
        self.link.start(self.post)

    def _take(self, ack: Acknowledged) -> bool:
        if self.takes:
            self.handed_in.append(ack)
        return self.takes


def test_reports_and_erasures_go_where_the_trainer_listens_and_are_not_retained() -> None:
    house = House()
    assert house.post.send(REPORT) is Handover.TAKEN
    assert house.post.send(ERASED) is Handover.TAKEN
    assert [(sent.topic, sent.payload, sent.qos, sent.retain) for sent in house.link.published] == [
        ("doorward/front/fleet/people", REPORT.to_json(), 1, False),
        ("doorward/front/fleet/erased", ERASED.to_json(), 1, False),
    ]
    assert house.link.retained == {}


def test_the_link_does_not_keep_them_beyond_its_connection() -> None:
    house = House()
    house.post.send(REPORT)
    assert [sent.token for sent in house.link.published] == [str(REPORT.report)]


def test_which_connection_there_is() -> None:
    house = House(online=False)
    assert house.post.connection is None
    house.link.connect()
    assert house.post.connection == 1
    house.link.disconnect()
    assert house.post.connection is None
    assert house.post.send(REPORT) is Handover.AWAY
    house.link.connect()
    assert house.post.connection == 2


def test_what_is_too_large_for_the_broker_is_said_to_be() -> None:
    assert House(max_packet_bytes=100).post.send(REPORT) is Handover.TOO_LARGE


def test_what_a_reader_must_refuse_is_not_sent() -> None:
    house = House()
    broken: PersonReport = replace(REPORT, exemplars=(replace(REPORT.exemplars[0], clean=replace(VIEW, x="")),))
    with pytest.raises(MessageError):
        house.post.send(broken)
    assert not house.link.published


def test_an_acknowledgement_is_done_with_when_the_daemon_says_so() -> None:
    house = House()
    message = house.link.receive(ACK_TOPIC, FLEET_ACK.to_json())
    assert [ack.ids for ack in house.handed_in] == [FLEET_ACK.ids]
    assert list(house.link.acknowledged) == []
    house.handed_in[0].done()
    assert list(house.link.acknowledged) == [message]


def test_poison_and_what_a_busy_door_has_no_room_for_are_done_with_at_once() -> None:
    for house, payload in ((House(), b"[]"), (House(takes=False), FLEET_ACK.to_json())):
        message = house.link.receive(ACK_TOPIC, payload)
        assert house.handed_in == []
        assert list(house.link.acknowledged) == [message]


@pytest.mark.parametrize(
    "topic", ["doorward/front/events/ack", "doorward/back/fleet/ack", "doorward/front/fleet/people"]
)
def test_other_topics_are_left_to_others(topic: str) -> None:
    house = House()
    house.link.receive(topic, ACK.to_json())
    assert (house.handed_in, list(house.link.acknowledged)) == ([], [])
