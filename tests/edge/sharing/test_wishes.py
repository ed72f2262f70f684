"""What is to be told of whom: everything good, under whoever holds it, and nothing that was taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.contract.fleet import MOST_EXEMPLARS
from edge.recognition.types import Embedding
from edge.sharing.wishes import fingerprint_of, report_id, shared_of, wish
from edge.store.told import NOTHING, Told
from edge.store.types import Kind, Person, StoredExemplar
from tests.fakes.templates import EMBEDDER, NOW, QUALITY, memory_folder, open_store, picture, pictures, unit

OTHER = "d" * 64


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def exemplar(number: int, **changes: object) -> StoredExemplar:
    made = StoredExemplar(
        f"{number:032x}", "p", Kind.ENROLLED, Embedding(unit(1), 9.0), QUALITY, EMBEDDER, "fake", NOW + number, None
    )
    return replace(made, **changes)  # type: ignore[arg-type] # a test's keys are its own care


def person(*exemplars: StoredExemplar, name: str = "Anna") -> Person:
    return Person("p", name, verified=False, created_s=NOW, seen_s=None, exemplars=exemplars)


def told(fingerprint: str, *, acknowledged: bool = True, embedder: str = EMBEDDER) -> Told:
    return Told("p", 7, fingerprint, embedder, "r", acknowledged)


def asked(held: Person | None, row: Told | None = None, *, share: bool = True, embedder: str = EMBEDDER) -> str | None:
    return wish(held, row, embedder, share=share)


ANNA = person(exemplar(1), exemplar(2))
PRINT = fingerprint_of(ANNA, EMBEDDER)


def test_somebody_new_is_told_of_and_once_acknowledged_never_again() -> None:
    assert asked(ANNA) == PRINT
    assert asked(ANNA, told(PRINT, acknowledged=False)) == PRINT
    assert asked(ANNA, told(PRINT)) is None


def test_a_name_or_a_confirmation_is_no_news() -> None:
    assert asked(replace(ANNA, name="Berta", verified=True), told(PRINT)) is None


def test_another_picture_is_news_and_so_is_one_less() -> None:
    more, less = person(exemplar(1), exemplar(2), exemplar(3)), person(exemplar(1))
    assert len({PRINT, asked(more, told(PRINT)), asked(less, told(PRINT)), None}) == 4


def test_the_order_of_pictures_is_no_news() -> None:
    assert fingerprint_of(person(exemplar(2), exemplar(1)), EMBEDDER) == PRINT


def test_a_picture_under_review_is_left_out_until_its_review_ends() -> None:
    doubted = person(exemplar(1), exemplar(2, review="event-1"))
    wanted = asked(doubted, told(PRINT))
    assert wanted == fingerprint_of(person(exemplar(1)), EMBEDDER)
    assert asked(ANNA, told(str(wanted))) == PRINT


def test_pictures_that_were_taken_for_somebody_wrongly_are_never_told() -> None:
    wrong = exemplar(3, kind=Kind.DENIED)
    assert shared_of(person(exemplar(1), wrong), EMBEDDER)[-1].kind is Kind.ENROLLED
    assert asked(replace(ANNA, denied=(wrong,)), told(PRINT)) is None


def test_of_many_pictures_the_newest_are_told() -> None:
    many = person(*(exemplar(number) for number in range(MOST_EXEMPLARS + 3)))
    assert [kept.id for kept in shared_of(many, EMBEDDER)] == [kept.id for kept in many.exemplars[3:]]


def test_another_embedder_is_news_of_everybody_who_has_pictures_by_it() -> None:
    both = person(exemplar(1), exemplar(2, embedder=OTHER))
    assert [kept.embedder for kept in shared_of(both, OTHER)] == [OTHER]
    assert asked(both, told(fingerprint_of(both, EMBEDDER)), embedder=OTHER) not in (None, NOTHING)


def test_a_door_that_tries_another_embedder_takes_nothing_back() -> None:
    assert asked(ANNA, told(PRINT), embedder=OTHER) is None
    assert asked(ANNA, told(PRINT, acknowledged=False), embedder=OTHER) is None


def test_somebody_of_whom_no_good_picture_is_left_is_taken_back_and_may_come_again() -> None:
    doubted = person(exemplar(1, review="event-1"))
    assert asked(doubted, told(PRINT)) == NOTHING
    assert asked(doubted, told(NOTHING, acknowledged=False)) == NOTHING
    assert asked(doubted, told(NOTHING)) is None
    assert asked(doubted) is None
    assert asked(ANNA, told(NOTHING)) == PRINT


@pytest.mark.parametrize("share", [True, False])
def test_somebody_erased_is_taken_back_until_that_is_acknowledged(share: bool) -> None:
    assert asked(None, told(PRINT), share=share) == NOTHING
    assert asked(None, told(PRINT, acknowledged=False, embedder=OTHER), share=share) == NOTHING
    assert asked(None, told(NOTHING, acknowledged=False), share=share) == NOTHING
    assert asked(None, told(NOTHING), share=share) is None


def test_somebody_erased_who_was_never_told_of_is_not_told_of_now() -> None:
    assert asked(None) is None


def test_where_nothing_is_shared_nobody_is_told_of() -> None:
    more = person(exemplar(1), exemplar(2), exemplar(3))
    rows = (None, told(PRINT), told(PRINT, acknowledged=False), told(NOTHING))
    assert [asked(more, row, share=False) for row in rows] == [None] * 4
    assert asked(person(exemplar(1, review="e")), told(PRINT), share=False) == NOTHING


def test_merged_people_are_told_of_under_their_holder(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        ben = store.add_person("Ben", [picture(3)], wall_s=NOW)
        before = told(fingerprint_of(anna, EMBEDDER)), told(fingerprint_of(ben, EMBEDDER))
        both = store.merge(ben.id, anna.id)
        assert {kept.origin for kept in shared_of(both, EMBEDDER)} == {anna.id, ben.id}
        assert asked(both, before[0]) == fingerprint_of(both, EMBEDDER)
        assert asked(store.load().people.get(ben.id), before[1]) == NOTHING
        parted, holder = store.unmerge(ben.id)
        assert (asked(parted, told(NOTHING)), asked(holder, before[0])) == (before[1].fingerprint, None)


def test_a_message_s_id_is_the_same_each_time_and_another_for_another() -> None:
    ids = {
        report_id(*given)
        for given in (
            ("front", "p", 7, PRINT),
            ("back", "p", 7, PRINT),
            ("front", "q", 7, PRINT),
            ("front", "p", 8, PRINT),
            ("front", "p", 7, NOTHING),
        )
    }
    assert len(ids) == 5
    assert report_id("front", "p", 7, "f" * 64) == report_id("front", "p", 7, "f" * 64)
    assert {one.version for one in ids} == {5}
