"""The messages of the wire: what a door writes is what the world reads, and nothing else is taken for a message."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest

from edge.contract.messages import (
    Availability,
    DoorState,
    EnrollmentReason,
    EventAck,
    Message,
    QualityReason,
    RecognitionEvent,
    Request,
    Response,
)
from edge.errors import MessageError
from edge.recognition.quality import REASONS
from tests.fakes.messages import ACK, ALL, EVENT, OF_THE_DOOR, REQUEST, RESPONSE, STATE


def changed(message: Message, **changes: Any) -> bytes:
    """The message's JSON with keys set to other values, as text that no checked class would write."""
    return json.dumps(json.loads(message.to_json()) | changes).encode()


def refusal(cls: type[Message], payload: bytes) -> str:
    with pytest.raises(MessageError) as caught:
        cls.from_json(payload)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("message", ALL, ids=lambda m: m.KIND)
def test_a_message_reads_back_as_it_was_written(message: Message) -> None:
    assert type(message).from_json(message.to_json()) == message


def test_an_event_on_the_wire_has_exactly_these_bytes() -> None:
    assert EVENT.to_json().decode() == (
        '{"schema":"1.0","event":"6a3f0c4e-9d0b-4a52-8a55-0f6f2c1d7e90","visit":"v-17","door":"front","phase":"started",'
        '"outcome":"known","person":"p7","name":"Søren Kierkegaard","verified":true,"stranger":null,"reason":null,'
        '"provisional":false,"score":41.5,"margin":12.25,"liveness":"not_checked","frames":9,"good_frames":4,'
        '"started_at":"2031-05-04T03:02:01.250Z","ended_at":null,"clock_set":true,'
        '"quality":{"width_px":88.0,"sharpness":140.0,"brightness":120.5,"away_deg":6.0,"presence":0.99},'
        '"release":"factory-1","runtime":"ai-edge-litert 2.3.0"}'
    )


def test_times_of_another_zone_are_written_in_utc() -> None:
    berlin = timezone(timedelta(hours=2))
    event = replace(EVENT, started_at=datetime(2031, 5, 4, 5, 2, 1, 250_000, berlin))
    assert event.to_json() == EVENT.to_json()


def test_no_message_to_the_world_has_room_for_an_embedding_or_a_picture() -> None:
    names = {name for message in OF_THE_DOOR for name in json.loads(message.to_json())}
    assert not names & {"embedding", "template", "vector", "picture", "image", "jpeg", "crop"}
    assert all(message.MAX_BYTES <= 8192 for message in (EVENT, STATE))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": "2.0"}, "event: key 'schema': version 2.0 is not known here; 1.x is"),
        ({"schema": 1}, "event: key 'schema': must be text, found a number"),
        ({"schema": "one"}, "event: key 'schema': must be major.minor, as in 1.0, found one"),
        ({"embedding": [0.1]}, "event: key 'embedding': is not known"),
        ({"frames": "9"}, "event: key 'frames': must be a whole number, found text"),
        ({"frames": 9.0}, "event: key 'frames': must be a whole number, found a number"),
        ({"frames": -1}, "event: key 'frames': must be from 0 to 9.0072e+15, found -1"),
        ({"verified": 1}, "event: key 'verified': must be true or false, found a number"),
        ({"score": True}, "event: key 'score': must be a number, found true"),
        ({"person": 7}, "event: key 'person': must be text, found a number"),
        ({"person": "../etc"}, "event: key 'person': must be 1 to 64 of A-Z, a-z, 0-9, _ . : -, found ../etc"),
        ({"person": None}, "event: key 'person': must be given if outcome is known, and else be null"),
        ({"outcome": "friend"}, "event: key 'outcome': must be one of known, stranger, unclear, found friend"),
        ({"outcome": ["known"]}, "event: key 'outcome': must be one of known, stranger, unclear, found ['known']"),
        ({"event": "6A3F0C4E-9D0B-4A52-8A55-0F6F2C1D7E90"}, "event: key 'event': must be a UUID in lower case"),
        ({"event": "{6a3f0c4e9d0b4a528a550f6f2c1d7e90}"}, "event: key 'event': must be a UUID in lower case"),
        ({"started_at": "2031-02-30T03:02:01.250Z"}, "event: key 'started_at': must be a time like"),
        ({"started_at": "2031-05-04T03:02:01.250"}, "event: key 'started_at': must be a time like"),
        ({"started_at": 1_900_000_000}, "event: key 'started_at': must be text, found a number"),
        ({"phase": "ended"}, "event: key 'ended_at': must be given if phase is ended, and else be null"),
        ({"quality": {"width_px": 1}}, "event: key 'quality.sharpness': is missing"),
        ({"quality": []}, "event: key 'quality': must be an object, found a list"),
        ({"name": ""}, "event: key 'name': must have 1 to 64 characters, found 0"),
        ({"name": "\ud800"}, "event: key 'name': holds half of a character"),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_refused_with_its_key(changes: dict[str, Any], words: str) -> None:
    assert refusal(RecognitionEvent, changed(EVENT, **changes)).startswith(words)


