from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bench.device import PICTURES, cold_starts, find_empty, find_scenes, pasted, synthetic_people
from edge.compose import recognizer
from edge.errors import DoorwardError
from edge.settings.slices import RecognitionSettings

# Every key that the table of all benches gives for this one.
SUMMARY = {
    "detect_ms",
    "mesh_ms",
    "align_ms",
    "embed_ms",
    "score_ms",
    "frame_ms",
    "frames_per_s",
    "rss_mb",
    "cold_start_ms",
}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("bench") / "door.json"
    command = [sys.executable, "-m", "edge", "bench", "--quick", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "frames_per_s" in done.stdout
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def values(report: dict[str, Any], threads: int) -> dict[str, float]:
    return {row["step"]: row["value"] for row in report["rows"] if row["threads"] == threads}


def test_a_quick_run_gives_every_published_figure_as_a_positive_number(quick: dict[str, Any]) -> None:
    assert quick["bench"] == "door"
    assert set(quick["summary"]) >= SUMMARY
    assert all(value > 0 for value in quick["summary"].values())
    assert quick["machine"]["runtime"].startswith(("ai-edge-litert", "tflite-runtime"))


def test_the_command_line_is_read_before_numpy_makes_its_threads() -> None:
    code = "import sys, edge.cli; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_door_with_one_thread_computes_no_longer_than_it_takes(quick: dict[str, Any]) -> None:
    found = values(quick, 1)
    assert found["frame, computed"] <= 1.1 * found["frame"]  # numpy's own threads would spin beside it
    assert quick["summary"]["frame_cpu_ms"] == found["frame, computed"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_frame_takes_at_least_as_long_as_its_steps_together(quick: dict[str, Any], threads: int) -> None:
    found = values(quick, threads)
    steps = [found[step] for step in ("detect", "mesh", "align", "embed", "score 100")]
    assert found["frame"] >= max(steps)
    assert found["frame"] >= 0.5 * sum(steps)  # medians of parts need not add up to the median of the whole
    assert found["score 1000"] >= found["score 1"]


def test_the_summary_is_of_one_thread_and_fits_the_rows(quick: dict[str, Any]) -> None:
    summary, one, two = quick["summary"], values(quick, 1), values(quick, 2)
    assert summary["frame_ms"] == one["frame"]
    assert summary["embed_ms"] == one["embed"]
    assert summary["frames_per_s"] == pytest.approx(1000 / one["frame"])
    assert summary["frames_per_s_2_threads"] == pytest.approx(1000 / two["frame"])
    assert summary["nobody_ms"] == one["nobody"]
    assert all(row["low"] <= row["value"] <= row["high"] for row in quick["rows"])


def test_a_fresh_process_needs_longer_than_one_frame_and_less_memory_than_a_small_board_has(
    quick: dict[str, Any],
) -> None:
    assert quick["summary"]["cold_start_ms"] > quick["summary"]["frame_ms"]
    assert 20 < quick["summary"]["rss_mb"] < 512


def test_the_shipped_pictures_give_frames_of_a_camera_s_size_with_one_face_each() -> None:
    line = recognizer(RecognitionSettings())
    scenes = find_scenes(PICTURES, line)
    assert len({scene.name.split()[0] for scene in scenes}) >= 5
    for scene in scenes:
        assert scene.pixels.shape == (480, 640, 3)
        assert len(line.faces(scene.pixels)) == 1


def test_pictures_without_a_face_are_no_frames_to_measure(tmp_path: Path) -> None:
    (tmp_path / "brick.jpg").write_bytes((PICTURES / "brick.jpg").read_bytes())
    with pytest.raises(DoorwardError, match="no picture there shows one face"):
        find_scenes(tmp_path, recognizer(RecognitionSettings()))


def test_the_shipped_pictures_give_frames_without_anybody_too(tmp_path: Path) -> None:
    line = recognizer(RecognitionSettings())
    empty = find_empty(PICTURES, line)
    assert len(empty) >= 3
    assert all(line.faces(frame) == [] for frame in empty)
    (tmp_path / "obama.jpg").write_bytes((PICTURES / "obama.jpg").read_bytes())
    with pytest.raises(DoorwardError, match="every picture there shows somebody"):
        find_empty(tmp_path, line)


def test_a_picture_is_pasted_in_the_middle_of_grey() -> None:
    red = np.zeros((100, 50, 3), np.uint8)
    red[..., 0] = 255
    frame = pasted(red, 0.5)
    assert frame.shape == (480, 640, 3)
    assert frame[240, 320].tolist() == [255, 0, 0]
    assert frame[0, 0].tolist() == [127, 127, 127]
    assert (frame[..., 1] == 0).sum() == 240 * 120


def test_synthetic_people_are_unit_vectors_and_the_same_for_the_same_seed() -> None:
    people = synthetic_people(7, 16, seed=3)
    assert people.shape == (7, 16)
    assert np.linalg.norm(people, axis=1) == pytest.approx(np.ones(7), abs=1e-5)
    assert np.array_equal(people, synthetic_people(7, 16, seed=3))
    assert not np.array_equal(people, synthetic_people(7, 16, seed=4))


def test_a_fresh_process_that_refuses_its_settings_says_so_in_one_line(tmp_path: Path) -> None:
    scenes = find_scenes(PICTURES, recognizer(RecognitionSettings()))[:1]
    settings = tmp_path / "door.toml"
    settings.write_text('[recognition]\nembedder = "nobody"\n')
    with pytest.raises(DoorwardError, match=r"could not recognize anybody: no embedder named 'nobody'"):
        list(cold_starts(scenes, settings, 1))


def test_a_fresh_process_that_finds_every_face_too_small_is_no_cold_start(tmp_path: Path) -> None:
    scenes = find_scenes(PICTURES, recognizer(RecognitionSettings()))[:1]
    settings = tmp_path / "door.toml"
    settings.write_text("[recognition]\nmin_face_px = 400\n")
    with pytest.raises(DoorwardError, match="should recognize 'visitor' but says None"):
        list(cold_starts(scenes, settings, 1))


def test_the_command_line_knows_bench() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge", "bench", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(option in done.stdout for option in ("--json", "--html", "--seeds", "--quick"))
