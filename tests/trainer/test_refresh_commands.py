"""The commands around a refresh: what an operator sees of an empty fleet, of a report, and of mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import SettingsError
from edge.inference.head import head_path
from edge.inference.spec import load_manifest
from edge.store.durable import FileLock
from tests.fakes.fleet import report
from tests.fakes.messages import RELEASE, STATE
from tests.fakes.simulated import EMBEDDER
from trainer.challengers.fleet import Fleet
from trainer.cli import main, parser
from trainer.gate import FileFacts, judge
from trainer.gate_report import to_json
from trainer.refresh_commands import gate_rules
from trainer.settings import GateSettings, load_trainer_settings
from trainer.store.open import open_fleet_store

ROOT = Path(__file__).resolve().parents[2]
EMBEDDER_SPEC = load_manifest().pick("embedder")


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "trainer.toml"
    file.write_text('[store]\nfolder = "state"\n')
    return file


def test_a_refresh_of_an_empty_fleet_is_well_and_leaves_nothing(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["refresh", "--settings", str(settings)]) == 0
    assert "nobody was enrolled by mobilefacenet_192_int8 yet" in capsys.readouterr().out
    assert not (settings.parent / "state" / "candidates").exists()


def test_its_outcome_is_json_where_a_program_asks(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refresh", "--settings", str(settings), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["people"], told["decision"], told["candidate"]) == (0, "keep", None)


def test_what_a_refresh_decided_is_in_the_status(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["refresh", "--settings", str(settings)])
    capsys.readouterr()
    assert main(["status", "--settings", str(settings)]) == 0
    assert "keep" in capsys.readouterr().out


def test_a_dry_run_is_not_in_the_status(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refresh", "--settings", str(settings), "--dry-run"]) == 0
    capsys.readouterr()
    assert main(["status", "--settings", str(settings)]) == 0
    assert "refresh    none yet" in capsys.readouterr().out


def test_a_published_head_is_what_a_refresh_compares_with_and_its_files_must_be_there(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sha256 = EMBEDDER_SPEC.sha256
    with open_fleet_store(load_trainer_settings(settings).store) as store, store.write() as writer:
        writer.releases.add(replace(RELEASE, release="plda-7", compatible=sha256, embedder_sha256=sha256))
        writer.releases.begin("plda-7", "rest", {}, 0)
    assert main(["refresh", "--settings", str(settings)]) == 3
    assert "the files of the published head plda-7 are not here; name it with --current" in capsys.readouterr().err
    current = ["--current", str(head_path(EMBEDDER_SPEC))]
    assert main(["refresh", "--settings", str(settings), *current]) == 0


def test_a_second_refresh_says_in_one_line_that_another_runs(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = settings.parent / "state"
    folder.mkdir()
    first = FileLock(folder / "refresh.lock")
    assert first.acquire()
    scratch = folder / "candidates" / ".refresh-of-the-first"
    scratch.mkdir(parents=True)
    assert main(["refresh", "--settings", str(settings)]) == 9
    words = f"doorward-trainer: another refresh runs already (process {os.getpid()}); wait until it has ended\n"
    assert capsys.readouterr() == ("", words)
    assert scratch.exists()
    assert main(["refresh", "--settings", str(settings), "--dry-run"]) == 0
    first.release()
    assert main(["refresh", "--settings", str(settings)]) == 0


def test_what_a_killed_refresh_left_is_taken_away_by_the_next(settings: Path) -> None:
    candidates = settings.parent / "state" / "candidates"
    (candidates / ".refresh-abc" / "plda-1").mkdir(parents=True)
    (candidates / ".refresh-abc" / "plda-1" / "face.head.json").write_text("{")
    (candidates / "plda-1").mkdir()
    assert main(["refresh", "--settings", str(settings)]) == 0
    assert [one.name for one in candidates.iterdir()] == ["plda-1"]


@pytest.mark.parametrize("out", ["file", "file/below", "."])
def test_a_folder_for_heads_that_cannot_be_is_6_and_one_line_before_anything_is_done(
    settings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (settings.parent / "file").touch()
    if out == ".":  # as a read-only one answers, also to root
        monkeypatch.setattr("trainer.refresh_commands.os.access", lambda *_: False)
    named = settings.parent / out
    assert main(["refresh", "--settings", str(settings), "--out", str(named)]) == 6
    told = capsys.readouterr().err
    assert told.startswith(f"doorward-trainer: {named}: heads cannot be put there, {settings.parent}")
    assert told.count("\n") == 1
    assert not (settings.parent / "state").exists()


def test_a_worker_that_is_not_the_chief_trains_along_and_writes_nothing(
    settings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.write_text('[store]\nfolder = "state"\n[refresh]\nchallenger = "workers"\n[releases]\nmode = "auto"\n')
    cluster = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}}))
    fleet: list[Fleet] = []
    monkeypatch.setattr("trainer.refresh.train_challenger", lambda of, *_, **__: fleet.append(of))
    sha256 = EMBEDDER_SPEC.sha256
    with open_fleet_store(load_trainer_settings(settings).store) as store, store.write() as writer:
        for number in range(80):
            writer.person(report(person=f"p{number}", dim=192, embedder=sha256, night=0))
    assert main(["refresh", "--settings", str(settings)]) == 0
    assert capsys.readouterr().out == "this worker trained along; the head is written by worker 0\n"
    assert fleet[0].dim == 192
    with open_fleet_store(load_trainer_settings(settings).store) as store:
        assert store.refreshes() == []
        assert store.status().embedders[sha256].pooled == 0
    assert sorted(one.name for one in (settings.parent / "state").iterdir()) == ["fleet.db", "fleet.key"]


def test_workers_of_whom_nobody_knows_which_one_this_is_are_one_line(
    settings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    settings.write_text('[store]\nfolder = "state"\n[refresh]\nchallenger = "workers"\n')
    assert main(["refresh", "--settings", str(settings)]) == 1
    assert "several workers need TF_CONFIG, of the form" in capsys.readouterr().err


def test_an_unknown_embedder_is_one_line_with_those_there_are(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.write_text('[store]\nfolder = "state"\n[refresh]\nembedder = "eyes"\n')
    assert main(["refresh", "--settings", str(settings)]) == 3
    assert "no embedder named 'eyes'; there is: dlib_resnet_128_int8" in capsys.readouterr().err


def test_a_folder_of_strangers_that_is_not_there_is_one_line(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.write_text('[store]\nfolder = "state"\n[gate]\ndata = "nowhere"\n')
    assert main(["refresh", "--settings", str(settings)]) == 1
    assert "nowhere: there is no such folder" in capsys.readouterr().err


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    arguments = parser().parse_args(["refresh", "--settings", str(tmp_path / "none.toml")])
    with pytest.raises(SettingsError, match=r"none\.toml"):
        arguments.run(arguments)


def test_a_refusing_report_is_shown_with_exit_code_9(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = judge({}, [], [], FileFacts(1, 1.0, parity=True, words=""))
    file, page = tmp_path / "gate.json", tmp_path / "gate.html"
    file.write_text(to_json(report, {"embedder_sha256": EMBEDDER}))
    assert main(["gate", str(file), "--html", str(page)]) == 9
    assert "NO  people to judge by" in capsys.readouterr().out
    assert "The candidate is refused" in page.read_text()


def test_the_settings_reach_the_gate() -> None:
    rules = gate_rules(GateSettings(clean_worse=0.01, realised_fpir=2.0, flips=0.02, max_kib=7))
    assert (rules.clean_worse, rules.realised_fpir, rules.flips, rules.bytes) == (0.01, 2.0, 0.02, 7168)
    assert rules.realised_most == 4.0


@pytest.fixture
def refusing(tmp_path: Path) -> Path:
    file = tmp_path / "gate.json"
    report = judge({}, [], [], FileFacts(1, 1.0, parity=True, words=""))
    file.write_text(to_json(report, {"embedder_sha256": EMBEDDER}))
    return file


def test_a_page_that_cannot_be_written_is_6_and_one_line(
    refusing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "none" / "gate.html"
    assert main(["gate", str(refusing), "--html", str(page)]) == 6
    assert capsys.readouterr() == ("", f"doorward-trainer: {page}: No such file or directory\n")


@pytest.mark.scenario
def test_a_reader_who_has_seen_enough_is_no_failure(refusing: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "trainer", "gate", str(refusing)]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_terminal_would_obey_is_shown_as_its_escape(refusing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = json.loads(refusing.read_text())
    body["lost"] = [{"person": "p\x1b[2J\u202e", "searches": 1, "of": 2}]
    refusing.write_text(json.dumps(body))
    main(["gate", str(refusing)])
    shown = "".join(capsys.readouterr())
    assert r"p\x1b[2J\u202e" in shown
    assert shown.replace("\n", "").isprintable()


def test_half_a_character_in_a_report_does_not_keep_its_page_from_being_written(refusing: Path) -> None:
    body = json.loads(refusing.read_text())
    body["about"]["whose"] = "half \ud800"
    refusing.write_text(json.dumps(body))
    page = refusing.with_name("gate.html")
    assert main(["gate", str(refusing), "--html", str(page)]) == 9
    assert r"half \ud800" in page.read_text()


def test_what_a_door_says_of_itself_does_not_reach_the_terminal_raw(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_fleet_store(load_trainer_settings(settings).store) as store, store.write() as writer:
        writer.state(replace(STATE, degraded=("disk\x1b]0;is\nfull",)))
    assert main(["status", "--settings", str(settings)]) == 0
    assert r"disk\x1b]0;is\nfull" in capsys.readouterr().out
