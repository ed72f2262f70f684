"""Sharing at work, over a real store: whatever is lost on the way, the trainer ends up with what the store holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from edge.contract.fleet import PersonErased, PersonReport
from edge.errors import StoreError
from edge.inbox import Acknowledged
from edge.ports import Handover
from edge.roster import Roster
from edge.sharing import sharing as module
from edge.sharing.schedule import Pace
from edge.sharing.sharing import Shared, Sharing
from edge.store.templates import TemplateStore
from edge.store.told import ToldRows
from tests.fakes.door import SetClock
from tests.fakes.enrollees import model
from tests.fakes.templates import EMBEDDER, NOW, memory_folder, open_store, picture, pictures

PACE = Pace(window=2, resend_s=10.0, resend_at_most_s=40.0)


@dataclass
class FakeTrainer:
    """The way to the trainer, and the trainer: keeps by revision, and answers when a test lets it."""

    connection: int | None = 1
    result: Handover = Handover.TAKEN
    sent: list[PersonReport | PersonErased] = field(default_factory=list)
    kept: dict[str, PersonReport | PersonErased] = field(default_factory=dict)

    def send(self, message: PersonReport | PersonErased) -> Handover:
        message = type(message).from_json(message.to_json())
        if self.result is Handover.TAKEN:
            self.sent.append(message)
            known = self.kept.get(message.person)
            if known is None or known.revision < message.revision:
                self.kept[message.person] = message
        return self.result

    @property
    def holds(self) -> dict[str, set[str]]:
        """Ids of exemplars by person."""
        return {
            person: {entry.exemplar for entry in message.exemplars}
            for person, message in self.kept.items()
            if isinstance(message, PersonReport)
        }


class Door:
    def __init__(self, store: TemplateStore, *, share: bool = True, embedder: str = EMBEDDER) -> None:
        self.store, self.clock, self.trainer = store, SetClock(wall=NOW), FakeTrainer()
        self.roster = Roster(store, store.load(), lambda _people: model())
        self.rows = ToldRows(store.session)
        self.sharing = Sharing(
            Shared("front", embedder, share, self.rows, store.views), self.roster, self.trainer, self.clock, PACE
        )
        self.done = 0

    def turn(self, turns: int = 20) -> list[PersonReport | PersonErased]:
        """What is sent in so many turns of the loop within one second."""
        before = len(self.trainer.sent)
        for _ in range(turns):
            self.sharing.turn(self.clock.now_s)
        self.clock.now_s += 1.0
        return self.trainer.sent[before:]

    def acknowledge(self, *messages: PersonReport | PersonErased) -> None:
        ack = Acknowledged(tuple(message.report for message in messages), self._noted)
        self.sharing.acknowledged(ack, self.clock.now_s)

    def settle(self) -> None:
        """Turn and acknowledge until there is nothing to tell."""
        while self.turn():
            self.acknowledge(*self.trainer.sent)
        self.acknowledge(*self.trainer.sent)
        assert not self.sharing.waiting

    def _noted(self) -> None:
        self.done += 1


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with open_store(tmp_path) as store:
        yield Door(store)


def enroll(door: Door, *seeds: int) -> str:
    return door.roster.enroll(None, pictures(*seeds), NOW, verified=False).id


def ids_of(door: Door, person: str) -> set[str]:
    return {kept.id for kept in door.roster.people[person].exemplars}


def test_somebody_enrolled_is_told_of_with_all_their_views(door: Door) -> None:
    anna = enroll(door, 1, 2)
    (report,) = door.turn()
    assert isinstance(report, PersonReport)
    assert (report.person, report.door, report.embedder_sha256) == (anna, "front", EMBEDDER)
    assert [len(entry.night) for entry in report.exemplars] == [2, 2]
    assert report.revision == int(NOW * 1000)
    assert door.sharing.waiting == 1
    door.acknowledge(report)
    assert (door.done, door.sharing.waiting) == (1, 0)
    door.clock.now_s += 1000
    assert door.turn() == []


def test_people_enrolled_before_sharing_was_turned_on_are_told_of(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        door = Door(store, share=False)
        anna = enroll(door, 1)
        assert door.turn() == []
        assert (door.sharing.waiting, door.rows.read()) == (None, {})
    with open_store(tmp_path) as store:
        assert [report.person for report in Door(store).turn()] == [anna]


def test_a_turn_makes_one_message_at_most(door: Door) -> None:
    for seed in range(1, 4):
        enroll(door, seed)
    assert [len(door.turn(1)) for _ in range(4)] == [1, 1, 0, 0]


def test_without_an_answer_it_is_sent_again_with_the_same_id(door: Door) -> None:
    enroll(door, 1)
    first = door.turn()
    door.clock.now_s += 10
    again = door.turn()
    assert [report.report for report in again] == [report.report for report in first]


def test_after_a_kill_it_comes_again_with_the_same_id_and_after_an_answer_no_more(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        door = Door(store)
        enroll(door, 1)
        (first,) = door.turn()
    with open_store(tmp_path) as store:
        door = Door(store)
        door.clock.wall += 99
        (again,) = door.turn()
        assert (again.report, again.revision) == (first.report, first.revision)
        door.acknowledge(again)
    with open_store(tmp_path) as store:
        assert Door(store).turn() == []


def test_an_answer_from_before_a_kill_counts_after_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        door = Door(store)
        enroll(door, 1)
        (first,) = door.turn()
    with open_store(tmp_path) as store:
        door = Door(store)
        door.acknowledge(first)
        assert door.turn() == []


def test_nothing_is_written_or_sent_while_there_is_no_connection(door: Door) -> None:
    door.trainer.connection = None
    enroll(door, 1)
    assert door.turn() == []
    assert (door.rows.read(), door.sharing.waiting) == ({}, 1)
    door.trainer.connection = 2
    assert len(door.turn()) == 1


def test_a_new_connection_sends_at_once_what_the_old_one_may_have_lost(door: Door) -> None:
    enroll(door, 1)
    (first,) = door.turn()
    door.trainer.connection = None
    assert door.turn() == []
    door.trainer.connection = 2
    assert [report.report for report in door.turn()] == [first.report]


def test_what_a_full_link_does_not_take_is_sent_a_little_later(door: Door) -> None:
    enroll(door, 1)
    door.trainer.result = Handover.FULL
    assert door.turn() == []
    door.trainer.result = Handover.TAKEN
    door.clock.now_s += 1
    assert len(door.turn()) == 1


def test_what_the_broker_finds_too_large_holds_up_nobody_else(door: Door) -> None:
    first = enroll(door, 1)
    door.trainer.result = Handover.TOO_LARGE
    door.sharing.turn(door.clock.now_s)
    door.trainer.result = Handover.TAKEN
    second = enroll(door, 2)
    assert [report.person for report in door.turn()] == [second]
    door.clock.now_s += 10
    assert [report.person for report in door.turn()] == [first, second]


def test_a_new_name_is_not_told(door: Door) -> None:
    anna = enroll(door, 1)
    door.settle()
    door.roster.rename(anna, "Anna")
    door.roster.confirm(anna)
    assert door.turn() == []
    assert door.sharing.waiting == 0


def test_a_new_name_does_not_send_again_what_is_under_way(door: Door) -> None:
    anna = enroll(door, 1)
    assert len(door.turn()) == 1
    door.roster.rename(anna, "Anna")
    assert door.turn() == []


def test_another_picture_is_told_under_a_higher_revision_also_before_the_first_is_answered(door: Door) -> None:
    anna = enroll(door, 1)
    (first,) = door.turn()
    door.roster.add_exemplars(anna, [picture(2)], NOW)
    (second,) = door.turn()
    assert second.revision > first.revision
    assert door.trainer.holds == {anna: ids_of(door, anna)}
    door.acknowledge(first)
    assert door.sharing.waiting == 1
    door.acknowledge(second)
    assert door.sharing.waiting == 0


def test_an_answer_to_the_older_report_does_not_pass_for_one_to_what_waits(door: Door) -> None:
    anna = enroll(door, 1)
    (first,) = door.turn()
    door.trainer.connection = None
    door.roster.add_exemplars(anna, [picture(2)], NOW)
    assert door.turn() == []
    door.acknowledge(first)
    assert door.sharing.waiting == 1
    door.trainer.connection = 2
    door.settle()
    assert door.trainer.holds == {anna: ids_of(door, anna)}


def test_revisions_go_up_with_a_clock_that_stands_at_1970(door: Door) -> None:
    door.clock.wall = 5.0
    anna = enroll(door, 1)
    (first,) = door.turn()
    door.roster.add_exemplars(anna, [picture(2)], 5.0)
    (second,) = door.turn()
    assert second.revision > first.revision
    assert not first.clock_set


def test_a_picture_under_review_is_taken_back_and_told_again_when_it_is_right(door: Door) -> None:
    anna = enroll(door, 1, 2)
    door.settle()
    doubted, kept = (exemplar.id for exemplar in door.roster.people[anna].exemplars)
    door.roster.deny(anna, [picture(9)], [doubted], "event-1")
    door.settle()
    assert door.trainer.holds == {anna: {kept}}
    door.roster.keep_exemplar(doubted)
    door.settle()
    assert door.trainer.holds == {anna: {doubted, kept}}


def test_a_rejected_picture_is_taken_back(door: Door) -> None:
    anna = enroll(door, 1, 2)
    door.settle()
    rejected, kept = (exemplar.id for exemplar in door.roster.people[anna].exemplars)
    door.roster.reject_exemplar(rejected, NOW)
    door.settle()
    assert door.trainer.holds == {anna: {kept}}


def test_two_people_made_one_are_told_as_one_and_parted_again_as_two(door: Door) -> None:
    anna, ben = enroll(door, 1), enroll(door, 2)
    door.settle()
    theirs = {anna: ids_of(door, anna), ben: ids_of(door, ben)}
    door.roster.merge(ben, anna)
    door.settle()
    assert door.trainer.holds == {anna: theirs[anna] | theirs[ben]}
    door.roster.unmerge(ben)
    door.settle()
    assert door.trainer.holds == theirs


def test_somebody_erased_is_taken_back_until_that_is_answered_and_then_the_receipt_is_complete(door: Door) -> None:
    anna = enroll(door, 1)
    door.settle()
    assert not door.roster.erase(anna, NOW).complete
    door.roster.changed = False
    (erased,) = door.turn()
    assert isinstance(erased, PersonErased)
    door.clock.now_s += 10
    assert [message.report for message in door.turn()] == [erased.report]
    door.acknowledge(erased)
    assert door.roster.changed, "the receipt is finished at the next turn"
    assert [receipt.complete for receipt in door.store.finish_erasures()] == [True]
    assert door.rows.read() == {}
    door.clock.now_s += 1000
    assert door.turn() == []


def test_an_erasure_before_the_report_was_answered_is_told_as_well(door: Door) -> None:
    anna = enroll(door, 1)
    (report,) = door.turn()
    door.roster.erase(anna, NOW)
    (erased,) = door.turn()
    assert erased.revision > report.revision
    assert door.trainer.holds == {}


def test_somebody_erased_before_they_were_told_of_is_not_told_of(door: Door) -> None:
    door.trainer.connection = None
    anna = enroll(door, 1)
    door.turn()
    assert door.roster.erase(anna, NOW).complete
    door.trainer.connection = 1
    assert door.turn() == []
    assert door.sharing.waiting == 0


def test_an_enrollment_that_is_undone_is_taken_back(door: Door) -> None:
    enroll(door, 1)
    door.settle()
    door.roster.undo(NOW)
    door.settle()
    assert door.trainer.holds == {}


def test_people_erased_while_no_daemon_ran_are_taken_back(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        door = Door(store)
        anna = enroll(door, 1)
        door.settle()
    with open_store(tmp_path) as store:
        store.erase(anna, wall_s=NOW)
    with open_store(tmp_path) as store:
        assert [type(message) for message in Door(store).turn()] == [PersonErased]


def test_with_sharing_turned_off_again_people_are_still_taken_back_and_nobody_is_told_of(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        door = Door(store)
        anna, ben = enroll(door, 1), enroll(door, 2)
        door.settle()
    with open_store(tmp_path) as store:
        door = Door(store, share=False)
        enroll(door, 3)
        door.roster.add_exemplars(ben, [picture(4)], NOW)
        assert door.turn() == []
        door.roster.erase(anna, NOW)
        assert [(type(message), message.person) for message in door.turn()] == [(PersonErased, anna)]
        assert door.sharing.waiting == 1


def test_a_damaged_row_takes_nobody_back(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        door = Door(store)
        anna = enroll(door, 1)
        door.settle()
        store.session.connection.execute("UPDATE people SET card = zeroblob(60)")
    with open_store(tmp_path) as store:
        door = Door(store)
        assert anna not in door.roster.people
        assert door.turn() == []


def test_a_disk_that_takes_no_row_sends_nothing_and_is_tried_again_later(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("noting what is told failed: the disk is full: make room on it")

    enroll(door, 1)
    with monkeypatch.context() as patch:
        patch.setattr(door.rows, "note", full)
        assert door.turn() == []
    assert door.turn() == []
    door.clock.now_s += module._HOLD_S
    assert len(door.turn()) == 1


def test_an_answer_that_cannot_be_noted_is_taken_and_comes_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreError("noting what the trainer acknowledged failed: the disk is full: make room on it")

    enroll(door, 1)
    (report,) = door.turn()
    with monkeypatch.context() as patch:
        patch.setattr(door.rows, "acknowledge", full)
        door.acknowledge(report)
    assert (door.done, door.sharing.waiting) == (1, 1)
    door.clock.now_s += 10
    (again,) = door.turn()
    door.acknowledge(again)
    assert door.sharing.waiting == 0


def test_somebody_whose_views_cannot_be_read_holds_up_nobody_else(door: Door) -> None:
    anna = enroll(door, 1)
    door.store.session.connection.execute("UPDATE exemplars SET views = zeroblob(200)")
    ben = enroll(door, 2)
    assert door.turn() == []
    door.clock.now_s += module._HOLD_S
    assert ben in {report.person for report in door.turn()}
    assert anna not in door.trainer.holds


def test_an_answer_to_what_was_never_sent_changes_nothing(door: Door) -> None:
    enroll(door, 1)
    door.turn()
    door.sharing.acknowledged(Acknowledged((uuid4(),), door._noted), door.clock.now_s)
    assert (door.done, door.sharing.waiting) == (1, 1)


def test_hundreds_of_people_are_looked_at_in_slices_and_all_told_of(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOKS_A_TURN", 5)
    people = {enroll(door, seed) for seed in range(1, 31)}
    door.sharing.turn(door.clock.now_s)
    assert len(door.sharing._unseen) == 25
    door.settle()
    assert set(door.trainer.holds) == people
    assert len(door.trainer.sent) == 30


def test_no_embedding_is_in_the_log(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="doorward"):
        enroll(door, 1)
        (report,) = door.turn()
        door.settle()
    assert isinstance(report, PersonReport)
    told = "".join(str(vars(record)) for record in caplog.records)
    assert "the trainer is told" in told
    assert report.exemplars[0].clean.x not in told
    assert door.rows.read()[report.person].fingerprint not in told
