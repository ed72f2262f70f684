"""kill -9 and power cuts: what was acknowledged is there afterwards, and nothing is there by half."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.store import erasure
from edge.store import snapshots as snapshots_module
from edge.store.schema import StorePaths, transaction
from edge.store.snapshots import Snapshots, fault_of
from edge.store.templates import TemplateStore
from tests.fakes.templates import KEY, NOW, everything, memory_folder, open_store, outlines, pictures

pytestmark = pytest.mark.forks


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory: a killed process loses nothing of what it gave to the system, wherever that keeps it."""
    with memory_folder() as folder:
        yield folder


ROUNDS = 20


def kill_myself(*_args: object, **_named: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(work: Callable[[int], None], after_s: float | None = None) -> bytes:
    """Fork, let the child write its acknowledgements to a pipe, and answer them when it was killed, by itself or us."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            work(writer)
        finally:
            os._exit(1)
    os.close(writer)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child ended before it was killed"
    return told


def enroll_forever(folder: Path) -> Callable[[int], None]:
    def work(writer: int) -> None:
        store = open_store(folder)
        seed = 0
        while True:
            seed += 1
            person = store.add_person(None, pictures(seed, seed + 1), wall_s=NOW)
            os.write(writer, f"{person.id}\n".encode())
            if seed % 3 == 0:
                store.snapshot()

    return work


def test_every_acknowledged_enrollment_survives_twenty_kills(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    moment = random.Random(1)
    for _ in range(ROUNDS):
        told = killed(enroll_forever(tmp_path), moment.uniform(0.05, 0.25))
        acknowledged |= set(told.decode().split())
        with open_store(tmp_path) as store:
            people = store.load()
            assert store.report == []
        assert people.damage == ()
        assert acknowledged <= set(people.people)
        assert all(len(person.exemplars) == 2 for person in people.people.values())
        # At most the one that was being told when the kill came was not acknowledged.
        assert len(people.people) <= len(acknowledged) + ROUNDS
    assert len(acknowledged) > ROUNDS


@pytest.mark.parametrize(
    ("where", "still_there"),
    [("delete_rows", True), ("find_marks", False), ("issue_receipt", False), ("shred", True)],
)
def test_an_erasure_that_was_killed_is_either_not_begun_or_completed_by_the_next_start(
    tmp_path: Path, where: str, still_there: bool
) -> None:
    with open_store(tmp_path) as store:
        person = store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        other = store.add_person("Bea", pictures(3), wall_s=NOW)
        store.snapshot()
    (tmp_path / "templates.db.damaged-000001").write_bytes(b"something to shred")

    def erase(_: int) -> None:
        setattr(erasure, where, kill_myself)
        open_store(tmp_path).erase(person.id, wall_s=NOW)

    killed(erase)
    with open_store(tmp_path) as store:
        assert set(store.load().people) == ({person.id, other.id} if still_there else {other.id})
        finished = store.finish_erasures()
        assert len(finished) == (0 if still_there else 1)
        for receipt in finished or [store.erase(person.id, wall_s=NOW)]:
            assert receipt.complete
            assert store.verify(receipt) == []
        assert store.finish_erasures() == []


@pytest.mark.parametrize(("where", "undone"), [("delete_rows", False), ("write_meta", False), ("find_marks", True)])
def test_an_undo_that_was_killed_parts_merged_people_with_it_or_not_at_all(
    tmp_path: Path, where: str, undone: bool
) -> None:
    with open_store(tmp_path) as store:
        twin = store.add_person("Twin", pictures(1), wall_s=NOW)
        other = store.add_person("Other", pictures(2), wall_s=NOW)
        late = store.add_person("Late", pictures(3), wall_s=NOW)
        store.merge(twin.id, other.id)
        store.merge(other.id, late.id)

    def undo(_: int) -> None:
        setattr(erasure, where, kill_myself)
        open_store(tmp_path).undo_last_enrollment(wall_s=NOW)

    killed(undo)
    with open_store(tmp_path) as store:
        people = store.load().people
        assert {person: set(kept.origins) for person, kept in people.items()} == (
            {other.id: {twin.id}} if undone else {late.id: {other.id, twin.id}}
        )
        assert (store.last_enrollment() is None) == undone


def test_after_an_erasure_that_was_killed_before_it_began_a_snapshot_is_due_that_holds_the_person(
    tmp_path: Path,
) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        store.snapshot()

    def erase(_: int) -> None:
        setattr(erasure, "delete_rows", kill_myself)  # noqa: B010 - to the checker, a function is no variable
        open_store(tmp_path).erase(anna.id, wall_s=NOW)

    killed(erase)
    with open_store(tmp_path) as store:
        expected = outlines(store.load())
        assert store.snapshot() is not None
        assert store.snapshot() is None
    (tmp_path / "templates.db").write_bytes(b"damaged")
    with open_store(tmp_path) as store:
        assert outlines(store.load()) == expected
        assert list(expected) == [anna.id]


@pytest.mark.parametrize("times", [1, 2])
def test_an_erasure_that_was_killed_while_scrubbing_a_snapshot_is_done_wholly_by_the_next(
    tmp_path: Path, times: int
) -> None:
    """The snapshot's log then says that the person is gone, and its file still holds them."""
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        bea = store.add_person("Bea", pictures(3), wall_s=NOW)
        path = store.snapshot()
    assert path is not None

    def erase(_: int) -> None:
        @contextlib.contextmanager
        def fatal(connection: sqlite3.Connection, **named: bool) -> Iterator[None]:
            with transaction(connection, **named):
                yield
            kill_myself()

        setattr(snapshots_module, "transaction", fatal)  # noqa: B010 - to the checker, a function is no variable
        open_store(tmp_path).erase(anna.id, wall_s=NOW)

    for _ in range(times):
        killed(erase)
    assert path.with_name(f"{path.name}-wal").exists()
    with open_store(tmp_path) as store:
        assert set(store.load().people) == {anna.id, bea.id}
        receipt = store.erase(anna.id, wall_s=NOW)
        assert receipt.complete
        assert store.verify(receipt) == []
    assert [kept.name for kept in path.parent.iterdir()] == [path.name]
    assert fault_of(path, KEY.key_id) is None


@pytest.mark.parametrize("step", range(11))
def test_a_snapshot_whose_removal_was_killed_is_whole_or_gone_and_never_behind_its_log(
    tmp_path: Path, step: int
) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        path = store.snapshot()
    assert path is not None
    log = path.with_name(f"{path.name}-wal")
    log.write_bytes(b"a log")

    def remove(writer: int) -> None:
        snapshots = Snapshots(StorePaths(tmp_path / "templates.db"))
        steps = itertools.count()
        for owner, name in ((os, "pwrite"), (os, "fsync"), (Path, "unlink"), (Path, "replace")):
            setattr(owner, name, killing_at(step, steps, getattr(owner, name)))
        snapshots.remove(path)
        os.write(writer, b"removed")
        kill_myself()

    assert killed(remove) == (b"removed" if step == 10 else b"")
    assert path.exists() or not log.exists()
    assert not path.exists() or fault_of(path, KEY.key_id) is None
    open_store(tmp_path).close()
    assert all(kept.name.startswith(path.name) for kept in path.parent.iterdir())


def killing_at(step: int, steps: Iterator[int], real: Callable[..., object]) -> Callable[..., object]:
    def call(*args: object, **named: object) -> object:
        if next(steps) == step:
            kill_myself()
        return real(*args, **named)

    return call


def test_a_log_that_a_power_cut_shortened_holds_every_enrollment_before_the_cut(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    store = open_store(whole)
    wal = StorePaths(whole / "templates.db").wal
    sizes: dict[str, int] = {}
    for seed in range(6):
        person = store.add_person(None, pictures(seed), wall_s=NOW)
        sizes[person.id] = wal.stat().st_size
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    store.close()
    for cut in range(0, max(sizes.values()) + 1, 1500):
        folder = tmp_path / "cut"
        shutil.copytree(copy, folder)
        os.truncate(StorePaths(folder / "templates.db").wal, cut)
        with open_store(folder) as again:
            people = again.load()
            assert again.report == []
        assert people.damage == ()
        assert {name for name, size in sizes.items() if size <= cut} <= set(people.people)
        assert all(len(person.exemplars) == 1 for person in people.people.values())
        shutil.rmtree(folder)


class PowerCutError(Exception):
    """Raised in place of going on."""


def broken_header(folder: Path) -> None:
    data = bytearray((folder / "templates.db").read_bytes())
    data[18:24] = b"\xff" * 6  # versions and fractions that the format fixes: no database any more
    (folder / "templates.db").write_bytes(data)


def cut_at(step: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Open the store with the power going at one of the durable steps; False when there were fewer."""
    steps = itertools.count(1)

    def watched(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            if next(steps) == step:
                raise PowerCutError
            return real(*args, **named)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", watched(Path.rename))
        patch.setattr(Path, "replace", watched(Path.replace))
        patch.setattr(os, "fsync", watched(os.fsync))
        try:
            open_store(folder).close()
        except PowerCutError:
            return True
    return False


def test_a_power_cut_at_any_step_of_a_restoration_loses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tmp_path / "whole"
    with open_store(whole) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        store.add_person("Bea", pictures(2), wall_s=NOW)
        store.snapshot()
        expected = outlines(store.load())
        shutil.copytree(whole, tmp_path / "cut off")  # with its log, as a power cut leaves it
    whole = tmp_path / "cut off"
    assert (whole / "templates.db-wal").stat().st_size > 0
    broken_header(whole)
    for step in itertools.count(1):
        folder = tmp_path / str(step)
        shutil.copytree(whole, folder)
        was_cut = cut_at(step, folder, monkeypatch)
        with open_store(folder) as store:
            people = store.load()
        assert outlines(people) == expected
        assert people.damage == ()
        assert all(".tmp-" not in path.name for path in everything(folder))
        if not was_cut:
            break
    assert step > 5


def test_an_abandoned_store_gives_its_lock_back(tmp_path: Path) -> None:
    def work(writer: int) -> None:
        TemplateStore.open(tmp_path / "templates.db", open_store(tmp_path / "other").session.key)
        os.write(writer, b"open")
        kill_myself()

    assert killed(work) == b"open"
    open_store(tmp_path).close()
