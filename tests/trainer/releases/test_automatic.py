"""After a refresh: the head that doors were given last is what it is compared with; in mode auto it is published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import ModelError, RefusedError
from edge.inference.head import load_head
from tests.fakes.candidates import EMBEDDER, make_candidate
from tests.fakes.rollout import meet
from tests.fakes.tuf_folder import FolderClient
from trainer.releases.assemble import key_folders, releaser_of
from trainer.releases.automatic import publish_by_itself
from trainer.releases.ceremony import make_all, plan_keys
from trainer.releases.published import published_head
from trainer.releases.steering import pause
from trainer.settings import ReleasesSettings, StoreSettings, TrainerSettings
from trainer.store.store import FleetStore


@pytest.fixture
def settings(tmp_path: Path) -> TrainerSettings:
    return TrainerSettings(
        store=StoreSettings(folder=tmp_path / "state"), releases=ReleasesSettings(mode="auto", rings="door-a, rest")
    )


@pytest.fixture
def office(settings: TrainerSettings, store: FleetStore, tmp_path: Path) -> FleetStore:
    make_all(settings, plan_keys(settings, tmp_path / "stick"), b"correct horse")
    meet(store, ("door-a", "door-b"))
    return store


def test_the_shipped_head_is_current_until_one_is_published(
    settings: TrainerSettings, office: FleetStore, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    assert published_head(office, state, EMBEDDER.sha256) is None
    publish_by_itself(settings, office, make_candidate(tmp_path / "one", "plda:0001"))
    found = published_head(office, state, EMBEDDER.sha256)
    assert found is not None
    assert load_head(found, EMBEDDER.sha256).id == "plda:0001"
    assert published_head(office, state, "99" * 32) is None
    found.unlink()
    with pytest.raises(ModelError, match="the files of the published head plda-0001 are not here; name it with --curr"):
        published_head(office, state, EMBEDDER.sha256)


def test_what_the_gate_lets_through_is_published_by_itself(
    settings: TrainerSettings, office: FleetStore, tmp_path: Path
) -> None:
    line = publish_by_itself(settings, office, make_candidate(tmp_path / "one", "plda:0001"))
    assert line == "published: plda-0001, counter 1, to ring 0 of door-a, rest"
    client = FolderClient(tmp_path / "state" / "repository", tmp_path / "client")
    assert client.look("heads/plda-0001.zip") is not None


@pytest.mark.parametrize("how", ["running", "paused", "stopped"])
def test_nothing_is_published_over_a_rollout_that_is_under_way(
    settings: TrainerSettings, office: FleetStore, tmp_path: Path, how: str
) -> None:
    publish_by_itself(settings, office, make_candidate(tmp_path / "one", "plda:0001"))
    if how == "paused":
        pause(office, None)
    if how == "stopped":
        with office.write() as writer:
            writer.releases.end("plda-0001", "stopped", "door-a went back")
    line = publish_by_itself(settings, office, make_candidate(tmp_path / "two", "plda:0002"))
    assert line == f"not published: plda-0001 is {how}; the candidate stays in {tmp_path / 'two'}"
    assert [one.id for one in office.releases()] == ["plda-0001"]


@pytest.mark.parametrize("decision", ["refuse", "keep"])
def test_what_the_gate_does_not_let_through_is_never_published_by_itself(
    settings: TrainerSettings, office: FleetStore, tmp_path: Path, decision: str
) -> None:
    with pytest.raises(RefusedError, match=f"the gate says {decision}"):
        publish_by_itself(settings, office, make_candidate(tmp_path / "one", decision=decision))
    assert office.releases() == []


def test_with_approve_the_server_cannot_sign_a_head(
    settings: TrainerSettings, store: FleetStore, tmp_path: Path
) -> None:
    approving = replace(settings, releases=replace(settings.releases, mode="approve"))
    make_all(approving, plan_keys(approving, tmp_path / "stick"), b"correct horse")
    meet(store, ("door-a",))
    with pytest.raises(RefusedError, match="heads: 1 of its 1 keys must sign and 0 found"):
        publish_by_itself(settings, store, make_candidate(tmp_path / "one"))


def test_without_a_repository_it_says_what_to_do(settings: TrainerSettings, store: FleetStore, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be signed before `doorward-trainer keys init`"):
        publish_by_itself(settings, store, make_candidate(tmp_path / "one"))


def test_keys_that_are_made_while_the_server_runs_are_found(
    settings: TrainerSettings, store: FleetStore, tmp_path: Path
) -> None:
    releaser = releaser_of(settings, store, key_folders(settings))
    make_all(settings, plan_keys(settings, tmp_path / "stick"), b"correct horse")
    releaser.renew(["snapshot", "timestamp"])
    FolderClient(tmp_path / "state" / "repository", tmp_path / "client").look()