@pytest.mark.parametrize("key", list(json.loads(EVENT.to_json())))
def test_each_key_of_an_event_must_be_there(key: str) -> None:
    body = json.loads(EVENT.to_json())
    del body[key]
    assert refusal(RecognitionEvent, json.dumps(body).encode()) == f"event: key '{key}': is missing"


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "event: is not JSON: Expecting value at character 0"),
        (b"\xff\xfe", "event: is not UTF-8 at byte 0"),
        (b"\xef\xbb\xbf{}", "event: is not JSON: Unexpected UTF-8 BOM"),
        ("{}".encode("utf-16"), "event: is not UTF-8 at byte 0"),
        (b"[1]", "event: must be a JSON object, found a list"),
        (b"null", "event: must be a JSON object, found null"),
        (b'{"score":NaN}', "event: holds NaN, which is not a number that JSON knows"),
        (b'{"score":-Infinity}', "event: holds -Infinity, which is not a number that JSON knows"),
        (b'{"score":1e999}', "event: holds a number that is too large"),
        (b'{"frames":9007199254740993}', "event: holds a whole number beyond 2**53"),
        (b'{"frames":' + b"9" * 6000 + b"}", "event: holds a whole number beyond 2**53"),
        (b'{"door":"a","door":"b"}', "event: key 'door': is given twice"),
        (b"[" * 8000, "event: is nested deeper than 8 levels"),
        (b'{"a":' * 1300, "event: is nested deeper than 8 levels"),
        (b" " * 8193, "event: has 8193 bytes; at most 8192 are allowed"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_not_strict_json_is_refused(payload: bytes, words: str) -> None:
    assert refusal(RecognitionEvent, payload).startswith(words)


def test_a_newer_minor_version_may_have_keys_that_are_not_known_yet() -> None:
    body = json.loads(EVENT.to_json())
    body |= {"schema": "1.7", "temperature": 36.6}
    body["quality"]["glare"] = 0.5
    event = RecognitionEvent.from_json(json.dumps(body).encode())
    assert replace(event, schema="1.0") == EVENT


def test_an_older_minor_version_may_not_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecognitionEvent, "VERSION", (1, 3))
    assert refusal(RecognitionEvent, changed(EVENT, schema="1.2", glare=1)) == "event: key 'glare': is not known"


@pytest.mark.parametrize(
    "broken",
    [
        replace(EVENT, score=float("nan")),
        replace(EVENT, score=float("-inf")),
        replace(EVENT, name="x" * 65),
        replace(EVENT, person=None),
        replace(RESPONSE, status="error"),
        replace(RESPONSE, data={"score": float("nan")}),
        replace(RESPONSE, data={"picture": b"JFIF"}),
        replace(RESPONSE, data={"people": ["x" * 600_000]}),
    ],
    ids=range(8),
)
def test_what_a_reader_must_refuse_is_never_written(broken: Message) -> None:
    with pytest.raises(MessageError):
        broken.to_json()


