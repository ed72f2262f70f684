"""Requests from the broker, on a link without one: what gets into the inbox, and what is answered where."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.adapters.memory_link import MemoryLink, Published
from edge.adapters.requests import NetworkRequests
from edge.contract.messages import Request, Response
from edge.contract.topics import Topics
from edge.inbox import Asked
from edge.ports import Incoming

TOPICS = Topics("doorward")


class Broker:
    """A door's requests behind a link; `asked` is what came into the inbox."""

    def __init__(self, *, busy: bool = False, max_packet_bytes: int = 1_000_000) -> None:
        self.link = MemoryLink(max_packet_bytes=max_packet_bytes)
        self.asked: list[Asked] = []
        self._busy = busy
        self.link.start(NetworkRequests(TOPICS, "front", self.link, self._ask))

    def _ask(self, asked: Asked) -> bool:
        if not self._busy:
            self.asked.append(asked)
        return not self._busy

    def send(self, verb: str, body: Any = None, *, door: str = "front", reply: str | None = None) -> Incoming:
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        topic = f"doorward/{door}/request/{verb}"
        return self.link.receive(topic, payload, response_topic=reply, correlation=b"c" if reply else None)

    def answer(self, **data: Any) -> None:
        asked = self.asked[-1]
        transaction = asked.request.transaction
        asked.reply(Response(verb=asked.request.verb, status="ok", error=None, data=data, transaction=transaction))

    @property
    def published(self) -> list[Published]:
        return list(self.link.published)

    def only(self) -> Response:
        (message,) = self.published
        return Response.from_json(message.payload)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def test_a_request_gets_into_the_inbox_as_one_from_the_network(broker: Broker) -> None:
    broker.send("people_show", {"data": {"person": "Ada"}, "transaction": "t-1"})
    (asked,) = broker.asked
    assert asked.request == Request(verb="people_show", data={"person": "Ada"}, transaction="t-1")
    assert not asked.local
    assert not broker.published
    assert not broker.link.acknowledged


def test_it_is_done_with_only_once_it_is_answered(broker: Broker) -> None:
    message = broker.send("status")
    broker.answer(camera="ok")
    (published,) = broker.published
    assert (published.topic, published.qos, published.retain) == ("doorward/front/response/status", 1, False)
    assert Response.from_json(published.payload).data == {"camera": "ok"}
    assert list(broker.link.acknowledged) == [message]


def test_an_asker_is_answered_where_they_want_it_with_their_own_mark(broker: Broker) -> None:
    broker.send("status", reply="home/answers/7")
    broker.answer()
    assert [(message.topic, message.correlation) for message in broker.published] == [("home/answers/7", b"c")]


@pytest.mark.parametrize(
    "reply",
    [
        "doorward/front/state",
        "doorward/back/events",
        "doorward/front/request/status",
        "$SYS/x",
        "a/#",
        "",
        "x" * 300,
    ],
)
def test_nobody_is_answered_where_others_take_it_for_the_door_s_own_word(broker: Broker, reply: str) -> None:
    broker.send("status", reply=reply)
    broker.answer()
    assert [message.topic for message in broker.published] == ["doorward/front/response/status"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "request: is not JSON"),
        (b"\xff", "request: is not UTF-8"),
        (b"[]", "request: must be a JSON object"),
        (b'{"data": {}, "datum": 1}', "request: key 'datum': is not known"),
        (b'{"schema": "2.0"}', "version 2.0 is not known here"),
        (b'{"verb": "cancel"}', "request: key 'verb': says cancel, but the topic says status"),
        (b" " * 70_000, "at most 65536 are allowed"),
    ],
)
def test_poison_is_answered_acknowledged_and_goes_no_further(broker: Broker, body: bytes, words: str) -> None:
    message = broker.send("status", body)
    assert not broker.asked
    assert broker.only().status == "error"
    assert words in str(broker.only().error)
    assert list(broker.link.acknowledged) == [message]


@pytest.mark.parametrize("verb", ["Status", "make-coffee", "", "x" * 40, "a/b"])
def test_a_topic_that_names_no_verb_is_acknowledged_or_it_would_come_again_for_ever(broker: Broker, verb: str) -> None:
    message = broker.send(verb)
    assert not broker.asked
    assert not broker.published
    assert list(broker.link.acknowledged) == [message]


def test_what_is_another_s_is_left_to_them(broker: Broker) -> None:
    broker.send("status", door="back")
    broker.link.receive("doorward/front/events/ack", b"{}")
    broker.link.receive("home/lights", b"on")
    assert not broker.asked
    assert not broker.published
    assert not broker.link.acknowledged


def test_a_busy_door_says_so_with_the_asker_s_transaction() -> None:
    broker = Broker(busy=True)
    message = broker.send("status", {"transaction": "t-9"})
    assert (broker.only().error, broker.only().transaction) == ("the door is too busy; try again", "t-9")
    assert list(broker.link.acknowledged) == [message]


def test_an_answer_larger_than_the_contract_allows_is_answered_with_that(broker: Broker) -> None:
    message = broker.send("people_list", {"transaction": "t"})
    broker.answer(people=["x" * 60] * 10_000)
    assert "the answer cannot be sent (response: has " in str(broker.only().error)
    assert broker.only().transaction == "t"
    assert list(broker.link.acknowledged) == [message]


def test_an_answer_larger_than_the_broker_takes_is_answered_with_that() -> None:
    broker = Broker(max_packet_bytes=2000)
    broker.send("people_list", {"transaction": "t"})
    broker.answer(people=["x" * 60] * 100)
    assert broker.only().error == "the answer is larger than the broker takes"
    assert broker.only().transaction == "t"
    assert len(broker.link.acknowledged) == 1


def test_an_answer_for_a_connection_that_is_lost_raises_nothing(broker: Broker) -> None:
    broker.send("status")
    broker.link.disconnect()
    broker.answer()
    assert not broker.published
