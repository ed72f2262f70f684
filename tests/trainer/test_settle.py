"""How a head is learned best is found by trying it on people whom it was not learned from."""

from __future__ import annotations

import numpy as np
import pytest

from edge.recognition.types import Embedding
from trainer.distill import DistillSettings
from trainer.fleet_faces import PersonViews
from trainer.settle import settle, statistics_of, trial_of
from trainer.statistics import Statistics

DIM = 16
OFF, ON = DistillSettings(0.1, 0.0), DistillSettings(0.1, 1.0)


def fleet(count: int, *, norm_tells: bool, seed: int = 0) -> list[PersonViews]:
    """People with good and poor pictures; the embedding's norm tells which, or nothing."""
    random = np.random.default_rng(seed)
    people = []
    for _ in range(count):
        centre = random.standard_normal(DIM)
        poor = random.random(12) < 0.5
        x = centre + np.where(poor, 1.6, 0.4)[:, None] * random.standard_normal((12, DIM)).astype(np.float32)
        norms = np.where(poor, 30.0, 80.0) if norm_tells else random.permutation([30.0, 80.0] * 6)
        views = [Embedding(row.astype(np.float32), float(norm)) for row, norm in zip(x, norms, strict=True)]
        people.append(PersonViews(tuple(views[:4]), tuple(views[4:])))
    return people


def test_quality_is_used_where_the_norm_tells_it() -> None:
    assert settle(fleet(120, norm_tells=True), "e", (OFF, ON)).settings == ON


def test_quality_is_left_where_the_norm_tells_nothing() -> None:
    settled = settle(fleet(120, norm_tells=False), "e", (DistillSettings(0.1, 3.0), OFF))
    costs = dict(settled.costs)
    assert costs[OFF] <= costs[DistillSettings(0.1, 3.0)] * 1.02


def test_the_sums_of_all_are_those_of_each() -> None:
    people = fleet(5, norm_tells=True)
    one_by_one = sum((Statistics.of_person(p.embeddings, p.norms) for p in people), Statistics.empty(DIM))
    np.testing.assert_allclose(statistics_of(people).within_scatter, one_by_one.within_scatter)


def test_nobody_is_searched_with_what_they_were_enrolled_with() -> None:
    (person,) = fleet(1, norm_tells=True)
    trial = trial_of("p", person)
    assert trial.shots == person.clean[:3]
    assert trial.clean == person.clean[3:]
    assert trial.night == person.night[6:]  # two night views of each picture, in its order


def test_nobody_to_learn_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 people are too few"):
        settle([], "e", (OFF,))
