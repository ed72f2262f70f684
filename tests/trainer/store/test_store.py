"""The fleet's store, on both databases: what is kept, which of two reports holds, and what an erasure takes along."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest

from edge.contract.fleet import PersonReport, levels_of, text_of
from edge.contract.messages import RecognitionEvent
from edge.errors import MessageError
from edge.store.codec import dequantize
from tests.fakes.fleet import (
    DIM,
    EMBEDDER,
    KEY,
    OTHER_EMBEDDER,
    assert_same_sums,
    erased,
    report,
    sums_from_scratch,
)
from tests.fakes.messages import EVENT, STATE, new_event
from trainer.statistics import FOLDS, fold_of
from trainer.store.records import Poison, Refresh
from trainer.store.store import FleetStore

OpenStore = Callable[[], FleetStore]
POISON = Poison("front", "doorward/front/events", "p7", "event: is not JSON", 10_000_000, "0f" * 32, b"\0\xffhead")


def put(store: FleetStore, *reports: PersonReport) -> list[str]:
    with store.write() as writer:
        return [writer.person(one) for one in reports]


def kept(store: FleetStore, embedder: str = EMBEDDER) -> dict[tuple[str, str], set[str]]:
    return {(one.door, one.person): set(one.exemplars) for one in store.embeddings(embedder)}


def test_a_report_comes_back_as_the_door_had_it(store: FleetStore) -> None:
    told = report(pictures=2, night=3)
    assert put(store, told) == ["stored"]
    (found,) = store.embeddings(EMBEDDER)
    assert (found.door, found.person, found.verified, found.fold) == ("front", "p7", True, fold_of("p7"))
    for exemplar in told.exemplars:
        views = found.exemplars[exemplar.exemplar]
        assert views.taken_s == exemplar.taken_at.timestamp()
        for index, seen in enumerate((exemplar.clean, *exemplar.night)):
            levels = np.frombuffer(levels_of(seen.x) or b"", np.int8)
            np.testing.assert_allclose(views.x[index], dequantize(levels, seen.scale), rtol=1e-6)
            assert views.norms[index] == np.float32(seen.norm)
            assert views.quality_of(index).width_px == seen.width_px
            assert views.quality_of(index).away == seen.away_deg
        assert views.clean.x.dtype == np.float32
        assert len(views.night) == 3


def test_a_newer_report_takes_the_place_of_the_older_one(store: FleetStore) -> None:
    assert put(store, report(revision=1), report(revision=5, pictures=1)) == ["stored", "stored"]
    assert kept(store) == {("front", "p7"): {"p7-5-0"}}


def test_a_report_that_comes_twice_changes_nothing(store: FleetStore) -> None:
    assert put(store, report(), report()) == ["stored", "stored"]
    assert put(store, report()) == ["stored"]
    assert store.status().embedders[EMBEDDER].exemplars == 3


def test_an_older_report_is_dropped(store: FleetStore) -> None:
    assert put(store, report(revision=5), report(revision=4)) == ["stored", "older"]
    assert kept(store) == {("front", "p7"): {"p7-5-0", "p7-5-1", "p7-5-2"}}


def test_people_of_the_same_id_at_two_doors_are_two(store: FleetStore) -> None:
    put(store, report("front"), report("back"))
    assert set(kept(store)) == {("front", "p7"), ("back", "p7")}


def test_an_erased_person_is_gone_and_an_old_report_does_not_bring_them_back(store: FleetStore) -> None:
    put(store, report(revision=1), report(person="p8"))
    with store.write() as writer:
        assert writer.erased(erased(revision=2)) == "erased"
        assert writer.erased(erased(revision=2)) == "nobody"
    assert put(store, report(revision=1), report(revision=2)) == ["gone", "gone"]
    assert set(kept(store)) == {("front", "p8")}
    assert store.status().erased == 1


def test_an_erasure_that_comes_before_the_report_holds_too(store: FleetStore) -> None:
    with store.write() as writer:
        assert writer.erased(erased(revision=9)) == "nobody"
        assert writer.erased(erased(revision=4)) == "nobody"
    assert put(store, report(revision=8)) == ["gone"]


def test_somebody_comes_back_with_a_newer_report_as_when_a_merge_is_undone(store: FleetStore) -> None:
    put(store, report(revision=1))
    with store.write() as writer:
        writer.erased(erased(revision=2))
    assert put(store, report(revision=3)) == ["stored"]
    with store.write() as writer:
        assert writer.erased(erased(revision=2)) == "older"
    assert set(kept(store)) == {("front", "p7")}


def test_erasing_at_one_door_leaves_the_other(store: FleetStore) -> None:
    put(store, report("front"), report("back"))
    with store.write() as writer:
        writer.erased(erased("front"))
    assert set(kept(store)) == {("back", "p7")}


def test_erasing_everywhere_is_for_good_at_every_door(store: FleetStore) -> None:
    put(store, report("front"), report("back"), report(person="p8"))
    store.pool_new(EMBEDDER)
    with store.write() as writer:
        assert writer.erase_everywhere("p7") == 2
        assert writer.erase_everywhere("p7") == 0
    assert put(store, report("front", revision=2**53), report("side", revision=7)) == ["gone", "gone"]
    assert set(kept(store)) == {("front", "p8")}
    assert sum(one.people for one in store.pooled(EMBEDDER)) == 1


def test_what_a_transaction_wrote_is_undone_when_it_fails(store: FleetStore) -> None:
    put(store, report(person="p1"))
    store.pool_new(EMBEDDER)

    def fail() -> None:
        with store.write() as writer:
            writer.person(report(person="p2"))
            writer.erase_everywhere("p1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert set(kept(store)) == {("front", "p1")}
    assert sum(one.people for one in store.pooled(EMBEDDER)) == 1


def test_another_embedders_people_are_kept_under_their_own(store: FleetStore) -> None:
    put(store, report(person="p1"), report(person="p2", embedder=OTHER_EMBEDDER, dim=16))
    assert set(kept(store)) == {("front", "p1")}
    assert set(kept(store, OTHER_EMBEDDER)) == {("front", "p2")}
    store.pool_new(OTHER_EMBEDDER)
    assert {one.dim for one in store.pooled(OTHER_EMBEDDER)} == {16}
    assert [one.people for one in store.pooled(EMBEDDER)] == [0] * FOLDS


def test_a_person_who_is_embedded_anew_moves_over(store: FleetStore) -> None:
    put(store, report())
    store.pool_new(EMBEDDER)
    put(store, report(embedder=OTHER_EMBEDDER, dim=16))  # the same revision, by another embedder
    assert kept(store) == {}
    assert set(kept(store, OTHER_EMBEDDER)) == {("front", "p7")}
    assert sum(one.people for one in store.pooled(EMBEDDER)) == 0


def test_a_vector_that_is_no_embedding_is_refused(store: FleetStore) -> None:
    told = report(pictures=1, night=0)
    bad = replace(told.exemplars[0], clean=replace(told.exemplars[0].clean, x=text_of(bytes([1] * DIM))))
    with store.write() as writer, pytest.raises(MessageError, match=r"exemplar p7-1-0: .* not of length 1"):
        writer.person(replace(told, exemplars=(bad,)))
    assert kept(store) == {}


def test_nobodys_sums_are_empty(store: FleetStore) -> None:
    assert store.pooled(EMBEDDER) == []
    assert store.pool_new(EMBEDDER).added == 0
    assert list(store.embeddings(EMBEDDER)) == []


def test_people_are_pooled_by_fold_in_chunks(store: FleetStore) -> None:
    told = [report(person=f"p{number}", pictures=1 + number % 3) for number in range(40)]
    put(store, *told)
    seen: list[tuple[int, int]] = []
    assert store.pool_new(EMBEDDER, chunk=3, progress=lambda done, of: seen.append((done, of))).added == 40
    assert seen[-1] == (40, 40)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    for fold, sums in enumerate(store.pooled(EMBEDDER)):
        assert_same_sums(sums, sums_from_scratch([one for one in told if fold_of(one.person) == fold]))
    assert store.pool_new(EMBEDDER).added == 0


def test_people_are_read_by_fold_in_chunks(store: FleetStore) -> None:
    put(store, *(report(door, f"p{number}", pictures=1) for number in range(15) for door in ("a", "b")))
    found = [(one.door, one.person) for one in store.embeddings(EMBEDDER, folds=(1, 3, 5), chunk=2)]
    assert found == [
        (door, f"p{number}") for number in range(15) for door in ("a", "b") if fold_of(f"p{number}") in (1, 3, 5)
    ]


def test_people_are_listed_without_being_opened_and_some_of_them_read(store: FleetStore) -> None:
    put(store, *(report(door, f"p{number}", pictures=1 + number % 2) for number in range(15) for door in ("a", "b")))
    put(store, report("a", "q", embedder=OTHER_EMBEDDER))
    listed = list(store.people_of(EMBEDDER, folds=(1, 3, 5), chunk=2))
    assert [person for _, person in listed] == [one.person for one in store.embeddings(EMBEDDER, folds=(1, 3, 5))]
    several = list(store.people_of(EMBEDDER, pictures=2))
    assert {person for _, person in several} == {f"p{number}" for number in range(1, 15, 2)}
    some = [number for number, _ in several[1::3]]
    found = [one.person for one in store.embeddings(EMBEDDER, chunk=2, only=some[::-1])]
    assert found == [person for _, person in several[1::3]]
    assert list(store.embeddings(EMBEDDER, only=[])) == []
    assert list(store.embeddings(OTHER_EMBEDDER, only=some)) == []
    assert list(store.people_of("no such")) == []


def test_an_event_keeps_its_figures_and_no_name(store: FleetStore) -> None:
    event = new_event(release="a\0b")
    with store.write() as writer:
        assert writer.event(event)
        assert not writer.event(event)
        assert writer.event(new_event(score=None, margin=None, outcome="stranger", person=None, name=None))
    status = store.status()
    assert status.events == 2
    assert [door.id for door in status.doors] == ["front"]


def test_old_events_and_what_was_set_aside_are_forgotten(database: str) -> None:
    now = [1000.0]
    with FleetStore.open(database, KEY, clock=lambda: now[0]) as store:
        for now[0] in (1000.0, 2000.0, 3000.0):
            with store.write() as writer:
                writer.event(new_event())
                writer.set_aside(replace(POISON, sha256=f"{int(now[0]):064x}"))
        assert store.forget_events(2000.0) == 2
        assert store.status().events == 2
        assert [one.at_s for one in store.set_aside()] == [3000.0, 2000.0]


def test_a_doors_newest_state_is_kept(store: FleetStore) -> None:
    with store.write() as writer:
        writer.state(STATE)
        writer.state(replace(STATE, people=13, degraded=("naïve\0 disk",)))
    (door,) = store.status().doors
    assert (door.id, door.people, door.degraded, door.camera) == ("front", 13, ("naïve\0 disk",), "ok")
    assert door.state_s is not None
    with store.write() as writer:
        writer.event(new_event(door="back"))
    assert [(one.id, one.state_s is None, one.degraded) for one in store.status().doors] == [
        ("back", True, ()),
        ("front", False, ("naïve\0 disk",)),
    ]


def test_a_poison_message_is_kept_once_and_counted(store: FleetStore) -> None:
    with store.write() as writer:
        writer.set_aside(POISON)
        writer.set_aside(POISON)
        writer.set_aside(replace(POISON, sha256="1f" * 32, reason="another\nline"))
    assert store.status().set_aside == {"event: is not JSON": 2, "another\nline": 1}
    found = {one.sha256: one for one in store.set_aside()}
    assert (found["0f" * 32].times, found["0f" * 32].size) == (2, 10_000_000)
    assert store.set_aside_head(found["0f" * 32].id) == b"\0\xffhead"
    assert store.set_aside_head(10_000) is None


def test_an_erasure_takes_what_was_set_aside_of_the_person(store: FleetStore) -> None:
    with store.write() as writer:
        writer.set_aside(POISON)
        writer.set_aside(replace(POISON, sha256="1f" * 32, person="p8"))
        writer.erased(erased(person="p7"))
    assert [one.sha256 for one in store.set_aside()] == ["1f" * 32]
    with store.write() as writer:
        writer.erase_everywhere("p8")
    assert store.set_aside() == []


def test_refreshes_are_kept(store: FleetStore) -> None:
    first = Refresh(1.5, EMBEDDER, "kept", None, None, {"people": 3})
    second = Refresh(2.5, EMBEDDER, "accepted", "plda-1", "reports/2.json", {"people": 5, "pictures": 20.0})
    with store.write() as writer:
        assert writer.refresh(first) < writer.refresh(second)
    assert store.refreshes() == [second, first]
    assert store.status().last_refresh == second


def test_a_status_says_what_is_there_and_no_secret(store: FleetStore) -> None:
    put(store, report(person="p1"), report(person="p2"))
    store.pool_new(EMBEDDER)
    put(store, report(person="p3"))
    status = store.status()
    assert status.people == 3
    one = status.embedders[EMBEDDER]
    assert (one.people, one.pooled, one.damaged, one.exemplars, one.dimensions) == (3, 2, 0, 9, DIM)
    text = json.dumps(status.to_json())
    assert "p1" not in text
    assert KEY.to_text().split()[1] not in text
    assert status.schema in text


def test_a_message_of_a_far_future_is_kept(store: FleetStore) -> None:
    event: RecognitionEvent = replace(EVENT, event=uuid4(), started_at=EVENT.started_at + timedelta(days=365 * 900))
    with store.write() as writer:
        assert writer.event(event)
