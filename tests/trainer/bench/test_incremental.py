"""The bench of growing fleets: exact to rounding, priced by what is new, told in the shape of all benches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DoorwardError
from trainer.bench.incremental import exactness, grow
from trainer.bench.simulated_fleet import DIM, EMBEDDER, VIEWS, Simulated, open_empty, tell
from trainer.cli import main, parser
from trainer.statistics import Statistics


def test_the_same_people_are_drawn_whoever_was_drawn_before() -> None:
    one, other = Simulated(3).people(50, 4), Simulated(3).people(50, 4)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one[0].shape == (4 * VIEWS, DIM)
    np.testing.assert_allclose(np.linalg.norm(one[0], axis=1), 1, atol=1e-6)


def test_adding_and_erasing_are_exact_to_rounding() -> None:
    rows = {str(row["measure"]): row["value"] for row in exactness(30, 1)}
    assert set(rows) == {"error, added one by one", "error, one in ten erased"}
    assert all(float(str(error)) < 1e-9 for error in rows.values())


def test_every_size_is_timed_and_memory_told(tmp_path: Path) -> None:
    rows = list(grow((10, 30), 5, 2, tmp_path))
    assert [row["people"] for row in rows if row["measure"] == "refresh"] == [10, 30]
    assert {row["measure"] for row in rows} == {"refresh", "peak RSS", "RSS growth"}


def test_told_to_a_store_the_people_are_those_that_were_drawn(tmp_path: Path) -> None:
    fleet = Simulated(5)
    with open_empty(tmp_path) as store:
        tell(store, fleet, 0, 6)
        assert store.pool_new(EMBEDDER).added == 6
        sums = sum(store.pooled(EMBEDDER), Statistics.empty(DIM))
    drawn = fleet.sums(0, 6)
    assert (sums.people, sums.pictures) == (drawn.people, drawn.pictures)
    np.testing.assert_allclose(sums.mean_scatter, drawn.mean_scatter, atol=0.01)  # messages carry int8


def test_a_quick_run_gives_the_published_figures(tmp_path: Path) -> None:
    file, page = tmp_path / "i.json", tmp_path / "i.html"
    assert main(["bench", "incremental", "--quick", "--json", str(file), "--html", str(page)]) == 0
    found = json.loads(file.read_text())
    assert found["bench"] == "incremental"
    wanted = {"add_relative_error", "erase_relative_error", "people", "peak_rss_mb", "ms_per_new_person"}
    assert wanted <= set(found["summary"])
    assert found["summary"]["add_relative_error"] < 1e-9
    assert page.read_text().count("<polyline") == 1


def test_too_small_a_fleet_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = parser().parse_args(["bench", "incremental", "--people", "5"])
    with pytest.raises(DoorwardError, match="--people 5: 1000 at least"):
        arguments.run(arguments)
    assert capsys.readouterr().out == ""
