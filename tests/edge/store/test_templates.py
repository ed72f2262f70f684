from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.recognition.types import Embedding
from edge.store.types import StoredPeople, StoreRefusedError, clean_name
from tests.fakes.templates import (
    EMBEDDER,
    NOW,
    QUALITY,
    likeness,
    memory_folder,
    open_store,
    outline,
    outlines,
    picture,
    pictures,
    vectors,
)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def test_who_was_enrolled_is_there_after_opening_again(tmp_path: Path) -> None:
    shots = pictures(1, 2, 3)
    with open_store(tmp_path) as store:
        added = store.add_person("Anna", shots, wall_s=NOW, verified=True)
    with open_store(tmp_path) as store:
        (person,) = store.load().people.values()
    assert outline(person) == outline(added)
    assert (person.name, person.verified, person.created_s, person.seen_s) == ("Anna", True, NOW, None)
    for kept, shot in zip(person.exemplars, shots, strict=True):
        assert likeness(kept, shot) > 0.9999
        assert (kept.id, kept.embedder, kept.runtime, kept.taken_s) == (shot.id, EMBEDDER, "fake 1.0", shot.taken_s)
        assert (kept.quality, kept.embedding.norm) == (QUALITY, 9.25)


def test_the_answer_of_an_enrollment_is_to_the_bit_what_the_next_start_loads(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        added = store.add_person(None, pictures(1, 2), wall_s=NOW)
    with open_store(tmp_path) as store:
        assert vectors(store.load()) == vectors(StoredPeople({added.id: added}))


def test_people_without_a_name_are_numbered_and_not_verified(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        first = store.add_person(None, pictures(1), wall_s=NOW, verified=True)
        store.erase(first.id, wall_s=NOW)
    with open_store(tmp_path) as store:
        second = store.add_person(None, pictures(2), wall_s=NOW)
        named = store.add_person("Anna", pictures(3), wall_s=NOW, verified=True)
        assert (first.name, second.name, first.verified) == ("Person 1", "Person 2", False)
        assert [person.id for person in store.load().provisional()] == [second.id]
        assert store.rename(second.id, "Bea").verified
        assert store.load().provisional() == ()
        assert named.verified


def test_confirming_verifies_and_keeps_the_name(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        person = store.add_person(None, pictures(1), wall_s=NOW)
        store.confirm(person.id)
    with open_store(tmp_path) as store:
        assert outline(store.load().people[person.id])[1:3] == ("Person 1", True)


def test_ids_are_opaque_short_and_none_is_given_twice(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        ids = {store.add_person("Anna", pictures(seed), wall_s=NOW).id for seed in range(20)}
    assert len(ids) == 20
    assert all(len(name) == 10 and name.startswith("p_") and name.isascii() for name in ids)


def test_pictures_can_be_added_later(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        person = store.add_person("Anna", pictures(1), wall_s=NOW)
        assert len(store.add_exemplars(person.id, pictures(2, 3), wall_s=NOW).exemplars) == 3
        assert len(store.load().gallery(EMBEDDER)) == 3
        assert {exemplar.person for exemplar in store.load().gallery(EMBEDDER)} == {person.id}
        assert store.load().gallery("another embedder") == ()


def test_views_for_the_fleet_are_kept_and_not_loaded_with_the_people(tmp_path: Path) -> None:
    shot = picture(1, views=6)
    with open_store(tmp_path) as store:
        store.add_person("Anna", [shot], wall_s=NOW)
        views = store.views(shot.id)
        assert [round(float(a.embedding.x @ b.embedding.x), 3) for a, b in zip(views, shot.views, strict=True)] == [
            1
        ] * 6
        with pytest.raises(StoreRefusedError, match="nothing: no exemplar of that id"):
            store.views("nothing")


def test_a_merge_shows_one_person_and_unmerging_gives_back_two(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        other = store.add_person(None, pictures(3), wall_s=NOW)
        third = store.add_person(None, pictures(4), wall_s=NOW)
        before = outlines(store.load())
        store.merge(third.id, other.id)
        merged = store.merge(other.id, anna.id)
        assert (merged.name, len(merged.exemplars), set(merged.origins)) == ("Anna", 4, {other.id, third.id})
    with open_store(tmp_path) as store:
        people = store.load()
        assert list(people.people) == [anna.id]
        assert people.find(third.id) == people.find("anna") == (people.people[anna.id],)
        left, rest = store.unmerge(other.id)
        assert (left.id, left.origins, rest.origins) == (other.id, (third.id,), ())
        store.unmerge(third.id)
        assert outlines(store.load()) == before


def test_what_cannot_be_merged_is_refused_with_the_reason(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        a, b, c = (store.add_person(name, pictures(seed), wall_s=NOW).id for seed, name in enumerate("ABC"))
        store.merge(a, b)
        for attempt, reason in (
            (lambda: store.merge(b, b), "cannot|themselves"),
            (lambda: store.merge(a, c), f"{a}: was merged into {b}: name that one, or unmerge {a} first"),
            (lambda: store.merge(c, a), f"was merged into {b}"),
            (lambda: store.merge(c, "p_nobody22"), "p_nobody22: nobody of that id is enrolled here"),
            (lambda: store.unmerge(c), "was not merged into anybody"),
            (lambda: store.rename(a, "x"), f"was merged into {b}"),
            (lambda: store.erase(a, wall_s=NOW), f"was merged into {b}: erase that one, or unmerge {a} first"),
        ):
            with pytest.raises(StoreRefusedError, match=reason):
                attempt()
        assert set(outlines(store.load())) == {b, c}


def test_the_last_enrollment_is_undone_once_and_only_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        first = store.add_person("Anna", pictures(1), wall_s=NOW)
        before = outlines(store.load())
        second = store.add_person(None, pictures(2, 3), wall_s=NOW + 5)
    with open_store(tmp_path) as store:
        last = store.last_enrollment()
        assert last is not None
        assert (last.person, last.new_person, last.wall_s) == (second.id, True, NOW + 5)
        undone = store.undo_last_enrollment(wall_s=NOW + 6)
        assert undone is not None
        assert undone.receipt is not None
        assert undone.receipt.people == (second.id,)
        assert outlines(store.load()) == before
        # The button may not undo the whole house, one after the other.
        assert store.last_enrollment() is None
        assert store.undo_last_enrollment(wall_s=NOW + 7) is None
        assert outlines(store.load()) == before
        assert first.id in before


def test_undoing_added_pictures_leaves_the_person_as_before(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        person = store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        store.add_exemplars(person.id, pictures(3), wall_s=NOW)
        undone = store.undo_last_enrollment(wall_s=NOW)
        assert undone is not None
        assert undone.receipt is None
        assert outlines(store.load()) == {person.id: outline(person)}


def test_undoing_somebody_sets_free_who_was_merged_into_them(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        old = store.add_person("Anna", pictures(1), wall_s=NOW)
        new = store.add_person(None, pictures(2), wall_s=NOW)
        store.merge(old.id, new.id)
        store.undo_last_enrollment(wall_s=NOW)
        assert outlines(store.load()) == {old.id: outline(old)}


def test_that_is_not_me_keeps_the_picture_and_raises_what_spoke_for_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        bea = store.add_person("Bea", pictures(3), wall_s=NOW)
        behind = [anna.exemplars[1].id, bea.exemplars[0].id, "unknown"]
        probe = picture(9)
        store.deny(anna.id, [probe], behind, event="event-7")
    with open_store(tmp_path) as store:
        people = store.load().people
        assert [kept.review for kept in people[anna.id].exemplars] == [None, "event-7"]
        assert [kept.id for kept in people[anna.id].denied] == [probe.id]
        assert likeness(people[anna.id].denied[0], probe) > 0.9999
        assert people[bea.id].under_review == ()
        # A denied picture is never one that speaks for them.
        assert len(people[anna.id].gallery(EMBEDDER)) == 2
        kept = store.keep_exemplar(anna.exemplars[1].id)
        assert kept.under_review == ()


def test_a_rejected_exemplar_is_gone_for_good(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        store.snapshot()
        left = store.reject_exemplar(anna.exemplars[0].id, wall_s=NOW)
        assert left is not None
        assert [kept.id for kept in left.exemplars] == [anna.exemplars[1].id]
        with pytest.raises(StoreRefusedError, match="no exemplar of that id"):
            store.reject_exemplar(anna.exemplars[0].id, wall_s=NOW)
    (tmp_path / "templates.db").unlink()
    with open_store(tmp_path) as store:
        assert [kept.id for kept in store.load().people[anna.id].exemplars] == [anna.exemplars[1].id]


def test_sightings_are_written_in_one_go_and_never_move_back(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        bea = store.add_person("Bea", pictures(2), wall_s=NOW)
        for wall_s in (NOW + 50, NOW + 10, 12.0):
            store.touch(anna.id, wall_s)
        store.touch(bea.id, NOW + 5)
        store.touch("p_nobody22", NOW + 5)
        unset = store.add_person("Cleo", pictures(3), wall_s=NOW)
        store.touch(unset.id, 12.0)  # by a clock that the network has not set yet
        assert store.load().people[anna.id].seen_s is None
        assert store.flush_seen() == 3
        assert store.flush_seen() == 0
        store.touch(anna.id, NOW + 20)
    with open_store(tmp_path) as store:
        seen = {person.name: person.seen_s for person in store.load().people.values()}
    assert seen == {"Anna": NOW + 50, "Bea": NOW + 5, "Cleo": None}


def test_who_was_not_seen_for_long_is_told_and_an_unset_clock_tells_nothing(tmp_path: Path) -> None:
    day = 86_400.0
    with open_store(tmp_path) as store:
        old = store.add_person("Old", [picture(1, taken_s=NOW - 90 * day)], wall_s=NOW - 90 * day)
        seen = store.add_person("Seen", [picture(2, taken_s=NOW - 90 * day)], wall_s=NOW - 90 * day)
        unset = store.add_person("Unset", [picture(3, taken_s=30.0)], wall_s=30.0)
        store.touch(seen.id, NOW - day)
        store.flush_seen()
        people = store.load()
        assert [person.id for person in people.unseen_since(NOW - 30 * day)] == [old.id]
        assert people.people[unset.id].last_sign_s is None
        # A merged person was seen when either was.
        store.merge(seen.id, old.id)
        assert store.load().unseen_since(NOW - 30 * day) == ()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  Anna   Lena ", "Anna Lena"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("李小龍", "李小龍"),
        ("a b\n", "a b"),
        ("x" * 64, "x" * 64),
    ],
)
def test_a_name_is_kept_in_one_form(tmp_path: Path, text: str, kept: str) -> None:
    with open_store(tmp_path) as store:
        assert store.add_person(text, pictures(1), wall_s=NOW).name == kept


@pytest.mark.parametrize("text", ["", " \n ", "x" * 65, "a\0b", "a\x1b[2Jb", "a\tb", "a\nb", "\ud800"])
def test_what_is_no_name_is_refused_and_nobody_is_enrolled(tmp_path: Path, text: str) -> None:
    with open_store(tmp_path) as store:
        with pytest.raises(StoreRefusedError, match="a person's name may"):
            store.add_person(text, pictures(1), wall_s=NOW)
        assert store.load().people == {}


def test_two_may_bear_one_name_and_finding_tells_both(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        ids = {store.add_person(name, pictures(seed), wall_s=NOW).id for seed, name in enumerate(("Zoë", "ZOË", "Ann"))}
        people = store.load()
        assert len(people.find("zoë ")) == 2
        assert people.find("nobody") == ()
        assert {person.id for text in ids for person in people.find(text)} == ids
    assert clean_name("Zoë") == "Zoë"


def test_an_enrollment_with_one_bad_embedding_leaves_no_half_person(tmp_path: Path) -> None:
    bad = replace(picture(2), embedding=Embedding(np.zeros(192, dtype=np.float32), 1.0))
    with open_store(tmp_path) as store:
        with pytest.raises(ValueError, match="an embedding must be of length 1"):
            store.add_person("Anna", [picture(1), bad], wall_s=NOW)
        with pytest.raises(StoreRefusedError, match="at least one picture"):
            store.add_person("Anna", [], wall_s=NOW)
        assert store.load().people == {}
        assert store.add_person(None, pictures(1), wall_s=NOW).name == "Person 1"
