"""A refresh from a real store: nothing from nobody, nothing without evidence, a head ready to sign where there is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from edge.contract.fleet import FleetView, PersonReport
from edge.errors import ModelError
from edge.inference.head import head_path, load_head
from edge.inference.spec import load_manifest
from tests.fakes.fleet import KEY, report
from tests.fakes.simulated import SimulatedFleet
from trainer.challengers.settings import ChallengerSettings
from trainer.export import read_back
from trainer.fleet_trials import choosing_people, spread
from trainer.gate import CANDIDATE, GateRules
from trainer.gate_report import read_report
from trainer.refresh import GATE_FOLDS, LEARN_FOLDS, Refreshed, RefreshRules, Sources, refresh
from trainer.releases.packing import check_gate, read_candidate
from trainer.statistics import FOLDS, fold_of
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


def shown_as(view: FleetView, reports: Iterable[PersonReport]) -> Iterator[PersonReport]:
    """People of whom every picture is the same."""
    for one in reports:
        night = len(one.exemplars[0].night)
        yield replace(one, exemplars=tuple(replace(each, clean=view, night=(view,) * night) for each in one.exemplars))


def test_people_each_of_whose_pictures_are_all_alike_teach_nothing(fleet: FleetStore, tmp_path: Path) -> None:
    for one in FLEET.reports("front", 240, seed=3):
        tell(fleet, shown_as(one.exemplars[0].clean, [one]))
    done = refreshed(fleet, tmp_path / "out")
    assert (done.candidate, done.folder) == (None, None)
    assert done.words == "the pictures of each person are all alike: nothing is learned from 240 people"


def test_people_who_all_have_one_picture_teach_nothing(fleet: FleetStore, tmp_path: Path) -> None:
    reports = list(FLEET.reports("front", 240, seed=3))
    tell(fleet, shown_as(reports[0].exemplars[0].clean, reports))
    done = refreshed(fleet, tmp_path / "out")
    assert (done.candidate, done.folder) == (None, None)
    assert done.words.startswith("the pictures are all alike, whoever they are said to show")


def at_two_doors(reports: Iterable[PersonReport], *, same_id: bool) -> Iterator[PersonReport]:
    """Each with half of their pictures at either door."""
    for one in reports:
        half = len(one.exemplars) // 2
        yield replace(one, exemplars=one.exemplars[:half])
        other = one.person if same_id else f"{one.person}_again"
        yield replace(one, door="back", person=other, report=uuid4(), exemplars=one.exemplars[half:])


def test_people_who_were_imported_at_a_second_door_are_judged_by_once(fleet: FleetStore, tmp_path: Path) -> None:
    tell(fleet, at_two_doors(FLEET.reports("front", 240, seed=3, pictures=10), same_id=True))
    done = refreshed(fleet, tmp_path / "out")
    assert done.report is not None
    assert done.report.decision == "replace", done.report.reasons
    assert done.report.tried.joined == done.report.tried.people > 40
    assert done.report.tried.dropped == 0
    assert done.report.heads[CANDIDATE].mix < 0.4


def test_people_whom_a_second_door_enrolled_under_other_ids_are_joined_or_do_not_judge(
    fleet: FleetStore, tmp_path: Path
) -> None:
    reports = list(SimulatedFleet(FACTORY, strange=4.0).reports("front", 400, seed=3, pictures=10))
    tell(fleet, at_two_doors(reports[:120], same_id=False))
    tell(fleet, reports[120:])
    done = refreshed(fleet, tmp_path / "out")
    assert done.report is not None
    tried, ids = done.report.tried, [one.person for one in reports[:120]]
    folds = [(fold_of(id_) in GATE_FOLDS, fold_of(f"{id_}_again") in GATE_FOLDS) for id_ in ids]
    apart = sum(one != other for one, other in folds)
    assert 0.8 * apart <= tried.dropped <= apart
    assert 0 < tried.joined <= sum(one and other for one, other in folds)
    assert done.report.heads[CANDIDATE].mix < 0.4
    assert done.report.decision == "replace", done.report.reasons


def test_people_to_try_heads_on_are_of_all_doors_however_early_or_late_they_came(fleet: FleetStore) -> None:
    for number in range(4):
        tell(fleet, FLEET.reports(f"door{number}", 60, seed=number, pictures=3))
    factory = FACTORY.head()
    some = choosing_people(fleet, EMBEDDER.sha256, LEARN_FOLDS, 60, factory)
    doors = Counter(person.person.partition("/")[0] for _, person in some)
    assert sorted(doors) == ["door0", "door1", "door2", "door3"]
    assert min(doors.values()) > 5
    assert {fold for fold, _ in some} == set(LEARN_FOLDS)
    fewer = choosing_people(fleet, EMBEDDER.sha256, LEARN_FOLDS, 30, factory)
    assert {person.person for _, person in fewer} < {person.person for _, person in some}


def test_who_has_one_picture_is_not_tried_on(fleet: FleetStore) -> None:
    tell(fleet, FLEET.reports("front", 20, seed=1, pictures=1))
    assert choosing_people(fleet, EMBEDDER.sha256, range(FOLDS), 60, FACTORY.head()) == []
    assert len(spread(fleet, EMBEDDER.sha256, range(FOLDS), 15)) == 15


def test_a_fleet_that_sees_people_otherwise_gets_a_head_that_is_ready_to_sign(
    fleet: FleetStore, tmp_path: Path
) -> None:
    tell(fleet, FLEET.reports("front", 240, seed=3))
    tell(fleet, FLEET.reports("back", 240, seed=4))
    dry = refreshed(fleet, tmp_path / "out", dry_run=True)
    assert dry.folder is None
    assert not (tmp_path / "out").exists()
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
    told, about = read_report(done.folder / "gate.json")
    assert told == done.report
    assert about["embedder_sha256"] == EMBEDDER.sha256
    assert "p_3_" not in json.dumps(about)


def test_a_candidate_that_is_there_already_is_left_alone_and_a_damaged_one_is_made_again(
    fleet: FleetStore, tmp_path: Path
) -> None:
    tell(fleet, FLEET.reports("front", 300, seed=3))
    done = refreshed(fleet, tmp_path)
    assert done.folder is not None
    mark = done.folder / "looked at"
    mark.touch()
    assert refreshed(fleet, tmp_path).folder == done.folder
    assert mark.exists()
    (done.folder / "gate.json").write_text("{")
    assert refreshed(fleet, tmp_path).folder == done.folder
    assert not mark.exists()
    read_report(done.folder / "gate.json")
    assert list(tmp_path.glob(".refresh-*")) == []


def test_people_of_another_dimension_than_the_head_s_are_one_line(fleet: FleetStore, tmp_path: Path) -> None:
    tell(fleet, (report(person=f"p{number}", dim=96, embedder=EMBEDDER.sha256) for number in range(60)))
    with pytest.raises(
        ModelError, match=r"head\.json: takes embeddings of 192 numbers, and those that doors .* have 96;"
    ):
        refreshed(fleet, tmp_path)


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
