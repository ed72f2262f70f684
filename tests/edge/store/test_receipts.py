"""Erasing: nothing is found afterwards in any file, and the receipt says so, provably."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import StoreError
from edge.store.receipts import (
    ErasedPlace,
    check_receipt,
    find_marks,
    issue_receipt,
    marks_of,
    public_key_of,
    read_receipt,
    receipt_files,
    signature_holds,
)
from edge.store.schema import StorePaths
from tests.fakes.templates import (
    KEY,
    NOW,
    OTHER_KEY,
    FakePlace,
    everything,
    memory_folder,
    open_store,
    outlines,
    picture,
    pictures,
)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def sealed_of(folder: Path, person: str) -> list[bytes]:
    """Every sealed value of somebody, in the store and its snapshots."""
    found: list[bytes] = []
    for path in [folder / "templates.db", *(folder / "snapshots").glob("*.db")]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for query in (
                "SELECT wrapped_key, card FROM people WHERE id = ?",
                "SELECT record, views FROM exemplars WHERE person = ?",
            ):
                found += [blob for row in connection.execute(query, (person,)) for blob in row if blob is not None]
    return found


def windows(blob: bytes, size: int = 16) -> set[bytes]:
    return {blob[at : at + size] for at in range(0, len(blob) - size + 1, 8)}


def traces(folder: Path, secrets: set[bytes]) -> dict[str, int]:
    return {
        path.name: count
        for path, data in everything(folder).items()
        if (count := sum(secret in data for secret in secrets))
    }


@pytest.mark.parametrize("size", [1, 40])
def test_no_byte_sealed_or_plain_of_an_erased_person_is_found_in_any_file(tmp_path: Path, size: int) -> None:
    dice = random.Random(3)
    with open_store(tmp_path) as store:
        victim = store.add_person("Unmistakable Name", [picture(seed, views=8) for seed in range(5)], wall_s=NOW)
        others = [store.add_person(None, [picture(100 + s, views=s % 9)], wall_s=NOW).id for s in range(size)]
        store.snapshot()
        # Rows come and go around it, so that pages are split and merged and cells move about.
        store.rename(victim.id, "Another Unmistakable")
        for _ in range(size):
            store.add_exemplars(
                dice.choice([victim.id, *others]), [picture(dice.randrange(10**6), views=3)], wall_s=NOW
            )
        store.snapshot()
        if size > 1:
            for other in dice.sample(others, size // 3):
                store.erase(other, wall_s=NOW)
        store.deny(victim.id, [picture(7)], [], event="event-1")
        secrets = {window for blob in sealed_of(tmp_path, victim.id) for window in windows(blob)}
        assert set(traces(tmp_path, secrets)) >= {"templates.db-wal", "templates-00000001.db"}
        before = outlines(store.load())

        receipt = store.erase(victim.id, wall_s=NOW + 9)

        assert traces(tmp_path, secrets) == {}
        assert traces(tmp_path, {b"Unmistakable", b"Another"}) == {}
        assert receipt.complete
        assert store.verify(receipt) == []
        del before[victim.id]
        assert outlines(store.load()) == before
    assert traces(tmp_path, secrets) == {}


def test_a_receipt_says_what_where_when_and_how_much_and_no_name(tmp_path: Path) -> None:
    outbox = FakePlace(held={})
    with open_store(tmp_path, places=(outbox,)) as store:
        anna = store.add_person("Unmistakable", pictures(1, 2), wall_s=NOW)
        store.snapshot()
        twin = store.add_person(None, pictures(3), wall_s=NOW)
        store.merge(twin.id, anna.id)
        outbox.held = {anna.id: 3, twin.id: 1, "p_other222": 5}
        receipt = store.erase(anna.id, wall_s=NOW + 9)
        assert set(store.load().people) == set()
    assert receipt.people == (anna.id, twin.id)
    assert receipt.erased_s == NOW + 9
    assert receipt.places == (
        ErasedPlace("templates", 5, 0),
        ErasedPlace("templates-00000001.db", 3, 0),
        ErasedPlace("write-ahead log", 1, 0),
        ErasedPlace("outbox", 4, 0),
    )
    assert outbox.held == {"p_other222": 5}
    (file,) = receipt_files(tmp_path / "receipts")
    assert read_receipt(file) == receipt
    assert b"Unmistakable" not in file.read_bytes()
    assert json.loads(file.read_text())["complete"] is True


def test_a_second_command_verifies_the_receipt_beside_a_running_daemon(tmp_path: Path) -> None:
    with open_store(tmp_path) as daemon:
        anna = daemon.add_person("Anna", pictures(1), wall_s=NOW)
        daemon.snapshot()
        daemon.erase(anna.id, wall_s=NOW)
        daemon.add_person("Bea", pictures(2), wall_s=NOW)
        (file,) = receipt_files(tmp_path / "receipts")
        with open_store(tmp_path, exclusive=False) as command:
            assert command.verify(read_receipt(file)) == []


def test_whatever_comes_back_after_an_erasure_is_found(tmp_path: Path) -> None:
    outbox = FakePlace()
    with open_store(tmp_path, places=(outbox,)) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        store.snapshot()
        kept = {path: path.read_bytes() for path in (tmp_path / "snapshots").iterdir()}
        store.session.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = (tmp_path / "templates.db").read_bytes()
        receipt = store.erase(anna.id, wall_s=NOW)
        assert store.verify(receipt) == []

        outbox.held = {anna.id: 2}
        assert store.verify(receipt) == ["outbox: 2 left"]
        outbox.held = {}

        ((path, data),) = kept.items()
        scrubbed = path.read_bytes()
        path.write_bytes(data)
        found = store.verify(receipt)
        assert f"{path.name}: 2 rows are left" in found
        assert any("pieces of the erased templates are left" in line for line in found)
        path.write_bytes(scrubbed)

        for name in ("templates.db.damaged-000001", ".templates.db.tmp-1234", "snapshots/.templates-00000009.db.tmp-1"):
            (tmp_path / name).write_bytes(whole[5000:])
            assert len(store.verify(receipt)) == 1
            (tmp_path / name).unlink()
        assert store.verify(receipt) == []


def test_a_place_that_is_away_makes_the_receipt_incomplete_until_it_is_back(tmp_path: Path) -> None:
    outbox = FakePlace(away=True)
    with open_store(tmp_path, places=(outbox,)) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        outbox.held = {anna.id: 2}
        receipt = store.erase(anna.id, wall_s=NOW)
        assert not receipt.complete
        assert receipt.places[-1] == ErasedPlace("outbox", 0, 1, "not erased: the outbox is away")
        assert "the erasure was not complete: something was left in outbox" in store.verify(receipt)
        assert store.finish_erasures() == []
    with open_store(tmp_path, places=(outbox,)) as store:
        outbox.away = False
        (second,) = store.finish_erasures()
        assert second.complete
        assert (second.number, second.people, second.erased_s) == (2, (anna.id,), NOW)
        assert store.verify(second) == []
        assert store.finish_erasures() == []


def test_a_reader_that_holds_the_log_makes_the_receipt_incomplete_not_wrong(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        with contextlib.closing(sqlite3.connect(tmp_path / "templates.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM people").fetchone()
            store.session.connection.execute("PRAGMA busy_timeout = 50")
            receipt = store.erase(anna.id, wall_s=NOW)
            assert not receipt.complete
            log = next(place for place in receipt.places if place.place == "write-ahead log")
            assert log.left > 0
            assert log.note == "a reader holds it"
        (second,) = store.finish_erasures()
        assert second.complete
        assert store.verify(second) == []


def test_receipts_are_chained_and_none_can_be_taken_out_or_changed(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for seed in range(3):
            person = store.add_person(None, pictures(seed), wall_s=NOW)
            store.erase(person.id, wall_s=NOW + seed)
    folder = tmp_path / "receipts"
    first, second, third = map(read_receipt, receipt_files(folder))
    for receipt in (first, second, third):
        assert check_receipt(receipt, folder, KEY) == []
        assert signature_holds(receipt)
        assert receipt.public_key == public_key_of(KEY)
    assert check_receipt(third, folder, OTHER_KEY) == ["the receipt was signed by another device's key"]

    forged = replace(second, erased_s=NOW + 100)
    assert check_receipt(forged, folder, KEY) == [
        "the receipt was changed after it was made: its hash differs",
        "the receipt's signature does not hold",
    ]
    files = receipt_files(folder)
    files[1].write_text(first.to_json())
    assert check_receipt(third, folder, KEY) == ["the chain is broken: the receipt before it is another one"]
    files[1].unlink()
    (line,) = check_receipt(third, folder, KEY)
    assert line.startswith("the receipt before it cannot be read")


def test_a_damaged_receipt_does_not_stop_the_next_erasure(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        a, b = (store.add_person(None, pictures(seed), wall_s=NOW).id for seed in (1, 2))
        store.erase(a, wall_s=NOW)
        (file,) = receipt_files(tmp_path / "receipts")
        file.write_bytes(b"{")
        receipt = store.erase(b, wall_s=NOW)
        assert receipt.number == 2
        assert receipt.complete
        assert len(store.verify(receipt)) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b'{"format": 1}', b"\xff", b"[" * 100_000, b" " * (5 << 20)],
    ids=["empty", "object", "list", "null", "format", "bytes", "deep", "large"],
)
def test_what_is_no_receipt_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "000001.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"000001\.json: ") as caught:
        read_receipt(path)
    assert "\n" not in str(caught.value)


def test_a_receipt_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"9\.json: cannot read the receipt: No such file"):
        read_receipt(tmp_path / "9.json")


@given(st.data())
def test_a_receipt_with_one_value_changed_never_holds(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("receipts")
    places = [ErasedPlace("templates", 5, 0), ErasedPlace("outbox", 1, 0, "note")]
    receipt = issue_receipt(folder, KEY, people=["p_a"], erased_s=NOW, places=places, marks=[b"0123456789ab"])
    document = json.loads((folder / "000001.json").read_text())
    name = data.draw(st.sampled_from(sorted(set(document) - {"format", "version", "complete"})))
    value = document[name]
    if isinstance(value, list):
        document[name] = value[:-1]
    elif isinstance(value, str):
        at = data.draw(st.integers(0, len(value) - 1))
        document[name] = value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]
    else:
        document[name] = value + 1
    (folder / "other.json").write_text(json.dumps(document))
    assert check_receipt(receipt, folder, KEY) == []
    assert check_receipt(read_receipt(folder / "other.json"), folder, KEY) != []


@settings(max_examples=25)
@given(st.integers(0, 2_200_000) | st.integers(-14, 2).map(lambda near: 2**20 + near), st.integers(0, 2**32))
def test_a_mark_is_found_wherever_it_lies_also_across_blocks(
    tmp_path_factory: pytest.TempPathFactory, at: int, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "haystack"
    mark, absent = random.Random(seed).randbytes(12), random.Random(seed + 1).randbytes(12)
    data = bytearray(2_200_020)
    data[at : at + 12] = mark
    path.write_bytes(data)
    assert find_marks(path, [mark, absent]) == 1
    data[at + 5] ^= 1
    path.write_bytes(data)
    assert find_marks(path, [mark, absent]) == 0


def test_marks_come_of_every_part_of_a_value_and_not_of_runs_of_zeros() -> None:
    blob = os.urandom(600)
    marks = marks_of(blob)
    assert len(marks) >= 17
    assert marks[0] == blob[:12]
    assert marks_of(bytes(600)) == marks_of(b"short") == []


def test_nothing_is_searched_for_without_marks_or_file(tmp_path: Path) -> None:
    assert find_marks(tmp_path / "missing", [b"0123456789ab"]) == 0
    (tmp_path / "empty").touch()
    assert find_marks(tmp_path / "empty", [b"0123456789ab"]) == 0
    assert find_marks(StorePaths(tmp_path / "x").database, []) == 0
