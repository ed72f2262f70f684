"""Whatever comes in from the network: a message, or a `MessageError` of one line; never anything else, never slowly."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.messages import Availability, Message, Request
from edge.errors import MessageError
from tests.fakes.messages import ALL, REQUEST

# The slowest payload that fits takes some 30 ms on the machine this was written on; a Pi Zero is twenty times slower.
BOUND_S = 2.0

PARSERS: dict[str, Callable[[bytes], object]] = {
    "availability": Availability.from_json,
    "request of a topic": lambda payload: Request.of_topic("rename", payload),
    **{message.KIND: type(message).from_json for message in ALL},
}
parsers = pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1.0", "1.9", "known", "\ud800"])
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def check(parse: Callable[[bytes], object], payload: bytes) -> None:
    began_s = time.perf_counter()
    try:
        message = parse(payload)
    except MessageError as error:
        text = str(error)
        assert text.isprintable(), text
        assert len(text) < 1000
    else:
        assert isinstance(message, Message | Availability)
        if not (isinstance(message, Message) and "1.0" not in message.to_json().decode()):
            assert parse(message.to_json()) == message
    assert time.perf_counter() - began_s < BOUND_S


@given(payload=st.binary(max_size=2000))
def test_any_bytes(payload: bytes) -> None:
    for parse in PARSERS.values():
        check(parse, payload)


@given(value=values)
def test_any_json(value: Any) -> None:
    for parse in PARSERS.values():
        check(parse, json.dumps(value).encode())


@given(message=st.sampled_from(ALL), value=values, data=st.data())
def test_a_good_message_with_one_value_changed(message: Message, value: Any, data: st.DataObject) -> None:
    body = json.loads(message.to_json())
    body[data.draw(st.sampled_from(sorted(body)))] = value
    check(PARSERS[message.KIND], json.dumps(body).encode())


@given(message=st.sampled_from(ALL), data=st.data())
def test_a_good_message_with_some_bytes_changed(message: Message, data: st.DataObject) -> None:
    payload = bytearray(message.to_json())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(payload) - 1))
        payload[start : start + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=6))
    check(PARSERS[message.KIND], bytes(payload))


@given(data=values, transaction=st.none() | st.text(max_size=128))
def test_a_request_that_is_taken_can_be_answered(data: Any, transaction: str | None) -> None:
    payload = json.dumps({"data": data, "transaction": transaction}).encode()
    with contextlib.suppress(MessageError):
        request = Request.of_topic("rename", payload)
        assert json.loads(request.to_json())["data"] == data
        assert request.transaction == transaction


@parsers
@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b'{"a":"' + b"\\u0041" * 10_000 + b'"}',
        b'{"data":{' + b",".join(b'"%d":0' % number for number in range(6000)) + b"}}",
        b'{"data":[' + b"9" * 60_000 + b"]}",
        b'{"data":{"a":' + b"0." + b"1" * 60_000 + b"}}",
        b'{"ids":[' + b",".join([b'"6a3f0c4e-9d0b-4a52-8a55-0f6f2c1d7e90"'] * 1500) + b"]}",
    ],
    ids=["lists", "objects", "escapes", "keys", "digits", "fraction", "ids"],
)
def test_a_payload_made_to_be_slow_is_done_with_in_time(parse: Callable[[bytes], object], payload: bytes) -> None:
    check(parse, payload)


def test_the_check_itself_sees_what_is_wrong() -> None:
    def raising(_payload: bytes) -> object:
        raise KeyError("x")

    with pytest.raises(KeyError):
        check(raising, b"")
    with pytest.raises(AssertionError):
        check(lambda payload: payload, REQUEST.to_json())
