"""Who joins when, and heads that know nobody they are asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.errors import DoorwardError
from edge.inference.spec import load_manifest
from tests.fakes.embedded import enrollees, listed
from tests.fakes.probes import plda_head
from trainer.bench.features import CLEAN, Features
from trainer.bench.forgetters.course import Course, Pupil, attend
from trainer.bench.forgetters.rolls import Sizes, enrolled_members, fleet_members, large_course, names, small_course
from trainer.bench.forgetters.tables import Tables, folded_heads
from trainer.statistics import FOLDS, fold_of

SMALL = Sizes(6, 2, 3)


def features(dim: int = 32) -> Features:
    fleet, enrolled = listed([1, 2, 3, 7] * 8, dim=dim, seed=1), listed([5] * 14, dim=dim, seed=2)
    return Features(load_manifest().pick("embedder"), fleet, enrolled, {"test": listed([1] * 50, dim=dim, seed=3)})


def test_classes_follow_the_first_and_nobody_joins_twice() -> None:
    of = features()
    enrolled = enrolled_members(enrollees(of.enrolled), of.enrolled)
    course = small_course(enrolled, SMALL, shots=2, seed=0)
    assert [len(step) for step in course.steps] == [6, 2, 2, 2]
    assert len({pupil.number for pupil in course.people}) == 12
    assert all(len(pupil.shots) == 2 and len(pupil.probes) == 2 for pupil in course.people)
    other = small_course(enrolled, SMALL, shots=2, seed=1)
    assert [p.number for p in other.people] != [p.number for p in course.people]
    again = small_course(enrolled, SMALL, shots=2, seed=0)
    assert [p.number for p in again.people] == [p.number for p in course.people]


def test_the_large_course_has_everybody_and_those_who_join_are_enrolled_ones() -> None:
    of = features()
    enrolled = enrolled_members(enrollees(of.enrolled), of.enrolled)
    course = large_course(of, enrolled, Sizes(None, 10, 1), shots=3, seed=0)
    assert [len(step) for step in course.steps] == [24 + 4, 10]  # those with one picture cannot be searched for
    assert all(pupil.number < 14 for pupil in course.steps[1])
    told = names(of, enrolled)
    assert len(told) == len(set(told)) == 38
    for pupil in course.people:
        assert not {row.tobytes() for row in pupil.shots.x} & {row.tobytes() for row in pupil.probes.x}
        source = of.enrolled if pupil.number < 14 else of.fleet
        rows = source.views(CLEAN)[0].x
        (place,) = np.flatnonzero((rows == pupil.shots.x[0]).all(axis=1))
        assert source.owners[place] == told[pupil.number]


def test_more_are_asked_for_than_there_are() -> None:
    of = features()
    enrolled = enrolled_members(enrollees(of.enrolled), of.enrolled)
    with pytest.raises(DoorwardError, match=r"14 people with a face .* 10 and 2 times 3 are needed"):
        small_course(enrolled, Sizes(10, 3, 2), shots=1, seed=0)
    course = large_course(of, enrolled, Sizes(None, 100, 1), shots=1, seed=0)
    assert len(course.steps[1]) == 13
    with pytest.raises(DoorwardError, match="needs two people"):
        large_course(of, enrolled[:1], Sizes(None, 100, 1), shots=1, seed=0)


def test_a_third_of_the_fleet_s_pictures_are_searched_with_and_seeds_differ() -> None:
    of = listed([7] * 4 + [2] * 2 + [1])
    members = fleet_members(of, seed=0, first=10)
    assert [(len(m.shots), len(m.probes)) for m in members] == [(4, 3)] * 4 + [(1, 1)] * 2
    assert [m.number for m in members] == list(range(10, 16))
    assert [m.probes for m in members] != [m.probes for m in fleet_members(of, seed=1, first=10)]


def test_people_without_a_face_are_left_out_and_faceless_probes_count() -> None:
    of = listed([5, 5, 5], faceless=[0, 3, 5, 6, 7])
    members = enrolled_members(enrollees(of), of)
    assert [m.name for m in members] == ["0/person 0", "0/person 2"]
    assert (members[0].shots, members[0].probes, members[0].faceless) == ((1, 2), (4,), 1)


def test_a_fold_s_head_does_not_depend_on_the_fold_s_people() -> None:
    of = listed([4] * 40, dim=16)
    others = np.array([fold_of(owner) != 3 for owner in of.owners])
    changed = {
        kind: tuple(replace(f, x=np.where(others[:, None], f.x, np.roll(f.x, 1, axis=1))) for f in views)
        for kind, views in of.shown.items()
    }
    before, after = folded_heads(of, "e"), folded_heads(replace(of, shown=changed), "e")
    assert len(before) == FOLDS
    assert before[3].id == after[3].id
    assert all(before[fold].id != after[fold].id for fold in range(FOLDS) if fold != 3)


def test_every_picture_is_searched_by_its_own_fold_s_head() -> None:
    of = listed([4] * 6, dim=128)
    clean = of.views(CLEAN)[0]
    pupils = tuple(
        Pupil(n, clean.of(places[:2]), clean.of(places[2:]), faceless=n % 2)
        for n, places in enumerate(of.people.values())
    )
    course = Course((pupils[:4], pupils[4:]))
    heads, folds = [plda_head(0), plda_head(1)], np.repeat([0, 1, 0, 1, 0, 1], 2)
    both = Tables(heads, folds)
    assert attend(both, course).changed == 0
    mixed = both.scores(course.probes()[0])
    for fold, head in enumerate(heads):
        alone = Tables([head], np.zeros(12, np.intp))
        attend(alone, course)
        theirs = alone.scores(course.probes()[0])[folds == fold]
        np.testing.assert_allclose(mixed[folds == fold], theirs, rtol=1e-4, atol=1e-3)
    trials = list(both.trials(course, listed([1] * 20, dim=128, seed=9).views(CLEAN)[0]))
    assert [len(trial.top) for trial in trials] == [6, 6 + 3]
    assert np.isneginf(trials[1].top[-3:]).all()
    assert not trials[1].right[-3:].any()
    assert sorted(set(trials[1].person.tolist())) == [1, 3, 5]
    assert all(len(trial.strangers) == 20 for trial in trials)
