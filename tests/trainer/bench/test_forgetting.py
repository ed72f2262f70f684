"""`bench forgetting` from courses to what is told of them; the real pictures where there are any."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from edge.contract.bench import Cell
from edge.inference.spec import load_manifest
from tests.fakes.embedded import enrollees, listed
from trainer.bench.commands import add_bench_commands
from trainer.bench.features import Features
from trainer.bench.forgetters.rolls import Sizes, enrolled_members, large_course, names, small_course
from trainer.bench.forgetters.schooling import JOINT
from trainer.bench.forgetting import FULL_PLAN, Forgetting
from trainer.bench.forgetting_report import TABLE, TABLE_RAW, WAYS, plots, side_by_side, summary

KEYS = {
    *("table_forgetting", "table_old", "table_new", "joint_old", "replaced_softmax_old", "frozen_tuned_old"),
    *("widened_onehot_old", "base_people", "added_people"),
}


def number(cell: Cell) -> float:
    assert isinstance(cell, float)
    return cell


def test_courses_of_people_who_do_not_exist_are_told_whole() -> None:
    dim = 192
    fleet, enrolled = listed([3] * 40, dim=dim, seed=1), listed([6] * 12, dim=dim, seed=2)
    strangers = listed([1] * 60, dim=dim, seed=3)
    features = Features(load_manifest().pick("embedder"), fleet, enrolled, {"test": strangers})
    members = enrolled_members(enrollees(enrolled), enrolled)
    bench = Forgetting(features, names(features, members))
    rows = list(bench.rows("small", [small_course(members, Sizes(6, 2, 2), 3, seed) for seed in range(2)], 3))
    rows += bench.rows("large", [large_course(features, members, Sizes(None, 8, 1), 3, seed) for seed in range(2)], 3)
    found = summary(rows)
    assert set(found) >= KEYS
    assert (found["base_people"], found["added_people"]) == (44, 8)
    assert (found["small_base_people"], found["small_added_people"]) == (6, 4)
    assert found["table_forgetting"] == found["table_others_changed"] == 0.0
    assert found["table_old"] == found["table_new"] == 1.0
    assert found["replaced_softmax_old"] == 0.0
    told = {(row["course"], row["way"], row["measure"]) for row in rows}
    assert {way for _, way, _ in told} == set(WAYS)
    assert {way for _, way, measure in told if measure == "fnir"} == {TABLE_RAW, TABLE}
    changed = {r["way"]: r["value"] for r in rows if r["measure"] == "others changed" and r["course"] == "large"}
    assert changed[JOINT] == 44
    assert all(number(row["low"]) <= number(row["value"]) <= number(row["high"]) for row in rows if "low" in row)
    lines = side_by_side(rows)
    assert [line["way"] for line in lines] == [*WAYS, *WAYS]
    assert lines[0]["course"] == "6 + 4"
    assert all(chart.startswith("<svg") for chart in plots(rows))


def test_the_full_run_is_the_one_that_is_published() -> None:
    assert (FULL_PLAN.small.base, FULL_PLAN.small.each, FULL_PLAN.small.steps) == (50, 10, 5)
    assert (FULL_PLAN.large.base, FULL_PLAN.large.added) == (None, 101)


@pytest.mark.facedata
def test_a_quick_run_forgets_nobody_but_where_layers_are_replaced(
    facedata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "forgetting.json", tmp_path / "forgetting.html"
    words = ["--data", str(facedata), "--quick", "--json", str(file), "--html", str(page), "--cache", str(tmp_path)]
    top = argparse.ArgumentParser()
    add_bench_commands(top.add_subparsers())
    arguments = top.parse_args(["bench", "forgetting", *words])
    assert arguments.seeds == 5
    assert arguments.run(arguments) == 0
    report = json.loads(file.read_text("utf-8"))
    found = report["summary"]
    assert report["bench"] == "forgetting"
    assert set(found) >= KEYS
    assert found["table_others_changed"] == 0
    assert found["table_forgetting"] == pytest.approx(0, abs=0.03)
    assert found["table_old"] > 0.9
    assert found["replaced_softmax_old"] == 0
    assert found["widened_onehot_old"] < found["table_old"]
    assert page.read_text("utf-8").count("<svg") == 2
    assert "(c) one-hot widened with zeros" in capsys.readouterr().out
