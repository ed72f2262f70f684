from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.bench import BenchReport, Row, spread
from edge.contract.bench_output import add_output_options, as_html, as_text, deliver
from edge.errors import DoorwardError

ROWS: tuple[Row, ...] = (
    {"step": "detect", "threads": 1, "unit": "ms", "n": 3, "value": 2.5, "low": 2.0, "high": 3.0},
    {"step": "embed & score", "threads": 1, "unit": "ms", "n": 3, "value": 5.0, "low": 4.0, "high": 6.0},
    {"step": "rss", "unit": "MB", "n": 1, "value": 53},
)


def report(summary: dict[str, float] | None = None) -> BenchReport:
    return BenchReport(
        bench="door",
        version="0.1.0",
        commit="abc",
        machine={"cpu": "a <quick> one", "python": "3.11", "runtime": "none"},
        settings={"quick": True},
        rows=ROWS,
        summary={"detect_ms": 2.5} if summary is None else summary,
        notes=("A note.",),
    )


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    return parser.parse_args(words)


def test_the_json_has_the_keys_that_every_bench_shares() -> None:
    found = json.loads(report().to_json())
    assert list(found)[:7] == ["bench", "version", "commit", "machine", "settings", "rows", "summary"]
    assert found["rows"][0] == ROWS[0]
    assert found["summary"] == {"detect_ms": 2.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_refused_with_its_key(value: float) -> None:
    with pytest.raises(ValueError, match="summary figure 'embed_ms'"):
        report({"embed_ms": value})


def test_the_table_has_a_line_for_each_row_under_one_head() -> None:
    lines = as_text(report()).splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("step"))
    assert lines[head].split() == ["step", "threads", "unit", "n", "value", "low", "high"]
    assert lines[head + 1].split() == ["detect", "1", "ms", "3", "2.5", "2", "3"]
    assert lines[head + 3].split() == ["rss", "MB", "1", "53"]
    assert "note: A note." in lines


def test_the_page_escapes_what_it_shows_and_draws_bars_to_scale_within_a_unit() -> None:
    page = as_html(report())
    assert "a &lt;quick&gt; one" in page
    assert "embed &amp; score" in page
    assert [page.count(f"width:{px}px") for px in (80, 160)] == [1, 2]  # 2.5 of 5 ms, 5 of 5 ms, 53 of 53 MB


def test_deliver_prints_the_table_and_writes_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_json, page = tmp_path / "a.json", tmp_path / "a.html"
    deliver(report(), options("--json", str(as_json), "--html", str(page)))
    assert json.loads(as_json.read_text("utf-8"))["bench"] == "door"
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert "detect_ms" in capsys.readouterr().out


def test_another_table_is_printed_where_the_rows_are_too_many_and_plots_stand_on_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_json, page = tmp_path / "a.json", tmp_path / "a.html"
    arguments = options("--json", str(as_json), "--html", str(page))
    deliver(report(), arguments, table=[{"measure": "all of it", "ours": "0.5 [0.4-0.6]"}], plots=["<svg></svg>"])
    printed = capsys.readouterr().out
    assert "0.5 [0.4-0.6]" in printed
    assert "embed & score" not in printed
    assert len(json.loads(as_json.read_text("utf-8"))["rows"]) == len(ROWS)
    text = page.read_text("utf-8")
    assert "<figure><svg></svg></figure>" in text
    assert "embed &amp; score" in text


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DoorwardError, match=r"missing/a\.json: cannot be written"):
        deliver(report(), options("--json", str(tmp_path / "missing" / "a.json")))


def test_no_repetition_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options("--seeds", "0")
    assert "must be 1 or more, found 0" in capsys.readouterr().err


def test_median_and_quartiles_of_five() -> None:
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == {"n": 5, "value": 3.0, "low": 2.0, "high": 4.0}


def test_nothing_measured_has_no_median() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        spread([])


@given(st.lists(st.integers(0, 10**6).map(float), min_size=1, max_size=50))
def test_the_median_lies_between_the_quartiles_and_these_within_what_was_measured(values: list[float]) -> None:
    found = spread(values)
    assert min(values) <= found["low"] <= found["value"] <= found["high"] <= max(values)
    assert found["n"] == len(values)
