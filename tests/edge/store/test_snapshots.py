from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.store.schema import StorePaths
from edge.store.snapshots import Snapshots, fault_of
from tests.fakes.templates import KEY, NOW, OTHER_KEY, everything, memory_folder, open_store, outlines, pictures


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def test_a_snapshot_is_a_store_of_its_own_in_one_file_for_its_owner(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        path = store.snapshot()
        expected = outlines(store.load())
    assert path is not None
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert path.read_bytes()[18:20] == b"\1\1", "needs a write-ahead log (file format, 1.3.3)"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.rename(elsewhere / "templates.db")
    with open_store(elsewhere) as copy:
        assert copy.report == []
        assert outlines(copy.load()) == expected


def test_a_snapshot_holds_what_is_still_in_the_write_ahead_log(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        assert StorePaths(tmp_path / "templates.db").wal.stat().st_size > 0
        path = store.snapshot()
    assert path is not None
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM people").fetchone() == (1,)


def test_none_is_taken_while_nothing_changed_and_a_sighting_is_no_change(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        assert store.snapshot() is not None
        store.touch(anna.id, NOW + 1)
        store.flush_seen()
        assert store.snapshot() is None
        store.rename(anna.id, "Anne")
        assert store.snapshot() is not None


def test_a_damaged_newest_snapshot_is_replaced_although_nothing_changed(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        path = store.snapshot()
        assert path is not None
        path.write_bytes(path.read_bytes()[:5000])
        assert store.snapshot() is not None


def test_only_the_newest_are_kept_and_numbers_are_not_given_again(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for seed in range(6):
            store.add_person(None, pictures(seed), wall_s=NOW)
            store.snapshot()
        names = [path.name for path in store.session.snapshots.newest_first()]
    assert names == ["templates-00000006.db", "templates-00000005.db", "templates-00000004.db"]


def test_a_snapshot_tells_what_is_wrong_with_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        path = store.snapshot()
    assert path is not None
    assert fault_of(path, KEY.key_id) is None
    assert f"made with key {KEY.key_id}, not with {OTHER_KEY.key_id}" in (fault_of(path, OTHER_KEY.key_id) or "")
    data = path.read_bytes()
    for wrong in (b"", b"no database at all", data[:4096], data[:8192] + bytes(4096) + data[12288:]):
        path.write_bytes(wrong)
        assert "templates-00000001.db" in (fault_of(path, KEY.key_id) or "")
    assert fault_of(path.with_name("missing.db"), KEY.key_id) is not None


def test_other_files_in_the_folder_are_no_snapshots(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "templates.db")
    paths.snapshots.mkdir()
    for name in ("templates-1.db", "notes.txt", "templates-00000001.db-journal", ".templates-00000002.db.tmp-1"):
        (paths.snapshots / name).touch()
    assert Snapshots(paths).newest_first() == []


def test_an_erased_person_leaves_every_snapshot_and_the_others_stay(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        store.snapshot()
        bea = store.add_person("Bea", pictures(2), wall_s=NOW)
        store.snapshot()
        store.erase(anna.id, wall_s=NOW)
        snapshots = store.session.snapshots.newest_first()
    held = []
    for path in snapshots:
        assert fault_of(path, KEY.key_id) is None
        with contextlib.closing(sqlite3.connect(path)) as connection:
            held.append(
                [row[0] for row in connection.execute("SELECT id FROM people UNION SELECT person FROM exemplars")]
            )
    assert held == [[bea.id], []]


def test_what_was_erased_does_not_come_back_with_a_snapshot_that_never_held_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.snapshot()
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        store.erase(anna.id, wall_s=NOW)
        gone = store.session.rows.is_taken(anna.id)
    (tmp_path / "templates.db").unlink()
    with open_store(tmp_path) as store:
        assert store.load().people == {}
        assert gone
        assert store.session.rows.is_taken(anna.id)


def test_a_damaged_snapshot_is_removed_when_somebody_is_erased(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        path = store.snapshot()
        assert path is not None
        path.write_bytes(path.read_bytes()[:6000])
        receipt = store.erase(anna.id, wall_s=NOW)
        assert [place.note for place in receipt.places if place.place == path.name] == ["removed as a whole"]
        assert not path.exists()


def test_leftovers_of_a_crash_are_removed_at_the_next_start(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        store.snapshot()
    half = tmp_path / "snapshots" / ".templates-00000002.db.tmp-0123abcd"
    half.write_bytes(b"half a snapshot")
    (tmp_path / ".templates.db.tmp-0123abcd").write_bytes(b"half a database")
    with open_store(tmp_path) as store:
        assert len(store.load().people) == 1
    assert not any(".tmp-" in path.name for path in everything(tmp_path))


def test_at_least_one_snapshot_must_be_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one snapshot"):
        Snapshots(StorePaths(tmp_path / "templates.db"), keep=0)


def test_a_snapshot_whose_scrubbing_was_cut_off_is_restored_with_its_log(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        bea = store.add_person("Bea", pictures(2), wall_s=NOW)
        path = store.snapshot()
    assert path is not None
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            connection.execute("DELETE FROM people WHERE id = ?", (anna.id,))
            connection.execute("DELETE FROM exemplars WHERE person = ?", (anna.id,))
        kept = {file: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
    for file, data in kept.items():
        file.write_bytes(data)
    assert len(kept) == 2
    (tmp_path / "templates.db").unlink()
    with open_store(tmp_path) as store:
        assert list(store.load().people) == [bea.id]
