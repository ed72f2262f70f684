"""The commands around a refresh: what an operator sees of an empty fleet, of a report, and of mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import SettingsError
from edge.inference.head import head_path
from edge.inference.spec import load_manifest
from tests.fakes.messages import RELEASE
from tests.fakes.simulated import EMBEDDER
from trainer.cli import main, parser
from trainer.gate import FileFacts, judge
from trainer.gate_report import to_json
from trainer.refresh_commands import gate_rules
from trainer.settings import GateSettings, load_trainer_settings
from trainer.store.open import open_fleet_store

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
