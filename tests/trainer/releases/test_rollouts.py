"""A rollout in the store, from what doors say: it goes on, it stops, it is paused, and doors come late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.contract.release import ReleaseDescription
from edge.contract.update import UpdateState
from edge.errors import RefusedError
from tests.fakes.candidates import EMBEDDER
from tests.fakes.fleet import KEY
from tests.fakes.messages import RELEASE
from tests.fakes.rollout import meet, said, say, statuses
from trainer.releases.rings import Rings, Rules
from trainer.releases.rollouts import RolloutRules, advance, begin, telling, unfit, version_of, wanted
from trainer.releases.steering import fleet_rows, pause, promote, resume, standings
from trainer.store.release_records import Release
from trainer.store.store import FleetStore

RULES = RolloutRules(Rules(wait_s=100.0), absent_s=1000.0)
DOORS = ("a", "b", "c")


def description(release: str = "r1", counter: int = 1, embedder: str = EMBEDDER.sha256) -> ReleaseDescription:
    return replace(RELEASE, release=release, counter=counter, compatible=embedder, embedder_sha256=embedder)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1e9

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(database: str, clock: Clock) -> FleetStore:
    store = FleetStore.open(database, KEY, clock)
    meet(store, DOORS)
    return store


def publish(fleet: FleetStore, release: str = "r1", counter: int = 1, rings: str = "a, b, rest") -> Release:
    with fleet.write() as writer:
        writer.releases.add(description(release, counter))
        found = next(one for one in writer.releases.all() if one.id == release)
        begin(writer.releases, found, Rings.parse(rings), rings)
    return found


def go_on(fleet: FleetStore) -> list[tuple[str, str]]:
    with fleet.write() as writer:
        return [(release, verdict.act) for release, verdict in advance(writer.releases, RULES)]


def told(fleet: FleetStore) -> dict[str, tuple[str, bool]]:
    with fleet.reading_releases() as kept:
        releases = kept.all()
        notices = wanted(releases, kept.doors_of(*telling(releases)))
    return {door: (notice.release, notice.withdrawn) for door, notice in notices.items()}


def standing(fleet: FleetStore, release: str = "r1") -> tuple[str, int]:
    found = next(one for one in fleet.releases() if one.id == release)
    return found.status, found.ring


def test_a_release_goes_from_ring_to_ring_and_is_done(fleet: FleetStore, clock: Clock) -> None:
    publish(fleet)
    for ring, door in enumerate(DOORS):
        assert standing(fleet) == ("running", ring)
        assert set(told(fleet)) == set(DOORS[: ring + 1])
        assert go_on(fleet) == []
        say(fleet, said(door, "r1", "downloading", clock.now_s))
        assert statuses(fleet, "r1")[door] == "downloading"
        clock.now_s += 5
        say(fleet, said(door, "r1", "trial", clock.now_s))
        assert statuses(fleet, "r1")[door] == "proceeding"
        clock.now_s += 5
        say(fleet, said(door, "r1", "committed", clock.now_s))
        assert go_on(fleet) == []
        clock.now_s += 101
        meet(fleet, DOORS)
        assert go_on(fleet) == [("r1", "promote" if ring < 2 else "finish")]
    assert standing(fleet) == ("done", 2)
    assert told(fleet) == dict.fromkeys(DOORS, ("r1", False))


@pytest.mark.parametrize(("step", "status"), [("refused", "rejected"), ("rolled_back", "closed failure")])
def test_a_door_that_refuses_or_goes_back_stops_the_rollout_and_the_others_are_called_off(
    fleet: FleetStore, step: str, status: str
) -> None:
    publish(fleet, rings="a b, rest")
    say(fleet, said("a", "r1", "committed"), said("b", "r1", step))  # type: ignore[arg-type]  # one of the steps
    assert go_on(fleet) == [("r1", "stop")]
    assert standing(fleet) == ("stopped", 0)
    assert statuses(fleet, "r1") == {"a": "closed success", "b": status, "c": "cancelled"}
    assert told(fleet) == {"a": ("r1", False), "b": ("r1", True)}


def test_that_a_door_went_back_is_not_forgotten_when_it_says_something_else(fleet: FleetStore) -> None:
    publish(fleet, rings="a b, rest")
    say(fleet, said("a", "r1", "rolled_back"))
    say(fleet, said("a", "r1", "downloading"), said("a", "r1", "committed"))
    assert statuses(fleet, "r1")["a"] == "closed success"
    assert go_on(fleet) == [("r1", "stop")]


def test_a_door_that_is_called_off_and_goes_back_for_that_is_no_failure(fleet: FleetStore) -> None:
    publish(fleet, rings="a b, rest")
    say(fleet, said("a", "r1", "trial"), said("b", "r1", "refused"))
    go_on(fleet)
    say(fleet, said("a", "r1", "rolled_back"))
    assert statuses(fleet, "r1")["a"] == "cancelled"
    with fleet.reading_releases() as kept:
        assert not any(row.rolled_back for row in kept.doors_of("r1"))


def test_a_stopped_rollout_goes_on_when_an_operator_says_so(fleet: FleetStore, clock: Clock) -> None:
    publish(fleet, rings="a b, rest")
    say(fleet, said("a", "r1", "refused"))
    assert go_on(fleet) == [("r1", "stop")]
    assert resume(fleet, None).status == "running"
    assert statuses(fleet, "r1") == {"a": "rejected", "b": "scheduled", "c": "scheduled"}
    assert told(fleet) == {"a": ("r1", False), "b": ("r1", False)}
    say(fleet, said("b", "r1", "committed"))
    clock.now_s += 101
    assert go_on(fleet) == [("r1", "promote")]


def test_a_paused_rollout_waits_and_its_doors_go_on(fleet: FleetStore, clock: Clock) -> None:
    publish(fleet)
    assert pause(fleet, "r1").status == "paused"
    assert told(fleet) == {"a": ("r1", False)}
    say(fleet, said("a", "r1", "committed"))
    clock.now_s += 1000
    assert go_on(fleet) == []
    with pytest.raises(RefusedError, match="r1: is paused; `release resume` first"):
        promote(fleet, None)
    resume(fleet, "r1")
    assert go_on(fleet) == [("r1", "promote")]


def test_an_operator_promotes_before_its_time(fleet: FleetStore) -> None:
    publish(fleet)
    assert promote(fleet, None).ring == 1
    assert promote(fleet, "r1", everybody=True).ring == 2
    assert set(told(fleet)) == set(DOORS)
    with pytest.raises(RefusedError, match="went to the last ring already"):
        promote(fleet, None)


@pytest.mark.parametrize("act", [promote, pause, resume])
def test_what_cannot_be_steered_is_said(fleet: FleetStore, act: object) -> None:
    assert callable(act)
    with pytest.raises(RefusedError, match="no rollout is under way"):
        act(fleet, None)
    with pytest.raises(RefusedError, match="r9: there is no such release"):
        act(fleet, "r9")


def test_a_door_that_is_off_catches_up_when_it_comes_back(fleet: FleetStore, clock: Clock) -> None:
    publish(fleet)
    clock.now_s += 2000
    meet(fleet, ("a", "c"))
    say(fleet, said("a", "r1", "committed"))
    clock.now_s += 101
    assert go_on(fleet) == [("r1", "promote")]
    assert go_on(fleet) == []  # of the ring of b alone nobody is there
    promote(fleet, None)
    say(fleet, said("c", "r1", "committed"))
    clock.now_s += 101
    assert go_on(fleet) == [("r1", "finish")]
    assert told(fleet)["b"] == ("r1", False)


def test_a_door_that_comes_late_is_in_the_last_ring(fleet: FleetStore, clock: Clock) -> None:
    publish(fleet)
    meet(fleet, ("new",))
    go_on(fleet)
    assert statuses(fleet, "r1")["new"] == "scheduled"
    assert "new" not in told(fleet)
    promote(fleet, None, everybody=True)
    assert "new" in told(fleet)


def test_a_door_of_another_embedder_or_of_an_older_program_is_left_out(fleet: FleetStore) -> None:
    meet(fleet, ("b",), embedder_sha256="99" * 32)
    meet(fleet, ("c",), version="0.0.9")
    publish(fleet)
    assert set(statuses(fleet, "r1")) == {"a"}
    rows = {row.door.id: row for row in fleet_rows(fleet)}
    assert rows["b"].unfit is not None
    assert "runs embedder 999999999999" in rows["b"].unfit
    assert rows["c"].unfit == "runs Doorward 0.0.9, and it needs 0.1.0"
    assert [row.unwell for row in rows.values()] == [False, True, True]


def test_another_embedders_rollout_is_left_alone(fleet: FleetStore) -> None:
    meet(fleet, ("c",), embedder_sha256="99" * 32)
    publish(fleet)
    with fleet.write() as writer:
        writer.releases.add(description("r2", 2, "99" * 32))
        other = next(one for one in writer.releases.all() if one.id == "r2")
        begin(writer.releases, other, Rings.parse("rest"), "rest")
    assert standing(fleet, "r1") == ("running", 0)
    assert told(fleet) == {"a": ("r1", False), "c": ("r2", False)}


def test_an_older_word_of_a_door_does_not_undo_a_newer_one(fleet: FleetStore) -> None:
    publish(fleet)
    say(fleet, said("a", "r1", "committed", 1e9))
    say(fleet, said("a", "r1", "trial", 1e9 - 1))
    assert statuses(fleet, "r1")["a"] == "closed success"
    say(fleet, said("a", "r1", "trial", 1e9 - 1, clock_set=False))
    assert statuses(fleet, "r1")["a"] == "proceeding"


def test_the_same_word_again_changes_nothing_and_not_since_when(fleet: FleetStore, clock: Clock) -> None:
    publish(fleet)
    word = said("a", "r1", "committed")
    say(fleet, word)
    clock.now_s += 101
    say(fleet, word)
    assert go_on(fleet) == [("r1", "promote")]


def test_a_word_of_a_door_that_is_in_no_rollout_is_kept(fleet: FleetStore) -> None:
    state: UpdateState = said("stranger", "r7", "failed", reason="disk is full")
    say(fleet, state)
    rows = {row.door.id: row for row in fleet_rows(fleet)}
    found = rows["stranger"].said
    assert found is not None
    assert (found.state, found.reason, found.missing_layers) == ("failed", "disk is full", ("landlock",))


def test_what_a_rollout_waits_for_is_told(fleet: FleetStore) -> None:
    publish(fleet)
    found = standings(fleet, RULES)[0]
    assert found.next == "0 of 1 doors that ring 0 waits for are done"
    assert found.doors == {"scheduled": 3}


def test_one_holder_at_a_time_has_a_claim(fleet: FleetStore, clock: Clock) -> None:
    def claims(holder: str) -> bool:
        with fleet.write() as writer:
            return writer.releases.claim("notices", holder, 60.0)

    assert claims("one")
    assert not claims("two")
    clock.now_s += 59
    assert claims("one")
    clock.now_s += 59
    assert not claims("two")
    clock.now_s += 2
    assert claims("two")
    assert not claims("one")


@pytest.mark.parametrize(
    ("older", "newer"), [("0.9", "0.10"), ("1.2", "1.2.1"), ("", "0.1"), ("1.2.dev3", "1.2.1"), ("0.1.0", "1")]
)
def test_versions_are_compared_by_their_numbers(older: str, newer: str) -> None:
    assert version_of(older) < version_of(newer)
    assert version_of("1.2.0") == version_of("1.2")


def test_a_door_that_told_no_state_is_left_out(fleet: FleetStore) -> None:
    say(fleet, said("mute", "r1", "idle"))
    door = next(row.door for row in fleet_rows(fleet) if row.door.id == "mute")
    assert unfit(door, description()) == "has told no state yet"
