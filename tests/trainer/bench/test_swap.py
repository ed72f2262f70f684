from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DoorwardError
from tests.fakes.features import DIM, listed
from trainer.adapter import Pairs
from trainer.bench.commands import add_bench_commands
from trainer.bench.features import CLEAN, Features
from trainer.bench.swap import adapted, learned, pairs_of, some, summary


class _Spec:
    sha256 = "a" * 64


def features(turn: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None = None) -> Features:
    """A fleet as an embedder gives it, and as one gives it whose space is turned."""
    fleet = listed(30, 3, seed=1, faceless=(4,))
    if turn is not None:
        for views in fleet.shown.values():
            for faces in views:
                faces.x[:] = faces.x @ turn
    return Features(_Spec(), fleet, fleet, {})  # type: ignore[arg-type]  # no model is asked


def test_pairs_are_of_the_same_pictures_and_an_adapter_brings_them_together() -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((DIM, DIM)))
    old, new = features(), features(turn)
    pairs = pairs_of(old, new)
    assert len(pairs.owners) == 89
    assert pairs.old @ turn == pytest.approx(pairs.new, abs=1e-5)
    faces = old.fleet.views(CLEAN)[0].of([0, 1])
    made = adapted(learned(pairs, old, new), faces)
    assert (made.x * (faces.x @ turn)).sum(axis=1).min() > 0.99
    assert made.norms.tolist() == pytest.approx([float(np.exp(np.log(pairs.norms).mean()))] * 2)


def test_fewer_pairs_are_whole_people() -> None:
    pairs = pairs_of(features(), features())
    few = some(pairs, 20)
    assert 16 <= len(few.owners) <= 20
    kept = set(few.owners.tolist())
    assert len(few.owners) == sum(int(np.isin(owner, list(kept))) for owner in pairs.owners)
    assert some(pairs, 1000).old.tobytes() == pairs.old.tobytes()


def test_a_fleet_that_teaches_nothing_is_one_line() -> None:
    one = Pairs(
        np.ones((3, DIM), np.float32), np.ones((3, DIM), np.float32), np.ones(3, np.float32), np.zeros(3, np.intp)
    )
    with pytest.raises(DoorwardError, match=r"the fleet list teaches no adapter: .*two people"):
        learned(one, features(), features())


@pytest.mark.facedata
def test_a_quick_run_goes_both_ways(facedata: Path, feature_cache: Path, tmp_path: Path) -> None:
    file, page = tmp_path / "swap.json", tmp_path / "swap.html"
    top = argparse.ArgumentParser()
    add_bench_commands(top.add_subparsers())
    words = ["bench", "swap", "--data", str(facedata), "--quick", "--cache", str(feature_cache)]
    arguments = top.parse_args([*words, "--json", str(file), "--html", str(page)])
    assert arguments.run(arguments) == 0
    report = json.loads(file.read_text("utf-8"))
    found = report["summary"]
    ends = ("", "_mix", "_back", "_back_mix")
    assert set(found) == {f"fnir_{way}{end}" for way in ("adapter", "reenrolled", "stay") for end in ends}
    assert found["fnir_stay"] == found["fnir_reenrolled_back"]
    assert found["fnir_reenrolled"] == found["fnir_stay_back"]
    assert all(0 <= value <= 1 for value in found.values())
    assert found["fnir_reenrolled"] < 0.3
    assert len({(row["old"], row["new"]) for row in report["rows"]}) == 2
    assert page.read_text("utf-8").count("<svg") == 4
    assert summary(report["rows"], report["settings"]["embedder"]) == found
