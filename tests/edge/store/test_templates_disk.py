"""A disk that is full, or read-only: recognition goes on from memory, enrollment is refused with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store.keys import key_place, obtain_device_key
from edge.store.schema import StorePaths
from edge.store.templates import TemplateStore
from tests.fakes.templates import NOW, memory_folder, open_store, outline, outlines, pictures


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", str(folder))
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    yield folder
    _run("umount", "-l", str(folder))


def _run(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            return ballast


def enroll_until_refused(store: TemplateStore) -> tuple[list[str], str]:
    done: list[str] = []
    for seed in range(10_000):
        try:
            done.append(store.add_person(None, pictures(seed), wall_s=NOW).id)
        except StoreError as error:
            return done, str(error)
    raise AssertionError("never full")


def test_on_a_full_disk_enrollment_is_refused_and_nobody_is_lost(small_disk: Path) -> None:
    store = open_store(small_disk)
    done, reason = enroll_until_refused(store)
    assert (
        f"the enrollment failed: the disk that holds {small_disk / 'templates.db'} is full: make room on it" == reason
    )
    assert list(store.load().people) == done
    store.touch(done[0], NOW + 1)
    shutil.rmtree(small_disk / "snapshots", ignore_errors=True)
    store.close()
    with open_store(small_disk) as again:
        assert list(again.load().people) == done


def test_enrollment_works_again_once_there_is_room(small_disk: Path) -> None:
    with open_store(small_disk) as store:
        ballast = fill(small_disk)
        done, _ = enroll_until_refused(store)
        ballast.unlink()
        added = store.add_person("Anna", pictures(1), wall_s=NOW)
        assert list(store.load().people) == [*done, added.id]


def test_a_start_on_a_full_disk_reads_and_writes_as_soon_as_there_is_room(small_disk: Path) -> None:
    with open_store(small_disk) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
    ballast = fill(small_disk)
    with open_store(small_disk) as store:
        assert outlines(store.load()) == {anna.id: outline(anna)}
        with pytest.raises(StoreError, match=r"the enrollment failed: .*templates\.db.*"):
            store.add_person("Bea", pictures(2), wall_s=NOW)
        ballast.unlink()
        bea = store.add_person("Bea", pictures(2), wall_s=NOW)
        assert store.refusal is None
        assert outlines(store.load()) == {anna.id: outline(anna), bea.id: outline(bea)}


def test_a_first_start_on_a_full_disk_says_so_and_leaves_no_half_store(small_disk: Path) -> None:
    ballast = fill(small_disk)
    with pytest.raises(
        StoreError, match=r"making the template store failed: the disk that holds .* is full: make room"
    ):
        open_store(small_disk)
    ballast.unlink()
    with open_store(small_disk) as store:
        assert store.report == []
        assert store.load().people == {}


def test_erasing_on_a_full_disk_takes_the_spare_copies_first_and_succeeds(small_disk: Path) -> None:
    with open_store(small_disk) as store:
        anna = store.add_person("Anna", pictures(*range(10)), wall_s=NOW)
        store.snapshot()
        ballast = fill(small_disk)
        receipt = store.erase(anna.id, wall_s=NOW)
        assert [place.note for place in receipt.places if place.place.startswith("templates-")] == [
            "removed as a whole"
        ]
        ballast.unlink()
        assert receipt.complete
        assert store.verify(receipt) == []
        assert store.load().people == {}


def test_a_snapshot_that_finds_no_room_leaves_the_older_ones(small_disk: Path) -> None:
    with open_store(small_disk) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        first = store.snapshot()
        store.add_person("Bea", pictures(2), wall_s=NOW)
        fill(small_disk)
        with pytest.raises(StoreError, match=r"taking a snapshot failed: the disk that holds .* is full"):
            store.snapshot()
        assert store.session.snapshots.newest_first() == [first]
        assert len(store.load().people) == 2


@pytest.mark.parametrize("ending", ["clean", "crash"])
def test_on_a_read_only_disk_people_are_loaded_and_enrollment_is_refused(small_disk: Path, ending: str) -> None:
    store = open_store(small_disk)
    anna = store.add_person("Anna", pictures(1), wall_s=NOW)
    if ending == "crash":
        paths = StorePaths(small_disk / "templates.db")
        kept = {path: path.read_bytes() for path in (paths.database, paths.wal)}
        store.close()
        for path, data in kept.items():
            path.write_bytes(data)
    store.close()
    assert _run("mount", "-o", "remount,ro", str(small_disk))
    with open_store(small_disk) as store:
        assert outlines(store.load()) == {anna.id: outline(anna)}
        assert store.refusal is not None
        with pytest.raises(StoreError, match=r"the enrollment failed: .* read-only"):
            store.add_person("Bea", pictures(2), wall_s=NOW)
        with pytest.raises(StoreError, match=r"erasing .* failed: .* read-only"):
            store.erase(anna.id, wall_s=NOW)
        assert outlines(store.load()) == {anna.id: outline(anna)}
        assert _run("mount", "-o", "remount,rw", str(small_disk))
        assert store.add_person("Bea", pictures(2), wall_s=NOW).name == "Bea"


def test_a_quota_inside_sqlite_is_a_full_disk_too(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        pages = store.session.connection.execute("PRAGMA page_count").fetchone()[0]
        store.session.connection.execute(f"PRAGMA max_page_count = {pages}")
        done, reason = enroll_until_refused(store)
        assert "is full: make room" in reason
        assert list(store.load().people) == [anna.id, *done]


@pytest.fixture
def as_somebody() -> Iterator[Path]:
    """A folder of somebody who is not root, whom no rights are waived for."""
    with memory_folder() as folder:
        root = os.geteuid() == 0
        if root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            folder.chmod(0o700)
            if root:
                os.seteuid(0)


@pytest.mark.parametrize("database_mode", [0o400, 0o600])
def test_in_a_read_only_directory_people_are_loaded_and_enrollment_is_refused(
    as_somebody: Path, database_mode: int
) -> None:
    with open_store(as_somebody) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
    (as_somebody / "templates.db").chmod(database_mode)
    as_somebody.chmod(0o500)
    with open_store(as_somebody) as store:
        assert outlines(store.load()) == {anna.id: outline(anna)}
        with pytest.raises(StoreError, match=r"the enrollment failed: .*templates\.db"):
            store.add_person("Bea", pictures(2), wall_s=NOW)
        assert outlines(store.load()) == {anna.id: outline(anna)}


def test_a_key_directory_that_cannot_be_written_is_told_by_name(as_somebody: Path) -> None:
    as_somebody.chmod(0o500)
    place = key_place(None, as_somebody, {})
    with pytest.raises(StoreError, match=r"device\.key: cannot make the key file: Permission denied"):
        obtain_device_key(place, store_exists=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for somebody else")
def test_what_a_command_of_root_makes_belongs_to_the_service(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    key = obtain_device_key(key_place(None, tmp_path, {}), store_exists=False)
    with open_store(tmp_path / "state", key=key) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        store.snapshot()
        store.erase(anna.id, wall_s=NOW)
        owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in tmp_path.rglob("*")}
    assert {"device.key", "state", "templates.db", "templates.db-wal", "templates.db.lock", "receipts"} <= owners.keys()
    assert set(owners.values()) == {(65534, 65534)}
