"""Slots on a disk: what is in force is there and whole, whatever happened to the records or to the files."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import ModelError, StoreError
from edge.store.durable import FileLock
from edge.update import slots as slots_module
from edge.update.bundle import Bundle
from edge.update.machine import OutOfTurnError, Target
from edge.update.slots import Slot, Slots
from tests.fakes.head_releases import make_bundle, staged
from tests.fakes.small_disk import fill, small_disk_below


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(tmp_path / "state/releases")


@pytest.fixture
def bundles(tmp_path: Path) -> list[Bundle]:
    folder = tmp_path / "bundles"
    return [make_bundle(folder, f"plda-{n}", n) for n in (1, 2, 3)]


def on_trial(slots: Slots, bundle: Bundle) -> Slot:
    staged(slots, bundle)
    slots.begin_test()
    slots.passed()
    slots.begin_trial()
    slot = slots.on_trial()
    assert slot is not None
    return slot


def commit(slots: Slots, bundle: Bundle) -> Slot:
    on_trial(slots, bundle)
    assert slots.start_attempt() == 2
    slots.commit()
    slot = slots.in_force()
    assert slot is not None
    return slot


def test_at_first_the_installed_head_is_in_force_and_nothing_is_written(slots: Slots) -> None:
    assert slots.in_force() is None
    assert (slots.staged(), slots.on_trial(), slots.damage) == (None, None, None)
    assert not slots.folder.exists()


def test_a_release_is_whole_on_the_disk_once_it_is_staged(slots: Slots, bundles: list[Bundle]) -> None:
    slot = staged(slots, bundles[0])
    assert slot.release == bundles[0].description
    assert slot.damage() is None
    assert sorted(path.name for path in slot.folder.iterdir()) == sorted(
        ["release.json", *(entry.name for entry in slot.release.files)]
    )
    assert (slots.in_force(), slots.staged()) == (None, None)
    assert slots.candidate() == slot


def test_the_way_into_force_is_read_back_by_another_process(slots: Slots, bundles: list[Bundle]) -> None:
    first = commit(slots, bundles[0])
    second = on_trial(slots, bundles[1])
    again = Slots(slots.folder)
    assert (again.in_force(), again.on_trial()) == (first, second)
    assert again.start_attempt() == 2
    assert slots.start_attempt() == 1
    again.commit()
    assert slots.in_force() == second


def test_attempts_are_counted_on_the_disk_before_they_begin(slots: Slots, bundles: list[Bundle]) -> None:
    on_trial(slots, bundles[0])
    assert [Slots(slots.folder).start_attempt() for _ in range(4)] == [2, 1, 0, None]
    assert slots.record().step == "rolled_back"
    assert slots.in_force() is None


def test_a_mapped_file_is_never_written_to_nor_taken_away_from_who_maps_it(slots: Slots, bundles: list[Bundle]) -> None:
    first = commit(slots, bundles[0])
    model = next(path for path in first.folder.iterdir() if path.suffix == ".tflite")
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        before = mapped[:]
        commit(slots, bundles[1])
        commit(slots, bundles[2])
        slots.sweep()
        slots.begin(Target(release="plda-4", kind="head", counter=4))
        slots.sweep()
        assert not model.exists()
        assert mapped[:] == before


def test_folders_that_no_record_knows_are_swept_and_those_in_use_stay(slots: Slots, bundles: list[Bundle]) -> None:
    first = commit(slots, bundles[0])
    (slots.folder / "A-77").mkdir()
    (slots.folder / "A-77/left.tflite").write_bytes(b"half")
    (slots.folder / ".state.json.tmp-0badf00d").write_bytes(b"half")
    (slots.folder / "notes").mkdir()
    slots.sweep()
    assert sorted(path.name for path in slots.folder.iterdir()) == [
        first.folder.name, "before.json", "lock", "notes", "state.json",
    ]  # fmt: skip


def test_a_damaged_record_gives_way_to_the_one_before(slots: Slots, bundles: list[Bundle]) -> None:
    first = commit(slots, bundles[0])
    state = slots.folder / "state.json"
    whole = state.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], whole.replace(b'"committed"', b'"idle"'), bytes(len(whole))):
        state.write_bytes(damage)
        assert slots.record().step == "trial"
        assert slots.on_trial() == first
        assert slots.damage == f"{state}: damaged; the one before it is taken instead"
    assert slots.start_attempt() is not None
    slots.commit()
    assert slots.damage is None
    assert slots.in_force() == first


def test_with_both_records_damaged_the_installed_head_is_in_force(slots: Slots, bundles: list[Bundle]) -> None:
    commit(slots, bundles[0])
    for name in ("state.json", "before.json"):
        (slots.folder / name).write_bytes(b"\0" * 100)
    assert slots.in_force() is None
    assert slots.damage == f"{slots.folder / 'state.json'}: damaged; the installed head is taken instead"
    assert commit(slots, bundles[1]).release.release == "plda-2"


def test_a_record_changed_by_hand_is_damaged(slots: Slots, bundles: list[Bundle]) -> None:
    """Its hash is no signature: it tells a failing card, and who can write here can put any head in force."""
    commit(slots, bundles[0])
    state = slots.folder / "state.json"
    digest, body = state.read_bytes().split(b"\n", 1)
    state.write_bytes(digest + b"\n" + json.dumps(json.loads(body) | {"in_force": None}).encode())
    assert slots.damage is not None


def test_a_damaged_file_of_a_slot_is_named(slots: Slots, bundles: list[Bundle]) -> None:
    slot = staged(slots, bundles[0])
    model = next(path for path in slot.folder.iterdir() if path.suffix == ".tflite")
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert slot.damage() == f"{model.name} is damaged"
    model.write_bytes(whole[:-1])
    assert slot.damage() == f"{model.name} is damaged"
    model.unlink()
    assert slot.damage() == f"{model.name} cannot be read (No such file or directory)"


def test_a_slot_without_its_description_says_the_way_out(slots: Slots, bundles: list[Bundle]) -> None:
    first = commit(slots, bundles[0])
    (first.folder / "release.json").write_bytes(b"{")
    with pytest.raises(ModelError, match="roll the release back"):
        slots.in_force()
    slots.roll_back("its description is damaged")
    assert slots.in_force() is None


def test_what_is_out_of_turn_changes_nothing(slots: Slots, bundles: list[Bundle]) -> None:
    commit(slots, bundles[0])
    before = (slots.folder / "state.json").read_bytes()
    for step in (slots.begin_trial, slots.commit, slots.passed, slots.downloaded, slots.begin_test):
        with pytest.raises(OutOfTurnError):
            step()
    assert (slots.folder / "state.json").read_bytes() == before


def test_a_lock_that_is_never_given_back_is_a_reason(
    slots: Slots, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(slots, bundles[0])
    monkeypatch.setattr(slots_module, "_PATIENCE_S", 0.1)
    lock = FileLock(slots.folder / "lock")
    assert lock.acquire()
    with pytest.raises(StoreError, match=f"process {os.getpid()} has been writing"):
        slots.roll_back("x")
    lock.release()
    slots.roll_back("x")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from small_disk_below(tmp_path)


STEPS = ("begin", "downloaded", "stage", "begin_test", "passed", "begin_trial", "start_attempt", "commit")


@pytest.mark.parametrize("full_at", range(len(STEPS)))
def test_a_disk_that_is_full_at_any_step_is_a_reason_and_what_is_in_force_stays(
    small_disk: Path, bundles: list[Bundle], full_at: int
) -> None:
    slots = Slots(small_disk / "releases")
    first = commit(slots, bundles[0])
    arguments: dict[str, list[object]] = {"begin": [Target.of(bundles[1].description)], "stage": [bundles[1]]}
    for number, step in enumerate(STEPS):
        go = getattr(slots, step)
        if number == full_at:
            ballast, before = fill(small_disk), slots.record()
            with pytest.raises(StoreError, match="No space left on device; make room on its disk"):
                go(*arguments.get(step, []))
            assert slots.in_force() == first
            assert first.damage() is None
            # The one step that has two records: the folder is given out before it is written to.
            assert slots.record().step == before.step
            ballast.unlink()
        go(*arguments.get(step, []))
    second = slots.in_force()
    assert second is not None
    assert second.release == bundles[1].description
    assert second.damage() is None
