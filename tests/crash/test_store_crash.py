"""The store under fire for some seconds; `make crash` is the long way, with thousands of kills and power cuts."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.aftermath import LostError, house_of
from tests.crash.disk import CUTS, Disk
from tests.crash.house import EMPTY, Change, Known, after, choose
from tests.crash.kills import Siege
from tests.crash.loop_images import images, loop_missing
from tests.crash.replays import ReplayTally, replay
from tests.crash.trace import Call, Open, Rename, Say, Sync, Truncate, Write, record, strace_missing
from tests.crash.worker import understand
from tests.fakes.templates import everything, memory_folder

KILLS = 60
CHANGES = 24
POWER_CUTS = 120
SEED = 5


@pytest.fixture(scope="module")
def recorded() -> Iterator[tuple[Path, Sequence[Call]]]:
    """A folder that a worker wrote, and all that it asked of the system meanwhile."""
    if missing := strace_missing():
        if os.environ.get("CI") and shutil.which("strace") is None:
            pytest.fail(missing)  # where it is there and may not trace, that is the machine's affair
        pytest.skip(missing)
    with memory_folder() as folder:
        (folder / "store").mkdir()
        yield folder / "store", record(folder / "store", SEED, CHANGES)


@pytest.fixture
def scratch() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def test_of_what_was_acknowledged_nothing_is_lost_to_sixty_kills(scratch: Path) -> None:
    siege = Siege(scratch, SEED)
    for _ in range(KILLS):
        siege.kill()
    tally = siege.tally
    assert tally.looks == KILLS
    assert set(tally.aims) == {"opening", "inside", "statement", "fsync", "untold", "acknowledged"}
    assert set(tally.verbs) >= {"enroll", "add", "rename", "merge", "erase"}
    assert tally.receipts > KILLS / 10
    # The kills came at all stages: changes under way turned out both ways.
    assert tally.whole.total() > 0
    assert tally.absent.total() > 0


def test_a_lost_change_would_be_told(scratch: Path) -> None:
    siege = Siege(scratch, SEED)
    siege.kill()
    ghost = Known("Ghost", verified=True, pictures=(999_999,))
    siege._house = replace(siege._house, people={**siege._house.people, "p_ghostghs": ghost})
    with pytest.raises(LostError, match=r"p_ghostghs: expected Seen\(name='Ghost'.*found None"):
        siege._inspect(understand(b""))


def test_of_what_was_acknowledged_nothing_is_lost_to_power_cuts_that_drop_reorder_and_tear(
    recorded: tuple[Path, Sequence[Call]], scratch: Path
) -> None:
    folder, calls = recorded
    tally = ReplayTally()
    for _ in replay(calls, folder, scratch, SEED, POWER_CUTS, tally):
        pass
    assert tally.looks == POWER_CUTS
    assert set(tally.cuts) == set(CUTS)
    assert tally.unsettled > POWER_CUTS
    assert tally.receipts > 0
    assert tally.absent.total() > 0


@pytest.mark.parametrize("forgotten", ["log", "all"])
def test_a_store_that_forgot_to_sync_would_be_told(
    recorded: tuple[Path, Sequence[Call]], scratch: Path, forgotten: str
) -> None:
    folder, calls = recorded
    logs = {call.file for call in calls if isinstance(call, Open) and call.path.endswith("templates.db-wal")}
    careless = [call for call in calls if not (isinstance(call, Sync) and (forgotten == "all" or call.file in logs))]
    with pytest.raises(LostError, match=r"power cut before call \d+ of \d+"):
        for _ in replay(careless, folder, scratch, SEED, 4 * POWER_CUTS, ReplayTally()):
            pass


def test_the_recording_ends_with_the_files_that_are_really_there(recorded: tuple[Path, Sequence[Call]]) -> None:
    folder, calls = recorded
    disk = Disk(folder)
    for call in calls:
        disk.play(call)
    played = {path: data for path, data in disk.image("all", random.Random(0)).items() if data is not None}
    assert played == {str(path.relative_to(folder)): data for path, data in everything(folder).items()}
    told = understand(b"".join(call.text for call in calls if isinstance(call, Say)))
    assert len(told.done) == CHANGES
    assert len(house_of(told).people) > 0


@pytest.mark.scenario
def test_of_what_was_acknowledged_nothing_is_lost_to_power_cuts_of_a_real_file_system(scratch: Path) -> None:
    if missing := loop_missing():
        pytest.skip(missing)
    for tally in images(scratch, SEED, 6):
        last = tally
    assert last.looks == 6


def content(disk: Disk, cut: str, seed: int) -> dict[str, bytes | None]:
    assert cut in CUTS
    return disk.image(next(known for known in CUTS if known == cut), random.Random(seed))


def written(*calls: Call) -> Disk:
    disk = Disk(Path("/store"))
    for call in (Open("/store", 0, create=False, empty=False), Open("/store/a", 1, create=True, empty=False), *calls):
        disk.play(call)
    return disk


def test_what_was_synced_is_on_the_disk_after_every_cut() -> None:
    disk = written(Write(1, 0, b"x" * 1024), Sync(1), Sync(0))
    assert [content(disk, cut, seed) for cut in CUTS for seed in range(20)] == [{"a": b"x" * 1024}] * 80


def test_what_was_not_synced_may_be_there_in_any_selection_and_torn() -> None:
    disk = written(Sync(0), Write(1, 0, b"a" * 1024), Write(1, 1024, b"b" * 512), Truncate(1, 700))
    assert content(disk, "nothing", 0) == {"a": b""}
    assert content(disk, "all", 0) == {"a": b"a" * 700}
    selected = {content(disk, "selection", seed)["a"] for seed in range(200)}
    torn = {content(disk, "torn", seed)["a"] for seed in range(200)}
    assert bytes(1024) + b"b" * 512 in selected, "the second without the first, which leaves a hole"
    assert b"a" * 1024 in selected
    assert bytes(512) + b"a" * 512 in torn
    assert bytes(512) + b"a" * 512 not in selected


def test_names_go_and_come_in_their_order_and_only_with_their_directory() -> None:
    disk = written(Sync(1), Sync(0), Rename("/store/a", "/store/b"), Open("/store/c", 2, create=True, empty=False))
    disk.play(Write(2, 0, b"c"))
    disk.play(Sync(2))
    found = {tuple(sorted(content(disk, "torn", seed))) for seed in range(100)}
    assert found == {("a",), ("b",), ("b", "c")}
    disk.play(Sync(0))
    assert content(disk, "nothing", 0) == {"b": b"", "c": b"c"}


def test_the_script_brings_up_every_change_and_a_house_that_fills_and_empties() -> None:
    house, dice, sizes, verbs = EMPTY, random.Random(SEED), set(), set()
    for number in range(600):
        change = choose(house, dice)
        house = after(house, change, f"p_{number}")
        sizes.add(len(house.people))
        verbs.add(change.verb)
    assert len(verbs) == 8
    assert min(sizes) < 3
    assert max(sizes) > 11


def test_undoing_in_the_model_parts_whom_the_store_would_part() -> None:
    house = EMPTY
    for number, person in ((1, "p_a"), (2, "p_b")):
        house = after(house, Change("enroll", name=person, pictures=(number,)), person)
    house = after(house, Change("merge", "p_a", "p_b"), "")
    assert house.group("p_b") == ["p_b", "p_a"]
    house = after(house, Change("undo"), "")
    assert house.people == {"p_a": Known("p_a", verified=True, pictures=(1,))}
