"""Requests that change who the door knows, against a real store: what they answer, and what is known afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from edge.adapters.answers import payload_of
from edge.adapters.clock import SystemClock
from edge.adapters.control import MAX_BYTES
from edge.contract.messages import Request, Response
from edge.desk.desk import Desk
from edge.desk.events import EventDesk
from edge.desk.pages import PAGE
from edge.desk.work import Work
from edge.errors import RefusedError, StoreError
from edge.event_memory import EventMemory
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import CentredCosine
from edge.recognition.types import Embedding, Probe
from edge.retention import Retention, RetentionRules
from edge.roster import Roster
from edge.store.archive import export_people
from edge.store.archive_format import ScryptCost
from edge.store.templates import TemplateStore
from tests.fakes.door import failing
from tests.fakes.line import face_of
from tests.fakes.templates import EMBEDDER, NOW, QUALITY, open_store, picture, unit

DIM = 192


class Door:
    """A desk over a store, with what its tests look at."""

    def __init__(self, store: TemplateStore) -> None:
        head = CentredCosine(EMBEDDER, np.zeros(DIM, np.float32), np.asarray(np.eye(DIM) / DIM, np.float32))
        self.store, self.memory = store, EventMemory()
        self.denied: list[tuple[str, str]] = []
        self.roster = Roster(store, store.load(), lambda p: ActiveModel.of(head, p.gallery(EMBEDDER), 0.01, "test"))
        events = EventDesk(self.roster, self.memory, "fake 1.0", SystemClock(), lambda *who: self.denied.append(who))
        self.desk = Desk(self.roster, _no_line, "fake 1.0", SystemClock(), events.verbs)

    def ask(self, verb: str, attached: BinaryIO | None = None, **data: Any) -> dict[str, Any]:
        response = self.desk.answer(Request(verb=verb, data=data), local=True, attached=attached)
        assert response.error is None, response.error
        return dict(response.data)

    def refused(
        self, verb: str, *, attached: BinaryIO | None = None, code: int = RefusedError.exit_code, **data: Any
    ) -> str:
        response = self.desk.answer(Request(verb=verb, data=data), local=True, attached=attached)
        assert response.error is not None
        assert response.code == code
        return response.error

    def enroll(self, name: str, seed: int) -> str:
        return self.roster.enroll(name, [picture(seed)], NOW, verified=True).id

    def best(self, seed: int) -> str | None:
        """Who a picture like that of `seed` is taken for."""
        found = self.roster.model.candidates(Embedding(unit(seed * 1000), 9.0))
        return found[0].person if found and found[0].score >= self.roster.model.threshold else None


def _no_line() -> Any:
    raise AssertionError("these verbs need no models")


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with open_store(tmp_path) as store:
        yield Door(store)


def test_merged_people_are_one_and_part_again(door: Door) -> None:
    anna, twice = door.enroll("Anna", 1), door.enroll("Anna again", 2)
    merged = door.ask("people_merge", person="Anna again", into="Anna")
    assert (merged["person"], merged["exemplars"], merged["merged"]) == (anna, 2, [twice])
    assert door.best(2) == anna
    door.ask("people_unmerge", person=twice)
    assert (door.best(1), door.best(2)) == (anna, twice)


def test_an_erased_person_is_a_stranger_at_once_and_the_receipt_holds(door: Door) -> None:
    door.enroll("Anna", 1)
    other = door.enroll("Ben", 2)
    receipt = door.ask("people_erase", person="Anna")["receipt"]
    assert receipt["complete"]
    assert (door.best(1), door.best(2)) == (None, other)
    assert [person["name"] for person in door.ask("people_list")["people"]] == ["Ben"]


def test_undo_takes_back_the_last_enrollment_alone(door: Door) -> None:
    anna, ben = door.enroll("Anna", 1), door.enroll("Ben", 2)
    assert door.ask("people_undo")["person"] == ben
    assert (door.best(1), door.best(2)) == (anna, None)
    assert "no enrollment to undo" in door.refused("people_undo")


def test_a_name_that_two_bear_asks_for_an_id(door: Door) -> None:
    ids = {door.enroll("Anna", 1), door.enroll("Anna", 2)}
    error = door.refused("people_erase", person="anna")
    assert all(person in error for person in ids)


def test_whom_nobody_named_is_provisional_until_renamed(door: Door) -> None:
    person = door.roster.enroll(None, [picture(1)], NOW, verified=False)
    assert [p["person"] for p in door.ask("people_provisional")["people"]] == [person.id]
    assert door.ask("people_rename", person=person.id, name="Cleo")["verified"]
    assert door.ask("people_provisional")["people"] == []


def test_the_people_of_a_dead_door_come_back_from_an_export(door: Door, tmp_path: Path) -> None:
    door.enroll("Anna", 1)
    export_people(door.store, tmp_path / "export", "correct horse battery", wall_s=NOW)
    (tmp_path / "new").mkdir()
    with open_store(tmp_path / "new") as store:
        new = Door(store)
        wrong = new.refused("people_import", attached=opened(tmp_path), name="it", passphrase="wrong horse battery")
        assert wrong == "it: the passphrase is not the one that this export was made with"
        taken = new.ask("people_import", opened(tmp_path), name="it", passphrase="correct horse battery")
        assert taken == {"people": 1, "exemplars": 1, "already_there": 0, "erased": []}
        assert new.best(1) is not None


def opened(folder: Path) -> BinaryIO:
    return (folder / "export").open("rb")


def crowd(folder: Path, count: int) -> None:
    """An export of so many people, of whom two are merged into others, one of them into one who was exported later."""
    with open_store(folder / "crowd") as store:
        people = [store.add_person(None, [picture(seed, views=0)], wall_s=NOW).id for seed in range(1, count + 1)]
        store.merge(people[0], people[-1])
        store.merge(people[-1], people[1])
        export_people(store, folder / "export", "correct horse battery", wall_s=NOW, cost=ScryptCost(10, 8, 1))


def test_a_large_export_is_taken_in_by_portions_between_which_others_are_answered(door: Door, tmp_path: Path) -> None:
    crowd(tmp_path, 120)
    request = Request(verb="people_import", data={"name": "it", "passphrase": "correct horse battery"})
    work = door.desk.work(request, local=True, attached=opened(tmp_path))
    counts = []
    while (response := next_of(work)) is None:
        counts.append(len(door.ask("people_list")["people"]))
    assert response.data["people"] == 120
    assert len(set(counts)) >= 3, "seen growing by those who ask meanwhile"
    everybody = door.store.load().people
    assert {k: [e.id for e in v.exemplars] for k, v in everybody.items()} == {
        k: [e.id for e in v.exemplars] for k, v in door.roster.people.items()
    }
    assert len(everybody) == 118
    assert all(door.best(seed) is not None for seed in (1, 2, 60, 120))


def test_an_import_that_was_cut_short_is_gone_on_with_and_ends_the_same(door: Door, tmp_path: Path) -> None:
    crowd(tmp_path, 120)
    data = {"name": "it", "passphrase": "correct horse battery"}
    file = opened(tmp_path)
    work = door.desk.work(Request(verb="people_import", data=data), local=True, attached=file)
    while len(door.roster.people) < 60:
        assert next_of(work) is None
    work.close()
    assert file.closed
    there = len(door.roster.people)
    rest = door.ask("people_import", opened(tmp_path), **data)
    assert rest["people"] == 120 - there
    assert len(door.store.load().people) == 118
    assert door.best(1) == door.best(2) == door.best(120)


def test_an_export_that_is_cut_off_far_behind_changes_nobody(door: Door, tmp_path: Path) -> None:
    crowd(tmp_path, 120)
    whole = (tmp_path / "export").read_bytes()
    (tmp_path / "export").write_bytes(whole[:-1])
    data = {"name": "it", "passphrase": "correct horse battery"}
    refused = door.refused("people_import", attached=opened(tmp_path), code=StoreError.exit_code, **data)
    assert refused.startswith("it: damaged or cut off at chunk ")
    assert door.store.load().people == {}


def test_a_disk_that_fills_during_an_import_is_told_with_how_far_it_came(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(tmp_path, 120)
    data = {"name": "it", "passphrase": "correct horse battery"}
    work = door.desk.work(Request(verb="people_import", data=data), local=True, attached=opened(tmp_path))
    while len(door.roster.people) < 40:
        assert next_of(work) is None
    monkeypatch.setattr(door.roster, "take_in", failing(door.roster.take_in))
    while (response := next_of(work)) is None:
        pass
    assert response.code == StoreError.exit_code
    assert response.error is not None
    assert re.search(r"the disk is full: .*; \d+ people are in already, and importing again", response.error)
    assert len(door.store.load().people) == len(door.roster.people) >= 40


def next_of(work: Work[Response]) -> Response | None:
    """A slice; the response once there is one."""
    try:
        next(work)
    except StopIteration as end:
        response: Response = end.value
        return response
    return None


def test_a_long_list_goes_over_the_network_in_pages_and_says_so(door: Door) -> None:
    ids = [door.enroll(f"Anna {seed}", seed) for seed in range(1, 6)]

    def page(**data: Any) -> dict[str, Any]:
        response = door.desk.answer(Request(verb="people_list", data=data), local=False)
        assert response.error is None
        return dict(response.data)

    first = page(limit=2)
    assert [person["person"] for person in first["people"]] == ids[:2]
    assert (first["total"], first["next"]) == (5, ids[1])
    assert first["note"] == f"2 of 5; ask for those who follow with after = {ids[1]}"
    rest = page(limit=3, after=ids[1])
    assert [person["person"] for person in rest["people"]] == ids[2:]
    assert rest["next"] is None
    assert "note" not in rest
    gone = door.refused("people_list", after="p_aaaaaaaa")
    assert gone == "nobody of the id p_aaaaaaaa is in the list any more; begin it anew, without `after`"


@pytest.mark.parametrize(
    ("verb", "data"), [("people_list", {}), ("people_provisional", {}), ("people_unseen", {"days": 1})]
)
def test_the_people_of_a_large_house_are_listed_here_at_once_and_elsewhere_by_pages(
    door: Door, monkeypatch: pytest.MonkeyPatch, verb: str, data: dict[str, Any]
) -> None:
    (anna,) = [door.roster.enroll(None, [picture(1)], NOW, verified=False)]
    house = {f"p_{number:08d}": replace(anna, id=f"p_{number:08d}", name="Ä" * 64) for number in range(4000)}
    monkeypatch.setattr(door.roster, "_people", house)
    here = door.desk.answer(Request(verb=verb, data=data), local=True)
    assert len(here.data["people"]) == 4000
    assert Response.from_json(payload_of(here, MAX_BYTES), MAX_BYTES).data == here.data
    elsewhere = Response.from_json(payload_of(door.desk.answer(Request(verb=verb, data=data), local=False)))
    assert elsewhere.error is None
    assert (len(elsewhere.data["people"]), elsewhere.data["total"]) == (PAGE, 4000)


def test_importing_is_not_for_the_network(door: Door) -> None:
    response = door.desk.answer(Request(verb="people_import", data={}), local=False)
    assert response.error is not None
    assert "unknown verb" in response.error


def probe_like(seed: int) -> Probe:
    return Probe(face_of("obama"), QUALITY, Embedding(unit(seed * 1000), 9.0))


def test_a_rejected_event_is_not_taken_for_that_person_again_and_nobody_else_changes(door: Door) -> None:
    anna, ben = door.enroll("Anna", 1), door.enroll("Ben", 2)
    wrong = Embedding(_between(unit(1000), unit(99)), 9.0)
    assert door.roster.model.candidates(wrong)[0].person == anna
    event = "00000000-0000-4000-8000-000000000001"
    door.memory.note(event, "visit-1", anna, Probe(face_of("obama"), QUALITY, wrong))
    answer = door.ask("event_reject", event=event)
    assert answer["under_review"]
    assert [c.person for c in door.roster.model.candidates(wrong)] == [ben]
    assert (door.best(1), door.best(2)) == (anna, ben)


def test_what_was_denied_is_still_denied_after_a_restart(door: Door, tmp_path: Path) -> None:
    anna = door.enroll("Anna", 1)
    wrong = Embedding(_between(unit(1000), unit(99)), 9.0)
    event = "00000000-0000-4000-8000-000000000002"
    door.memory.note(event, "visit-1", anna, Probe(face_of("obama"), QUALITY, wrong))
    door.ask("event_reject", event=event)
    door.store.close()
    with open_store(tmp_path) as store:
        assert Door(store).roster.model.candidates(wrong) == []


def test_an_event_that_is_rejected_denies_every_picture_that_was_told_of_its_visit_once(door: Door) -> None:
    anna = door.enroll("Anna", 1)
    events = [f"00000000-0000-4000-8000-{number:012x}" for number in range(0xA, 0xE)]
    pictures_told = [Probe(face_of("obama"), QUALITY, Embedding(_between(unit(1000), unit(s)), 9.0)) for s in (97, 98)]
    for event, probe in zip(events, [*pictures_told, pictures_told[1]], strict=False):
        door.memory.note(event, "visit-1", anna, probe)
    door.memory.note(events[3], "visit-2", anna, probe_like(1))
    door.ask("event_reject", event=events[1].upper())
    assert door.denied == [("visit-1", anna)]
    assert all(not door.roster.model.candidates(probe.embedding) for probe in pictures_told)
    assert len(door.store.load().people[anna].denied) == 2
    again = door.ask("event_reject", event=events[0])
    assert again["under_review"]
    assert len(door.store.load().people[anna].denied) == 2
    assert door.best(1) == anna, "another visit's pictures are not touched"


def test_a_visit_that_is_told_anew_after_a_rejection_can_be_rejected_anew(door: Door) -> None:
    anna = door.enroll("Anna", 1)
    event, later = (f"00000000-0000-4000-8000-00000000001{n}" for n in range(2))
    first, second = probe_like(7), probe_like(8)
    door.memory.note(event, "visit-1", anna, first)
    door.ask("event_reject", event=event)
    door.memory.note(later, "visit-1", anna, first)
    door.ask("event_reject", event=later)
    assert len(door.store.load().people[anna].denied) == 1
    door.memory.note(later, "visit-1", anna, second)
    door.ask("event_reject", event=later)
    assert len(door.store.load().people[anna].denied) == 2


def test_a_picture_under_review_is_kept_or_goes(door: Door) -> None:
    anna = door.enroll("Anna", 1)
    event = "00000000-0000-4000-8000-000000000003"
    door.memory.note(event, "visit-1", anna, probe_like(7))
    (exemplar,) = door.ask("event_reject", event=event)["under_review"]
    assert door.ask("exemplar_keep", exemplar=exemplar)["under_review"] == []
    gone = door.ask("exemplar_reject", exemplar=exemplar)["person"]
    assert gone["exemplars"] == 0
    assert door.best(1) is None


def test_an_event_that_is_not_remembered_is_refused(door: Door) -> None:
    assert "not remembered" in door.refused("event_reject", event="00000000-0000-4000-8000-000000000009")
    assert door.refused("event_reject", event="no uuid") == (
        "event: must be the id of an event, as its message says, found 'no uuid'"
    )


class SteppedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.jump_s = 0.0

    def monotonic_s(self) -> float:
        return self.passed_s

    def wall_s(self) -> float:
        return NOW + self.passed_s + self.jump_s


def hours(clock: SteppedClock, retention: Retention, count: int) -> None:
    for _ in range(count):
        clock.passed_s += 3600
        retention.tend()


def test_people_unseen_for_long_are_erased_where_the_settings_say_so(door: Door) -> None:
    door.enroll("Anna", 1)
    clock = SteppedClock()
    retention = Retention(RetentionRules(days=30, action="erase"), door.roster, clock)
    retention.tend()
    hours(clock, retention, 29 * 24)
    assert door.best(1) is not None
    hours(clock, retention, 3 * 24)
    assert door.best(1) is None


def test_a_clock_that_jumps_ahead_erases_nobody(door: Door) -> None:
    door.enroll("Anna", 1)
    clock = SteppedClock()
    retention = Retention(RetentionRules(days=30, action="erase"), door.roster, clock)
    retention.tend()
    clock.jump_s = 10 * 365 * 86_400.0
    hours(clock, retention, 1)
    assert door.best(1) is not None


def _between(one: Any, other: Any) -> Any:
    mean = one + 0.8 * other
    return (mean / np.linalg.norm(mean)).astype(np.float32)
