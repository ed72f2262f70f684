"""Which dimensions an embedder has: what is known of it holds; of one that is not, no report shuts others out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from edge.contract.fleet import PersonReport
from edge.errors import MessageError
from tests.fakes.fleet import DIM, EMBEDDER, KEY, assert_same_sums, erased, report, sums_from_scratch
from trainer.statistics import FOLDS, Statistics
from trainer.store.records import Pooling
from trainer.store.store import FleetStore

KNOWN = {EMBEDDER: DIM}
RIGHT = [report(person=f"p{number}", dim=DIM) for number in range(2, 8)]


def put(store: FleetStore, *reports: PersonReport) -> list[str]:
    with store.write() as writer:
        return [writer.person(one) for one in reports]


def people(store: FleetStore) -> set[str]:
    return {one.person for one in store.embeddings(EMBEDDER)}


def total(store: FleetStore) -> Statistics:
    folds = store.pooled(EMBEDDER)
    return sum(folds[1:], folds[0])


@pytest.fixture
def informed(database: str) -> Callable[[], FleetStore]:
    """Opens the database knowing the embedder."""
    return partial(FleetStore.open, database, KEY, dimensions=KNOWN)


def test_a_wrong_first_report_of_a_known_embedder_is_refused_and_shuts_nobody_out(
    informed: Callable[[], FleetStore],
) -> None:
    with informed() as store:
        with (
            store.write() as writer,
            pytest.raises(MessageError, match="of 16 numbers; those of embedder abababababab"),
        ):
            writer.person(report(person="p1", dim=2 * DIM))
        assert put(store, *RIGHT) == ["stored"] * len(RIGHT)
        assert store.pool_new(EMBEDDER) == Pooling(len(RIGHT), 0)
        assert_same_sums(total(store), sums_from_scratch(RIGHT))


def test_of_an_unknown_embedder_nobody_is_refused_and_the_right_ones_count_once_it_is_known(
    store: FleetStore, informed: Callable[[], FleetStore]
) -> None:
    assert put(store, report(person="p1", dim=2 * DIM), *RIGHT) == ["stored"] * (1 + len(RIGHT))
    assert store.pool_new(EMBEDDER) == Pooling(1, len(RIGHT))
    assert people(store) == {"p1"}
    with informed() as later:
        assert people(later) == {one.person for one in RIGHT}
        assert later.pool_new(EMBEDDER) == Pooling(len(RIGHT), 1)
        assert_same_sums(total(later), sums_from_scratch(RIGHT))
        found = later.status().embedders[EMBEDDER]
        assert (found.people, found.pooled, found.damaged, found.dimensions) == (1 + len(RIGHT), len(RIGHT), 1, DIM)
    with informed() as again:  # nothing is begun anew twice
        assert again.pool_new(EMBEDDER) == Pooling(0, 0)


def test_whoever_was_left_out_is_erased_and_reported_anew_like_any_other(
    store: FleetStore, informed: Callable[[], FleetStore]
) -> None:
    put(store, *(report(person=person, dim=2 * DIM) for person in ("p1", "p9")), *RIGHT)
    store.pool_new(EMBEDDER)
    with informed() as later:
        later.pool_new(EMBEDDER)
        new = report(person="p9", revision=2, dim=DIM)
        with later.write() as writer:
            assert writer.erased(erased(person="p1")) == "erased"
            assert writer.person(new) == "stored"
        assert later.pool_new(EMBEDDER) == Pooling(1, 0)
        assert_same_sums(total(later), sums_from_scratch([*RIGHT, new]))
        assert sum(fold.people for fold in later.pooled(EMBEDDER)) == len(RIGHT) + 1


def test_a_wrong_dimension_does_not_outlive_the_people_who_brought_it(store: FleetStore) -> None:
    put(store, report(person="p1", dim=16))
    store.pool_new(EMBEDDER)
    with store.write() as writer:
        writer.erased(erased(person="p1"))
    assert put(store, report(person="p2", dim=8)) == ["stored"]
    store.pool_new(EMBEDDER)
    assert {one.dim for one in store.pooled(EMBEDDER)} == {8}
    assert len(store.pooled(EMBEDDER)) == FOLDS
