"""Whoever holds the broker, the distribution server or some of the keys: what they may try, and what a door says.

The attacks are those of the TUF specification, section 1.5.2, one test each. Every key that an attacker uses here is
one that the test says they stole; the rest of the world's bytes are theirs to choose.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Targets

from edge.contract.update import ChunkStatus, UpdateChunk, UpdateRequest
from edge.errors import StoreError
from edge.update.floor import Floor
from tests.fakes.bare_tuf import timestamp_after_an_empty_file
from tests.fakes.fetching import FetchingDoor
from tests.fakes.pieces import instead
from tests.fakes.releases import make_release
from tests.fakes.tuf_repository import TufRepository


@pytest.fixture
def repository(tmp_path: Path) -> TufRepository:
    """With plda-1 published."""
    made = TufRepository(tmp_path / "repository")
    path, description = make_release(tmp_path)
    made.add(path, description)
    made.publish("heads")
    return made


@pytest.fixture
def door(tmp_path: Path, repository: TufRepository) -> FetchingDoor:
    return FetchingDoor(tmp_path / "door", repository)


def metadata_of(repository: TufRepository, role: str) -> Path:
    version = "" if role == "timestamp" else f"{repository.signed[role].version}."
    return repository.folder / "metadata" / f"{version}{role}.json"


def test_without_an_attack_the_release_is_taken(door: FetchingDoor) -> None:
    assert door.got().read("face.head.json") == b'{"canaries":[]}'


def test_arbitrary_software_in_place_of_the_signed_file_is_refused(door: FetchingDoor, tmp_path: Path) -> None:
    evil, _ = make_release(tmp_path / "evil", seed=666)
    door.line.tamper = instead("plda-1.zip", evil.read_bytes())
    assert door.refused()[0] == "untrusted"


def test_arbitrary_software_signed_by_keys_that_nobody_trusts_is_refused(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    evil = repository.copy(tmp_path / "evil-repository")
    evil.signers["heads"] = [CryptoSigner.generate_ed25519()]
    evil.add(*make_release(tmp_path / "evil", seed=666))
    evil.publish("heads")
    door.line.folder = evil.folder
    code, words = door.refused()
    assert code == "untrusted"
    assert "heads was signed by 0/1 keys" in words


def test_an_old_timestamp_is_no_way_back(door: FetchingDoor, repository: TufRepository, tmp_path: Path) -> None:
    old = repository.copy(tmp_path / "old")
    repository.publish_timestamp()
    door.got()
    door.line.folder = old.folder
    code, words = door.refused()
    assert code == "untrusted"
    assert "timestamp version" in words


def test_an_old_snapshot_under_a_new_timestamp_is_no_way_back(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    """With the timestamp key, which is online and the easiest to steal."""
    old = repository.copy(tmp_path / "old")
    repository.publish("heads")
    door.got()
    old.signed["timestamp"].version = repository.signed["timestamp"].version
    old.publish_timestamp()
    door.line.folder = old.folder
    code, words = door.refused()
    assert code == "untrusted"
    assert "snapshot version must be" in words


def test_old_targets_under_new_snapshot_and_timestamp_are_no_way_back(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    """With both online keys."""
    old = repository.copy(tmp_path / "old")
    repository.publish("heads")
    repository.publish("targets")
    door.got()
    for role in ("snapshot", "timestamp"):
        old.signed[role].version = repository.signed[role].version
    old.publish()
    door.line.folder = old.folder
    code, words = door.refused()
    assert code == "untrusted"
    assert "Expected heads.json version" in words or "Expected targets.json version" in words


def test_a_role_cannot_be_made_to_vanish_from_the_snapshot(door: FetchingDoor, repository: TufRepository) -> None:
    door.got()
    del repository.signed["snapshot"].meta["heads.json"]
    repository.publish()
    code, words = door.refused()
    assert code == "untrusted"
    assert "missing info for 'heads.json'" in words


def test_a_release_that_was_in_force_before_is_no_way_back_however_well_it_is_signed(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    """The release counter: the heads role signs an old, weak head again."""
    door.got()
    with Floor.open(door.floor_path) as floor:  # type: ignore[union-attr] # the door has one
        floor.raise_counter(2)
    repository.add(*make_release(tmp_path / "old", seed=2, release="plda-0", counter=2))
    repository.publish("heads")
    code, words = door.refused("plda-0")
    assert (code, words) == ("counter", "release plda-0 has counter 2, and 2 was in force here")


def test_a_version_that_a_thief_pushed_out_of_reach_is_got_rid_of_by_new_keys(
    door: FetchingDoor, repository: TufRepository
) -> None:
    """Fast-forward: stolen online keys sign enormous versions; the fleet recovers when root names other keys."""
    honest = {role: repository.signed[role].version for role in ("snapshot", "timestamp")}
    for role in honest:
        repository.signed[role].version = 2**31 - 2
    repository.publish()
    door.got()
    assert door.version("timestamp") == 2**31 - 1
    for role, version in honest.items():
        repository.signed[role].version = version
    repository.publish()
    assert door.refused()[0] == "untrusted"  # as the old key still binds
    repository.rotate("snapshot")
    repository.rotate("timestamp")
    repository.publish_root()
    repository.publish()
    door.got()
    assert door.version("timestamp") == honest["timestamp"] + 2


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "heads"])
def test_a_frozen_repository_is_noticed_when_its_lines_expire(
    door: FetchingDoor, repository: TufRepository, role: str
) -> None:
    door.got()
    repository.signed[role].expires = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    if role == "timestamp":
        repository.publish_timestamp()
    else:
        repository.publish(*({role} - {"snapshot"}))
    code, words = door.refused()
    assert code == "expired"
    assert role in words


def test_an_expired_root_serves_no_more(door: FetchingDoor, repository: TufRepository) -> None:
    door.got()
    repository.root.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    repository.publish_root()
    assert door.refused() == (
        "expired",
        "Final root.json is expired: nobody signed lately, or it is withheld from this door",
    )


def test_a_clock_set_back_does_not_make_expired_lines_fresh(door: FetchingDoor) -> None:
    door.got()
    door.clock.at_s -= 3 * 86_400
    assert door.refused() == ("clock", "the clock went back behind the last update; set it right")


def test_a_door_whose_clock_is_not_set_fetches_nothing(door: FetchingDoor) -> None:
    door.clock.at_s = 0.0
    assert door.refused()[0] == "clock"
    assert door.line.asked == []


def test_files_of_different_states_are_not_mixed(door: FetchingDoor, repository: TufRepository, tmp_path: Path) -> None:
    """Mix and match: heads metadata of yesterday, validly signed, under the name of today's."""
    before = metadata_of(repository, "heads").read_bytes()
    repository.add(*make_release(tmp_path / "next", seed=2, release="plda-2", counter=2))
    repository.publish("heads")
    door.line.tamper = instead(metadata_of(repository, "heads").name, before)
    code, words = door.refused("plda-2")
    assert code == "untrusted"
    assert "Expected heads v3, got v2" in words


