"""What is never gone back behind: it counts up alone, is there after a kill, and damage is no beginning."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.errors import RefusedError, StoreError
from edge.update.floor import Body, Floor

ROOT = Body(3, b'{"root": 3}')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "releases" / "floor.db"
    Floor.begin(made, ROOT)
    return made


def opened(path: Path) -> Floor:
    floor = Floor.open(path)
    assert floor is not None
    return floor


def test_where_no_root_was_ever_trusted_there_is_none(tmp_path: Path) -> None:
    assert Floor.open(tmp_path / "floor.db") is None


def test_it_begins_with_a_root_and_nothing_else(path: Path) -> None:
    with opened(path) as floor:
        assert (floor.bodies(), floor.counter, floor.seen_s) == ({"root": ROOT}, 0, 0)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["floor.db"]


def test_the_counter_only_rises(path: Path) -> None:
    with opened(path) as floor:
        for number, then in ((5, 5), (3, 5), (6, 6), (0, 6)):
            floor.raise_counter(number)
            assert floor.counter == then
    with opened(path) as floor:
        assert floor.counter == 6


def test_metadata_is_kept_whole_and_time_only_rises(path: Path) -> None:
    bodies = {"root": Body(4, b"r"), "timestamp": Body(9, b"t" * 100_000)}
    with opened(path) as floor:
        floor.keep(bodies, 100.9)
        floor.keep(bodies, None)
        floor.keep({"root": Body(4, b"r")}, 50.0)
        assert (floor.bodies(), floor.seen_s) == ({"root": Body(4, b"r")}, 100)


def test_a_second_root_is_not_trusted_in_passing(path: Path) -> None:
    with pytest.raises(RefusedError, match="--anew"):
        Floor.begin(path, Body(1, b"other"))
    with opened(path) as floor:
        assert floor.bodies() == {"root": ROOT}


@pytest.mark.parametrize("left", [0, 1, 100, 4096, 5000])
def test_a_file_that_was_cut_is_damage_and_no_beginning(path: Path, left: int) -> None:
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(StoreError, match=r"floor\.db: .*doorward releases trust"):
        Floor.open(path)
    with pytest.raises(RefusedError):
        Floor.begin(path, ROOT)
    Floor.begin(path, ROOT, anew=True)
    with opened(path) as floor:
        assert floor.bodies() == {"root": ROOT}


def test_the_counter_outlives_damage_to_the_metadata(path: Path) -> None:
    with opened(path) as floor:
        floor.raise_counter(41)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE bodies SET body = x'00'")
    connection.close()
    with pytest.raises(StoreError, match="the metadata of root is damaged"):
        Floor.open(path)
    Floor.begin(path, ROOT, anew=True)
    with opened(path) as floor:
        assert floor.counter == 41


def test_without_its_root_it_is_damaged(path: Path) -> None:
    with opened(path) as floor:
        floor.keep({"timestamp": Body(1, b"t")}, None)
        with pytest.raises(StoreError, match="has no root"):
            floor.bodies()


def test_a_process_killed_while_it_writes_leaves_the_old_or_the_new(path: Path) -> None:
    code = f"""
from pathlib import Path
from edge.update.floor import Body, Floor
floor = Floor.open(Path({str(path)!r}))
for number in range(1, 10**9):
    floor.keep({{"root": Body(number, b"r" * 3000), "heads": Body(number, b"h" * 30000)}}, None)
    floor.raise_counter(number)
    print(number, flush=True)
"""
    for turn in range(3):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.05 + 0.03 * turn)
            process.send_signal(signal.SIGKILL)
            told = [int(line) for line in process.stdout.read().split()]
        with opened(path) as floor:
            bodies = floor.bodies()
            assert bodies["root"].version == bodies["heads"].version
            assert floor.counter >= max(told, default=1)
