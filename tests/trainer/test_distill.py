"""Learning a head: what is put in comes out, and nonsense is refused."""

from __future__ import annotations

import numpy as np
import pytest

from edge.recognition.gallery import Gallery
from edge.recognition.types import Embedding, Exemplar, Projection
from trainer.distill import DistillSettings, diagonalize, distill, quality_model, shrunk_within
from trainer.statistics import Statistics

DIM = 8


def statistics(people: int = 400, *, noisy_low_norms: bool = True, seed: int = 0) -> Statistics:
    """Of a fleet with known W (diagonal 0.01..0.08) and B (diagonal 0.8..0.1), pictures of low norm spread twice."""
    random = np.random.default_rng(seed)
    total = Statistics.empty(DIM)
    for _ in range(people):
        centre = random.standard_normal(DIM) * np.sqrt(np.linspace(0.8, 0.1, DIM))
        poor = random.random(6) < 0.5
        spread = np.sqrt(np.linspace(0.01, 0.08, DIM)) * np.where(poor & noisy_low_norms, 2.0, 1.0)[:, None]
        views = centre + spread * random.standard_normal((6, DIM))
        total = total + Statistics.of_person(views.astype(np.float32), np.where(poor, 30.0, 90.0).astype(np.float32))
    return total


def test_the_transform_makes_the_spread_within_a_person_one_and_that_between_people_beta() -> None:
    within, between = np.diag([0.1, 0.2, 0.3]), np.diag([3.0, 2.0, 1.0])
    transform, beta = diagonalize(within, between)
    np.testing.assert_allclose(transform @ within @ transform.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(transform @ between @ transform.T, np.diag(beta), atol=1e-9)
    assert beta.tolist() == sorted(beta, reverse=True)


def test_the_learned_spreads_are_near_the_true_ones() -> None:
    sums = statistics(noisy_low_norms=False)
    within = shrunk_within(sums, towards_identity=0.0)
    np.testing.assert_allclose(np.diag(within), np.linspace(0.01, 0.08, DIM), rtol=0.15)


def test_poor_pictures_get_a_larger_variance_and_the_mean_stays_one() -> None:
    sums = statistics()
    full = quality_model(sums, power=1.0)
    assert full.variance(30.0) / full.variance(90.0) == pytest.approx(4.0, rel=0.25)
    mean_g = (full.variance(30.0) + full.variance(90.0)) / 2
    assert mean_g == pytest.approx(1.0, rel=0.05)
    tempered = quality_model(sums, power=0.3)
    assert 1 < tempered.variance(30.0) / tempered.variance(90.0) < full.variance(30.0) / full.variance(90.0)


def test_quality_can_be_switched_off() -> None:
    off = quality_model(statistics(), power=0.0)
    assert off.variance(30.0) == pytest.approx(off.variance(90.0)) == pytest.approx(1.0, rel=0.01)


def test_the_score_is_the_log_likelihood_ratio_of_the_model() -> None:
    head = distill(statistics(), "e").head()
    random = np.random.default_rng(5)
    z, enrolled = random.standard_normal((2, DIM)).astype(np.float32)
    probe, exemplar = Projection(z, 0.5), Projection(enrolled, 2.0)
    (score,) = head.scores(head.row([exemplar])[None], [probe])[0]
    beta, g, kappa = head._beta.astype(np.float64), 2.0, 2.0
    shrink = beta / (beta + 1 / kappa)
    of_person = _log_normal(z, shrink * enrolled, g + beta * (1 - shrink))
    assert score == pytest.approx(of_person - _log_normal(z, np.zeros(DIM), g + beta), abs=1e-3)


def test_people_of_the_model_are_told_apart_and_strangers_score_below_them() -> None:
    head = distill(statistics(), "e").head()
    random = np.random.default_rng(9)
    centres = random.standard_normal((5, DIM)) * np.sqrt(np.linspace(0.8, 0.1, DIM))

    def view(centre: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Embedding:
        return Embedding((centre + 0.1 * random.standard_normal(DIM)).astype(np.float32), 90.0)

    gallery = Gallery.build(head, [Exemplar(f"p{n}", view(c)) for n, c in enumerate(centres) for _ in range(3)])
    for number, centre in enumerate(centres):
        assert gallery.candidates(head.project(view(centre)))[0].person == f"p{number}"
    stranger = gallery.best_scores(head.strangers(500, 1))
    genuine = [gallery.candidates(head.project(view(c)))[0].score for c in centres]
    assert np.median(stranger) < min(genuine)


def test_a_fleet_that_tells_nothing_is_refused() -> None:
    same = np.ones((3, DIM), np.float32)
    norms = np.full(3, 50.0, np.float32)
    with pytest.raises(ValueError, match="two people at least"):
        distill(Statistics.of_person(same, norms), "e")
    with pytest.raises(ValueError, match="alike"):
        distill(Statistics.of_person(same, norms) + Statistics.of_person(2 * same, norms), "e", DistillSettings())


def test_a_head_is_named_by_what_is_in_it() -> None:
    one, again, other = distill(statistics(), "e"), distill(statistics(), "e"), distill(statistics(seed=1), "e")
    assert one.id == again.id != other.id
    assert distill(statistics(), "another embedder").id != one.id


def _log_normal(z: object, mean: object, variance: object) -> float:
    return float(np.sum(-0.5 * (np.asarray(z) - mean) ** 2 / variance - 0.5 * np.log(2 * np.pi * np.asarray(variance))))
