from __future__ import annotations

import numpy as np
import pytest

from edge.recognition.scoring import CentredCosine, products
from edge.recognition.types import Embedding, Floats, Projection
from tests.fakes.probes import DIM, cosine_head, direction

MEAN = 0.3 * direction(1)


def embedding(seed: int, norm: float = 70.0) -> Embedding:
    return Embedding(direction(seed), norm)


def head() -> CentredCosine:
    return CentredCosine("embedder", MEAN, np.asarray(np.eye(DIM) / DIM, np.float32))


def test_a_projection_is_the_unit_vector_seen_from_the_mean_face() -> None:
    projected = head().project(embedding(2))
    wanted = direction(2) - MEAN
    assert projected.z == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)
    assert projected.precision == 1


def test_the_embeddings_norm_does_not_change_a_cosine() -> None:
    assert (head().project(embedding(2, 20.0)).z == head().project(embedding(2, 90.0)).z).all()


def test_an_embedding_on_the_mean_face_has_no_direction_and_scores_zero() -> None:
    nobody = head().project(Embedding(MEAN.astype(np.float32), 70.0))
    rows = np.stack([head().row([head().project(embedding(3))])])
    assert head().scores(rows, [nobody]).tolist() == [[0.0]]


def test_a_row_is_the_unit_mean_of_a_persons_projections() -> None:
    projections = [head().project(embedding(seed)) for seed in (2, 3, 4)]
    row = head().row(projections)
    mean = np.mean([p.z for p in projections], axis=0)
    assert row == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    assert row.dtype == np.float32


def test_a_person_scores_one_against_their_own_only_picture() -> None:
    projection = head().project(embedding(5))
    assert head().scores(np.stack([head().row([projection])]), [projection])[0, 0] == pytest.approx(1, abs=1e-6)


def test_scores_are_the_cosines_of_each_probe_with_each_row() -> None:
    rows = np.stack([direction(seed) for seed in range(6)])
    probes = [Projection(direction(seed), 1.0) for seed in range(10, 13)]
    wanted = np.array([[float(np.dot(p.z.astype(float), row)) for row in rows] for p in probes])
    found = head().scores(rows, probes)
    assert found.shape == (3, 6)
    assert found.dtype == np.float32
    assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 17, 64])
def test_a_product_depends_on_its_own_row_and_probe_to_the_last_bit(count: int) -> None:
    rows: Floats = np.random.default_rng(1).standard_normal((64, 192)).astype(np.float32)
    probes: Floats = np.random.default_rng(2).standard_normal((9, 192)).astype(np.float32)
    everything = products(probes, rows)
    assert (products(probes[:1], rows[:count]) == everything[:1, :count]).all()
    assert (products(probes[4:], rows[-count:]) == everything[4:, -count:]).all()


def test_strangers_are_spread_as_the_cohort_is() -> None:
    random = np.random.default_rng(5)
    shape = random.standard_normal((12, 12)) * np.linspace(0.2, 2, 12)
    covariance = (shape @ shape.T).astype(np.float32)
    few = CentredCosine("embedder", np.zeros(12, np.float32), covariance)
    drawn = np.stack([p.z for p in few.strangers(8_000, 1)]).astype(np.float64)
    direct = random.multivariate_normal(np.zeros(12), covariance, 8_000)
    direct /= np.linalg.norm(direct, axis=1, keepdims=True)
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(8_000), abs=1e-5)
    assert drawn.T @ drawn / 8_000 == pytest.approx(direct.T @ direct / 8_000, abs=0.03)
    assert drawn.mean(axis=0) == pytest.approx(np.zeros(12), abs=0.03)


def test_the_same_seed_draws_the_same_strangers_and_another_seed_others() -> None:
    first, again, other = (np.stack([p.z for p in cosine_head().strangers(50, seed)]) for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).any(axis=1).any()


def test_a_cohort_of_few_people_whose_covariance_has_no_full_rank_can_be_drawn_from() -> None:
    few: Floats = np.stack([direction(seed) for seed in range(3)])
    thin = CentredCosine("embedder", few.mean(axis=0), np.asarray(np.cov(few.T), np.float32))
    assert all(np.isfinite(p.z).all() for p in thin.strangers(100, 1))
