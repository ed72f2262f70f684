"""Releases and pieces of files: what is written is read, and what would lead a door or a server astray is refused."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.messages import Message
from edge.contract.release import LARGEST_FILE, ReleaseDescription, kind_of_target, target_of
from edge.contract.update import LARGEST_CHUNK, ChunkStatus, UpdateChunk, UpdateNotice, UpdateRequest, UpdateState
from edge.errors import MessageError
from tests.fakes.messages import AT, NOTICE, PIECE, PIECE_REQUEST, RELEASE, UPDATE_STATE


def changed(message: Message, **changes: Any) -> bytes:
    return json.dumps(json.loads(message.to_json()) | changes).encode()


def refusal(cls: type[Message], payload: bytes) -> str:
    with pytest.raises(MessageError) as caught:
        cls.from_json(payload)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_description_comes_back_from_a_target_s_metadata() -> None:
    assert ReleaseDescription.from_custom(json.loads(json.dumps(RELEASE.to_custom()))) == RELEASE


@pytest.mark.parametrize("custom", [None, [], {}, "x", 7])
def test_metadata_without_a_description_is_refused(custom: object) -> None:
    with pytest.raises(MessageError, match="release: "):
        ReleaseDescription.from_custom(custom)


def test_a_release_s_target_lies_in_the_folder_of_its_kind() -> None:
    embedder = replace(RELEASE, kind="embedder", compatible="00" * 32)
    assert (RELEASE.target, embedder.target) == ("heads/plda-780ee6c50ddf.zip", "embedders/plda-780ee6c50ddf.zip")
    assert [kind_of_target(one.target) for one in (RELEASE, embedder)] == ["head", "embedder"]
    assert target_of(NOTICE.kind, NOTICE.release) == RELEASE.target
    assert kind_of_target("heads") == "head"
    assert kind_of_target("root/heads/x.zip") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"release": "../../etc"}, "key 'release': must be 1 to 64 of"),
        ({"release": ".."}, "key 'release': must be 1 to 64 of"),
        ({"release": "a:b"}, "key 'release': must be 1 to 64 of"),
        ({"kind": "daemon"}, "key 'kind': must be one of head, embedder, found daemon"),
        ({"counter": -1}, "key 'counter': must be from 0"),
        ({"min_daemon": "newest"}, "key 'min_daemon': must be a version like 1.2.0, found newest"),
        ({"files": []}, "key 'files': must have 1 to 16 entries, found 0"),
        ({"canary_sha256": "00" * 32}, "key 'canary_sha256': is the hash of none of the files"),
        ({"compatible": "00" * 32}, "key 'compatible': must be embedder_sha256 of a head"),
        ({"kind": "embedder"}, "key 'compatible': must be embedder_sha256 of a head"),
    ],
)
def test_a_description_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    assert refusal(ReleaseDescription, changed(RELEASE, **changes)).startswith(f"release: {words}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../x", "key 'files[0].name': must be"),
        ("a/b", "key 'files[0].name': must be"),
        (".hidden", "key 'files[0].name': must be"),
        ("release.json", "key 'files': release.json is the description's own name"),
        ("FACE.head.json", "key 'files': has a name twice"),
    ],
)
def test_a_file_s_name_that_would_reach_elsewhere_or_hide_another_is_refused(name: str, words: str) -> None:
    body = json.loads(RELEASE.to_json())
    body["files"][0]["name"] = name
    assert refusal(ReleaseDescription, json.dumps(body).encode()).startswith(f"release: {words}")


def test_files_that_are_each_small_enough_and_together_too_large_are_refused() -> None:
    files = [{"name": f"f{n}", "sha256": "cd" * 32, "length": LARGEST_FILE} for n in range(2)]
    assert "bytes in all" in refusal(ReleaseDescription, changed(RELEASE, files=files))
    files = [{"name": "f", "sha256": "cd" * 32, "length": LARGEST_FILE + 1}]
    assert "key 'files[0].length'" in refusal(ReleaseDescription, changed(RELEASE, files=files))


def test_a_notice_stays_below_400_bytes_with_the_longest_that_it_may_hold() -> None:
    longest = UpdateNotice(
        release="x" * 64, kind="embedder", counter=2**53, withdrawn=True, spread_s=604_800, at=AT
    ).to_json()
    assert len(longest) < 400


@pytest.mark.parametrize(
    "file",
    ["/etc/passwd", "../keys/root.pem", "metadata/../../keys", "targets", "targets/", "targets//x", "metadata/.x",
     "keys/root.pem", "metadata/a\x00b", "metadata/a b", "targets/heads/" + "x" * 200, "targets/a/b/c/d/e"],
)  # fmt: skip
def test_a_request_for_what_is_no_file_of_a_repository_is_refused(file: str) -> None:
    assert refusal(UpdateRequest, changed(PIECE_REQUEST, file=file)).startswith("update/request: key 'file': must be")


@pytest.mark.parametrize(
    "file", ["metadata/timestamp.json", "metadata/1.root.json", f"targets/heads/{'ab' * 32}.{'x' * 64}.zip"]
)
def test_every_file_of_a_repository_can_be_asked_for(file: str) -> None:
    assert replace(PIECE_REQUEST, file=file).to_json()


@pytest.mark.parametrize("length", [0, -1, LARGEST_CHUNK + 1])
def test_a_request_for_nothing_or_for_too_much_is_refused(length: int) -> None:
    assert "key 'length'" in refusal(UpdateRequest, changed(PIECE_REQUEST, length=length))


@given(
    number=st.integers(0, 2**32 - 1),
    status=st.sampled_from(ChunkStatus),
    offset=st.integers(0, 2**40),
    more=st.integers(0, 2**40),
    data=st.binary(max_size=200),
)
def test_every_piece_comes_back(number: int, status: ChunkStatus, offset: int, more: int, data: bytes) -> None:
    piece = UpdateChunk(number=number, status=status, total=offset + len(data) + more, offset=offset, data=data)
    assert UpdateChunk.from_json(piece.to_json()) == piece


@given(payload=st.binary(max_size=100))
def test_any_bytes_are_a_piece_or_one_clear_refusal(payload: bytes) -> None:
    with contextlib.suppress(MessageError):
        piece = UpdateChunk.from_json(payload)
        assert piece.to_json() == payload
        assert piece.words.isprintable()


def test_a_piece_on_the_wire_has_exactly_these_bytes() -> None:
    assert PIECE.to_json().hex() == "01000000002900000000000100040000000000010000" + b"tail".hex()


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "has 0 bytes"),
        (PIECE.to_json()[:21], "has 21 bytes"),
        (PIECE.to_json() + bytes(LARGEST_CHUNK), "has 65562 bytes"),
        (b"\x02" + PIECE.to_json()[1:], "form 2 is not known"),
        (b"\x01\x09" + PIECE.to_json()[2:], "status 9 is not known"),
        (PIECE.to_json() + b"x", "reaches to 65541 of 65540 bytes"),
    ],
)
def test_what_is_no_piece_is_refused(payload: bytes, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        UpdateChunk.from_json(payload)


@pytest.mark.parametrize("state", ["refused", "failed", "rolled_back", "paused"])
def test_a_door_that_did_not_install_says_why(state: str) -> None:
    assert "key 'reason'" in refusal(UpdateState, changed(UPDATE_STATE, state=state))
    assert UpdateState.from_json(changed(UPDATE_STATE, state=state, reason="the disk is full")).reason


def test_a_door_that_never_heard_of_a_release_is_idle() -> None:
    assert UpdateState.from_json(changed(UPDATE_STATE, state="idle", target=None)).target is None
    assert "key 'target'" in refusal(UpdateState, changed(UPDATE_STATE, state="trial", target=None))
