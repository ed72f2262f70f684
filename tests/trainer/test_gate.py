"""A better head replaces, one as good stays out, a worse one is refused, each with its reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DoorwardError
from edge.recognition.scoring import CentredCosine, Head
from tests.fakes.simulated import DIM, EMBEDDER, TRUE, WRONG, people
from trainer.distill import HeadParameters
from trainer.gate import CANDIDATE, COSINE, CURRENT, DET_GRID, FileFacts, GateReport, GateRules, judge
from trainer.gate_report import as_html, as_text, read_report, to_json

GOOD_FILE = FileFacts(150_000, 8.0, parity=True, words="parity holds")
COSINES = CentredCosine(EMBEDDER, np.zeros(DIM, np.float32), np.eye(DIM, dtype=np.float32))
PEOPLE = [person.trial() for person in people(80, seed=3)]


def gated(
    candidate: HeadParameters, current: HeadParameters, count: int = 80, file: FileFacts = GOOD_FILE
) -> GateReport:
    heads: dict[str, Head] = {CANDIDATE: candidate.head(), CURRENT: current.head(), COSINE: COSINES}
    return judge(heads, PEOPLE[:count], (), file, GateRules(draws=2, resamples=500))


@pytest.fixture(scope="module")
def better() -> GateReport:
    return gated(TRUE, WRONG)


@pytest.fixture(scope="module")
def worse() -> GateReport:
    return gated(WRONG, TRUE)


def failed(report: GateReport) -> set[str]:
    return {check.name for check in report.checks if not check.passed}


def test_a_head_that_finds_more_people_replaces(better: GateReport) -> None:
    assert (better.decision, failed(better)) == ("replace", set())
    assert better.heads[CANDIDATE].mix < better.heads[CURRENT].mix
    assert better.difference is not None
    assert better.difference.high < 0
    assert better.tried.people == 80


def test_a_head_that_finds_fewer_people_is_refused_and_says_who_would_be_lost(worse: GateReport) -> None:
    assert worse.decision == "refuse"
    assert {"FNIR, clean and by night", "accept-to-reject flips"} <= failed(worse)
    assert worse.lost
    assert all(0 < lost.searches <= lost.of for lost in worse.lost)
    assert {lost.person for lost in worse.lost} <= {person.person for person in PEOPLE}


def test_the_same_head_again_is_kept_out_without_a_fault() -> None:
    report = gated(TRUE, TRUE)
    assert (report.decision, failed(report), report.lost) == ("keep", set(), ())
    assert report.difference is not None
    assert (report.difference.value, report.difference.better) == (0, 0)


def test_a_head_whose_doors_would_name_strangers_too_often_is_refused() -> None:
    report = gated(replace(TRUE, fpir_scale=0.1), TRUE)
    assert failed(report) == {"realised FPIR over its target"}
    assert report.decision == "refuse"


def test_a_head_worse_than_centred_cosine_is_refused_even_if_the_current_one_is_worse_still() -> None:
    isotropic = replace(TRUE, transform=np.eye(DIM) * 3, beta=np.full(DIM, 6.0))
    heads: dict[str, Head] = {CANDIDATE: WRONG.head(), CURRENT: WRONG.head(), COSINE: isotropic.head()}
    report = judge(heads, PEOPLE, (), GOOD_FILE, GateRules(draws=1))
    assert "FNIR, clean and by night, against centred cosine" in failed(report)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 12])
def test_too_few_people_allow_no_judgement(count: int) -> None:
    report = gated(TRUE, WRONG, count)
    assert report.decision == "refuse"
    assert "people to judge by" in failed(report)
    assert f"{count}, at least 20" in report.reasons[0]


def test_people_with_nothing_to_search_with_do_not_count() -> None:
    heads: dict[str, Head] = {CANDIDATE: TRUE.head(), CURRENT: WRONG.head(), COSINE: COSINES}
    report = judge(heads, [replace(person, clean=(), night=()) for person in PEOPLE], (), GOOD_FILE)
    assert report.tried.people == 0


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (replace(GOOD_FILE, parity=False), "parity of door and server"),
        (replace(GOOD_FILE, bytes=50 << 20), "size"),
        (replace(GOOD_FILE, project_us=1e6), "time"),
    ],
)
def test_a_file_that_doors_cannot_use_is_refused_however_good_the_head(file: FileFacts, name: str) -> None:
    report = gated(TRUE, WRONG, 40, file)
    assert failed(report) == {name}
    assert report.decision == "refuse"


def test_strangers_from_outside_are_searched_with_too() -> None:
    outside = [person.trial(1) for person in people(30, seed=77)]
    heads: dict[str, Head] = {CANDIDATE: TRUE.head(), CURRENT: TRUE.head(), COSINE: COSINES}
    alone, more = (judge(heads, PEOPLE[:40], those, GOOD_FILE, GateRules(draws=1)) for those in ((), outside))
    assert more.tried.strangers == alone.tried.strangers + 2 * 30 * 12


def test_a_report_comes_back_from_its_file_as_it_was(better: GateReport, tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    file.write_text(to_json(better, {"embedder": "e"}), "utf-8")
    assert read_report(file) == (better, {"embedder": "e"})


def test_a_report_whose_decision_was_changed_is_found_out(worse: GateReport, tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    file.write_text(json.dumps(json.loads(to_json(worse, {})) | {"decision": "replace"}), "utf-8")
    with pytest.raises(DoorwardError, match="says replace, and its own figures say refuse"):
        read_report(file)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema": 1}', '{"schema": 9}', "\0"])
def test_what_is_no_report_is_one_line_with_its_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "gate.json"
    file.write_text(content, "utf-8")
    with pytest.raises(DoorwardError, match=r"gate\.json") as caught:
        read_report(file)
    assert "\n" not in str(caught.value)


def test_a_missing_report_says_so(tmp_path: Path) -> None:
    with pytest.raises(DoorwardError, match="No such file"):
        read_report(tmp_path / "gate.json")


def test_the_page_shows_decision_checks_and_curves_and_needs_nothing_else(worse: GateReport) -> None:
    page = as_html(worse, {"embedder": "<e>"})
    assert "The candidate is refused" in page
    assert page.count("<polyline") == 3
    assert worse.lost[0].person in page
    assert "<e>" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_text_names_every_check(better: GateReport) -> None:
    text = as_text(better)
    assert "The candidate may replace the current head" in text
    assert all(check.name in text for check in better.checks)


def test_curves_fall_as_more_false_alarms_are_allowed(better: GateReport) -> None:
    for head in better.heads.values():
        assert len(head.det) == len(DET_GRID)
        assert list(head.det) == sorted(head.det, reverse=True)
