"""Some kills of `tests/crash/release_crash.py`; the command makes more of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.release_crash import run

pytestmark = pytest.mark.scenario


def test_a_killed_publisher_leaves_what_doors_accept(tmp_path: Path) -> None:
    assert run(tmp_path, kills=5, seed=3) > 5
