"""A refresh from a real store: nothing from nobody, nothing without evidence, a head ready to sign where there is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.contract.fleet import PersonReport
from edge.inference.head import head_path, load_head
from edge.inference.spec import load_manifest
from tests.fakes.fleet import KEY
from tests.fakes.simulated import SimulatedFleet
from trainer.challengers.settings import ChallengerSettings
from trainer.export import read_back
from trainer.gate import GateRules
from trainer.gate_report import read_report
from trainer.refresh import GATE_FOLDS, LEARN_FOLDS, Refreshed, RefreshRules, Sources, refresh
from trainer.releases.packing import check_gate, read_candidate
from trainer.statistics import FOLDS
from trainer.store.store import FleetStore

pytestmark = pytest.mark.tensorflow

EMBEDDER = load_manifest().pick("embedder")
FACTORY = read_back(head_path(EMBEDDER), EMBEDDER.sha256)
FLEET = SimulatedFleet(FACTORY)
RULES = RefreshRules(most_people=150, gate=GateRules(draws=2, resamples=500))


def silent(_: str) -> Callable[[int, int], None]:
    return lambda _done, _of: None


@pytest.fixture
def fleet(tmp_path: Path) -> Iterable[FleetStore]:
    with FleetStore.open(f"sqlite:///{tmp_path}/fleet.db", KEY) as store:
        yield store


def tell(store: FleetStore, reports: Iterable[PersonReport]) -> None:
    with store.write() as writer:
        for report in reports:
            writer.person(report)


def refreshed(store: FleetStore, out: Path, *, dry_run: bool = False) -> Refreshed:
    return refresh(store, Sources.of(EMBEDDER, out), RULES, silent, dry_run=dry_run)


def test_an_empty_fleet_gives_no_head_and_says_so(fleet: FleetStore, tmp_path: Path) -> None:
    done = refreshed(fleet, tmp_path / "out")
    assert (done.candidate, done.folder) == (None, None)
    assert done.words == "nobody was enrolled by mobilefacenet_192_int8 yet"


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_handful_of_people_is_no_reason_for_another_head(fleet: FleetStore, tmp_path: Path, count: int) -> None:
    tell(fleet, FLEET.reports("front", count, seed=1))
    done = refreshed(fleet, tmp_path / "out")
    assert (done.people, done.candidate) == (count, None)
    assert "no sure reason" in done.words


def test_people_whose_pictures_are_all_alike_teach_nothing(fleet: FleetStore, tmp_path: Path) -> None:
    tell(fleet, SimulatedFleet(FACTORY, strange=1e-9).reports("front", 60, seed=2))
    done = refreshed(fleet, tmp_path / "out")
    assert done.report is None or done.report.decision in {"replace", "keep", "refuse"}
    if done.folder is not None:
        load_head(done.folder / f"{EMBEDDER.name}.head.json", EMBEDDER.sha256)


def test_a_fleet_that_sees_people_otherwise_gets_a_head_that_is_ready_to_sign(
    fleet: FleetStore, tmp_path: Path
) -> None:
    tell(fleet, FLEET.reports("front", 240, seed=3))
    tell(fleet, FLEET.reports("back", 240, seed=4))
    dry = refreshed(fleet, tmp_path / "out", dry_run=True)
    assert dry.folder is None
    assert list((tmp_path / "out").iterdir()) == []
    done = refreshed(fleet, tmp_path / "out")
    assert (done.people, done.new, dry.new) == (480, 0, 480)
    assert done.report is not None
    assert done.report.decision == "replace", done.report.reasons
    assert done.folder is not None
    assert sorted(file.name for file in done.folder.iterdir()) == [
        "gate.html",
        "gate.json",
        f"{EMBEDDER.name}.head.json",
        f"{EMBEDDER.name}.head.tflite",
    ]
    head = load_head(done.folder / f"{EMBEDDER.name}.head.json", EMBEDDER.sha256)
    assert head.id == done.candidate
    check_gate(read_candidate(done.folder), even_refused=None)  # it can be signed as it is
    report, about = read_report(done.folder / "gate.json")
    assert report == done.report
    assert about["embedder_sha256"] == EMBEDDER.sha256
    assert "p_3_" not in json.dumps(about)


def test_a_challenger_is_judged_beside_the_closed_form_and_one_of_the_two_is_kept(
    fleet: FleetStore, tmp_path: Path
) -> None:
    tell(fleet, FLEET.reports("front", 300, seed=3))
    quick = ChallengerSettings(epochs=2, seeds=1, shrinkages=(0.1,))
    done = refresh(fleet, Sources.of(EMBEDDER, tmp_path), replace(RULES, challenger=quick), silent)
    assert done.folder is not None
    assert [folder.name for folder in tmp_path.iterdir() if folder.is_dir()] == [done.folder.name]
    _, about = read_report(done.folder / "gate.json")
    assert about["learned"] == "closed form" or about["learned"].startswith("trained by gradient, ")


def test_too_few_people_train_no_challenger(fleet: FleetStore, tmp_path: Path) -> None:
    tell(fleet, FLEET.reports("front", 10, seed=3))
    done = refresh(fleet, Sources.of(EMBEDDER, tmp_path), replace(RULES, challenger=ChallengerSettings()), silent)
    assert done.candidate is None


def test_nobody_who_judges_a_head_was_learned_from() -> None:
    assert set(GATE_FOLDS) | set(LEARN_FOLDS) == set(range(FOLDS))
    assert not set(GATE_FOLDS) & set(LEARN_FOLDS)
