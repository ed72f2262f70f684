"""The picamera2 adapter over the real package and libcamera's virtual camera, in a root of its own.

tests/device/virtual_camera.sh build ROOT
DOORWARD_CAMERA_ROOT=ROOT pytest -m device tests/device/test_picamera.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("virtual_camera.sh")
ROOT = os.environ.get("DOORWARD_CAMERA_ROOT", "")


def missing() -> str:
    if not ROOT:
        return "DOORWARD_CAMERA_ROOT names no root; make one with tests/device/virtual_camera.sh build ROOT"
    if not (Path(ROOT) / "opt/app/picamera2").is_dir():
        return f"{ROOT} is no root of tests/device/virtual_camera.sh"
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return "needs root and unshare, to enter the root in a mount namespace of its own"
    return ""


pytestmark = [pytest.mark.device, pytest.mark.skipif(bool(missing()), reason=missing())]


def driven(case: str) -> dict[str, Any]:
    done = subprocess.run([SCRIPT, "run", ROOT, case], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def is_colour(pixel: list[int], channel: int) -> bool:
    """Whether the pixel is of one pure colour. The virtual camera declares BT.709 for what a JPEG holds as BT.601."""
    others = [level for index, level in enumerate(pixel) if index != channel]
    return pixel[channel] > 200 and max(others) < 40


def assert_right(frame: dict[str, Any], size: list[int]) -> None:
    assert frame["size"] == size
    assert frame["contiguous"]
    assert is_colour(frame["left"], 0), frame
    assert is_colour(frame["right"], 2), frame
    assert is_colour(frame["top"], 1), frame


@pytest.mark.parametrize(("stream", "size"), [("main", [1280, 960]), ("lores", [640, 480])])
def test_frames_come_in_the_size_asked_red_on_the_left_and_blue_on_the_right(stream: str, size: list[int]) -> None:
    answer = driven(stream)
    frames = answer["frames"]
    assert answer["format"] == "NV12"  # not what was asked for: the adapter read the answer
    assert [frame["number"] for frame in frames] == list(range(20))
    times = [frame["time_s"] for frame in frames]
    assert times == sorted(times)
    for frame in frames:
        assert_right(frame, size)


def test_a_camera_of_a_single_stream_gives_that_one() -> None:
    answer = driven("single-stream")
    assert_right(answer["frame"], [1280, 960])
    assert "one stream only" in answer["error"]
    assert answer["closed"] == ""


def test_a_quarter_turn_brings_the_left_side_to_the_top() -> None:
    answer = driven("turned")
    assert answer["size"] == [480, 640]
    assert is_colour(answer["upper"], 0)
    assert is_colour(answer["lower"], 2)
    assert is_colour(answer["right"], 1)


def test_it_can_be_stopped_and_opened_again_and_leaves_nothing_open() -> None:
    answer = driven("reopened")
    assert [len(frames) for frames in answer["rounds"]] == [3, 3, 3, 3, 3, 1]
    for frames in answer["rounds"]:
        assert frames[0]["number"] == 0
        for frame in frames:
            assert_right(frame, [1280, 960])
    assert len(set(answer["files"])) == 1


@pytest.mark.parametrize(
    ("case", "line"), [("absent", "no camera number 0, 0 found"), ("out-of-range", "number 7, 1 found")]
)
def test_a_camera_that_is_not_there_is_one_line(case: str, line: str) -> None:
    error = driven(case)["error"]
    assert error.startswith("camera picamera:")
    assert line in error
    assert "\n" not in error


def test_a_sensor_that_stops_is_noticed_and_works_again_when_reopened() -> None:
    answer = driven("starved")
    assert "no frame for 1 s" in answer["error"]
    assert answer["took_s"] < 2
    assert answer["again"]["number"] == 0
    assert_right(answer["again"], [640, 480])
    assert answer["closed"] == ""


def test_a_package_that_hangs_with_its_lock_held_stops_neither_us_nor_our_exit() -> None:
    answer = driven("dead-loop")
    assert "no frame for 1 s" in answer["errors"][0]
    assert "does not answer" in answer["errors"][1]
    assert answer["took_s"] < 12
