from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.recognition.gallery import Gallery
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Exemplar, Projection
from tests.fakes.probes import cosine_head, direction, plda_head

HEADS: dict[str, Head] = {"cosine": cosine_head(), "plda": plda_head()}
both_heads = pytest.mark.parametrize("head", HEADS.values(), ids=list(HEADS))


def embedding(seed: int) -> Embedding:
    return Embedding(direction(seed), 40.0 + seed % 50)


def exemplars(person: str, *seeds: int) -> list[Exemplar]:
    return [Exemplar(person, embedding(seed)) for seed in seeds]


def crowd(count: int, first: int = 1000) -> list[Exemplar]:
    return [e for n in range(count) for e in exemplars(f"person{n}", *range(first + 5 * n, first + 5 * n + 1 + n % 4))]


def probes(head: Head, count: int = 12) -> list[Projection]:
    return [head.project(embedding(seed)) for seed in range(50_000, 50_000 + count)]


def scores(gallery: Gallery, probe: Projection) -> dict[str, float]:
    return {c.person: c.score for c in gallery.candidates(probe, limit=len(gallery))}


@both_heads
@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 33, 64])
def test_adding_a_person_changes_nobody_elses_score_by_a_bit(head: Head, count: int) -> None:
    before = Gallery.build(head, crowd(count))
    after = before.with_person("newcomer", [embedding(seed) for seed in (1, 2, 3)])
    for probe in probes(head):
        old, new = scores(before, probe), scores(after, probe)
        assert new.pop("newcomer") != 0
        assert new == old


@both_heads
@pytest.mark.parametrize("count", [2, 5, 16, 33])
def test_taking_a_person_out_changes_nobody_elses_score_by_a_bit(head: Head, count: int) -> None:
    before = Gallery.build(head, crowd(count))
    for person in before.people[:: max(1, count // 4)]:
        after = before.without(person)
        for probe in probes(head, 4):
            old = scores(before, probe)
            del old[person]
            assert scores(after, probe) == old


@both_heads
def test_another_shot_of_one_person_changes_theirs_alone(head: Head) -> None:
    before = Gallery.build(head, crowd(9))
    after = before.with_person("person3", [embedding(seed) for seed in (1, 2, 3, 4)])
    assert len(after) == len(before)
    for probe in probes(head):
        old, new = scores(before, probe), scores(after, probe)
        assert new.pop("person3") != old.pop("person3")
        assert new == old


changes = st.lists(
    st.tuples(st.sampled_from("abcdefg"), st.lists(st.integers(0, 99), min_size=0, max_size=3)), max_size=14
)


@settings(max_examples=40)
@given(changes, st.sampled_from(list(HEADS.values())))
def test_any_way_of_adding_and_removing_gives_the_table_built_at_once(
    steps: list[tuple[str, list[int]]], head: Head
) -> None:
    """A step with pictures puts the person in, or anew; one without takes them out."""
    gallery, people = Gallery(head), dict[str, list[int]]()
    for person, seeds in steps:
        people.pop(person, None)
        if seeds:
            people[person] = seeds
            gallery = gallery.with_person(person, [embedding(seed) for seed in seeds])
        else:
            gallery = gallery.without(person)
    rebuilt = Gallery.build(head, [e for person, seeds in people.items() for e in exemplars(person, *seeds)])
    assert set(gallery.people) == set(people)
    assert gallery.people == rebuilt.people
    assert (gallery.rows == rebuilt.rows).all()
    for probe in probes(head, 3):
        assert scores(gallery, probe) == scores(rebuilt, probe)


@both_heads
def test_the_order_of_enrollment_does_not_touch_the_scores(head: Head) -> None:
    people = crowd(12)
    forwards, backwards = Gallery.build(head, people), Gallery.build(head, sorted(people, key=lambda e: e.person[::-1]))
    for probe in probes(head):
        assert scores(forwards, probe) == scores(backwards, probe)


@both_heads
def test_exemplars_of_several_people_may_come_mixed(head: Head) -> None:
    ada, bob = exemplars("ada", 1, 2), exemplars("bob", 3, 4)
    mixed = Gallery.build(head, [ada[0], bob[0], ada[1], bob[1]])
    assert mixed.people == ("ada", "bob")
    assert (mixed.rows == Gallery.build(head, [*ada, *bob]).rows).all()


@both_heads
def test_candidates_come_best_first_and_no_more_than_asked_for(head: Head) -> None:
    gallery = Gallery.build(head, crowd(20))
    for probe in probes(head):
        everybody = gallery.candidates(probe, limit=99)
        assert [c.score for c in everybody] == sorted((c.score for c in everybody), reverse=True)
        assert sorted(c.person for c in everybody) == sorted(gallery.people)
        assert gallery.candidates(probe) == everybody[:5]
        assert gallery.candidates(probe, limit=1) == everybody[:1]


@both_heads
def test_everybody_is_the_best_candidate_for_a_picture_of_theirs(head: Head) -> None:
    gallery = Gallery.build(head, crowd(20))
    for exemplar in crowd(20):
        assert gallery.candidates(head.project(exemplar.embedding))[0].person == exemplar.person


def test_people_with_the_same_row_come_in_the_order_in_which_they_were_enrolled() -> None:
    head = cosine_head()
    twins = [Exemplar(name, embedding(7)) for name in ("zoe", "ada", "mia", "bob", "eve", "ian", "kim", "lea")]
    found = Gallery.build(head, twins).candidates(head.project(embedding(7)), limit=8)
    assert [c.person for c in found] == ["zoe", "ada", "mia", "bob", "eve", "ian", "kim", "lea"]


@both_heads
def test_the_best_scores_of_many_probes_are_those_of_each(head: Head) -> None:
    gallery = Gallery.build(head, crowd(11))
    many = probes(head, 20)
    assert gallery.best_scores(many) == pytest.approx([gallery.candidates(p)[0].score for p in many], rel=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        Gallery,
        lambda head: Gallery.build(head, []),
        lambda head: Gallery.build(head, exemplars("ada", 1)).without("ada"),
    ],
    ids=["new", "built of nobody", "last one taken out"],
)
def test_an_empty_table_has_no_candidates(make: Callable[[Head], Gallery]) -> None:
    gallery = make(cosine_head())
    assert len(gallery) == 0
    assert "ada" not in gallery
    assert gallery.candidates(probes(cosine_head())[0]) == []
    assert gallery.best_scores(probes(cosine_head(), 3)).tolist() == [-math.inf] * 3
    assert gallery.rows.shape == (0, cosine_head().row_dim)


def test_taking_out_somebody_who_is_not_there_changes_nothing() -> None:
    gallery = Gallery.build(cosine_head(), crowd(3))
    assert gallery.without("stranger") is gallery


def test_a_change_leaves_the_table_that_it_came_from_as_it_was() -> None:
    gallery = Gallery.build(cosine_head(), crowd(3))
    rows = gallery.rows.copy()
    gallery.with_person("ada", [embedding(1)])
    gallery.without("person1")
    assert gallery.people == ("person0", "person1", "person2")
    assert (gallery.rows == rows).all()


def test_rows_have_the_length_that_the_head_says() -> None:
    for head in HEADS.values():
        gallery = Gallery.build(head, crowd(4))
        assert gallery.rows.shape == (4, head.row_dim)
        assert gallery.rows.dtype == np.float32
