"""Damage: every person comes back from the newest snapshot and from what still opens, and garbage never does."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store.templates import TemplateStore
from edge.store.types import StoredPeople
from tests.fakes.templates import KEY, NOW, OTHER_KEY, memory_folder, open_store, outlines, pictures, vectors

Damage = Callable[[bytearray], None]


@pytest.fixture(scope="module")
def whole() -> Iterator[Path]:
    """A store of six people with a snapshot that holds them all."""
    with memory_folder() as folder:
        with open_store(folder) as store:
            for seed in range(6):
                store.add_person(f"Number {seed}", pictures(seed, seed + 100), wall_s=NOW)
            store.snapshot()
        yield folder


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def truth(whole: Path) -> StoredPeople:
    with open_store(whole) as store:
        return store.load()


def views_of(store: TemplateStore, people: StoredPeople) -> list[bytes]:
    kept = [exemplar.id for person in people.people.values() for exemplar in person.exemplars]
    return [view.embedding.x.tobytes() for exemplar in kept for view in store.views(exemplar)]


def copies(whole: Path, tmp_path: Path, *, snapshots: bool) -> Iterator[Path]:
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        if not snapshots:
            shutil.rmtree(folder / "snapshots")
        yield folder
        shutil.rmtree(folder)


def cut(where: int) -> Damage:
    def act(data: bytearray) -> None:
        del data[where:]

    return act


def spoil(where: int, length: int, value: int | None) -> Damage:
    def act(data: bytearray) -> None:
        for at in range(where, min(where + length, len(data))):
            data[at] = data[at] ^ 0x41 if value is None else value

    return act


def damages(size: int) -> list[Damage]:
    dice = random.Random(7)
    cuts = [cut(where) for where in (0, 1, 50, 100, 512, 4095, 4096, 4097, size // 2, size - 4096, size - 1)]
    header = [spoil(at, 1, None) for at in (*range(0, 100, 5), 18, 19, 21)]
    bytes_anywhere = [spoil(dice.randrange(size), 1, None) for _ in range(60)]
    sectors = [spoil(dice.randrange(size // 512) * 512, 512, value) for value in (0, 0xFF, None) for _ in range(8)]
    pages = [spoil(at, 4096, 0) for at in range(0, size, 8192)]
    return [*cuts, *header, *bytes_anywhere, *sectors, *pages]


def test_with_a_fresh_snapshot_no_damage_anywhere_loses_anything(
    whole: Path, truth: StoredPeople, tmp_path: Path
) -> None:
    size = (whole / "templates.db").stat().st_size
    noticed = 0
    with open_store(whole) as store:
        true_views = views_of(store, truth)
    for folder, damage in zip(copies(whole, tmp_path, snapshots=True), damages(size), strict=False):
        data = bytearray((folder / "templates.db").read_bytes())
        damage(data)
        (folder / "templates.db").write_bytes(data)
        with open_store(folder) as store:
            people = store.load()
            noticed += bool(store.report) or bool(people.repaired)
            assert views_of(store, people) == true_views
            added = store.add_person("Newcomer", pictures(50), wall_s=NOW)
        assert outlines(people) == outlines(truth)
        assert vectors(people) == vectors(truth)
        assert people.damage == ()
        with open_store(folder) as store:
            assert store.report == []
            assert set(store.load().people) == {*truth.people, added.id}
    # Much of a small database is free space, which may change without any harm.
    assert noticed > len(damages(size)) / 3


def test_without_a_snapshot_what_still_opens_is_saved_and_nothing_false_is_read(
    whole: Path, truth: StoredPeople, tmp_path: Path
) -> None:
    size = (whole / "templates.db").stat().st_size
    saved = 0
    for folder, damage in zip(copies(whole, tmp_path, snapshots=False), damages(size), strict=False):
        data = bytearray((folder / "templates.db").read_bytes())
        damage(data)
        (folder / "templates.db").write_bytes(data)
        with open_store(folder) as store:
            people = store.load()
            report = store.report
        true_vectors = vectors(truth)
        assert all(true_vectors[kept] == vector for kept, vector in vectors(people).items())
        assert {person.name for person in people.people.values()} <= {person.name for person in truth.people.values()}
        lost = len(true_vectors) - len(vectors(people))
        assert not lost or report or people.damage, "loss without a word"
        saved += len(vectors(people))
    assert saved > len(damages(size)) * len(vectors(truth)) / 3


def test_a_damaged_store_is_set_aside_and_the_newest_good_snapshot_restored_and_told(
    whole: Path, truth: StoredPeople, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    with open_store(folder) as store:
        late = store.add_person("Late", pictures(40), wall_s=NOW)
        newest = store.snapshot()
    assert newest is not None
    newest.write_bytes(b"a damaged snapshot is passed over")
    damaged = bytes(4096) + (folder / "templates.db").read_bytes()[4096:]
    (folder / "templates.db").write_bytes(damaged)
    with open_store(folder) as store:
        (line,) = store.report
        people = store.load()
    assert "snapshot templates-00000001.db was restored" in line
    assert (folder / "templates.db.damaged-000001").read_bytes() == damaged
    assert outlines(people) == outlines(truth)
    assert late.id not in people.people


def test_people_enrolled_after_the_snapshot_are_saved_from_the_damaged_file(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    with open_store(folder) as store:
        first = next(iter(store.load().people))
        late = store.add_person("Late", pictures(40), wall_s=NOW)
        store.rename(first, "Renamed")
        expected = outlines(store.load())
    with contextlib.closing(sqlite3.connect(folder / "templates.db")) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'gone'").fetchone()[0]
    data = bytearray((folder / "templates.db").read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xee" * 4096
    (folder / "templates.db").write_bytes(data)
    with open_store(folder) as store:
        assert len(store.report) == 1
        assert outlines(store.load()) == expected
        assert late.id in expected
        assert store.add_person(None, pictures(60), wall_s=NOW).name == "Person 1"


@pytest.mark.parametrize("left", ["nothing", "empty"])
def test_a_lost_database_comes_back_from_its_snapshot(
    whole: Path, truth: StoredPeople, tmp_path: Path, left: str
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    (folder / "templates.db").unlink()
    if left == "empty":
        (folder / "templates.db").touch()
    with open_store(folder) as store:
        assert outlines(store.load()) == outlines(truth)
        assert len(store.report) == 1


def test_a_row_that_no_snapshot_has_is_told_with_the_way_out(whole: Path, truth: StoredPeople, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "snapshots")
    anna, bea = list(truth.people.values())[:2]
    lost = anna.exemplars[0].id
    with contextlib.closing(sqlite3.connect(folder / "templates.db")) as connection, connection:
        connection.execute("UPDATE exemplars SET record = zeroblob(100) WHERE id = ?", (lost,))
        connection.execute("UPDATE people SET wrapped_key = zeroblob(60) WHERE id = ?", (bea.id,))
    with open_store(folder) as store:
        people = store.load()
        assert len(people.damage) == 2
        assert f"reject {lost}" in people.damage[1]
        assert f"erase {bea.id}" in people.damage[0]
        assert len(people.people[anna.id].exemplars) == 1
        with pytest.raises(StoreError, match=f"renaming {bea.id} failed: a row of theirs is damaged"):
            store.rename(bea.id, "Other")
        store.reject_exemplar(lost, wall_s=NOW)
        receipt = store.erase(bea.id, wall_s=NOW)
        assert store.verify(receipt) == []
        assert store.load().damage == ()


def test_a_damaged_row_is_brought_back_from_a_snapshot_and_told(
    whole: Path, truth: StoredPeople, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    with contextlib.closing(sqlite3.connect(folder / "templates.db")) as connection, connection:
        connection.execute("UPDATE exemplars SET record = zeroblob(100) WHERE rowid = 3")
        connection.execute("DELETE FROM exemplars WHERE rowid = 5")
    with open_store(folder, exclusive=False) as reader:
        assert len(reader.load().damage) == 1
    with open_store(folder) as store:
        people = store.load()
        assert len(people.repaired) == 1
        assert vectors(people) == vectors(truth)
        assert store.load().repaired == ()


def test_damaged_views_come_back_from_a_snapshot_or_are_dropped_and_cost_no_recognition(
    whole: Path, truth: StoredPeople, tmp_path: Path
) -> None:
    lost = next(iter(truth.people.values())).exemplars[0].id
    for snapshots, left in ((True, 2), (False, 0)):
        folder = next(copies(whole, tmp_path / str(left), snapshots=snapshots))
        with contextlib.closing(sqlite3.connect(folder / "templates.db")) as connection, connection:
            connection.execute("UPDATE exemplars SET views = zeroblob(100) WHERE id = ?", (lost,))
        with open_store(folder) as store:
            people = store.load()
            assert people.repaired == (f"{lost}: its views for the fleet were damaged",)
            assert vectors(people) == vectors(truth)
            assert len(store.views(lost)) == left
            assert store.load().repaired == ()


def test_a_damaged_store_is_not_replaced_by_an_empty_one_under_another_key(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    (folder / "templates.db").write_bytes(b"damaged")
    with pytest.raises(StoreError, match=f"encrypted with key {KEY.key_id}, while the key given is {OTHER_KEY.key_id}"):
        open_store(folder, key=OTHER_KEY)
    assert (folder / "templates.db").read_bytes() == b"damaged"


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "templates.db")) as connection, connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    before = (tmp_path / "templates.db").read_bytes()
    with pytest.raises(StoreError, match=r"templates\.db: this is another program's database: name another file"):
        open_store(tmp_path)
    assert (tmp_path / "templates.db").read_bytes() == before


def test_a_card_that_keeps_failing_does_not_fill_itself_with_damaged_files(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    for number in range(5):
        (folder / "templates.db").write_bytes(b"damaged %d" % number)
        open_store(folder).close()
    kept = sorted(path.read_bytes() for path in folder.glob("*.damaged-*") if path.suffix[-1].isdigit())
    assert kept == [b"damaged 2", b"damaged 3", b"damaged 4"]


def test_on_a_damaged_store_reading_takes_the_newest_good_snapshot(
    whole: Path, truth: StoredPeople, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    (folder / "templates.db").write_bytes(b"damaged")
    with open_store(folder, exclusive=False) as reader:
        assert outlines(reader.load()) == outlines(truth)
    assert (folder / "templates.db").read_bytes() == b"damaged"
