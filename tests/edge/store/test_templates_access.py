"""Who may read and write the store, with which key, and what stands in its files."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.errors import StoreError
from edge.store.templates import TemplateStore
from tests.fakes.templates import (
    EMBEDDER,
    KEY,
    NOW,
    OTHER_KEY,
    everything,
    likeness,
    memory_folder,
    open_store,
    outline,
    outlines,
    picture,
    pictures,
    unit,
)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def test_neither_names_nor_embeddings_stand_in_any_file_in_plain(tmp_path: Path) -> None:
    shot = picture(1)
    levels = np.rint(shot.embedding.x / (np.max(np.abs(shot.embedding.x)) / 127)).astype(np.int8).tobytes()
    with open_store(tmp_path) as store:
        store.add_person("Anna Unmistakable", [shot], wall_s=NOW, verified=True)
        store.snapshot()
        for data in everything(tmp_path).values():
            for secret in (
                b"Unmistakable",
                shot.embedding.x.tobytes()[:32],
                levels[:16],
                levels[100:116],
                EMBEDDER.encode(),
            ):
                assert secret not in data
    assert {stat.S_IMODE(path.stat().st_mode) for path in everything(tmp_path)} == {0o600}


def test_neither_names_nor_embeddings_are_printed_with_a_person(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Unmistakable", pictures(1), wall_s=NOW)
        assert "Unmistakable" not in repr(store.load())
        assert "array" not in repr((store.load(), picture(1)))


def test_rows_that_were_swapped_are_told_and_give_nobody_anothers_face(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        bea = store.add_person("Bea", pictures(3), wall_s=NOW)
    a1, a2, b1 = (kept.id for person in (anna, bea) for kept in person.exemplars)
    swaps = [
        f"UPDATE exemplars SET person = '{anna.id}' WHERE id = '{b1}'",
        f"UPDATE exemplars SET record = (SELECT record FROM exemplars WHERE id = '{a2}') WHERE id = '{a1}'",
        f"UPDATE exemplars SET record = views WHERE id = '{a1}'",
        f"UPDATE exemplars SET kind = 'denied' WHERE id = '{b1}'",
        f"UPDATE people SET merged_into = '{anna.id}' WHERE id = '{bea.id}'",
        f"UPDATE people SET card = (SELECT card FROM people WHERE id = '{anna.id}') WHERE id = '{bea.id}'",
        f"UPDATE people SET wrapped_key = (SELECT wrapped_key FROM people LIMIT 1) WHERE id = '{bea.id}'",
    ]
    for number, swap in enumerate(swaps):
        folder = tmp_path / str(number)
        folder.mkdir()
        with contextlib.closing(sqlite3.connect(tmp_path / "templates.db")) as source:
            source.execute("VACUUM INTO ?", (str(folder / "templates.db"),))
        with contextlib.closing(sqlite3.connect(folder / "templates.db")) as tampered, tampered:
            tampered.execute(swap)
        with open_store(folder) as store:
            people = store.load()
        assert len(people.damage) == 1, swap
        assert "\n" not in people.damage[0]
        truth = {a1: anna.id, a2: anna.id, b1: bea.id}
        for person in people.people.values():
            assert all(truth[kept.id] == person.id for kept in person.exemplars), swap


def test_a_second_writer_is_refused_and_readers_see_what_is_committed(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        with pytest.raises(StoreError, match=r"templates\.db is held by process \d+: a daemon runs already"):
            open_store(tmp_path)
        with open_store(tmp_path, exclusive=False) as reader:
            assert reader.load().people == {}
            anna = store.add_person("Anna", pictures(1), wall_s=NOW)
            assert outlines(reader.load()) == {anna.id: outline(anna)}
            with pytest.raises(StoreError, match="opened for reading only"):
                reader.erase(anna.id, wall_s=NOW)
    with open_store(tmp_path) as again:
        assert list(again.load().people) == [anna.id]


def test_reading_where_no_store_is_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no template store is there"):
        open_store(tmp_path / "nowhere", exclusive=False)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_wrong_key_is_told_from_damage_and_changes_nothing(tmp_path: Path, exclusive: bool) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        store.snapshot()
    before = everything(tmp_path)
    with pytest.raises(StoreError, match=f"with key {KEY.key_id}, and the key given is {OTHER_KEY.key_id}: give"):
        open_store(tmp_path, key=OTHER_KEY, exclusive=exclusive)
    after = everything(tmp_path)
    unchanged = [path for path, data in before.items() if path.suffix in {".db", ".key"} and after[path] == data]
    assert len(unchanged) == 2
    with open_store(tmp_path) as store:
        assert len(store.load().people) == 1


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="the store is closed"):
        store.load()


def test_the_store_writes_ahead_with_full_synchrony_and_deletes_securely(tmp_path: Path) -> None:
    with TemplateStore.open(tmp_path / "templates.db", KEY) as store:
        values = [
            store.session.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete", "temp_store")
        ]
    assert values == ["wal", 2, 1, 2]


def test_a_vector_of_another_size_is_kept_as_it_is(tmp_path: Path) -> None:
    shot = picture(1, dimensions=512)
    with open_store(tmp_path) as store:
        person = store.add_person("Anna", [shot], wall_s=NOW)
    assert person.exemplars[0].embedding.x.shape == unit(1, 512).shape
    assert likeness(person.exemplars[0], shot) > 0.9999
