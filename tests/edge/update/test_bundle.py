"""A release as one file: what goes in comes out, any zip program can open it, and no other file is taken for it."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from edge.contract.release import DESCRIPTION, LARGEST_FILE
from edge.errors import MessageError, ModelError
from edge.update.bundle import open_bundle, release_file, write_bundle
from tests.fakes.releases import describe, make_release, mutated


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    path, description = make_release(tmp_path)
    bundle = open_bundle(path, description)
    bundle.unpack(tmp_path / "slot" / "deep")
    for entry in description.files:
        written = (tmp_path / "slot" / "deep" / entry.name).read_bytes()
        assert written == (tmp_path / "contents-1" / entry.name).read_bytes() == bundle.read(entry.name)
    assert json.loads((tmp_path / "slot" / "deep" / DESCRIPTION).read_bytes())["release"] == "plda-1"
    assert len(list((tmp_path / "slot" / "deep").iterdir())) == 3
    assert ((tmp_path / "slot" / "deep" / "face.head.json").stat().st_mode & 0o777) == 0o600


def test_any_zip_program_opens_it(tmp_path: Path) -> None:
    path, description = make_release(tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [DESCRIPTION, *(entry.name for entry in description.files)]
        assert archive.testzip() is None
        assert archive.read("face.head.tflite") == (tmp_path / "contents-1" / "face.head.tflite").read_bytes()


def test_the_same_release_is_the_same_bytes_wherever_it_is_packed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, _ = make_release(tmp_path / "a")
    second, _ = make_release(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_slots_are_replaced_file_by_file_and_never_written_into(tmp_path: Path) -> None:
    path, _ = make_release(tmp_path)
    slot = tmp_path / "slot"
    slot.mkdir()
    (slot / "face.head.tflite").write_bytes(b"old")
    with (slot / "face.head.tflite").open("rb") as mapped:
        open_bundle(path).unpack(slot)
        assert mapped.read() == b"old"
    assert (slot / "face.head.tflite").stat().st_size == 70_000


def test_of_many_mutated_bundles_none_is_accepted(tmp_path: Path) -> None:
    path, description = make_release(tmp_path, size=3_000)
    good, chance = path.read_bytes(), random.Random(5)
    for number in range(1_500):
        path.write_bytes(mutated(good, chance))
        # Without the signed description too, but where the release's own words are what changed.
        with pytest.raises(ModelError) as caught:
            open_bundle(path, description)
        assert "\n" not in str(caught.value), number
    path.write_bytes(good)
    assert open_bundle(path, description).description == description


def test_every_single_bit_counts(tmp_path: Path) -> None:
    path, description = make_release(tmp_path, size=40)
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(ModelError):
            open_bundle(path)
    path.write_bytes(good)
    open_bundle(path, description)


def test_another_release_than_the_signed_one_is_refused(tmp_path: Path) -> None:
    path, description = make_release(tmp_path)
    with pytest.raises(ModelError, match="is not the one that was signed"):
        open_bundle(path, replace(description, counter=2))


def test_a_zip_of_another_program_is_refused(tmp_path: Path) -> None:
    _, description = make_release(tmp_path)
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(DESCRIPTION, description.to_json())
        archive.write(tmp_path / "contents-1" / "face.head.json", "face.head.json")
    with pytest.raises(ModelError, match=r"other\.zip: does not begin with release\.json"):
        open_bundle(other)


@pytest.mark.parametrize("length", [0, 1, 29, 30, 100])
def test_a_truncated_bundle_is_refused_with_its_name(tmp_path: Path, length: int) -> None:
    path, description = make_release(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ModelError, match=r"plda-1\.zip: "):
        open_bundle(path, description)


def test_a_description_that_claims_gigabytes_reads_no_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "big.zip"
    good, _ = make_release(tmp_path)
    data = bytearray(good.read_bytes())
    data[18:22] = (2**32 - 1).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"does not begin with release\.json"):
        open_bundle(path)


def test_a_bundle_that_changes_under_our_hands_is_noticed_when_it_is_unpacked(tmp_path: Path) -> None:
    path, description = make_release(tmp_path)
    bundle = open_bundle(path, description)
    data = bytearray(path.read_bytes())
    data[-2_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"face\.head\.tflite is not what release\.json says"):
        bundle.unpack(tmp_path / "slot")
    assert not (tmp_path / "slot" / "face.head.tflite").exists()
    assert not (tmp_path / "slot" / DESCRIPTION).exists()
    assert [file.name for file in (tmp_path / "slot").iterdir()] == ["face.head.json"]


def test_a_file_that_is_not_in_the_bundle_is_asked_for(tmp_path: Path) -> None:
    path, _ = make_release(tmp_path)
    with pytest.raises(ModelError, match=r"has no file other\.tflite"):
        open_bundle(path).read("other.tflite")


def test_a_file_that_is_not_what_the_description_says_is_not_packed(tmp_path: Path) -> None:
    contents = tmp_path / "contents"
    contents.mkdir()
    (contents / "face.head.json").write_bytes(b"{}")
    description = describe(contents)
    for other in (b"[]", b"{}\n", b""):
        (contents / "face.head.json").write_bytes(other)
        with pytest.raises(ModelError, match=r"face\.head\.json"):
            write_bundle(tmp_path / "out.zip", description, contents)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["contents"]


def test_a_description_that_no_door_would_read_is_not_packed(tmp_path: Path) -> None:
    contents = tmp_path / "contents"
    contents.mkdir()
    (contents / "face.head.json").write_bytes(b"{}")
    with pytest.raises(MessageError, match="key 'release'"):
        write_bundle(tmp_path / "out.zip", describe(contents, release="../x"), contents)


def test_a_file_s_entry_tells_its_hash_and_length(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.write_bytes(b"abc")
    entry = release_file(path)
    assert (entry.name, entry.length, entry.sha256) == ("a.tflite", 3, hashlib.sha256(b"abc").hexdigest())
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="has 0 bytes"):
        release_file(path)
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ModelError, match="a file of a release has 1 to"):
        release_file(path)
    with pytest.raises(ModelError, match="No such file"):
        release_file(tmp_path / "none")
