"""The table of topics: names that are built are names that are read, and nobody can point a door at its own state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.topics import TABLE, Place, Topics

TOPICS = Topics("doorward")
DOORS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
VERBS = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)


def test_the_names_are_these() -> None:
    names = {topic.name: TOPICS.name(topic.name, "front", "rename") for topic in TABLE}
    assert names == {
        "availability": "doorward/front/availability",
        "state": "doorward/front/state",
        "event": "doorward/front/events",
        "event_ack": "doorward/front/events/ack",
        "enrollment": "doorward/front/enrollment",
        "request": "doorward/front/request/rename",
        "response": "doorward/front/response/rename",
        "fleet_person": "doorward/front/fleet/people",
        "fleet_erased": "doorward/front/fleet/erased",
        "fleet_ack": "doorward/front/fleet/ack",
        "update_notice": "doorward/front/update/notice",
        "update_request": "doorward/front/update/request",
        "update_chunk": "doorward/front/update/chunk",
        "update_state": "doorward/front/update/state",
    }


def test_state_is_retained_and_events_and_commands_are_not() -> None:
    retained = {topic.name for topic in TABLE if topic.retain}
    assert retained == {"availability", "state", "update_notice", "update_state"}
    assert {topic.qos for topic in TABLE} == {1}


def test_a_door_listens_to_requests_acknowledgements_and_notices_of_its_own_and_its_daemon_to_no_piece_of_a_file() -> (
    None
):
    filters = {topic.name: name for topic, name in TOPICS.for_door("front")}
    assert filters == {
        "event_ack": "doorward/front/events/ack",
        "request": "doorward/front/request/+",
        "fleet_ack": "doorward/front/fleet/ack",
        "update_notice": "doorward/front/update/notice",
    }


def test_a_server_listens_to_the_events_of_all_doors() -> None:
    assert TOPICS.filter("event") == "doorward/+/events"


@given(door=DOORS, verb=VERBS, base=st.sampled_from(["doorward", "house/two", "a/b/c"]))
def test_each_name_reads_back(door: str, verb: str, base: str) -> None:
    topics = Topics(base)
    for topic in TABLE:
        has_verb = "{verb}" in topic.pattern
        assert topics.read(topics.name(topic.name, door, verb)) == Place(topic, door, verb if has_verb else "")


@given(st.text())
def test_no_text_is_too_strange_to_be_read(name: str) -> None:
    for text in (name, f"doorward/{name}", f"doorward/front/{name}", f"doorward/front/request/{name}"):
        place = TOPICS.read(text)
        assert place is None or TOPICS.name(place.topic.name, place.door, place.verb) == text
        assert TOPICS.may_answer_to(text) in (True, False)


@pytest.mark.parametrize(
    "name",
    ["doorward", "doorward/front", "doorward/front/", "doorward//events", "doorwards/front/events",
     "doorward/front/events/", "doorward/front/request/", "doorward/front/request/Erase",
     "doorward/front/request/a/b", "doorward/fr#nt/events"],
)  # fmt: skip
def test_other_names_are_none_of_ours(name: str) -> None:
    assert TOPICS.read(name) is None


@pytest.mark.parametrize("base", ["", "/", "a/", "/a", "a//b", "a b", "a/+", "#", "$SYS", "ä"])
def test_a_base_that_would_not_work_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="base topic"):
        Topics(base)


@pytest.mark.parametrize("door", ["", "a/b", "+", "#", "a b", "x" * 65])
def test_a_door_that_would_break_out_of_its_topic_is_refused(door: str) -> None:
    with pytest.raises(ValueError, match="door id"):
        TOPICS.name("state", door)


def test_a_verb_that_would_break_out_of_its_topic_is_refused() -> None:
    with pytest.raises(ValueError, match="verb"):
        TOPICS.name("request", "front", "a/b")


@pytest.mark.parametrize("reply", ["replies/42", "doorward/front/response/rename", "homeassistant/x", "doorwards/x"])
def test_an_answer_goes_where_the_asker_wants_it(reply: str) -> None:
    assert TOPICS.may_answer_to(reply)


@pytest.mark.parametrize(
    "reply",
    ["", "a/+", "a/#", "$SYS/broker", "a\x00b", "x" * 257, "doorward/front/state", "doorward/front/availability",
     "doorward/back/events", "doorward/front/events/ack", "doorward/front/request/erase", "doorward/front/anything",
     "doorward/front/fleet/ack", "doorward/front/fleet/people", "doorward/back/fleet/erased",
     "doorward/front/update/notice", "doorward/front/update/chunk", "doorward/front/update/state"],
)  # fmt: skip
def test_an_answer_cannot_pose_as_a_door_s_state_event_or_request(reply: str) -> None:
    assert not TOPICS.may_answer_to(reply)
