"""Who is held out and what goes into a batch: fair to the previous head, the same everywhere, nobody left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.fleets import fleet
from trainer.challengers.fleet import Fleet, batches, held_out


@given(st.lists(st.integers(1, 7), min_size=1, max_size=30), st.integers(2, 8), st.integers(2, 5), st.integers(0, 9))
def test_an_epoch_shows_everybody_with_whole_people_side_by_side(
    counts: list[int], people: int, views: int, seed: int
) -> None:
    owners = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    planned = batches(owners, people, views, seed)
    assert planned.shape == (-(-len(counts) // people), people * views)
    shown = owners[planned].reshape(-1, views)
    assert (shown == shown[:, :1]).all()
    assert set(shown[:, 0]) == set(range(len(counts)))
    first = planned.reshape(-1, views)[: len(counts)]
    for places in first:
        assert len(np.unique(places)) == min(views, counts[owners[places[0]]])


def test_batches_are_the_same_for_one_seed_and_differ_for_others() -> None:
    owners = fleet().owners
    assert batches(owners, 8, 4, (1, 2)).tolist() == batches(owners, 8, 4, (1, 2)).tolist()
    assert batches(owners, 8, 4, (1, 2)).tolist() != batches(owners, 8, 4, (1, 3)).tolist()


def test_those_held_out_are_new_where_there_are_enough_new_people() -> None:
    of = fleet(people=100, old=50)
    held, known = held_out(of, 0.2, seed=1)
    assert not known
    assert (of.owners[held] >= 50).all()
    assert len(np.unique(of.owners[held])) == 20
    assert held.tolist() != held_out(of, 0.2, seed=2)[0].tolist()


@pytest.mark.parametrize("old", [None, 95])
def test_those_held_out_are_anybody_where_too_few_are_new(old: int | None) -> None:
    of = fleet(people=100, old=old)
    held, known = held_out(of, 0.2, seed=1)
    assert known
    assert len(np.unique(of.owners[held])) == 20
    assert not set(of.owners[held]) & set(of.owners[~held])


def test_some_are_always_left_to_learn_from() -> None:
    of = fleet(people=4)
    held, _ = held_out(of, 0.99, seed=0)
    assert len(np.unique(of.owners[held])) == len(np.unique(of.owners[~held])) == 2
    with pytest.raises(ValueError, match="four people at least"):
        held_out(fleet(people=3), 0.2, seed=0)


def test_a_fleet_that_cannot_be_is_refused() -> None:
    of = fleet(people=4)
    with pytest.raises(ValueError, match="a norm and an owner for each"):
        Fleet(of.x, of.norms[1:], of.owners)
    broken = of.x.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="not a finite number"):
        Fleet(broken, of.norms, of.owners)
    with pytest.raises(ValueError, match="an embedding at least"):
        Fleet(of.x[:0], of.norms[:0], of.owners[:0])
