"""`doorward releases`, without a daemon and with one; and what `doctor` says of the head in force."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from edge.assemble import Given, door
from edge.checkup import examine
from edge.cli import main
from edge.errors import RefusedError, StoreError
from edge.settings import load_settings
from edge.update.place import ReleasePlace
from tests.fakes.door import Film, film
from tests.fakes.head_releases import make_bundle, staged
from tests.fakes.tuf_repository import TufRepository


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "doorward.toml"
    file.write_text(f'[door]\nid = "front"\n[store]\nfolder = "{tmp_path / "state"}"\n[mqtt]\nenabled = false\n')
    return file


def test_without_a_daemon_there_is_nobody_to_ask(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--settings", str(settings), "releases", "status"]) == RefusedError.exit_code
    assert "no daemon runs" in capsys.readouterr().err


def test_a_root_is_trusted_once_and_another_only_anew(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root.json"
    root.write_bytes(TufRepository(tmp_path / "repository").root_bytes)
    line = ["--settings", str(settings), "releases", "trust", str(root)]
    assert main([*line, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == 1
    assert main(line) == RefusedError.exit_code
    assert "say --anew" in capsys.readouterr().err
    assert main([*line, "--anew"]) == 0
    root.write_text("{}")
    assert main([*line, "--anew"]) == RefusedError.exit_code
    root.unlink()
    assert main(line) == StoreError.exit_code


def test_a_running_door_answers(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes: list[int] = []
    with door(load_settings(settings), Given(camera=Film(film()))) as daemon:
        for words in (["status"], ["pin"], ["rollback"], ["install"], ["unpin"]):
            asking = threading.Thread(
                target=lambda words=words: codes.append(main(["--settings", str(settings), "releases", *words]))
            )
            asking.start()
            while asking.is_alive():
                daemon._drain()
                time.sleep(0.005)
    assert codes == [0, 0, RefusedError.exit_code, RefusedError.exit_code, 0]
    told = capsys.readouterr()
    assert "release: factory" in told.out.splitlines()
    assert "pin: factory" in told.out.splitlines()
    assert "there is nothing to roll back: the head that was installed is in force" in told.err
    assert "no release is announced to this door; name one" in told.err


def test_doctor_says_which_release_is_in_force_and_what_became_of_the_last(settings: Path, tmp_path: Path) -> None:
    def head() -> tuple[str, str]:
        finding = next(f for f in examine(load_settings(settings), with_camera=False) if f.what == "head")
        return finding.verdict, finding.text.partition(", ")[2]

    slots = ReleasePlace.below(tmp_path / "state").slots
    assert head() == ("well", "release factory")
    staged(slots, make_bundle(tmp_path))
    slots.begin_test()
    slots.passed()
    slots.begin_trial()
    assert head() == ("well", "release factory; plda-1 is on trial")
    slots.start_attempt()
    slots.commit()
    assert head() == ("well", "release plda-1")
    slots.roll_back("the scores fell")
    assert head() == ("warning", "release factory; plda-1 is rolled back: the scores fell")
