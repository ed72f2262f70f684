"""A gate's report as JSON, as text for a terminal, and as one HTML page. Judges nothing: that is `gate.py`'s."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.contract.codec import from_object
from edge.errors import DoorwardError, MessageError
from trainer.bench.plots import Axes, Series, line_chart
from trainer.gate import (
    CANDIDATE,
    CURRENT,
    DET_GRID,
    HEADS,
    Check,
    Decision,
    Figures,
    FileFacts,
    GateReport,
    GateRules,
    Lost,
    Rating,
    Tried,
    conclude,
)
from trainer.paired import Difference

SCHEMA = 2
_ROUNDING = 1e-9
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
    first = {"schema": SCHEMA, "decision": report.decision, "reasons": report.reasons, "checks": _told(report.checks)}
    body = {**first, **asdict(report), **first, "det_grid": DET_GRID, "about": dict(about)}
    return json.dumps(body, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def read_report(file: Path) -> tuple[GateReport, dict[str, Any]]:
    """What `to_json` wrote, and what it is about.

    Checks, decision and reasons are concluded anew, and only compared with what the file says of them.

    Raises:
        DoorwardError: missing, not a report, or what it says does not follow from its own figures.
    """
    try:
        body = json.loads(file.read_text("utf-8"))
        if body["schema"] != SCHEMA:
            raise DoorwardError(f"{file}: another version's report; gate the candidate again")
        about = dict(body["about"])
        report = conclude(_figures(body))
        faults = [*_contradictions(report), *_untold(body, report)]
    except OSError as error:
        raise DoorwardError(f"{file}: {error.strerror}; name a gate.json that `refresh` wrote") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MessageError) as error:
        raise DoorwardError(f"{file}: no gate report, or a damaged one ({error}); gate the candidate again") from error
    if faults:
        raise DoorwardError(f"{file}: {faults[0]}; gate the candidate again")
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
        "<h2>Searches lost</h2><p>Clean ones, answered rightly by the current head, and not by the candidate.</p>"
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
    joined = f", {tried.joined} second records at other doors joined with their first" if tried.joined else ""
    dropped = f", {tried.dropped} left out since the same person is learned from" if tried.dropped else ""
    asked = f"{tried.searches} searches by them and {tried.strangers} by strangers, in {tried.tables} tables"
    return f"{tried.people} people{visits}{joined}{dropped}; {asked}"


def _told(checks: Iterable[Check]) -> list[dict[str, Any]]:
    return [{"passed": check.passed, **asdict(check)} for check in checks]


def _figures(body: Mapping[str, Any]) -> Figures:
    heads, difference = body["heads"], body["difference"]
    if set(heads) != (set(HEADS) if difference is not None else set()):
        raise ValueError(f"its heads are {', '.join(sorted(heads)) or 'missing'}, and not {', '.join(HEADS)}")
    return Figures(
        heads={name: from_object("head", Rating, heads[name]) for name in HEADS if heads},
        difference=None if difference is None else from_object("difference", Difference, difference),
        lost=tuple(from_object("lost", Lost, lost) for lost in body["lost"]),
        tried=from_object("tried", Tried, body["tried"]),
        file=from_object("file", FileFacts, body["file"]),
        rules=from_object("rules", GateRules, body["rules"]),
    )


def _contradictions(report: Figures) -> Iterator[str]:
    """Figures that cannot be of one judgement."""
    found, tried = report.difference, report.tried
    if sum(lost.of for lost in report.lost) > tried.accepted or any(lost.searches > lost.of for lost in report.lost):
        yield "more searches are lost than the current head answers rightly"
    if found is None:
        return
    if abs(found.value - (report.heads[CANDIDATE].mix - report.heads[CURRENT].mix)) > _ROUNDING:
        yield "its difference is not that of its heads"
    if not found.low <= found.value <= found.high or found.better + found.worse > 1 + _ROUNDING:
        yield "its difference contradicts itself"


def _untold(body: Mapping[str, Any], report: GateReport) -> Iterator[str]:
    """What a file says otherwise than its figures."""
    said = [{**check, "words": ""} for check in body["checks"]]
    follows = [{**check, "words": ""} for check in _told(report.checks)]
    yield from (f"the check {c['name']!r} does not follow from its own figures" for c in follows if c not in said)
    if body["det_grid"] != list(DET_GRID) or len(said) != len(follows):
        yield "it has other checks or curves than a report has"
    if body["decision"] != report.decision:
        yield f"says {body['decision']}, and its own figures say {report.decision}"
