"""A release on its way to a door without an attacker: breaks, full disks, damaged leftovers, roots that change."""

from __future__ import annotations

import os
import shutil
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner

from edge.contract.release import ReleaseDescription
from edge.contract.update import MOST_UNDER_WAY
from edge.errors import RefusedError, StoreError
from edge.update.bundle import Bundle
from edge.update.collect import Collector
from edge.update.fetch import Offer, ReleaseClient, trust
from edge.update.floor import Floor
from edge.update.problems import Refusal
from tests.fakes.fetching import FetchingDoor
from tests.fakes.releases import make_release
from tests.fakes.tuf_repository import TufRepository

LARGE = 2_000_000


@pytest.fixture
def repository(tmp_path: Path) -> TufRepository:
    """With plda-1, of the size of a head, and plda-2, which is larger."""
    made = TufRepository(tmp_path / "repository")
    made.add(*make_release(tmp_path))
    made.add(*make_release(tmp_path, size=LARGE, seed=2, release="plda-2", counter=2))
    made.publish("heads")
    return made


@pytest.fixture
def door(tmp_path: Path, repository: TufRepository) -> FetchingDoor:
    return FetchingDoor(tmp_path / "door", repository)


def test_what_is_signed_arrives_whole(door: FetchingDoor, tmp_path: Path) -> None:
    bundle = door.got("plda-2")
    assert bundle.read("face.head.tflite") == (tmp_path / "contents-2" / "face.head.tflite").read_bytes()
    assert bundle.path.parent == door.folder / "downloads"
    assert door.progress == sorted(door.progress)
    assert door.progress[-1] == 1.0
    assert door.line.most_open == MOST_UNDER_WAY


