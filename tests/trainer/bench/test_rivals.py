from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.features import DIM, listed
from trainer.bench.contenders import LEARNERS
from trainer.bench.features import CLEAN, NIGHT, Faces
from trainer.bench.rivals.cosface import CosFaceSettings, learn_cosface, loss_and_gradients
from trainer.bench.rivals.fecam import FecamSettings, learn_fecam
from trainer.bench.rivals.ranpac import Ranpac, RanpacSettings, learn_ranpac
from trainer.bench.rivals.slda import SldaSettings, learn_slda
from trainer.bench.rivals.way import Way, normalized, pooled_within, prototypes

FLEET = listed(120, 4, seed=1)
HOUSE = listed(12, 6, seed=2)
STRANGERS = listed(80, 1, seed=3)
TABLE = [HOUSE.views(CLEAN)[0].of(range(6 * person, 6 * person + 3)) for person in range(12)]
COMERS = np.array([place for place in range(72) if place % 6 > 2])


def missed(way: Way, kind: str = NIGHT, fpir: float = 0.05) -> float:
    """FNIR of the house's people among strangers, by night."""
    scores = way.scores(TABLE, HOUSE.views(kind)[0].of(COMERS))
    strange = np.sort(way.scores(TABLE, STRANGERS.views(kind)[0]).max(axis=1))
    threshold = strange[-1 - int(fpir * len(strange))]
    right = (scores.argmax(axis=1) == COMERS // 6) & (scores.max(axis=1) > threshold)
    return float(1 - right.mean())


class Cosine:
    independent = True

    def scores(self, table: Any, probes: Faces) -> Any:
        return probes.x @ normalized(prototypes(table)).T


@functools.cache
def best(name: str) -> Way:
    faces, owners = FLEET.learnable()
    return min((LEARNERS[name].learn(faces, owners, c) for c in LEARNERS[name].candidates), key=missed)


@pytest.mark.parametrize("name", [name for name in LEARNERS if "table alone" not in name])
def test_what_is_learned_from_others_betters_plain_cosine_by_night(name: str) -> None:
    assert missed(best(name)) < missed(Cosine()) - 0.05


@pytest.mark.parametrize("name", list(LEARNERS))
def test_by_day_the_right_person_is_found_by_every_way(name: str) -> None:
    scores = best(name).scores(TABLE, HOUSE.views(CLEAN)[0].of(COMERS))
    assert scores.shape == (36, 12)
    assert (scores.argmax(axis=1) == COMERS // 6).mean() > 0.9


@pytest.mark.parametrize("name", list(LEARNERS))
def test_the_order_of_table_and_visitors_does_not_matter(name: str) -> None:
    faces, owners = FLEET.learnable()
    way = LEARNERS[name].learn(faces, owners, LEARNERS[name].candidates[0])
    comers = HOUSE.views(NIGHT)[0].of(COMERS)
    scores = way.scores(TABLE, comers)
    random = np.random.default_rng(5)
    people, visitors = random.permutation(len(TABLE)), random.permutation(len(comers))
    mixed = way.scores([TABLE[p] for p in people], comers.of(visitors))
    assert mixed == pytest.approx(scores[visitors][:, people], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_a_way_that_says_so_scores_nobody_by_who_else_is_enrolled(name: str) -> None:
    faces, owners = FLEET.learnable()
    way = LEARNERS[name].learn(faces, owners, LEARNERS[name].candidates[0])
    comers = HOUSE.views(NIGHT)[0].of(COMERS)
    few, all_of_them = way.scores(TABLE[:4], comers), way.scores(TABLE, comers)[:, :4]
    assert way.independent == bool(np.allclose(few, all_of_them, rtol=1e-6, atol=1e-6))


def test_ranpac_is_the_paper_s_ridge_regression() -> None:
    faces, owners = FLEET.learnable()
    for fleet in (True, False):
        way = learn_ranpac(faces.of(range(200)), owners[:200], RanpacSettings(0.5, fleet=fleet))
        assert isinstance(way, Ranpac)
        scale = np.sqrt(2 / way.layer.shape[1])
        hidden = [
            np.maximum(x.astype(np.float64) @ way.layer, 0) * scale for x in (faces.x[:200], *(f.x for f in TABLE))
        ]
        enrolled, known = np.concatenate(hidden[1:]), np.repeat(np.eye(12), 3, axis=0)
        gram = enrolled.T @ enrolled + (hidden[0].T @ hidden[0] if fleet else 0)
        weights = np.linalg.solve(gram + 0.5 * np.eye(len(gram)), enrolled.T @ known)
        probe = HOUSE.views(NIGHT)[0].of(COMERS[:5])
        expected = np.maximum(probe.x.astype(np.float64) @ way.layer, 0) * scale @ weights
        assert way.scores(TABLE, probe) == pytest.approx(expected, abs=1e-6)


def test_slda_is_the_log_likelihood_ratio_to_the_mean_person() -> None:
    faces, owners = FLEET.learnable()
    way = learn_slda(faces, owners, SldaSettings(0.2))
    mean, within = pooled_within(faces.x, owners)
    precision = np.linalg.inv(0.8 * within * DIM / np.trace(within) + 0.2 * np.eye(DIM))
    probe, person = HOUSE.views(CLEAN)[0].of([3]), TABLE[0].x.mean(axis=0, dtype=np.float64)
    near, far = probe.x[0] - person, probe.x[0] - mean
    expected = (far @ precision @ far - near @ precision @ near) / 2
    assert way.scores(TABLE, probe)[0, 0] == pytest.approx(expected, rel=1e-6)


def test_fecam_with_endless_shrinkage_is_cosine() -> None:
    faces, owners = FLEET.learnable()
    way = learn_fecam(faces, owners, FecamSettings(1.0, 1e9))
    comers = HOUSE.views(NIGHT)[0].of(COMERS)
    assert (way.scores(TABLE, comers).argmax(axis=1) == Cosine().scores(TABLE, comers).argmax(axis=1)).mean() > 0.9


@settings(max_examples=20)
@given(st.integers(0, 2**16), st.floats(0, 0.5))
def test_cosface_s_gradient_is_that_of_its_loss(seed: int, margin: float) -> None:
    random = np.random.default_rng(seed)
    matrix, centres, x = (random.standard_normal(shape) for shape in ((4, 4), (3, 4), (5, 4)))
    labels, how = random.integers(0, 3, 5), CosFaceSettings(1, margin, scale=8.0)
    _, (by_matrix, by_centres) = loss_and_gradients(matrix, centres, x, labels, how)
    step = 1e-6 * random.standard_normal((7, 4))  # of the matrix and of the centres
    losses = [
        loss_and_gradients(matrix + sign * step[:4], centres + sign * step[4:], x, labels, how)[0] for sign in (1, -1)
    ]
    expected = 2 * float((by_matrix * step[:4]).sum() + (by_centres * step[4:]).sum())
    assert losses[0] - losses[1] == pytest.approx(expected, rel=1e-3, abs=1e-10)


def test_an_untrained_cosface_is_centred_cosine() -> None:
    faces, owners = FLEET.learnable()
    way = learn_cosface(faces, owners, CosFaceSettings(0))
    mean, _ = pooled_within(faces.x, owners)
    rows = normalized(np.stack([normalized(f.x - mean).mean(axis=0) for f in TABLE]))
    comers = HOUSE.views(NIGHT)[0].of(COMERS)
    assert way.scores(TABLE, comers) == pytest.approx(normalized(comers.x - mean) @ rows.T, abs=1e-9)


def test_people_of_one_picture_teach_nothing() -> None:
    faces = FLEET.views(CLEAN)[0].of(range(0, 40, 4))
    for name in ("SLDA", "FeCAM", "CosFace linear"):
        with pytest.raises(ValueError, match="nobody has two pictures"):
            LEARNERS[name].learn(faces, np.arange(10), LEARNERS[name].candidates[0])
