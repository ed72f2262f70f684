"""The pooled sums are those of the people that say so, whatever happens in whatever order: added, changed, erased."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, text, update

from edge.contract.fleet import PersonReport
from edge.errors import StoreError
from tests.fakes.fleet import (
    DIM,
    EMBEDDER,
    KEY,
    OTHER_EMBEDDER,
    assert_same_sums,
    erased,
    report,
    sums_from_scratch,
)
from tests.fakes.postgres import Postgres
from tests.fakes.templates import memory_folder
from trainer.distill import distill
from trainer.statistics import FOLDS, Statistics, fold_of
from trainer.store.engine import reading, writing
from trainer.store.store import FleetStore
from trainer.store.tables import exemplars, people, pooled

DOORS, PEOPLE = ("front", "back"), tuple(f"p{number}" for number in range(12))
DIMS = {EMBEDDER: DIM, OTHER_EMBEDDER: 5}
OWNERS = st.tuples(st.sampled_from(DOORS), st.sampled_from(PEOPLE))


class Fleet(RuleBasedStateMachine):
    """Doors that report, change and erase people, beside what the sums must then be, added up from scratch."""

    make_url: Callable[[], str]

    @initialize()
    def begin(self) -> None:
        self.store = FleetStore.open(self.make_url(), KEY)
        self.known: dict[tuple[str, str], PersonReport] = {}
        self.gone: dict[tuple[str, str], int] = {}
        self.pooled: set[tuple[str, str]] = set()
        self.clock = itertools.count(1)

    @rule(
        owners=st.lists(OWNERS, min_size=1, max_size=5),
        pictures=st.integers(1, 4),
        night=st.integers(0, 2),
        days=st.integers(1, 3),
        embedder=st.sampled_from(sorted(DIMS)),
        back=st.integers(0, 3),
    )
    def report(
        self, owners: list[tuple[str, str]], pictures: int, night: int, days: int, embedder: str, back: int
    ) -> None:
        """New people, changed ones, and some whose report is an older one than what is known."""
        with self.store.write() as writer:
            for door, person in owners:
                revision = max(1, next(self.clock) - back)
                shape = {"pictures": pictures, "night": night, "days": days}
                told = report(door, person, revision, embedder=embedder, dim=DIMS[embedder], **shape)
                self.expect(told, writer.person(told))

    def expect(self, told: PersonReport, answer: str) -> None:
        owner = (told.door, told.person)
        known = self.known.get(owner)
        if told.revision <= self.gone.get(owner, -1):
            assert answer == "gone"
        elif known is not None and known.report == told.report:
            assert answer == "stored"
        elif known is not None and known.revision > told.revision:
            assert answer == "older"
        else:
            assert answer == "stored"
            self.known[owner] = told
            self.pooled.discard(owner)

    @rule(owner=OWNERS, back=st.integers(0, 3))
    def erase(self, owner: tuple[str, str], back: int) -> None:
        revision = max(1, next(self.clock) - back)
        with self.store.write() as writer:
            answer = writer.erased(erased(*owner, revision))
        known = self.known.get(owner)
        if known is not None and known.revision > revision:
            assert answer == "older"
            return
        assert answer == ("nobody" if known is None else "erased")
        self.gone[owner] = max(revision, self.gone.get(owner, -1))
        self.known.pop(owner, None)
        self.pooled.discard(owner)

    @rule(person=st.sampled_from(PEOPLE[:3]))
    def erase_everywhere(self, person: str) -> None:
        with self.store.write() as writer:
            count = writer.erase_everywhere(person)
        theirs = [(door, person) for door in DOORS]
        assert count == sum(owner in self.known for owner in theirs)
        for owner in theirs:
            self.known.pop(owner, None)
            self.pooled.discard(owner)
            self.gone[owner] = 2**53

    @rule(embedder=st.sampled_from(sorted(DIMS)), chunk=st.integers(1, 5))
    def pool(self, embedder: str, chunk: int) -> None:
        new = {o for o, told in self.known.items() if told.embedder_sha256 == embedder and o not in self.pooled}
        assert self.store.pool_new(embedder, chunk).added == len(new)
        self.pooled |= new

    @invariant()
    def the_sums_are_those_of_the_pooled(self) -> None:
        if not hasattr(self, "store"):
            return
        for embedder, dim in DIMS.items():
            found = self.store.pooled(embedder) or [Statistics.empty(dim)] * FOLDS
            for fold, sums in enumerate(found):
                theirs = [
                    told
                    for owner, told in self.known.items()
                    if owner in self.pooled and told.embedder_sha256 == embedder and fold_of(told.person) == fold
                ]
                assert_same_sums(sums, sums_from_scratch(theirs, dim))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()


def test_the_sums_hold_whatever_happens_on_sqlite() -> None:
    numbers = itertools.count()
    with memory_folder() as folder:
        Fleet.make_url = staticmethod(lambda: f"sqlite:///{folder}/fleet{next(numbers)}.db")
        run_state_machine_as_test(Fleet, settings=settings(max_examples=20, stateful_step_count=15, deadline=None))


def test_the_sums_hold_whatever_happens_on_postgresql(postgres: Postgres) -> None:
    Fleet.make_url = staticmethod(postgres.empty_database)
    run_state_machine_as_test(Fleet, settings=settings(max_examples=8, stateful_step_count=15, deadline=None))


def put(store: FleetStore, *reports: PersonReport) -> None:
    with store.write() as writer:
        for one in reports:
            writer.person(one)


def total(store: FleetStore) -> Statistics:
    together = Statistics.empty(DIM)
    for sums in store.pooled(EMBEDDER):
        together = together + sums
    return together


FLEET = [report(person=f"p{number}", pictures=1 + number % 4, night=number % 3) for number in range(24)]


def test_erasing_somebody_gives_the_head_of_a_fleet_without_them(store: FleetStore) -> None:
    put(store, *FLEET)
    store.pool_new(EMBEDDER, chunk=5)
    with store.write() as writer:
        writer.erased(erased(person="p5"))
    without = sums_from_scratch([one for one in FLEET if one.person != "p5"])
    one, other = distill(total(store), EMBEDDER), distill(without, EMBEDDER)
    np.testing.assert_allclose(one.transform, other.transform, rtol=1e-8)
    np.testing.assert_allclose(one.beta, other.beta, rtol=1e-8)


def test_of_nobody_nothing_is_left_not_even_rounding(store: FleetStore) -> None:
    put(store, *FLEET)
    store.pool_new(EMBEDDER)
    with store.write() as writer:
        for one in FLEET:
            writer.erased(erased(person=one.person))
    for sums in store.pooled(EMBEDDER):
        assert sums.to_bytes() == Statistics.empty(DIM).to_bytes()


def spoil(store: FleetStore, *where: object, table: object = exemplars) -> None:
    """Damage sealed bytes behind the store's back."""
    with writing(store._engine) as connection:
        connection.execute(update(table).where(*where).values(sealed=b"damaged bytes, not sealed"))  # type: ignore[arg-type]


