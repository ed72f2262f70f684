"""The door's half of the enrollment bench, with the shipped pictures and a real store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.bench.device import PICTURES
from edge.bench.enroll import STEPS, TABLE_STEPS, Findings, Plan, Visitor, ask_a_house, fill_and_enroll, main, visit
from edge.bench.requests import VERBS
from edge.settings.slices import RecognitionSettings, StoreSettings
from edge.stored import open_store

SOON_MS = 5000.0  # a tenth of a second where the machine does nothing else


def pictures(*names: str) -> tuple[str, ...]:
    return tuple(str(PICTURES / f"{name}.jpg") for name in names)


OBAMA = Visitor(pictures("obama", "obama2"), pictures("brick", "obama3"))
BIDEN = Visitor(pictures("biden"), pictures("biden"))
NOBODY = Visitor(pictures("brick", "coffee"), pictures("obama"))


def test_visitors_are_enrolled_and_recognized_on_the_next_frame(tmp_path: Path) -> None:
    plan = Plan((OBAMA, NOBODY, BIDEN), (), 0)
    clocks, recognized = visit(plan, RecognitionSettings(), tmp_path / "state")
    assert recognized == [True, True]
    for steps in clocks.values():
        assert set(steps) == {*STEPS, "total"}
        assert all(len(times) == 2 for times in steps.values())
        whole = [sum(steps[step][n] for step in STEPS) for n in range(2)]
        assert list(steps["total"]) == pytest.approx(whole, rel=0.05, abs=1.0)
    with open_store(StoreSettings(folder=tmp_path / "state")) as store:
        people = store.load().people.values()
        assert sorted(len(person.exemplars) for person in people) == [1, 2]
        assert all(len(store.views(kept.id)) == 2 for person in people for kept in person.exemplars)


def test_a_table_has_as_many_people_as_it_says_before_the_next_comes(tmp_path: Path) -> None:
    tables = fill_and_enroll(Plan((), (2, 40), 3), RecognitionSettings(), tmp_path)
    assert set(tables) == {"2", "40"}
    for size, clocks in tables.items():
        assert all(len(clocks["ms"][step]) == 3 for step in TABLE_STEPS)
        assert all(time >= 0 for steps in clocks.values() for times in steps.values() for time in times)
        with open_store(StoreSettings(folder=tmp_path / size)) as store:
            people = store.load().people.values()
        assert len(people) == int(size) - 1 + 2 + 3  # two to warm up
        assert {len(person.exemplars) for person in people} == {3}


def test_a_plan_and_findings_come_back_from_their_json() -> None:
    plan = Plan((OBAMA,), (10, 100), 7, "some/models", houses=(10, 1000), requests=4)
    assert Plan.from_json(plan.to_json()) == plan
    requests = {"10": {"status": [3.0]}}
    found = Findings({"ms": {"row": [1.0]}}, [True], 2, {"10": {"ms": {"row": [2.0]}}}, requests)
    assert json.loads(Findings.from_json(found.to_json()).to_json()) == json.loads(found.to_json())


def test_a_house_answers_every_kind_of_request_while_it_recognizes(tmp_path: Path) -> None:
    times = ask_a_house(40, Plan((), (), 0, houses=(40,), requests=3), RecognitionSettings(), tmp_path)
    assert set(times) == set(VERBS)
    assert all(len(each) == 3 and min(each) > 0 for each in times.values())
    assert max(max(each) for each in times.values()) < SOON_MS
    with open_store(StoreSettings(folder=tmp_path / "house 40")) as store:
        names = [person.name for person in store.load().people.values()]
    assert len(names) == 40
    assert "Bench 2" in names, "what was asked was done"


def test_the_process_answers_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    file.write_text(Plan((BIDEN,), (2,), 1).to_json(), "utf-8")
    assert main([str(file)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = Findings.from_json(line)
    assert (list(found.recognized), found.refused) == ([True], 0)
    assert set(found.tables) == {"2"}
