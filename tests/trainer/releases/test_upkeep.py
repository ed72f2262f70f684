"""What an ingest worker does for releases: one of several tells the doors, signatures are renewed, trouble is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from edge.adapters.memory_link import MemoryLink
from edge.adapters.mqtt import MqttLink
from edge.contract.topics import Topics
from edge.errors import StoreError
from tests.fakes.candidates import EMBEDDER
from tests.fakes.fleet import KEY
from tests.fakes.messages import RELEASE
from tests.fakes.rollout import meet, said, say
from trainer.releases.releaser import Releaser
from trainer.releases.rings import Rings, Rules
from trainer.releases.rollouts import RolloutRules, begin
from trainer.releases.upkeep import CLAIM_S, Renewals, Rollouts, UpkeepRules
from trainer.store.store import FleetStore

RULES = UpkeepRules(RolloutRules(Rules(wait_s=0.0)), spread_s=30)
TOPICS = Topics("doorward")


class Worker:
    """One of several, with a link that keeps what it was given."""

    def __init__(self, store: FleetStore) -> None:
        self.links: list[MemoryLink] = []
        self.rollouts = Rollouts(store, self._link, TOPICS, RULES)

    def _link(self) -> MqttLink:
        self.links.append(MemoryLink())
        return cast("MqttLink", self.links[-1])


class Clock:
    def __init__(self) -> None:
        self.now_s = 1e9

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("trainer.releases.upkeep.time.monotonic", made)
    return made


@pytest.fixture
def stores(database: str, clock: Clock) -> tuple[FleetStore, FleetStore]:
    one, two = (FleetStore.open(database, KEY, clock) for _ in range(2))
    meet(one, ("a", "b"))
    return one, two


def publish(store: FleetStore) -> None:
    with store.write() as writer:
        writer.releases.add(replace(RELEASE, release="r1", compatible=EMBEDDER.sha256, embedder_sha256=EMBEDDER.sha256))
        begin(writer.releases, writer.releases.all()[0], Rings.parse("a, rest"), "a, rest")


def test_no_connection_is_made_before_something_is_published(stores: tuple[FleetStore, FleetStore]) -> None:
    worker = Worker(stores[0])
    worker.rollouts.turn()
    assert worker.links == []


def test_of_two_workers_one_tells_the_doors_and_the_other_takes_over_when_it_dies(
    stores: tuple[FleetStore, FleetStore], clock: Clock
) -> None:
    publish(stores[0])
    first, second = Worker(stores[0]), Worker(stores[1])
    for _ in range(3):
        first.rollouts.turn()
        second.rollouts.turn()
        clock.now_s += 5
    assert (len(first.links), len(second.links)) == (1, 0)
    assert list(first.links[0].retained) == ["doorward/a/update/notice"]
    assert b'"spread_s":30' in first.links[0].retained["doorward/a/update/notice"]
    clock.now_s += CLAIM_S
    second.rollouts.turn()
    assert len(second.links) == 1
    first.rollouts.turn()
    assert not first.links[0].connected


def test_a_success_brings_the_next_ring(stores: tuple[FleetStore, FleetStore], clock: Clock) -> None:
    publish(stores[0])
    say(stores[0], said("a", "r1", "committed"))
    worker = Worker(stores[0])
    for _ in range(3):
        worker.rollouts.turn()
        clock.now_s += 5
    assert set(worker.links[0].retained) == {"doorward/a/update/notice", "doorward/b/update/notice"}
    worker.rollouts.close()
    assert not worker.links[0].connected


class FakeReleaser:
    """due: what it says is due; renewed: what it was asked for. trouble: raised instead."""

    def __init__(self, *due: str, trouble: str = "") -> None:
        self._due = list(due)
        self._trouble = trouble
        self.renewed: list[str] = []

    def due(self) -> list[str]:
        if self._trouble:
            raise StoreError(self._trouble)
        return [role for role in self._due if role not in self.renewed]

    def renew(self, roles: list[str]) -> None:
        self.renewed += roles


def renewals(releaser: FakeReleaser, *, exists: bool = True) -> Callable[[], None]:
    made = Renewals(cast("Releaser", releaser), lambda: exists, lambda: ("snapshot", "timestamp"))
    return made.turn


def test_what_the_server_signs_for_is_renewed_and_of_the_rest_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    releaser = FakeReleaser("timestamp", "root")
    turn = renewals(releaser)
    for _ in range(3):
        turn()
    assert releaser.renewed == ["timestamp"]
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert "root must be signed anew by hand soon" in told[0]


def test_a_damaged_repository_costs_nothing_but_a_line(caplog: pytest.LogCaptureFixture) -> None:
    renewals(FakeReleaser(trouble="timestamp.json: is damaged"))()
    assert "signatures cannot be renewed: timestamp.json: is damaged" in caplog.text


def test_without_a_repository_nothing_is_renewed(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    renewals(FakeReleaser(trouble="none"), exists=False)()
    assert caplog.records == []
