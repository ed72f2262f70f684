"""From a map to a head: what PLDA does not see, what it does, and how held-out people judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.recognition.types import Embedding
from tests.fakes.fleets import DIM, closed_form, fleet, poor_head
from trainer.challengers.fit import Map, fit, verification_loss
from trainer.challengers.fleet import Fleet
from trainer.challengers.start import averaged, beginning
from trainer.distill import HeadParameters


def scores(head: HeadParameters, of: Fleet) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Everybody enrolled with their first view, searched with all."""
    door = head.head()
    seen = [door.project(Embedding(x, float(norm))) for x, norm in zip(of.x, of.norms, strict=True)]
    rows = np.stack([door.row([seen[int(np.flatnonzero(of.owners == person)[0])]]) for person in of.people])
    return door.scores(rows, seen)


def turn(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(np.linalg.qr(np.random.default_rng(seed).standard_normal((DIM, DIM)))[0], np.float64)


@given(st.integers(0, 1000))
def test_a_map_that_only_turns_and_moves_gives_the_closed_form_s_scores(seed: int) -> None:
    of = fleet(people=12)
    mean = np.random.default_rng(seed).standard_normal(DIM) / 4
    head = fit(of, Map(3 * turn(seed), mean), "embedder", 0.3, 0.0)
    plain = fit(of, Map(np.eye(DIM), np.zeros(DIM)), "embedder", 0.3, 0.0)
    np.testing.assert_allclose(head.mean, plain.mean, atol=1e-5)
    np.testing.assert_allclose(scores(head, of), scores(plain, of), rtol=2e-3, atol=0.05)


def test_a_map_that_stretches_counts_the_more_the_stronger_the_shrinkage() -> None:
    of = fleet()
    stretch = Map(np.diag(np.linspace(3, 1, DIM)), np.zeros(DIM))
    plain = Map(np.eye(DIM), np.zeros(DIM))
    moved = [
        float(np.abs(scores(fit(of, stretch, "e", s, 0.0), of) - scores(fit(of, plain, "e", s, 0.0), of)).mean())
        for s in (0.0, 0.5, 1.0)
    ]
    assert moved[0] < moved[1] < moved[2]


def test_a_map_that_loses_a_direction_still_gives_a_head() -> None:
    of = fleet()
    flat = Map(np.diag([*np.ones(DIM - 1), 0.0]), np.zeros(DIM))
    head = fit(of, flat, "e", 0.5, 0.3)
    assert np.isfinite(head.mean).all()
    assert np.abs(head.transform[:, -1]).max() == 0.0


def test_a_head_that_knows_which_directions_tell_loses_less_than_one_that_does_not() -> None:
    learned, held = fleet(seed=1), fleet(seed=2)
    assert verification_loss(closed_form(learned), held) < 0.9 * verification_loss(poor_head(learned), held)


def test_the_loss_does_not_see_a_score_s_scale() -> None:
    head, held = closed_form(fleet(seed=1)), fleet(seed=2)
    flat = replace(head, beta=np.full(DIM, 1e-4))
    flatter = replace(head, beta=np.full(DIM, 1e-6))
    assert verification_loss(flat, held) == pytest.approx(verification_loss(flatter, held), rel=1e-3)


def test_the_loss_is_that_of_the_scores_that_a_door_computes() -> None:
    held = fleet(people=10, views=2)
    alone = Fleet(held.x, held.norms, held.owners, np.arange(len(held.x), dtype=np.intp))
    head = closed_form(fleet(seed=1))
    flat = replace(head, quality=replace(head.quality, intercept=0.0, slope=0.0))
    door = flat.head()
    seen = [door.project(Embedding(x, 60.0)) for x in alone.x]
    table = door.scores(np.stack([door.row([one]) for one in seen]), seen)
    same = alone.owners[:, None] == alone.owners
    upper = np.triu(np.ones_like(same), 1)
    genuine, impostor = table[upper & same], table[upper & ~same]
    threshold = np.quantile(impostor, 0.999)
    expected = float(np.logaddexp(0, (threshold - genuine) / (threshold - np.median(impostor))).mean())
    assert verification_loss(flat, alone) == pytest.approx(expected, rel=1e-3)


def test_two_views_of_one_picture_make_no_pair() -> None:
    one_picture_each = fleet(people=10, views=2)
    with pytest.raises(ValueError, match="two pictures of one of them"):
        verification_loss(closed_form(fleet()), one_picture_each)


def test_people_who_tell_nothing_are_refused() -> None:
    of = fleet(people=2, views=2)
    alike = replace(of, x=np.repeat(of.x[::2], 2, axis=0))
    with pytest.raises(ValueError, match="alike"):
        fit(alike, Map(np.eye(DIM), np.zeros(DIM)), "e", 0.3, 0.3)
    with pytest.raises(ValueError, match="two people at least"):
        fit(fleet(people=1), Map(np.eye(DIM), np.zeros(DIM)), "e", 0.3, 0.3)


def test_a_map_begins_as_the_head_whitens_or_as_the_embedder_sees() -> None:
    head = closed_form(fleet())
    whole, none = beginning(head, 1.0).matrix, beginning(head, 0.0).matrix
    np.testing.assert_allclose(whole / whole[0, 0], head.transform / head.transform[0, 0], rtol=1e-6)
    np.testing.assert_allclose(none @ none.T, np.eye(DIM), atol=1e-9)


def test_maps_that_differ_by_a_turn_are_averaged_to_what_they_all_see() -> None:
    matrix = beginning(closed_form(fleet()), 0.5).matrix
    mean = averaged([Map(turn(seed) @ matrix, np.zeros(DIM)) for seed in range(3)]).matrix
    np.testing.assert_allclose(mean.T @ mean, matrix.T @ matrix, atol=1e-9)
