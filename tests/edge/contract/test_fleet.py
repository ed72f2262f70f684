"""The messages to the trainer: embeddings come back byte for byte, and what would spoil statistics is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.fleet import FleetAck, PersonErased, PersonReport, levels_of, text_of
from edge.contract.messages import Message
from edge.errors import MessageError
from tests.fakes.messages import ERASED, FLEET_ACK, REPORT, VIEW

LEVEL_BYTES = st.integers(0, 255).filter(lambda byte: byte != 0x80)
LEVELS = st.lists(LEVEL_BYTES, min_size=1, max_size=600).map(bytes).filter(any)


def changed_view(**changes: Any) -> bytes:
    """REPORT's JSON with keys of the first exemplar's clean view set to other values."""
    body = json.loads(REPORT.to_json())
    body["exemplars"][0]["clean"] |= changes
    return json.dumps(body).encode()


def changed(message: Message, **changes: Any) -> bytes:
    return json.dumps(json.loads(message.to_json()) | changes).encode()


def refusal(cls: type[Message], payload: bytes) -> str:
    with pytest.raises(MessageError) as caught:
        cls.from_json(payload)
    text = str(caught.value)
    assert "\n" not in text
    return text


@given(levels=LEVELS)
def test_every_embedding_comes_back_byte_for_byte(levels: bytes) -> None:
    entry = replace(REPORT.exemplars[0], clean=replace(VIEW, x=text_of(levels)), night=())
    report = replace(REPORT, exemplars=(entry,))
    view = PersonReport.from_json(report.to_json()).exemplars[0].clean
    assert levels_of(view.x) == levels
    assert view.dimensions == len(levels)


@given(text=st.text(max_size=40) | st.binary(max_size=40).map(text_of))
def test_a_text_is_levels_of_its_own_or_none(text: str) -> None:
    levels = levels_of(text)
    assert levels is None or text_of(levels) == text


def test_a_report_on_the_wire_has_exactly_these_bytes() -> None:
    short = replace(REPORT, exemplars=(replace(REPORT.exemplars[0], night=()),))
    assert short.to_json().decode() == (
        '{"schema":"1.0","report":"0a1f0c4e-9d0b-5a52-8a55-0f6f2c1d7e91","door":"front","person":"p7",'
        '"revision":1935000000000,"at":"2031-05-04T03:02:01.250Z","clock_set":true,'
        f'"embedder_sha256":"{"ab" * 32}","runtime":"ai-edge-litert 2.3.0","verified":true,'
        f'"exemplars":[{{"exemplar":"{"cd" * 16}","taken_at":"2031-05-04T03:02:01.250Z",'
        '"clean":{"x":"fwCBBQ==","scale":0.0078125,"norm":31.5,"width_px":88.0,"eye_distance_px":41.0,'
        '"sharpness":140.0,"brightness":120.5,"contrast":38.0,"clipped":0.01,"away_deg":6.0,"presence":0.99},'
        '"night":[]}]}'
    )


NO_EMBEDDINGS = {
    "empty": "",
    "padding alone": "====",
    "cut": "AQI",
    "a space": "AQ I=",
    "a line's end": "AQI=\n",
    "another alphabet": "_-8=",
    "spare bits": "AQJ=",
    "zeros": text_of(b"\0\0\0"),
    "minus 128": text_of(b"\x80\x01"),
    "a letter": "ä",
    "too long": text_of(b"\1" * 4097),
}


@pytest.mark.parametrize("x", NO_EMBEDDINGS.values(), ids=NO_EMBEDDINGS)
def test_what_is_no_embedding_is_refused_without_being_told(x: str) -> None:
    text = refusal(PersonReport, changed_view(x=x))
    assert text.startswith("fleet/people: key 'exemplars[0].clean.x': must be base64 of 1 to 4096 bytes")
    assert f"found {len(x)} characters" in text


def test_the_longest_embedding_is_taken() -> None:
    entry = replace(REPORT.exemplars[0], clean=replace(VIEW, x=text_of(b"\1" * 4096)), night=())
    report = replace(REPORT, exemplars=(entry,))
    assert PersonReport.from_json(report.to_json()) == report


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scale": 0}, "exemplars[0].clean.scale': must be from 0.0001 to 0.01, found 0"),
        ({"scale": -0.005}, "exemplars[0].clean.scale': must be from"),
        ({"norm": -1}, "exemplars[0].clean.norm': must be from 0 to"),
        ({"norm": "31"}, "exemplars[0].clean.norm': must be a number, found text"),
        ({"clipped": 1.5}, "exemplars[0].clean.clipped': must be from 0 to 1"),
        ({"brightness": 256}, "exemplars[0].clean.brightness': must be from 0 to 255"),
        ({"name": "Ada"}, "exemplars[0].clean.name': is not known"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_wrong_value_in_a_view_is_refused_with_its_key(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(PersonReport, changed_view(**changes))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("key", ["scale", "norm", "sharpness", "presence"])
def test_a_number_that_is_none_is_refused(key: str, number: str) -> None:
    value = json.dumps(getattr(VIEW, key))
    payload = REPORT.to_json().decode().replace(f'"{key}":{value}', f'"{key}":{number}', 1)
    assert number in payload
    assert refusal(PersonReport, payload.encode()).startswith("fleet/people: holds ")


@pytest.mark.parametrize("key", ["scale", "norm", "sharpness", "contrast"])
def test_a_number_that_is_none_is_never_written(key: str) -> None:
    changes: dict[str, Any] = {key: float("nan")}
    entry = replace(REPORT.exemplars[0], clean=replace(VIEW, **changes))
    with pytest.raises(MessageError, match=key):
        replace(REPORT, exemplars=(entry,)).to_json()


def test_one_exemplar_is_not_told_twice() -> None:
    entry = REPORT.exemplars[0]
    payload = changed(REPORT, exemplars=[json.loads(REPORT.to_json())["exemplars"][0]] * 2)
    assert refusal(PersonReport, payload) == "fleet/people: key 'exemplars[1].exemplar': is given twice"
    with pytest.raises(MessageError):
        replace(REPORT, exemplars=(entry, entry)).to_json()


def test_views_of_two_embedders_are_refused() -> None:
    other = replace(VIEW, x=text_of(b"\1\2\3"))
    mixed = replace(REPORT.exemplars[0], night=(VIEW, other))
    with pytest.raises(MessageError, match=r"'exemplars\[0\].night\[1\].x': must have 4 levels .*, found 3"):
        replace(REPORT, exemplars=(mixed,)).to_json()
    second = replace(REPORT.exemplars[1], clean=other)
    with pytest.raises(MessageError, match=r"'exemplars\[1\].clean.x'"):
        replace(REPORT, exemplars=(REPORT.exemplars[0], second)).to_json()


def test_a_report_of_nobody_and_one_of_a_crowd_are_refused() -> None:
    assert "'exemplars': must have 1 to 64 entries, found 0" in refusal(PersonReport, changed(REPORT, exemplars=[]))
    crowd = [json.loads(REPORT.to_json())["exemplars"][1] | {"exemplar": str(number)} for number in range(65)]
    assert "'exemplars': must have 1 to 64 entries" in refusal(PersonReport, changed(REPORT, exemplars=crowd))


def test_more_night_views_than_eight_are_refused() -> None:
    entry = replace(REPORT.exemplars[0], night=(VIEW,) * 9)
    with pytest.raises(MessageError, match=r"exemplars\[0\].night': must have 0 to 8 entries, found 9"):
        replace(REPORT, exemplars=(entry,)).to_json()


@pytest.mark.parametrize("key", ["name", "picture", "label"])
def test_a_report_has_no_room_for_a_name_or_a_picture(key: str) -> None:
    assert refusal(PersonReport, changed(REPORT, **{key: "x"})) == f"fleet/people: key '{key}': is not known"
    assert refusal(PersonErased, changed(ERASED, **{key: "x"})) == f"fleet/erased: key '{key}': is not known"


def test_an_embedding_is_in_no_line_about_a_message() -> None:
    assert VIEW.x not in repr(REPORT)
    assert VIEW.x not in repr(VIEW)


def test_an_acknowledgement_names_some_reports_but_not_thousands() -> None:
    assert FleetAck.from_json(FleetAck(ids=FLEET_ACK.ids).to_json()).by is None
    assert "'ids': must have 1 to 1000 entries, found 0" in refusal(FleetAck, changed(FLEET_ACK, ids=[]))
    many = [str(uuid4())] * 1001
    assert "found 1001" in refusal(FleetAck, changed(FLEET_ACK, ids=many))


def test_a_report_larger_than_any_link_carries_is_refused_unread() -> None:
    assert "at most 262144 are allowed" in refusal(PersonReport, b" " * 262_145)
