"""What the trainer was told, on the disk: rows that come back, revisions that never do, and receipts that wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store.receipts import ErasedPlace, Receipt
from edge.store.templates import TemplateStore
from edge.store.told import NOTHING, Told, ToldRows
from tests.fakes.templates import EMBEDDER, NOW, FakePlace, memory_folder, open_store, picture, pictures


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def told_of(person: str, **changes: object) -> Told:
    row = Told(person, 7, "f" * 64, EMBEDDER, f"report-of-{person}", acknowledged=False)
    return replace(row, **changes)  # type: ignore[arg-type] # a test's keys are its own care


def trainer_in(receipt: Receipt) -> list[ErasedPlace]:
    return [place for place in receipt.places if place.place == "trainer"]


def test_rows_are_there_after_the_store_was_opened_again(tmp_path: Path) -> None:
    rows = {"p_a": told_of("p_a"), "p_b": told_of("p_b", acknowledged=True, fingerprint=NOTHING)}
    with open_store(tmp_path) as store:
        for row in rows.values():
            ToldRows(store.session).note(row)
    with open_store(tmp_path) as store:
        assert ToldRows(store.session).read() == rows


def test_an_acknowledgement_is_of_the_message_and_not_of_the_person(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        rows = ToldRows(store.session)
        rows.note(told_of("p_a", report="old"))
        rows.note(told_of("p_a", report="new", revision=8))
        rows.acknowledge(["old", "another"])
        assert not rows.read()["p_a"].acknowledged
        rows.acknowledge(["new"])
        assert rows.read()["p_a"] == told_of("p_a", report="new", revision=8, acknowledged=True)


def test_revisions_go_up_whatever_the_clock_says(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        rows = ToldRows(store.session)
        given = []
        for wall_s in (12.0, NOW, 5.0, NOW - 1e6, NOW + 9.0, NOW + 9.0):
            revision = rows.next_revision(wall_s)
            rows.note(told_of("p_a", revision=revision))
            given.append(revision)
        assert given == sorted(set(given))
        assert given[1] == int(NOW * 1000)


def test_a_store_put_back_from_an_older_copy_gives_no_revision_twice_where_the_clock_is_set(tmp_path: Path) -> None:
    with open_store(tmp_path / "one") as store:
        first = ToldRows(store.session).next_revision(NOW)
        ToldRows(store.session).note(told_of("p_a", revision=first))
    with open_store(tmp_path / "copy_of_before") as store:
        assert ToldRows(store.session).next_revision(NOW + 1) > first


def test_what_is_told_asks_for_no_snapshot(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        assert store.snapshot() is not None
        ToldRows(store.session).note(told_of("p_a"))
        assert store.snapshot() is None


def test_where_somebody_is(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        rows = ToldRows(store.session)
        anna, ben = (store.add_person(name, [picture(seed)], wall_s=NOW).id for seed, name in enumerate("ab", 1))
        store.merge(ben, anna)
        assert [rows.whereabouts(person) for person in (anna, ben, "p_nobody")] == ["here", "merged", "gone"]


def test_a_reader_beside_the_daemon_can_note_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path), open_store(tmp_path, exclusive=False) as reader:
        with pytest.raises(StoreError, match="noting what is told of p_a failed"):
            ToldRows(reader.session).note(told_of("p_a"))
        assert ToldRows(reader.session).read() == {}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TemplateStore]:
    with open_store(tmp_path) as opened:
        yield opened


def test_the_receipt_of_somebody_who_was_never_shared_does_not_name_the_trainer(store: TemplateStore) -> None:
    anna = store.add_person("Anna", pictures(1), wall_s=NOW)
    receipt = store.erase(anna.id, wall_s=NOW)
    assert receipt.complete
    assert trainer_in(receipt) == []


def test_an_erasure_is_complete_when_the_trainer_has_acknowledged_it(store: TemplateStore) -> None:
    rows = ToldRows(store.session)
    anna = store.add_person("Anna", pictures(1), wall_s=NOW)
    rows.note(told_of(anna.id, acknowledged=True))
    receipt = store.erase(anna.id, wall_s=NOW)
    assert not receipt.complete
    assert trainer_in(receipt) == [
        ErasedPlace("trainer", 0, 1, "is to be told, and has not acknowledged it yet"),
    ]
    rows.note(told_of(anna.id, fingerprint=NOTHING, report="gone"))
    assert store.finish_erasures() == []
    rows.acknowledge(["gone"])
    (finished,) = store.finish_erasures()
    assert finished.complete
    assert trainer_in(finished) == [ErasedPlace("trainer", 1, 0, "acknowledged")]
    assert store.verify(finished) == []
    assert rows.read() == {}


def test_everybody_merged_into_the_erased_one_is_waited_for(store: TemplateStore) -> None:
    rows = ToldRows(store.session)
    anna, ben = (store.add_person(name, [picture(seed)], wall_s=NOW).id for seed, name in enumerate("ab", 1))
    store.merge(ben, anna)
    rows.note(told_of(anna, acknowledged=True))
    rows.note(told_of(ben, fingerprint=NOTHING, acknowledged=True))
    assert [place.left for place in trainer_in(store.erase(anna, wall_s=NOW))] == [1]
    rows.note(told_of(anna, fingerprint=NOTHING, report="gone"))
    rows.acknowledge(["gone"])
    assert [trainer_in(receipt)[0].items for receipt in store.finish_erasures()] == [2]


def test_the_row_of_somebody_erased_waits_for_their_receipt_and_no_longer(tmp_path: Path) -> None:
    outbox = FakePlace(away=True)
    with open_store(tmp_path, places=(outbox,)) as store:
        rows = ToldRows(store.session)
        anna = store.add_person("Anna", pictures(1), wall_s=NOW).id
        rows.note(told_of(anna, fingerprint=NOTHING, report="gone"))
        store.erase(anna, wall_s=NOW)
        rows.acknowledge(["gone"])
        assert anna in rows.read()
        outbox.away = False
        assert [receipt.complete for receipt in store.finish_erasures()] == [True]
        assert rows.read() == {}


def test_a_row_of_nobody_goes_once_it_is_acknowledged_and_that_of_somebody_stays(store: TemplateStore) -> None:
    rows = ToldRows(store.session)
    anna = store.add_person("Anna", pictures(1), wall_s=NOW).id
    for person in (anna, "p_of_a_snapshot"):
        rows.note(told_of(person, fingerprint=NOTHING, report=person))
    rows.acknowledge([anna, "p_of_a_snapshot"])
    assert list(rows.read()) == [anna]
    assert rows.read()[anna].is_over
