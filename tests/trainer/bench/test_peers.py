from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from trainer.bench.commands import add_bench_commands
from trainer.bench.peers import FRAME, PICTURE, Entrant, in_frame, launches, ratio
from trainer.bench.process import PeerProcess


class Named:
    """As much of a peer as its arithmetic looks at."""

    def __init__(self, name: str) -> None:
        self.name = name


def entrant(name: str, blocks: list[list[float]]) -> Entrant:
    found = Entrant(cast("PeerProcess", Named(name)))
    found.times["ms", PICTURE] = blocks
    return found


def parse(*words: str) -> argparse.Namespace:
    top = argparse.ArgumentParser()
    add_bench_commands(top.add_subparsers())
    return top.parse_args(["bench", *words])


def test_a_peer_that_takes_twice_as_long_everywhere_has_a_ratio_of_two_without_doubt() -> None:
    ours = [[1.0, 2.0, 4.0], [8.0, 2.0, 1.0], [1.0, 2.0, 3.0]]
    figure = ratio(entrant("peer", [[2 * ms for ms in b] for b in ours]), entrant("ours", ours), "ms", PICTURE)
    assert (figure.value, figure.low, figure.high) == (2.0, 2.0, 2.0)


def test_a_slow_moment_that_falls_on_both_leaves_the_ratio_and_one_that_falls_on_one_widens_it() -> None:
    random = np.random.default_rng(0)
    slow = [1.0] * 7 + [5.0] * 6
    ours = [[s * float(ms) for ms in 1 + 0.01 * random.random(16)] for s in slow]
    both = ratio(entrant("peer", [[3 * ms for ms in b] for b in ours]), entrant("ours", ours), "ms", PICTURE)
    assert both.value == pytest.approx(3)
    assert both.high - both.low < 0.01
    other = [[3.0 * s for _ in range(16)] for s in reversed(slow)]
    uneven = ratio(entrant("peer", other), entrant("ours", ours), "ms", PICTURE)
    assert uneven.low < 2
    assert uneven.high > 4


def test_a_picture_lies_in_the_middle_of_a_frame_and_a_large_one_is_made_to_fit() -> None:
    background = np.full((300, 200, 3), 50, np.uint8)
    frame = in_frame(np.full((250, 250, 3), 200, np.uint8), background)
    assert frame.shape == (480, 640, 3)
    assert (frame == 200).all(axis=2).sum() == 250 * 250
    assert frame[240, 320].tolist() == [200] * 3
    assert frame[0, 0].tolist() == [50] * 3
    large = in_frame(np.full((960, 960, 3), 200, np.uint8), background)
    assert (large == 200).all(axis=2).sum() == pytest.approx(480 * 480, rel=0.01)


def test_every_known_peer_is_tried_and_the_weights_are_looked_for_beside_the_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    found = {launch.name: launch for launch in launches(parse("peers", "--data", str(data)))}
    assert list(found) == ["doorward", "face_recognition", "opencv_yunet", "face_api"]
    assert found["opencv_yunet"].weights == str(tmp_path / "peers")
    assert found["face_recognition"].program[0] == sys.executable
    named = {x.name: x for x in launches(parse("peers", "--data", str(data), "--peers", "w", "--peer-python", "py"))}
    assert named["opencv_yunet"].weights == "w"
    assert named["opencv_yunet"].program[0] == "py"
    assert named["doorward"].program[0] == sys.executable


@pytest.mark.facedata
def test_a_quick_run_measures_what_is_here_and_says_why_the_rest_is_not(facedata: Path, tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    words = ("peers", "--data", str(facedata), "--quick", "--json", str(file))
    arguments = parse(*words, "--peer-python", str(bare / "bin" / "python"))
    assert arguments.run(arguments) == 0
    report: dict[str, Any] = json.loads(file.read_text("utf-8"))
    summary = report["summary"]
    assert report["bench"] == "peers"
    assert summary["acc"] > 0.8
    assert summary["cpu_ms"] > 0
    rows = {(row["peer"], row["measure"]): row for row in report["rows"]}
    for peer in ("face_recognition", "opencv_yunet", "face_api"):
        assert rows[peer, "skipped"]["why"].startswith(f"{peer}: ")
    assert "ratio_dlib" not in summary
    for kind in (PICTURE, FRAME):
        row = rows["doorward", f"ms {kind}"]
        assert 0 < row["low"] <= row["value"] <= row["high"]
        assert row["n"] > 10