def test_a_head_is_not_taken_for_another_release_s_file(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    """Mix and match of bundles: both are signed, but each for its own name."""
    path, description = make_release(tmp_path / "next", seed=2, release="plda-2", counter=2)
    repository.add(path, description)
    repository.publish("heads")
    door.line.tamper = instead("plda-1.zip", path.read_bytes())
    assert door.refused("plda-1")[0] in ("untrusted", "length")


def test_a_head_of_another_embedder_is_known_for_one_before_it_is_fetched(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    other: dict[str, Any] = {"compatible": "00" * 32, "embedder_sha256": "00" * 32}
    repository.add(*make_release(tmp_path / "other", seed=2, release="plda-9", counter=9, **other))
    repository.publish("heads")
    offer = door.look("plda-9")
    assert getattr(offer, "description", None) is not None
    assert offer.description.compatible == "00" * 32  # type: ignore[union-attr] # seen above
    assert not any(request.file.endswith("plda-9.zip") for request in door.line.asked)


@pytest.mark.parametrize("file", ["timestamp.json", "snapshot.json", "1.heads.json", "2.root.json"])
def test_endless_metadata_costs_one_piece(door: FetchingDoor, repository: TufRepository, file: str) -> None:
    def endless(request: UpdateRequest, chunk: UpdateChunk) -> UpdateChunk:
        if not request.file.endswith(file.replace("1.heads", f"{repository.signed['heads'].version}.heads")):
            return chunk
        return UpdateChunk(
            number=request.number, status=ChunkStatus.OK, total=2**60, offset=request.offset, data=bytes(request.length)
        )

    door.line.tamper = endless
    code, words = door.refused()
    assert code == "length"
    assert str(2**60) in words
    assert door.line.sent < 100_000


def test_endless_data_after_the_signed_length_is_never_asked_for(door: FetchingDoor, repository: TufRepository) -> None:
    def endless(request: UpdateRequest, chunk: UpdateChunk) -> UpdateChunk:
        return replace(chunk, total=2**40) if request.file.startswith("targets/") else chunk

    door.line.tamper = endless
    length = repository.signed["heads"].targets["heads/plda-1.zip"].length
    assert door.refused() == (
        "length",
        f"{door.line.asked[-1].file} has {2**40} bytes where {length} were declared",
    )
    assert all(request.offset + request.length <= length for request in door.line.asked if "zip" in request.file)


def test_a_session_brings_no_more_than_its_cap(door: FetchingDoor) -> None:
    door.most = 60_000
    code, words = door.refused()
    assert (code, words) == ("length", "more than 60000 bytes came in one session; that is no release")


def test_slow_data_is_given_up_below_the_minimum_rate(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    repository.add(*make_release(tmp_path / "large", size=2_000_000, seed=2, release="plda-2", counter=2))
    repository.publish("heads")
    assert door.look("plda-2")
    began_s, door.line.takes_s = door.clock.now_s, 90.0
    code, words = door.refused("plda-2")
    assert code == "slow"
    assert "plda-2.zip comes too slowly: " in words
    assert door.clock.now_s - began_s < 15 * 60


def test_a_server_that_says_nothing_is_given_up(door: FetchingDoor) -> None:
    door.line.tamper = lambda _request, _chunk: None
    door.line.takes_s = 1.0
    code, words = door.refused()
    assert code == "away"
    assert "nothing of metadata/2.root.json came in" in words
    assert door.clock.now_s < 120


@pytest.mark.parametrize("cut", [1, 1_000, -1])
def test_a_piece_of_another_length_than_was_asked_for_is_refused(door: FetchingDoor, cut: int) -> None:
    def trickle(request: UpdateRequest, chunk: UpdateChunk) -> UpdateChunk:
        return replace(chunk, data=chunk.data[:cut]) if request.file.startswith("targets/") else chunk

    door.line.tamper = trickle
    code, words = door.refused()
    assert code == "length"
    assert "asked for 65536 from 0 on" in words


def test_a_target_of_another_length_than_the_signed_one_is_refused(
    door: FetchingDoor, repository: TufRepository
) -> None:
    file = next((repository.folder / "targets").rglob("*.zip"))
    good = file.read_bytes()
    for other in (good[:-1], good + b"\0", b""):
        file.write_bytes(other)
        assert door.refused()[0] == "length"


def test_a_root_signed_by_one_stolen_key_of_two_is_refused(door: FetchingDoor, repository: TufRepository) -> None:
    """Key compromise below the threshold: one root key names the thief's keys for everything."""
    repository.rotate("timestamp")
    repository.publish_root(signers=repository.signers["root"][:1])
    code, words = door.refused()
    assert code == "untrusted"
    assert "root was signed by 1/2 keys" in words
    assert door.version("root") == 1


def test_targets_signed_by_one_stolen_key_of_two_are_refused(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    thief = repository.copy(tmp_path / "thief")
    thief.signers["targets"] = thief.signers["targets"][:1]
    embedder: dict[str, Any] = {"kind": "embedder", "compatible": "00" * 32, "counter": 9, "release": "evil-1"}
    path, description = make_release(tmp_path / "evil", seed=3, **embedder)
    thief.add(path, description, role="targets")
    thief.publish("targets")
    door.line.folder = thief.folder
    code, words = door.refused("evil-1", "embedder")
    assert code == "untrusted"
    assert "targets was signed by 1/2 keys" in words


def test_one_key_that_signs_twice_is_one_key(door: FetchingDoor, repository: TufRepository) -> None:
    repository.rotate("timestamp")
    repository.publish_root(signers=repository.signers["root"][:1])
    file = repository.folder / "metadata" / "2.root.json"
    body = json.loads(file.read_bytes())
    body["signatures"] = body["signatures"] * 2
    file.write_bytes(json.dumps(body).encode())
    assert door.refused()[0] == "untrusted"
    assert door.version("root") == 1


def test_the_heads_key_signs_no_embedder(door: FetchingDoor, repository: TufRepository, tmp_path: Path) -> None:
    """A target of another role's path: validly signed, and by nobody who may."""
    embedder: dict[str, Any] = {"kind": "embedder", "compatible": "00" * 32, "counter": 9, "release": "evil-1"}
    path, description = make_release(tmp_path / "evil", seed=3, **embedder)
    repository.add(path, description)
    repository.publish("heads")
    assert door.refused("evil-1", "embedder") == ("missing", "the repository has no release evil-1")


def test_an_embedder_is_not_brought_in_as_a_head(door: FetchingDoor, repository: TufRepository, tmp_path: Path) -> None:
    """The heads key puts it on a path of its own, but then it must not say that it is an embedder."""
    embedder: dict[str, Any] = {"kind": "embedder", "compatible": "00" * 32, "counter": 9, "release": "evil-1"}
    path, description = make_release(tmp_path / "evil", seed=3, **embedder)
    repository.add(path, description, path="heads/evil-1.zip")
    repository.publish("heads")
    assert door.refused("evil-1") == ("unfit", "heads/evil-1.zip says that it is embedders/evil-1.zip")


def test_a_role_that_only_a_delegate_names_signs_nothing(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    """With heads and online keys: heads delegates everything to a role of the thief's."""
    thief = CryptoSigner.generate_ed25519()
    repository.signers["thief"] = [thief]
    repository.signed["thief"] = Targets(expires=repository.expires)
    repository.delegate("thief", ["*", "*/*"])  # among those of targets, whence it is moved
    moved = repository.signed["targets"].delegations
    repository.signed["heads"].delegations = type(moved)(
        keys={thief.public_key.keyid: thief.public_key}, roles={"thief": moved.roles.pop("thief")}
    )
    del moved.keys[thief.public_key.keyid]
    embedder: dict[str, Any] = {"kind": "embedder", "compatible": "00" * 32, "counter": 9, "release": "evil-1"}
    repository.add(*make_release(tmp_path / "evil", seed=3, **embedder), role="thief")
    repository.publish("thief", "heads")
    assert door.refused("evil-1", "embedder")[0] == "missing"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "heads", "targets", "root"])
def test_metadata_that_a_power_cut_left_empty_lets_nothing_old_in(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path, role: str
) -> None:
    """Zero-length local metadata: python-tuf takes it for none, and would take the old repository then."""
    old = repository.copy(tmp_path / "old")
    repository.add(*make_release(tmp_path / "next", seed=2, release="plda-2", counter=2))
    repository.publish("heads")
    door.got("plda-2")
    for file in (door.folder / "downloads" / "metadata").rglob(f"*{role}.json"):
        file.write_bytes(b"")
    door.line.folder = old.folder
    assert door.refused()[0] == "untrusted"
    door.line.folder = repository.folder
    door.got("plda-2")


def test_the_same_attack_on_bare_python_tuf_does_let_it_in(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    """What the floor is for; when this fails, python-tuf has learned it and the floor may be thought over."""
    old = repository.copy(tmp_path / "old")
    repository.publish_timestamp()
    newest, then = timestamp_after_an_empty_file(tmp_path / "bare", repository, old)
    assert then < newest


def test_metadata_that_is_emptied_while_a_door_looks_lets_nothing_old_in(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    """A failing card, after the files were made from the floor: what python-tuf then accepts is not kept."""
    old = repository.copy(tmp_path / "old")
    repository.publish("heads")
    door.got()
    version = door.version("timestamp")

    def empty(request: UpdateRequest, chunk: UpdateChunk) -> UpdateChunk:
        if request.file == "metadata/2.root.json":
            for role in ("timestamp", "snapshot", "heads"):
                (door.folder / "downloads" / "metadata" / f"{role}.json").write_bytes(b"")
        return chunk

    door.line.folder, door.line.tamper = old.folder, empty
    assert door.refused() == ("untrusted", f"timestamp would go back behind version {version}")
    assert door.version("timestamp") == version


def test_lost_metadata_lets_nothing_old_in(door: FetchingDoor, repository: TufRepository, tmp_path: Path) -> None:
    old = repository.copy(tmp_path / "old")
    repository.publish("heads")
    door.got()
    shutil.rmtree(door.folder / "downloads")
    door.line.folder = old.folder
    assert door.refused()[0] == "untrusted"


def test_a_floor_that_was_emptied_or_lost_stops_updates_and_is_no_first_start(door: FetchingDoor) -> None:
    door.got()
    door.floor_path.write_bytes(b"")
    with pytest.raises(StoreError, match=r"floor\.db: is damaged \(no floor\); tell the door anew whom to trust"):
        Floor.open(door.floor_path)


def test_a_target_s_hash_alone_decides_and_not_its_name(door: FetchingDoor, repository: TufRepository) -> None:
    """The name on the server bears the hash; bytes of another hash under it are refused."""
    file = next((repository.folder / "targets").rglob("*.zip"))
    data = bytearray(file.read_bytes())
    data[5_000] ^= 1
    file.write_bytes(data)
    assert hashlib.sha256(data).hexdigest() not in file.name
    assert door.refused()[0] == "untrusted"


def test_metadata_that_is_deep_large_or_no_json_ends_in_one_line(door: FetchingDoor) -> None:
    for body in (b"[" * 16_000, b"{}", b"", b"\xff" * 100, b'{"signed":' * 1_500, b'{"signatures":[],"signed":{}}'):
        door.line.tamper = instead("timestamp.json", body)
        code, words = door.refused()
        assert code == "untrusted"
        assert "\n" not in words


def test_metadata_of_the_right_form_with_wrong_types_ends_in_one_line(
    door: FetchingDoor, repository: TufRepository
) -> None:
    good = json.loads(metadata_of(repository, "timestamp").read_bytes())
    values: tuple[Any, ...] = ([], {}, -1, "x", 1e9)
    for key in good["signed"]:
        for value in values:
            bad = {**good, "signed": {**good["signed"], key: value}}
            door.line.tamper = instead("timestamp.json", json.dumps(bad).encode())
            assert door.refused()[0] in ("untrusted", "expired"), (key, value)


def test_a_snapshot_that_lists_absurd_versions_is_no_more_than_refused(
    door: FetchingDoor, repository: TufRepository
) -> None:
    """With both online keys."""
    repository.signed["snapshot"].meta["heads.json"] = MetaFile(version=2**40)
    repository.publish()
    assert door.refused()[0] == "missing"
    assert Metadata.from_file(str(metadata_of(repository, "snapshot"))).signed.version == door.version("snapshot")
