"""The demonstration as a process: it ends by itself, tells everybody as they must be, and leaves its picture."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.demo.story import STORY
from tests.fakes.program import Program

pytestmark = pytest.mark.scenario


def processes_that_name(folder: Path) -> int:
    """Processes of this machine on whose command line a folder stands."""
    count = 0
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += os.fsencode(folder) in line.read_bytes()
        except OSError:  # it ended meanwhile
            continue
    return count


def test_it_plays_its_story_and_may_be_played_again(mosquitto: None, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"  # the broker's configuration lies in it
    temporary.mkdir()
    doorward = Program(tmp_path, "", TMPDIR=str(temporary))
    folder, strip = tmp_path / "demo", tmp_path / "demo.png"
    command = ("demo", "--fast", "--folder", folder, "--strip", strip)
    ran = doorward.run(*command)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count(": as it must be") == len(STORY)
    assert ran.out.count("[the enroll key is pressed]") == sum(scene.name is not None for scene in STORY)
    assert ran.out.splitlines()[0].startswith("broker: mosquitto on 127.0.0.1:")
    assert f"the visits as pictures: {strip}" in ran.out
    picture = np.asarray(Pillow.open(strip))
    assert picture.shape[0] > 500
    assert picture.shape[1] > 1000
    assert 100_000 < strip.stat().st_size < 5_000_000
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10_000
    assert processes_that_name(temporary) == 0

    doorward.start(*command)
    try:
        doorward.wait_for_log("started stranger")  # the folder was emptied, or they would be known already
        assert processes_that_name(temporary) == 1
        assert doorward.end(signal.SIGTERM) == 130
        assert processes_that_name(temporary) == 0
    finally:
        doorward.kill()


def test_it_never_empties_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    ran = Program(tmp_path, "").run("demo", "--fast", "--folder", folder, "--strip", tmp_path / "demo.png")
    assert (ran.code, ran.err.count("\n")) == (6, 1)
    assert ran.err == f"doorward: {folder}: holds files that are no demonstration's; name another with --folder\n"
    assert (folder / "letter.txt").read_text() == "dear"


def test_a_live_camera_that_is_not_there_ends_it_in_one_line(mosquitto: None, tmp_path: Path) -> None:
    ran = Program(tmp_path, "").run(
        "demo", "--camera", f"folder:{tmp_path}/none", "--folder", tmp_path / "d", "--strip", tmp_path / "demo.png"
    )
    assert ran.code == 4
    assert ran.err == (
        f"doorward: camera folder:{tmp_path}/none: No such file or directory; check the folder and its permissions\n"
    )
