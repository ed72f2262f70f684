"""The bench of fleet sizes on real pictures, quickly: a head of few people is the factory's, and never worse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.bench.fleet_size import FACTORY, REFRESHED
from trainer.cli import main


@pytest.mark.facedata
def test_a_quick_run_keeps_the_factory_head_for_a_handful_of_people(facedata: Path, tmp_path: Path) -> None:
    file, page = tmp_path / "f.json", tmp_path / "f.html"
    code = main(["bench", "fleet-size", "--data", str(facedata), "--quick", "--json", str(file), "--html", str(page)])
    assert code == 0
    found = json.loads(file.read_text())
    assert found["summary"]["worst_excess_over_factory"] == 0
    assert {"worst_excess_over_centred", "best_gain_over_factory_other_cameras"} <= set(found["summary"])
    fnir = {
        (row["world"], row["people"], row["head"], row["side"]): row["value"]
        for row in found["rows"]
        if row["measure"] == "fnir"
    }
    assert fnir["same cameras", 0, REFRESHED, "mix"] == fnir["same cameras", 0, FACTORY, "mix"]
    assert page.read_text().count("<svg") == 2
