"""Requests that change who the door knows, against a real store: what they answer, and what is known afterwards."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.adapters.clock import SystemClock
from edge.contract.messages import Request
from edge.desk.desk import Desk
from edge.desk.events import EventDesk
from edge.event_memory import EventMemory
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import CentredCosine
from edge.recognition.types import Embedding, Probe
from edge.retention import Retention, RetentionRules
from edge.roster import Roster
from edge.store.archive import export_people
from edge.store.templates import TemplateStore
from tests.fakes.line import face_of
from tests.fakes.templates import EMBEDDER, NOW, QUALITY, open_store, picture, unit

DIM = 192


class Door:
    """A desk over a store, with what its tests look at."""

    def __init__(self, store: TemplateStore) -> None:
        head = CentredCosine(EMBEDDER, np.zeros(DIM, np.float32), np.asarray(np.eye(DIM) / DIM, np.float32))
        people = store.load()
        self.store, self.memory = store, EventMemory()
        self.roster = Roster(store, people, ActiveModel.of(head, people.gallery(EMBEDDER), 0.01, "test"))
        events = EventDesk(self.roster, self.memory, "fake 1.0", SystemClock())
        self.desk = Desk(self.roster, _no_line, "fake 1.0", SystemClock(), events.verbs)

    def ask(self, verb: str, **data: Any) -> dict[str, Any]:
        response = self.desk.answer(Request(verb=verb, data=data), local=True)
        assert response.error is None, response.error
        return dict(response.data)

    def refused(self, verb: str, **data: Any) -> str:
        response = self.desk.answer(Request(verb=verb, data=data), local=True)
        assert response.error is not None
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
    content = base64.b64encode((tmp_path / "export").read_bytes()).decode()
    (tmp_path / "new").mkdir()
    with open_store(tmp_path / "new") as store:
        new = Door(store)
        assert "passphrase" in new.refused("people_import", content=content, passphrase="wrong horse battery")
        assert new.ask("people_import", content=content, passphrase="correct horse battery")["people"] == 1
        assert new.best(1) is not None


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
    door.memory.note(event, anna, Probe(face_of("obama"), QUALITY, wrong))
    answer = door.ask("event_reject", event=event)
    assert answer["under_review"]
    assert [c.person for c in door.roster.model.candidates(wrong)] == [ben]
    assert (door.best(1), door.best(2)) == (anna, ben)


def test_what_was_denied_is_still_denied_after_a_restart(door: Door, tmp_path: Path) -> None:
    anna = door.enroll("Anna", 1)
    wrong = Embedding(_between(unit(1000), unit(99)), 9.0)
    event = "00000000-0000-4000-8000-000000000002"
    door.memory.note(event, anna, Probe(face_of("obama"), QUALITY, wrong))
    door.ask("event_reject", event=event)
    door.store.close()
    with open_store(tmp_path) as store:
        assert Door(store).roster.model.candidates(wrong) == []


def test_a_picture_under_review_is_kept_or_goes(door: Door) -> None:
    anna = door.enroll("Anna", 1)
    event = "00000000-0000-4000-8000-000000000003"
    door.memory.note(event, anna, probe_like(7))
    (exemplar,) = door.ask("event_reject", event=event)["under_review"]
    assert door.ask("exemplar_keep", exemplar=exemplar)["under_review"] == []
    gone = door.ask("exemplar_reject", exemplar=exemplar)["person"]
    assert gone["exemplars"] == 0
    assert door.best(1) is None


def test_an_event_that_is_not_remembered_is_refused(door: Door) -> None:
    assert "not remembered" in door.refused("event_reject", event="00000000-0000-4000-8000-000000000009")
    assert "event" in door.refused("event_reject", event="no uuid")


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