def owner_of(person: str) -> object:
    return exemplars.c.owner.in_(select(people.c.id).where(people.c.person == person))


def test_somebody_whose_row_is_damaged_is_left_out_and_told(store: FleetStore) -> None:
    put(store, *FLEET)
    spoil(store, owner_of("p3"))
    done = store.pool_new(EMBEDDER)
    assert (done.added, done.damaged) == (23, 1)
    assert store.status().embedders[EMBEDDER].damaged == 1
    assert_same_sums(total(store), sums_from_scratch([one for one in FLEET if one.person != "p3"]))
    assert "p3" not in {one.person for one in store.embeddings(EMBEDDER)}
    assert store.pool_new(EMBEDDER).damaged == 0  # told once
    put(store, report(person="p3", revision=2))
    assert store.pool_new(EMBEDDER).added == 1
    assert store.status().embedders[EMBEDDER].damaged == 0


def test_erasing_somebody_who_does_not_open_adds_their_fold_up_anew(store: FleetStore) -> None:
    put(store, *FLEET)
    store.pool_new(EMBEDDER)
    spoil(store, owner_of("p3"))
    with store.write() as writer:
        assert writer.erased(erased(person="p3")) == "erased"
    left = [one for one in FLEET if one.person != "p3"]
    of_other_folds = [one for one in left if fold_of(one.person) != fold_of("p3")]
    assert_same_sums(total(store), sums_from_scratch(of_other_folds))
    assert store.pool_new(EMBEDDER).added == len(left) - len(of_other_folds)
    assert_same_sums(total(store), sums_from_scratch(left))


def test_sums_that_do_not_open_are_told_and_added_up_anew(store: FleetStore) -> None:
    put(store, *FLEET)
    store.pool_new(EMBEDDER)
    spoil(store, pooled.c.fold == fold_of("p3"), table=pooled)
    with pytest.raises(StoreError, match="a sealed value of it is damaged"):
        store.pooled(EMBEDDER)
    assert store.pool_new(EMBEDDER).added == sum(fold_of(one.person) == fold_of("p3") for one in FLEET)
    assert_same_sums(total(store), sums_from_scratch(FLEET))
    spoil(store, pooled.c.fold == fold_of("p3"), table=pooled)
    with store.write() as writer:
        writer.erased(erased(person="p3"))
    store.pool_new(EMBEDDER)
    assert_same_sums(total(store), sums_from_scratch([one for one in FLEET if one.person != "p3"]))


def test_sums_of_a_form_that_is_not_known_are_added_up_anew(store: FleetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, *FLEET)
    with monkeypatch.context() as patch:
        patch.setattr(Statistics, "to_bytes", lambda _self: b"the form of another year")
        store.pool_new(EMBEDDER)
    assert store.pool_new(EMBEDDER).added == len(FLEET)
    assert_same_sums(total(store), sums_from_scratch(FLEET))


def test_starting_over_gives_the_same_sums(store: FleetStore) -> None:
    put(store, *FLEET)
    store.pool_new(EMBEDDER)
    before = total(store)
    store.start_over(EMBEDDER)
    assert total(store).people == 0
    assert store.pool_new(EMBEDDER).added == len(FLEET)
    assert_same_sums(total(store), before)


def test_a_copy_of_an_older_row_does_not_open_in_the_new_ones_place(store: FleetStore) -> None:
    put(store, report(revision=1, pictures=1))
    with reading(store._engine) as connection:
        old = connection.scalar(select(exemplars.c.sealed))
    put(store, report(revision=2, pictures=1))
    with writing(store._engine) as connection:
        connection.execute(update(exemplars).values(sealed=old))
    assert list(store.embeddings(EMBEDDER)) == []


def test_people_go_with_their_exemplars_even_where_somebody_deletes_by_hand(store: FleetStore) -> None:
    put(store, report())
    with writing(store._engine) as connection:
        connection.execute(text("DELETE FROM people"))
    assert store.status().embedders[EMBEDDER].exemplars == 0
