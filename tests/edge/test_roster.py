"""Who the door knows: every change is on the disk when it is in the table, and touches nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.errors import StoreError
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import CentredCosine
from edge.recognition.types import Embedding
from edge.roster import Roster, unusable
from edge.store.templates import TemplateStore
from edge.store.transfer import take_out
from edge.store.types import StoredPeople
from tests.fakes.door import failing
from tests.fakes.templates import EMBEDDER, NOW, open_store, outline, picture, pictures, unit

DIM = 192
OTHER_EMBEDDER = "d" * 64


def roster_of(store: TemplateStore, embedder: str = EMBEDDER) -> Roster:
    head = CentredCosine(embedder, np.zeros(DIM, np.float32), np.asarray(np.eye(DIM) / DIM, np.float32))
    return Roster(store, store.load(), lambda people: ActiveModel.of(head, people.gallery(embedder), 0.01, "test"))


def rows(roster: Roster) -> dict[str, bytes]:
    gallery = roster.model.gallery
    return {person: row.tobytes() for person, row in zip(gallery.people, gallery.rows, strict=True)}


def best(roster: Roster, seed: int) -> str | None:
    """Whom a picture like that of `seed` is taken for."""
    found = roster.model.candidates(Embedding(unit(seed * 1000), 9.0))
    return found[0].person if found and found[0].score >= roster.model.threshold else None


def test_whoever_is_enrolled_is_known_at_once_and_on_the_disk(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        assert roster.model.threshold == float("inf")
        anna = roster.enroll("Anna", pictures(1, 2), NOW, verified=True)
        assert best(roster, 1) == best(roster, 2) == anna.id
        assert best(roster, 3) is None
        assert list(store.load().people) == [anna.id]
    with open_store(tmp_path) as store:
        assert rows(roster_of(store)) == rows(roster)


def test_adding_somebody_leaves_every_other_row_as_it_was_to_the_bit(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        for seed in range(1, 6):
            roster.enroll(None, pictures(seed), NOW, verified=False)
        before, threshold = rows(roster), roster.model.threshold
        roster.enroll(None, pictures(9), NOW, verified=False)
        assert {person: rows(roster)[person] for person in before} == before
        assert roster.model.threshold >= threshold  # more people, more chances of a false match


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("add_person", lambda roster, _: roster.enroll("Bea", pictures(2), NOW, verified=True)),
        ("add_exemplars", lambda roster, anna: roster.add_exemplars(anna, pictures(2), NOW)),
        ("rename", lambda roster, anna: roster.rename(anna, "Bea")),
        ("erase", lambda roster, anna: roster.erase(anna, NOW)),
        ("undo_last_enrollment", lambda roster, _: roster.undo(NOW)),
    ],
)
def test_what_the_disk_does_not_take_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, change: Callable[[Roster, str], object]
) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        anna = roster.enroll("Anna", pictures(1), NOW, verified=True)
        table, threshold, known = rows(roster), roster.model.threshold, outline(roster.people[anna.id])
        monkeypatch.setattr(store, method, failing(getattr(store, method)))
        with pytest.raises(StoreError, match="the disk is full"):
            change(roster, anna.id)
        assert (rows(roster), roster.model.threshold) == (table, threshold)
        assert [outline(person) for person in roster.people.values()] == [known]


def test_a_name_goes_into_the_labels_and_is_found_in_any_case(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        someone = roster.enroll(None, pictures(1), NOW, verified=False)
        assert (roster.labels[someone.id].name, roster.labels[someone.id].verified) == ("Person 1", False)
        roster.rename(someone.id, "Åsa")
        assert (roster.labels[someone.id].name, roster.labels[someone.id].verified) == ("Åsa", True)
        assert [person.id for person in roster.find("åSA")] == [someone.id]


def test_whoever_is_erased_is_a_stranger_at_once(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        anna = roster.enroll("Anna", pictures(1), NOW, verified=True)
        bea = roster.enroll("Bea", pictures(2), NOW, verified=True)
        before = rows(roster)
        assert roster.erase(anna.id, NOW).complete
        assert best(roster, 1) is None
        assert rows(roster) == {bea.id: before[bea.id]}
        assert list(roster.people) == [bea.id]


def test_whoever_is_erased_is_a_stranger_although_the_receipt_could_not_be_filed(tmp_path: Path) -> None:
    (tmp_path / "receipts").write_bytes(b"a file in the folder's place")
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        anna = roster.enroll("Anna", pictures(1), NOW, verified=True)
        bea = roster.enroll("Bea", pictures(2), NOW, verified=True)
        with pytest.raises(StoreError, match="is erased, but not yet its remains"):
            roster.erase(anna.id, NOW)
        assert set(roster.people) == {bea.id}
        assert best(roster, 1) != anna.id
        with pytest.raises(StoreError, match="is erased, but not yet its remains"):
            roster.erase(bea.id, NOW)
        assert roster.people == {}
        (tmp_path / "receipts").unlink()
        assert {receipt.people for receipt in store.finish_erasures()} == {(anna.id,), (bea.id,)}


def test_undo_takes_back_a_person_or_only_their_last_pictures(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        assert roster.last_enrolled() is None
        assert roster.undo(NOW) is None
        anna = roster.enroll("Anna", pictures(1), NOW, verified=True)
        before = rows(roster)
        roster.add_exemplars(anna.id, pictures(2), NOW)
        assert rows(roster) != before
        roster.undo(NOW)
        assert rows(roster) == before
        bea = roster.enroll("Bea", pictures(3), NOW, verified=True)
        assert roster.last_enrolled() == bea.id
        roster.undo(NOW)
        assert rows(roster) == before
        assert best(roster, 3) is None


def test_undoing_a_person_gives_those_back_who_were_merged_into_them(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        anna = roster.enroll("Anna", pictures(1), NOW, verified=True)
        before = rows(roster)
        bea = roster.enroll("Bea", pictures(2), NOW, verified=True)
        roster.merge(anna.id, bea.id)
        assert best(roster, 1) == bea.id
        roster.undo(NOW)
        assert best(roster, 1) == anna.id
        assert rows(roster) == before
        assert list(roster.people) == list(store.load().people) == [anna.id]


def test_undoing_a_person_who_was_merged_into_another_leaves_the_other_without_their_pictures(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        anna = roster.enroll("Anna", pictures(1), NOW, verified=True)
        before = rows(roster)
        bea = roster.enroll("Bea", pictures(2), NOW, verified=True)
        roster.merge(bea.id, anna.id)
        assert best(roster, 2) == anna.id
        roster.undo(NOW)
        assert best(roster, 2) is None
        assert rows(roster) == before
        assert roster.people[anna.id].origins == ()


def test_people_of_another_embedder_are_kept_and_told_of_but_not_recognized(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = roster_of(store).enroll("Anna", pictures(1), NOW, verified=True)
        roster = roster_of(store, OTHER_EMBEDDER)
        assert list(roster.people) == [anna.id]
        assert best(roster, 1) is None
        nothing = "nothing of theirs is by the embedder in use; set that back, or enroll them again"
        assert roster.unusable == f"1 of 1 cannot be recognized: {nothing}"
        again = picture(5)
        object.__setattr__(again, "embedder", OTHER_EMBEDDER)
        roster.add_exemplars(anna.id, [again], NOW)
        assert roster.unusable is None
        assert best(roster, 5) == anna.id
        assert best(roster, 1) is None


def test_an_empty_house_is_not_told_of() -> None:
    assert unusable({}, EMBEDDER) is None


def test_who_was_seen_is_written_when_the_store_is_tended(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        anna = roster.enroll("Anna", pictures(1), NOW, verified=True)
        roster.saw(anna.id, NOW + 60)
        assert store.load().people[anna.id].seen_s is None
        assert roster.changed
        roster.tend()
        assert not roster.changed
        assert store.load().people[anna.id].seen_s == NOW + 60
        assert list((tmp_path / "snapshots").glob("templates-*"))


def no_model(_: StoredPeople) -> ActiveModel:
    raise AssertionError("nobody is to be recognized, so no table is to be made")


def test_a_table_that_nobody_asks_for_is_never_made_and_one_that_is_is_of_those_who_are_there_then(
    tmp_path: Path,
) -> None:
    with open_store(tmp_path) as store:
        roster = Roster(store, store.load(), no_model)
        anna = roster.enroll("Anna", pictures(1), NOW, verified=True)
        bea = roster.enroll("Bea", pictures(2), NOW, verified=True)
        roster.rename(anna.id, "Ann")
        roster.deny(bea.id, [picture(9)], [], "event-1")
        roster.undo(NOW)
        assert list(roster.people) == [anna.id]
    with open_store(tmp_path) as store:
        late, soon = roster_of(store), roster_of(store)
        soon.ready()
        for roster in (late, soon):
            roster._people = dict(store.load().people)
        assert rows(late) == rows(soon)
        assert late.model.threshold == soon.model.threshold


def test_an_erasure_that_the_disk_does_not_take_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(tmp_path) as store:
        roster = roster_of(store)
        anna = roster.enroll("Anna", pictures(1), NOW, verified=True)
        roster.tend()
        model, generation = roster.ready(), roster.generation
        monkeypatch.setattr(store, "erase", failing(store.erase))
        with pytest.raises(StoreError, match="the disk is full"):
            roster.erase(anna.id, NOW)
        assert (roster.changed, roster.generation, roster.model) == (False, generation, model)


def test_people_who_are_taken_in_together_score_as_those_who_came_one_by_one(tmp_path: Path) -> None:
    with open_store(tmp_path / "a") as a, open_store(tmp_path / "b") as b:
        one_by_one, together = roster_of(a), roster_of(b)
        for roster in (one_by_one, together):
            roster.ready()
        for seed in range(1, 9):
            one_by_one.enroll(None, pictures(seed, seed + 100), NOW, verified=False)
        denied = next(iter(one_by_one.people))
        one_by_one.deny(denied, [picture(50)], [], "event-1")
        records = list(take_out(a, []))
        assert together.take_in(records[:3], revive=False).people == 3
        assert together.take_in(records, revive=False).people == 5
        assert rows(together) == rows(one_by_one)
        assert together.model.threshold == one_by_one.model.threshold
        assert together.model.gallery.denials.keys() == {denied}
        assert list(together.people) == list(one_by_one.people)