def test_an_embedder_is_signed_by_the_offline_keys(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    embedder: dict[str, Any] = {"kind": "embedder", "compatible": "00" * 32, "counter": 9, "release": "face-2"}
    repository.add(*make_release(tmp_path, seed=3, **embedder), role="targets")
    repository.publish("targets")
    assert door.got("face-2", "embedder").description.kind == "embedder"


def test_to_look_says_what_would_be_fetched_and_fetches_nothing(door: FetchingDoor) -> None:
    offer = door.look("plda-2")
    assert isinstance(offer, Offer)
    assert isinstance(offer.description, ReleaseDescription)
    assert offer.description.counter == 2
    assert not any(request.file.startswith("targets/") for request in door.line.asked)


def test_a_release_that_is_not_there_is_refused_by_name(door: FetchingDoor) -> None:
    refusal = door.get("plda-9")
    assert refusal == Refusal("missing", "the repository has no release plda-9")
    assert not refusal.final


def test_a_second_look_asks_for_little(door: FetchingDoor) -> None:
    door.look()
    before = len(door.line.asked)
    door.look()
    assert [request.file for request in door.line.asked[before:]] == [
        "metadata/2.root.json",
        "metadata/timestamp.json",
    ]


def test_a_release_that_is_there_is_not_fetched_again(door: FetchingDoor) -> None:
    door.got("plda-2")
    sent = door.line.sent
    door.got("plda-2")
    assert door.line.sent - sent < 5_000


def test_a_release_makes_room_for_the_next(door: FetchingDoor) -> None:
    door.got("plda-1")
    door.got("plda-2")
    assert sorted(file.name for file in (door.folder / "downloads").iterdir()) == ["metadata", "plda-2.zip"]


def test_breaks_of_the_connection_cost_no_byte_twice_but_those_under_way(door: FetchingDoor) -> None:
    door.line.breaks = deque([0, 1, 2, 3, 0, 5, 1, 1, 7, 2])
    door.got("plda-2")
    assert door.line.connections == 11
    assert door.line.sent < LARGE + 20_000


def test_a_process_that_is_killed_goes_on_where_it_was(door: FetchingDoor) -> None:
    class KilledError(BaseException):
        pass

    def kill(share: float) -> None:
        if share > 0.5:
            raise KilledError

    with Floor.open(door.floor_path) as floor:  # type: ignore[union-attr] # the door has one
        client = ReleaseClient(floor, door.folder / "downloads", Collector(door.line, door.clock), door.clock, kill)
        offer = client.look("head", "plda-2")
        assert isinstance(offer, Offer)
        with pytest.raises(KilledError):
            client.fetch(offer)
    door.line.close()
    assert list((door.folder / "downloads").glob("*.part"))
    sent = door.line.sent
    door.got("plda-2")
    assert door.line.sent - sent < LARGE * 0.6
    assert door.progress[0] > 0.5


def test_what_a_power_cut_left_of_a_download_and_damaged_is_fetched_anew(door: FetchingDoor) -> None:
    offer = door.look("plda-2")
    assert isinstance(offer, Offer)
    name = offer.info.get_prefixed_paths()[0].rpartition("/")[2]
    (door.folder / "downloads" / f"{name}.part").write_bytes(bytes(500_000))
    door.got("plda-2")
    assert door.line.sent > LARGE + 1_000_000
    assert not list((door.folder / "downloads").glob("*.part"))


def test_a_leftover_that_is_too_long_is_no_obstacle(door: FetchingDoor) -> None:
    offer = door.look("plda-1")
    assert isinstance(offer, Offer)
    name = offer.info.get_prefixed_paths()[0].rpartition("/")[2]
    (door.folder / "downloads" / f"{name}.part").write_bytes(bytes(LARGE))
    door.got("plda-1")


def test_a_broker_that_is_away_for_long_is_told_and_tried_another_time(door: FetchingDoor) -> None:
    door.line.away = True
    assert door.refused() == ("away", "nobody listens at broker:1883")
    assert 600 < door.clock.now_s < 700
    door.line.away = False
    door.got()


def test_a_connection_that_never_lasts_is_not_tried_for_ever(door: FetchingDoor) -> None:
    door.line.breaks = deque([0] * 100_000)
    assert door.refused()[0] == "away"
    assert door.clock.now_s < 700


def test_a_full_disk_is_told_before_anything_is_fetched(door: FetchingDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(door.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10 << 20))
    code, words = door.refused("plda-2")
    assert code == "disk"
    assert "10 MB are free, 19 are needed" in words
    assert not any(request.file.startswith("targets/") for request in door.line.asked)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_a_reason(door: FetchingDoor) -> None:
    (door.folder / "downloads").mkdir(mode=0o500)
    assert door.refused()[0] == "disk"


def test_a_file_where_the_folder_must_be_is_a_reason(door: FetchingDoor) -> None:
    (door.folder / "downloads").write_bytes(b"")
    got = door.get()
    assert isinstance(got, Refusal)
    assert got.code == "disk"


def test_new_roots_are_followed_one_by_one_and_kept(door: FetchingDoor, repository: TufRepository) -> None:
    for _ in range(3):
        repository.rotate("timestamp")
        repository.publish_root()
    repository.publish()
    door.got()
    assert door.version("root") == 4
    door.line.asked.clear()
    door.got()
    assert door.line.asked[0].file == "metadata/5.root.json"


def test_root_keys_change_when_old_and_new_sign(door: FetchingDoor, repository: TufRepository) -> None:
    old = repository.signers["root"]
    repository.rotate("root")
    repository.publish_root(signers=[*old[:2], *repository.signers["root"][:2]])
    door.got()
    assert door.version("root") == 2


def test_a_new_root_is_kept_although_what_follows_it_fails(door: FetchingDoor, repository: TufRepository) -> None:
    """Else whoever can withhold the rest could make the door forget that a key was revoked."""
    repository.rotate("timestamp")
    repository.publish_root()  # and the timestamp is still signed by the old key
    assert door.refused()[0] == "untrusted"
    assert door.version("root") == 2


def test_a_heads_key_that_was_replaced_signs_no_more(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    thief: list[CryptoSigner] = repository.signers["heads"]
    repository.rotate("heads", delegate=True)
    repository.publish("targets", "heads")
    door.got()
    repository.signers["heads"] = thief
    repository.add(*make_release(tmp_path, seed=3, release="evil-1", counter=9))
    repository.publish("heads")
    assert door.refused("evil-1")[0] == "untrusted"


def test_a_target_without_a_description_is_unfit(door: FetchingDoor, repository: TufRepository) -> None:
    target = repository.signed["heads"].targets["heads/plda-1.zip"]
    del target.unrecognized_fields["custom"]
    repository.publish("heads")
    code, words = door.refused()
    assert code == "unfit"
    assert "heads/plda-1.zip does not say what it is" in words


def test_a_bundle_that_is_not_what_its_metadata_says_is_unfit_for_good(
    door: FetchingDoor, repository: TufRepository, tmp_path: Path
) -> None:
    """Both are signed, by mistake or by a thief of the heads key, and they contradict one another."""
    path, _ = make_release(tmp_path, seed=4, release="plda-4", counter=4)
    _, other = make_release(tmp_path / "other", seed=5, release="plda-4", counter=4)
    repository.add(path, other)
    repository.publish("heads")
    got = door.get("plda-4")
    assert isinstance(got, Refusal)
    assert got.final
    assert got.words == "plda-4.zip: its release.json is not the one that was signed"


def test_without_a_trusted_root_nothing_is_asked(door: FetchingDoor) -> None:
    client = ReleaseClient(None, door.folder / "downloads", Collector(door.line, door.clock), door.clock)
    refusal = client.look("head", "plda-1")
    assert isinstance(refusal, Refusal)
    assert refusal.code == "no_root"
    assert door.line.asked == []


@pytest.mark.parametrize("root", [b"", b"{}", b"not json", b"[]"])
def test_only_a_root_is_trusted(tmp_path: Path, root: bytes) -> None:
    with pytest.raises(RefusedError, match="no root metadata that signs itself"):
        trust(tmp_path / "floor.db", root)
    assert Floor.open(tmp_path / "floor.db") is None


def test_no_other_role_and_no_half_signed_root_is_trusted(tmp_path: Path, repository: TufRepository) -> None:
    timestamp = (repository.folder / "metadata" / "timestamp.json").read_bytes()
    repository.publish_root(signers=repository.signers["root"][:1])
    half = (repository.folder / "metadata" / "2.root.json").read_bytes()
    for root in (timestamp, half):
        with pytest.raises(RefusedError, match="no root metadata that signs itself"):
            trust(tmp_path / "floor.db", root)


def test_another_root_is_trusted_on_request_alone_and_the_release_counter_stays(
    door: FetchingDoor, tmp_path: Path
) -> None:
    other = TufRepository(tmp_path / "other")
    with pytest.raises(RefusedError, match="a root is trusted already"):
        trust(door.floor_path, other.root_bytes)
    with Floor.open(door.floor_path) as floor:  # type: ignore[union-attr] # the door has one
        floor.raise_counter(7)
    assert trust(door.floor_path, other.root_bytes, anew=True) == 1
    with Floor.open(door.floor_path) as floor:  # type: ignore[union-attr] # as above
        assert floor.counter == 7
        assert floor.bodies()["root"].body == other.root_bytes


def test_a_damaged_floor_is_a_reason_and_trusting_anew_the_way_out(door: FetchingDoor) -> None:
    door.got()
    data = bytearray(door.floor_path.read_bytes())
    at = data.find(b'"_type":"timestamp"')
    assert at > 0
    data[at + 11] ^= 1
    door.floor_path.write_bytes(data)
    with pytest.raises(StoreError, match="the metadata of timestamp is damaged; tell the door anew"):
        Floor.open(door.floor_path)
    root = (door.line.folder / "metadata" / "1.root.json").read_bytes()
    trust(door.floor_path, root, anew=True)
    assert isinstance(door.get(), Bundle)
