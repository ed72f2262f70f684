"""A gate's report as JSON, as text for a terminal, and as one HTML page. Judges nothing: that is `gate.py`'s."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.contract.codec import from_object
from edge.errors import DoorwardError, MessageError
from trainer.bench.plots import Axes, Series, line_chart
from trainer.gate import (
    DET_GRID,
    Check,
    Decision,
    Difference,
    GateReport,
    GateRules,
    Lost,
    Rating,
    Tried,
    decide,
)

SCHEMA = 1
HEAD_DIGEST = "head_sha256"  # what a report is about: hash of the head's description, which names its model's
_WORDS: dict[Decision, str] = {
    "replace": "The candidate may replace the current head",
    "keep": "The current head stays",
    "refuse": "The candidate is refused",
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1c2733}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .8rem;border-bottom:1px solid #d6dde4;"
    "text-align:left}td.n{text-align:right}.yes{color:#2c7a4b}.no{color:#b3362b}svg{max-width:100%;height:auto}"
    "h1 small{display:block;font-size:1rem;font-weight:normal}"
)


def to_json(report: GateReport, about: Mapping[str, Any]) -> str:
    """The whole report. about: what was compared, by name: embedder, files, counts."""
    body = {"schema": SCHEMA, **asdict(report), "det_grid": list(DET_GRID), "about": dict(about)}
    return json.dumps(body, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def read_report(file: Path) -> tuple[GateReport, dict[str, Any]]:
    """What `to_json` wrote, and what it is about.

    Raises:
        DoorwardError: missing, not a report, or its decision is not what its own figures say.
    """
    try:
        body = json.loads(file.read_text("utf-8"))
        if body.pop("schema") != SCHEMA:
            raise DoorwardError(f"{file}: another version's report; gate the candidate again")
        about = dict(body.pop("about"))
        report = _report(body)
    except OSError as error:
        raise DoorwardError(f"{file}: {error.strerror}; name a gate.json that `refresh` wrote") from error
    except (ValueError, KeyError, TypeError, AttributeError, MessageError) as error:
        raise DoorwardError(f"{file}: no gate report, or a damaged one ({error}); gate the candidate again") from error
    decision, _ = decide(report.checks, report.difference, report.rules)
    if decision != report.decision:
        raise DoorwardError(f"{file}: says {report.decision}, and its own figures say {decision}; gate it again")
    return report, about


def as_text(report: GateReport) -> str:
    """For a terminal: the decision, why, every check, and who would be lost."""
    lines = [f"{_WORDS[report.decision]}: {'; '.join(report.reasons)}", _tried(report.tried), ""]
    width = max((len(check.name) for check in report.checks), default=0)
    lines += [f"  {'ok ' if c.passed else 'NO '} {c.name.ljust(width)}  {c.words}" for c in report.checks]
    if report.heads:
        lines += ["", f"  {'':<16}{'FNIR mix':>10}{'clean':>9}{'FPIR/target':>13}"]
        lines += [f"  {n:<16}{h.mix:>10.2%}{h.clean:>9.2%}{h.realised:>13.2f}" for n, h in report.heads.items()]
    if report.lost:
        named = ", ".join(f"{lost.person} ({lost.searches} of {lost.of})" for lost in report.lost[:10])
        lines += ["", f"  searches lost: {named}{' …' if len(report.lost) > 10 else ''}"]
    return "\n".join(lines)


def as_html(report: GateReport, about: Mapping[str, Any]) -> str:
    """One page that needs nothing else: decision, checks, curves, who would be lost. People are told by id alone."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Gate report</title><style>{_STYLE}</style>'
    parts = [
        f"<h1>{html.escape(_WORDS[report.decision])}<small>{html.escape('; '.join(report.reasons))}</small></h1>",
        f"<p>{html.escape(_tried(report.tried))}</p>",
        _table(("", "asked", "found"), (_check_cells(check) for check in report.checks)),
        *_curves(report),
        _table(("head", "id", "FNIR mix", "FNIR clean", "FPIR / target"), _head_cells(report)),
        "<h2>Searches lost</h2><p>Answered rightly by the current head, and not by the candidate.</p>"
        if report.lost
        else "",
        _table(("person", "searches", "of"), ((x.person, str(x.searches), str(x.of)) for x in report.lost)),
        "<h2>What was compared</h2>",
        _table(("", ""), ((str(key), str(value)) for key, value in about.items())),
    ]
    return f"{head}{''.join(parts)}</html>\n"


def _curves(report: GateReport) -> Iterator[str]:
    """Misses against false alarms; where nothing is missed a logarithm has no place for it, so a floor stands there."""
    if not report.heads:
        return
    floor = 1 / max(report.tried.searches, 1)
    series = [
        Series(n, [(x, max(y, floor)) for x, y in zip(DET_GRID, h.det, strict=True)]) for n, h in report.heads.items()
    ]
    axes = Axes("Misses (FNIR) by false alarms (FPIR), clean and by night", "FPIR", "FNIR", log=True)
    yield f"<figure>{line_chart(axes, series)}</figure>"


def _check_cells(check: Check) -> tuple[str, str, str]:
    return "✔" if check.passed else "✘", check.name, check.words


def _head_cells(report: GateReport) -> Iterator[tuple[str, ...]]:
    for name, head in report.heads.items():
        yield name, head.id, f"{head.mix:.2%}", f"{head.clean:.2%}", f"{head.realised:.2f}"


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    body = "".join(
        "<tr>" + "".join(f"<td{_mark(cell)}>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{html.escape(h)}</th>' for h in heads)}</tr>{body}</table>" if body else ""


def _mark(cell: str) -> str:
    return {"✔": ' class="yes"', "✘": ' class="no"'}.get(cell, "")


def _tried(tried: Tried) -> str:
    visits = f", {tried.one_visit} of them in one visit alone" if tried.one_visit else ""
    asked = f"{tried.searches} searches by them and {tried.strangers} by strangers, in {tried.tables} tables"
    return f"{tried.people} people{visits}; {asked}"


def _report(body: dict[str, Any]) -> GateReport:
    difference = body["difference"]
    return GateReport(
        decision=body["decision"],
        reasons=tuple(body["reasons"]),
        checks=tuple(from_object("check", Check, check) for check in body["checks"]),
        heads={name: from_object("head", Rating, head) for name, head in body["heads"].items()},
        difference=None if difference is None else from_object("difference", Difference, difference),
        lost=tuple(from_object("lost", Lost, lost) for lost in body["lost"]),
        tried=from_object("tried", Tried, body["tried"]),
        rules=from_object("rules", GateRules, body["rules"]),
    )