def test_a_long_name_is_refused_without_being_told() -> None:
    assert "Bartholomew" not in refusal(RecognitionEvent, changed(EVENT, name="Bartholomew " * 20))


def test_an_acknowledgement_names_some_events_but_not_thousands() -> None:
    assert "key 'ids': must have 1 to 1000 entries, found 0" in refusal(EventAck, changed(ACK, ids=[]))
    many = [str(EVENT.event)] * 1001
    assert "key 'ids': must have 1 to 1000 entries, found 1001" in refusal(EventAck, changed(ACK, ids=many))
    assert "key 'ids[1]': must be a UUID" in refusal(EventAck, changed(ACK, ids=[str(EVENT.event), "x"]))


def test_a_person_can_type_a_request() -> None:
    assert Request.of_topic("undo", b"") == Request(verb="undo", data={})
    typed = Request.of_topic("rename", b'{"data": {"person": "p7", "name": "Ada"}, "transaction": "t-1"}')
    assert typed == REQUEST


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b'{"verb":"erase"}', "request: key 'verb': says erase, but the topic says rename"),
        (b'{"person":"p7"}', "request: key 'person': is not known"),
        (b'{"data":[]}', "request: key 'data': must be an object, found a list"),
        (b'{"data":{"a":"\\ud800"}}', "request: key 'data.a': holds half of a character"),
        (b'{"data":' + b'{"a":' * 9 + b"1" + b"}" * 10, "request: is nested deeper than 8 levels"),
        (b'{"transaction":7}', "request: key 'transaction': must be text, found a number"),
        (b'{"schema":"9.0"}', "request: key 'schema': version 9.0 is not known here"),
    ],
)
def test_a_wrong_request_is_refused_with_its_key(payload: bytes, words: str) -> None:
    with pytest.raises(MessageError) as caught:
        Request.of_topic("rename", payload)
    assert str(caught.value).startswith(words)


def test_a_verb_that_no_topic_can_have_is_refused() -> None:
    with pytest.raises(MessageError, match="request: key 'verb': must be"):
        Request.of_topic("Erase everything", b"")


def test_an_answer_says_what_went_wrong_or_nothing() -> None:
    wrong = replace(RESPONSE, status="error", error="nobody has the id p9")
    assert Response.from_json(wrong.to_json()) == wrong
    assert "key 'error': must be given" in refusal(Response, changed(RESPONSE, status="error"))
    assert "key 'error': must be given" in refusal(Response, changed(RESPONSE, error="what?"))
    assert "key 'code': must be null" in refusal(Response, changed(RESPONSE, code=9))


def test_availability_is_plain_text() -> None:
    assert Availability.ONLINE.to_json() == b"online"
    assert Availability.from_json(b"offline") is Availability.OFFLINE
    for other in (b"", b'"online"', b"ONLINE", b"online\n", b"\xff"):
        with pytest.raises(MessageError, match="availability: must be online or offline"):
            Availability.from_json(other)


def test_the_words_for_poor_pictures_are_those_of_recognition() -> None:
    assert set(get_args(QualityReason)) == set(REASONS)
    assert set(REASONS) <= set(get_args(EnrollmentReason))


def test_a_door_s_state_may_have_no_frame_yet() -> None:
    fresh = replace(STATE, camera="opening", last_frame_age_s=None, degraded=())
    assert DoorState.from_json(fresh.to_json()) == fresh


def test_a_state_of_a_door_that_shares_nothing_yet_is_read_as_one_that_shares_nothing() -> None:
    body = json.loads(STATE.to_json()) | {"schema": "1.0"}
    del body["unshared"]
    assert replace(DoorState.from_json(json.dumps(body).encode()), schema="1.1") == STATE
    assert DoorState.from_json(changed(STATE, unshared=3)).unshared == 3
    assert "key 'unshared': must be from 0" in refusal(DoorState, changed(STATE, unshared=-1))


def test_times_are_utc_wherever_they_are_read() -> None:
    assert RecognitionEvent.from_json(EVENT.to_json()).started_at.tzinfo == UTC
