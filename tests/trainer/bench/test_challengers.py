"""`bench challengers`: who learns from whom, what is told, and a quick run on real pictures where there are any."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from edge.contract.bench import Row
from edge.errors import DoorwardError
from tests.fakes.embedded import listed
from trainer.bench.challengers import CLOSED, PREVIOUS, UNTAUGHT, fleet_of, side_by_side, summary
from trainer.bench.commands import add_bench_commands
from trainer.statistics import FOLDS, fold_of


def parse(*words: str) -> argparse.Namespace:
    top = argparse.ArgumentParser()
    add_bench_commands(top.add_subparsers())
    return top.parse_args(["bench", "challengers", *words])


def test_half_of_the_people_are_old_and_every_view_knows_its_picture() -> None:
    of = listed([2, 3, 1] * 10, faceless=[4])
    fleet, places = fleet_of(of)
    assert len(fleet.x) == 2 * 59  # clean and night of every picture with a face
    assert fleet.old is not None
    assert fleet.pictures is not None
    assert places.tolist() == fleet.pictures.tolist()
    assert 4 not in places
    for view in (0, 1, 60, 117):
        owner = of.owners[places[view]]
        assert fleet.old[view] == (fold_of(owner) < FOLDS // 2)
        kind = "clean" if view < 59 else "night"
        np.testing.assert_array_equal(fleet.x[view], of.views(kind)[0].x[places[view]])
    assert len({(int(o), of.owners[p]) for o, p in zip(fleet.owners, places, strict=True)}) == len(of.people)


def rows(values: dict[str, float]) -> list[Row]:
    told: list[Row] = []
    for people in (20, 100):
        for side in ("clean", "mix"):
            for way, value in values.items():
                about: Row = {"way": way, "k": 3, "people": people, "side": side, "low": 0.0, "high": 1.0}
                told.append({**about, "measure": "fnir", "value": value * people / 20})
                told.append({**about, "measure": "fnir less closed form", "value": value - values[CLOSED]})
    return told


def test_the_summary_is_of_the_smaller_tables_and_the_teacher_who_was_best_for_those_held_out() -> None:
    told = rows(
        {"challenger, taught by b": 0.02, CLOSED: 0.04, UNTAUGHT: 0.05, PREVIOUS: 0.06, "challenger, taught by a": 0.03}
    )
    for way, loss in (("b", 0.6), ("a", 0.5)):
        name = f"challenger, taught by {way}"
        told += [
            {"way": w, "of": name, "measure": "held-out loss", "value": v} for w, v in ((name, loss), (CLOSED, 0.1))
        ]
    found = summary(told)
    assert found["closed_form_mix_k3"] == 0.04
    assert found["challenger_mix_k3"] == 0.05
    assert found["taught_clean_k3"] == 0.03
    lines = side_by_side(told)
    assert [line["way"] for line in lines][:3] == [PREVIOUS, CLOSED, UNTAUGHT]
    assert lines[2]["mix k=3 N=20 %"] == "5.00"
    assert lines[2]["mix N=20 less closed form"] == "+1.00 [+0.00, +100.00]"
    assert "taught_mix_k3" not in summary(rows({CLOSED: 0.04, UNTAUGHT: 0.05, PREVIOUS: 0.06}))


def test_a_teacher_without_its_description_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    arguments = parse("--data", str(tmp_path), "--teacher", "file.onnx", "--named-teacher-only")
    with pytest.raises(DoorwardError, match="--teacher and --teacher-description go together"):
        arguments.run(arguments)


@pytest.mark.facedata
@pytest.mark.tensorflow
def test_a_quick_run_trains_and_tells(facedata: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="needs the trainer extra")
    file = tmp_path / "challengers.json"
    words = ["--data", str(facedata), "--quick", "--named-teacher-only", "--json", str(file), "--cache", str(tmp_path)]
    arguments = parse(*words)
    assert arguments.run(arguments) == 0
    report = json.loads(file.read_text("utf-8"))
    assert set(report["summary"]) == {
        *("closed_form_clean_k3", "challenger_clean_k3", "closed_form_mix_k3", "challenger_mix_k3")
    }
    measured = {(row["way"], row["measure"]) for row in report["rows"]}
    assert {(way, "fnir") for way in (PREVIOUS, CLOSED, UNTAUGHT)} <= measured
    assert {(way, "held-out loss") for way in (PREVIOUS, CLOSED, UNTAUGHT)} <= measured
    assert all(row["low"] <= row["value"] <= row["high"] for row in report["rows"] if "low" in row)
