"""The ways to add people do what their names say, on people who do not exist."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edge.recognition.types import Floats
from tests.fakes.embedded import faces
from tests.fakes.probes import plda_head
from trainer.bench.features import Faces
from trainer.bench.forgetters.course import Course, Marks, Pupil, attend, estimates, old_after
from trainer.bench.forgetters.network import Network, Recipe, cross_entropy
from trainer.bench.forgetters.schooling import (
    EWC,
    JOINT,
    LWF,
    REPLACED,
    REPLAYED,
    TRAINED,
    TUNED,
    WIDENED,
    trained_ways,
)
from trainer.bench.forgetters.ways import Consolidated, Joint, Replayed, Table, Tuned, WithoutForgetting

DIM = 32
MEAN = np.zeros(DIM, np.float32)


def pupil(number: int, shots: int = 2, probes: int = 3, faceless: int = 0) -> Pupil:
    random = np.random.default_rng(number)
    own = random.standard_normal(DIM)
    seen = faces((own + 0.5 * random.standard_normal((shots + probes, DIM))).astype(np.float32))
    return Pupil(number, seen.of(range(shots)), seen.of(range(shots, shots + probes)), faceless)


def course(*steps: int) -> Course:
    numbers = iter(range(sum(steps)))
    return Course(tuple(tuple(pupil(next(numbers)) for _ in range(step)) for step in steps))


def marks(steps: Course) -> dict[str, Marks]:
    return {name: attend(way, steps, started=True) for name, way in trained_ways(steps, MEAN, Recipe(), 0)}


def measured(of: Marks) -> dict[str, float]:
    return {name: float(value[0]) for name, value in of.measures(np.ones((1, 100))).items()}


@pytest.fixture(scope="module")
def attended() -> dict[str, dict[str, float]]:
    return {name: measured(its) for name, its in marks(course(12, 6, 6, 6)).items()}


def test_every_way_is_tried_in_its_order(attended: dict[str, dict[str, float]]) -> None:
    assert tuple(attended) == TRAINED


def test_the_question_s_three_ways_forget(attended: dict[str, dict[str, float]]) -> None:
    assert attended[REPLACED]["rank1 old"] == 0.0
    assert attended[TUNED]["rank1 old"] < 0.6
    assert attended[WIDENED]["rank1 old"] < 0.6
    assert attended[WIDENED]["lost old"] > 0.3


def test_remembering_all_pictures_or_one_each_forgets_little(attended: dict[str, dict[str, float]]) -> None:
    assert attended[JOINT]["rank1 old"] > 0.9
    assert attended[REPLAYED]["rank1 old"] > 0.8
    assert attended[LWF]["rank1 old"] > attended[WIDENED]["rank1 old"]
    assert attended[EWC]["rank1 old"] > attended[WIDENED]["rank1 old"]


def test_the_table_changes_nobody_and_training_everybody() -> None:
    steps = Course(tuple(tuple(wide(n) for n in numbers) for numbers in ((0, 1, 2), (3, 4), (5,))))
    table = attend(Table(plda_head()), steps)
    assert table.changed == 0
    assert measured(table)["rank1 old"] == measured(table)["rank1 new"] == 1.0
    assert marks(course(3, 2, 1))[JOINT].changed == 5


def wide(number: int) -> Pupil:
    """As wide as the fake head takes."""
    random = np.random.default_rng(number)
    seen = faces((random.standard_normal(128) + 0.4 * random.standard_normal((5, 128))).astype(np.float32))
    return Pupil(number, seen.of([0, 1]), seen.of([2, 3, 4]))


def test_a_replaced_layer_names_the_last_class_alone() -> None:
    steps = course(3, 2, 2)
    ways = dict(trained_ways(steps, MEAN, Recipe(), 0))
    for step, (seen, labels) in enumerate(steps.lessons()):
        if step:
            ways[REPLACED].add(seen, labels)
    scores = ways[REPLACED].scores(steps.probes()[0])
    assert scores.shape == (21, 7)
    assert np.isneginf(scores[:, :5]).all()
    assert np.isfinite(scores[:, 5:]).all()


def start(people: int = 3) -> tuple[Network, Faces, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    seen, labels = next(course(people).lessons())
    random = np.random.default_rng(0)
    new = Network.new(people, MEAN, Recipe(), random, dense=False)
    return new.trained(seen.x, labels, random, cross_entropy), seen, labels


def test_one_picture_of_each_is_kept_the_one_nearest_their_mean() -> None:
    network, _, _ = start()
    x: Floats = np.zeros((4, DIM), np.float32)
    x[:, 0], x[0, 1], x[2, 1], x[3, 2] = 1, 0.5, -0.5, 1
    seen = faces(x)
    way = Replayed(network, np.random.default_rng(0), seen, np.array([0, 0, 0, 1]))
    assert way.faces.x.tolist() == seen.x[[1, 3]].tolist()
    assert way.labels.tolist() == [0, 1]
    fresh, labels = list(course(3, 2).lessons())[1]
    way.add(fresh, labels)
    assert way.labels.tolist() == [0, 1, 3, 4]
    assert {tuple(row) for row in way.faces.x[2:].tolist()} <= {tuple(row) for row in fresh.x.tolist()}


def test_weights_that_old_answers_hang_on_are_held() -> None:
    network, seen, labels = start()
    fresh, theirs = list(course(3, 2).lessons())[1]
    held = Consolidated(network, np.random.default_rng(1), seen, labels)
    free = Tuned(network, np.random.default_rng(1))
    for way in (held, free):
        way.add(fresh, theirs)
    moved = [
        np.abs(way.network.parameters["weights"][:3] - network.parameters["weights"]).mean() for way in (held, free)
    ]
    assert moved[0] < 0.5 * moved[1]


def test_old_answers_on_new_pictures_stay_nearer_with_lwf() -> None:
    network, _, _ = start()
    fresh, theirs = list(course(3, 2).lessons())[1]
    kept, free = WithoutForgetting(network, np.random.default_rng(1)), Tuned(network, np.random.default_rng(1))
    for way in (kept, free):
        way.add(fresh, theirs)
    before = _centred(network.logits(fresh.x))
    away = [np.abs(_centred(way.scores(fresh)[:, :3]) - before).mean() for way in (kept, free)]
    assert away[0] < 0.5 * away[1]


def _centred(logits: Floats) -> Floats:
    """A softmax does not see what all its logits share."""
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))


def test_joint_training_keeps_every_picture() -> None:
    network, seen, labels = start()
    way = Joint(network, np.random.default_rng(0), seen, labels)
    fresh, theirs = list(course(3, 2).lessons())[1]
    way.add(fresh, theirs)
    assert len(way.faces) == len(seen) + len(fresh)
    assert way.scores(fresh).shape == (4, 5)


def hand_made(hits: Sequence[Sequence[float]]) -> Marks:
    """Two people at first, one and one later, four pictures each."""
    return Marks(np.array(hits, float), np.full(4, 4.0), np.array([0, 0, 1, 2]), np.array([5, 6, 7, 8]), 0)


def test_measures_are_those_of_the_literature() -> None:
    found = measured(hand_made([[4, 4, 0, 0], [4, 2, 4, 0], [2, 2, 3, 4]]))
    assert found["rank1 old"] == 0.5
    assert found["rank1 new"] == pytest.approx(7 / 8)
    assert found["lost old"] == 0.5
    assert found["average incremental"] == pytest.approx((1 + 10 / 12 + 11 / 16) / 3)
    assert found["forgetting"] == pytest.approx((0.5 + 0.25) / 2)
    assert found["bwt"] == pytest.approx((-0.5 - 0.25) / 2)


def test_forgetting_counts_from_the_best_and_bwt_from_the_first_time() -> None:
    found = measured(hand_made([[2, 2, 0, 0], [4, 4, 4, 0], [2, 2, 4, 4]]))
    assert found["forgetting"] == pytest.approx((0.5 + 0) / 2)
    assert found["bwt"] == 0.0


def test_people_drawn_more_often_count_more() -> None:
    marks = hand_made([[4, 0, 0, 0], [4, 0, 4, 0], [4, 0, 4, 4]])
    weights = np.zeros((2, 10))
    weights[0, [5, 7, 8]], weights[1, [5, 6, 7, 8]] = 1, [1, 3, 1, 1]
    assert marks.measures(weights)["rank1 old"].tolist() == [1.0, 0.25]
    told = estimates([marks, marks], weights)["rank1 old"]
    assert told.value == 0.5
    assert told.resampled.tolist() == [1.0, 0.25]
    assert old_after([marks], 1, weights).resampled.tolist() == [1.0, 0.25]


def test_pictures_without_a_face_are_never_right() -> None:
    steps = Course(((pupil(0, faceless=3), pupil(1)), (pupil(2),)))
    told = measured(marks(steps)[JOINT])
    assert told["rank1 old"] == pytest.approx(6 / 9)
