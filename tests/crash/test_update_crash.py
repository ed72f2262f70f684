"""Releases under fire for some seconds; `python -m tests.crash.update_crash` is the long way."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from edge.update.slots import Slots
from tests.crash.disk import CUTS
from tests.crash.trace import strace_missing
from tests.crash.update_crash import siege
from tests.crash.update_cuts import cuts, recorded
from tests.crash.update_door import FIRST, GOOD, LostError, Supply, killed, live, look
from tests.fakes.templates import memory_folder

pytestmark = pytest.mark.forks


def test_a_door_that_is_killed_at_any_durable_operation_always_has_a_whole_head() -> None:
    """At every third of them; all are the long way's."""
    with memory_folder() as scratch:
        hit = Counter(siege(scratch, 1, random.Random(3), stride=3))
    assert hit.total() > 40
    steps = {"downloading", "verifying", "staged", "self_testing", "activating", "trial", "committed"}
    assert set(hit) >= steps | {"refused", "rolled_back"}


def test_a_door_that_is_killed_ten_times_in_a_row_ends_with_a_whole_head() -> None:
    with memory_folder() as scratch:
        supply, dice = Supply.make(scratch / "supply"), random.Random(5)
        live(scratch, supply, FIRST)
        for _ in range(10):
            killed(scratch, supply, GOOD, dice.randrange(30))
            look(scratch, supply, FIRST, GOOD)
        killed(scratch, supply, GOOD, None)
        look(scratch, supply, FIRST, GOOD)
        assert Slots(scratch / "releases").record().step in ("committed", "rolled_back", "refused")


def test_the_siege_sees_a_head_that_is_half_there(tmp_path: Path) -> None:
    supply = Supply.make(tmp_path / "supply")
    live(tmp_path, supply, FIRST)
    slot = Slots(tmp_path / "releases").in_force()
    assert slot is not None
    model = next(slot.folder.glob("*.tflite"))
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(LostError, match="is damaged"):
        look(tmp_path, supply, FIRST, GOOD)


def test_power_cuts_leave_the_old_head_or_the_new_one_and_whole() -> None:
    if missing := strace_missing():
        pytest.skip(missing)
    with memory_folder() as scratch:
        folder, supply, calls = recorded(scratch)
        found = list(cuts(calls, folder, supply, scratch, 11, 150))
    assert Counter(cut for cut, _ in found).keys() == set(CUTS)
    assert {"idle", "verifying", "trial", "committed", "refused"} <= {step for _, step in found}
