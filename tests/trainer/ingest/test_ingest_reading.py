"""What a message is taken for; whatever its bytes are, it is read or set aside, and its id found where it is."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.topics import Topics
from edge.ports import Incoming
from tests.fakes.fleet import report
from tests.fakes.messages import ACK, ERASED, EVENT, REPORT, STATE, UPDATE_STATE
from trainer.ingest.reading import HEAD_BYTES, Item, read, subscriptions

TOPICS = Topics("doorward")
PLACES = {"doorward/front/events": EVENT, "doorward/front/fleet/people": REPORT, "doorward/front/fleet/erased": ERASED}


def item_of(topic: str, payload: bytes) -> Item:
    item = read(TOPICS, Incoming(topic, payload))
    assert item is not None
    return item


def test_a_worker_shares_messages_with_its_group_and_has_states_to_itself() -> None:
    assert [(one.filter, one.retained) for one in subscriptions(TOPICS, "blue")] == [
        ("$share/blue/doorward/+/events", False),
        ("$share/blue/doorward/+/fleet/people", False),
        ("$share/blue/doorward/+/fleet/erased", False),
        ("doorward/+/state", True),
        ("doorward/+/update/state", True),
    ]


@pytest.mark.parametrize("topic", PLACES)
def test_a_good_message_is_read_with_its_id(topic: str) -> None:
    message = PLACES[topic]
    item = item_of(topic, message.to_json())
    assert item.message == message
    assert item.poison is None
    assert str(item.id).encode() in message.to_json()
    assert item.door == "front"


def test_a_state_has_no_id() -> None:
    item = item_of("doorward/front/state", STATE.to_json())
    assert (item.message, item.id) == (STATE, None)
    item = item_of("doorward/front/update/state", UPDATE_STATE.to_json())
    assert (item.message, item.id, item.kind) == (UPDATE_STATE, None, "update_state")


def test_a_door_s_word_on_updates_that_is_not_its_own_or_is_cut_is_set_aside() -> None:
    for topic, payload, words in (
        ("doorward/back/update/state", UPDATE_STATE.to_json(), "must be back as in the topic"),
        ("doorward/front/update/state", UPDATE_STATE.to_json()[:50], "update/state: is not JSON"),
        ("doorward/front/update/state", b"", "update/state"),
    ):
        poison = item_of(topic, payload).poison
        assert poison is not None
        assert words in poison.reason


@pytest.mark.parametrize("topic", PLACES)
def test_a_message_cut_short_is_set_aside_and_its_id_is_found(topic: str) -> None:
    payload = PLACES[topic].to_json()[:150]
    item = item_of(topic, payload)
    assert item.message is None
    assert item.poison is not None
    assert "is not JSON" in item.poison.reason
    assert item.id == item_of(topic, PLACES[topic].to_json()).id
    assert (item.poison.size, item.poison.sha256) == (150, hashlib.sha256(payload).hexdigest())
    assert item.answered == (not topic.endswith("erased"))


def test_a_message_of_ten_megabytes_is_set_aside_with_its_beginning_alone() -> None:
    payload = REPORT.to_json()[:-1] + b" " * 10_000_000 + b"}"
    item = item_of("doorward/front/fleet/people", payload)
    assert item.poison is not None
    assert item.poison.reason == f"fleet/people: has {len(payload)} bytes; at most 262144 are allowed"
    assert item.poison.head == payload[:HEAD_BYTES]
    assert (item.id, item.poison.person) == (REPORT.report, "p7")


def test_a_number_that_is_none_is_set_aside() -> None:
    payload = REPORT.to_json().replace(b'"norm":31.5', b'"norm":NaN')
    poison = item_of("doorward/front/fleet/people", payload).poison
    assert poison is not None
    assert poison.reason == "fleet/people: holds NaN, which is not a number that JSON knows"


def test_a_door_that_speaks_for_another_is_set_aside() -> None:
    item = item_of("doorward/back/events", EVENT.to_json())
    assert item.poison is not None
    assert item.poison.reason == "event: key 'door': must be back as in the topic, found front"
    assert item.door == "back"


def test_a_door_with_a_name_that_is_none_is_set_aside_and_not_answered() -> None:
    item = item_of("doorward/fr ont/events", EVENT.to_json())
    assert (item.kind, item.id, item.message) == (None, None, None)
    assert item.poison is not None
    assert "the door's id must be" in item.poison.reason


@pytest.mark.parametrize("topic", ["doorward/front/events/ack", "other/front/events", "doorward/front/x", "doorward"])
def test_what_was_never_asked_for_is_passed_over(topic: str) -> None:
    assert read(TOPICS, Incoming(topic, ACK.to_json())) is None


def test_no_embedding_is_in_a_reason() -> None:
    told = report(pictures=1, night=0)
    x = told.exemplars[0].clean.x
    payload = told.to_json().replace(x.encode(), b"!" + x.encode())
    poison = item_of("doorward/front/fleet/people", payload).poison
    assert poison is not None
    assert x[:8] not in poison.reason


@given(st.sampled_from(sorted(PLACES)), st.data())
def test_whatever_becomes_of_a_message_it_is_read_or_set_aside(topic: str, data: st.DataObject) -> None:
    payload = bytearray(PLACES[topic].to_json())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    item = item_of(topic, bytes(payload))
    assert (item.message is None) == (item.poison is not None)
    assert item.id is None or isinstance(item.id, UUID)
    if item.poison is not None:
        assert "\n" not in item.poison.reason
