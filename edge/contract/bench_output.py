"""How a benchmark is asked and answers: the options that all share, a readable table, JSON and HTML files.

What is measured is left to each bench; what machine it ran on is told by `edge.inference.machine`.
"""

from __future__ import annotations

import argparse
import html
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edge.contract.bench import BenchReport, Cell, Row
from edge.errors import DoorwardError

_BAR_PX = 160
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2733}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "th,td{padding:.25rem .8rem;border-bottom:1px solid #d6dde4;text-align:right}"
    "th:first-child,td:first-child{text-align:left}.bar{display:inline-block;height:.7em;background:#3b76b0}"
    "figure{margin:1.5rem 0}svg{max-width:100%;height:auto}"
)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """`--json`, `--html`, `--seeds` and `--quick`, as every bench takes them."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the result there as a page")
    parser.add_argument(
        "--seeds", type=_positive, default=1, metavar="N", help="repetitions, each in an order of its own"
    )
    parser.add_argument("--quick", action="store_true", help="a small sample, under a minute; not for publishing")


def deliver(
    report: BenchReport, arguments: argparse.Namespace, *, table: Sequence[Row] | None = None, plots: Sequence[str] = ()
) -> None:
    """Print the table and write the files that were asked for.

    table: what is printed where all rows are too many to read. plots: SVG elements for the page.

    Raises:
        DoorwardError: a file cannot be written.
    """
    print(as_text(report, table))
    if arguments.json:
        _write(arguments.json, report.to_json())
    if arguments.html:
        _write(arguments.html, as_html(report, plots))


def progress(text: str) -> None:
    """Say how far a bench is, on standard error, where it is not in the way of the table."""
    print(text, file=sys.stderr, flush=True)


def as_text(report: BenchReport, table: Sequence[Row] | None = None) -> str:
    """The report for a terminal: machine, a table of the rows or another that tells them, the summary, the notes."""
    head = f"{report.bench}  Doorward {report.version} ({report.commit})"
    lines = [head, "  ".join(f"{key}: {_shown(value)}" for key, value in report.machine.items()), ""]
    lines += _table(report.rows if table is None else table)
    lines += ["", *(f"{key:<28} {_shown(value):>10}" for key, value in report.summary.items())]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def as_html(report: BenchReport, plots: Sequence[str] = ()) -> str:
    """The report as one self-contained page; each value has a bar, to scale with the rows of its unit.

    plots: SVG elements, shown above the rows.
    """
    columns = _columns(report.rows)
    title = html.escape(f"Doorward {report.version}: {report.bench}")
    tables = [
        _html_pairs("Summary", report.summary),
        *(f"<figure>{plot}</figure>" for plot in plots),
        f"<h2>Rows</h2><table>{_html_row('th', [*columns, ''])}{''.join(_bars(report.rows, columns))}</table>",
        _html_pairs("Machine", {**report.machine, "commit": report.commit}),
        _html_pairs("Settings", report.settings),
    ]
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in report.notes)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"{head}<h1>{title}</h1>{''.join(tables)}{notes}</html>\n"


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, found {text}")
    return value


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DoorwardError(f"{file}: cannot be written ({error.strerror}); name another file") from error


def _columns(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _table(rows: Sequence[Row]) -> list[str]:
    columns = _columns(rows)
    cells = [columns, *([_shown(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    texts = [all(isinstance(row.get(column), str | None) for row in rows) for column in columns]
    return [
        "  ".join(c.ljust(w) if text else c.rjust(w) for c, w, text in zip(line, widths, texts, strict=True)).rstrip()
        for line in cells
    ]


def _shown(value: Cell) -> str:
    """Four significant digits, as no figure here is known better."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < 5e-5 else f"{value:.4f}" if abs(value) <= 1 else f"{value:.4g}"
    return str(value)


def _bars(rows: Sequence[Row], columns: Sequence[str]) -> Iterable[str]:
    largest: dict[Cell, float] = {}
    for row in rows:
        largest[row.get("unit")] = max(largest.get(row.get("unit"), 0.0), _size(row))
    for row in rows:
        width = round(_BAR_PX * _size(row) / (largest[row.get("unit")] or 1))
        cells = _html_row("td", [_shown(row.get(column)) for column in columns], close=False)
        yield f'{cells}<td style="text-align:left"><span class="bar" style="width:{width}px"></span></td></tr>'


def _size(row: Row) -> float:
    value = row.get("value")
    return max(float(value), 0.0) if isinstance(value, int | float) else 0.0


def _html_pairs(title: str, values: Mapping[str, Cell]) -> str:
    rows = "".join(_html_row("td", [key, _shown(value)]) for key, value in values.items())
    return f"<h2>{title}</h2><table>{rows}</table>"


def _html_row(tag: str, cells: Iterable[str], *, close: bool = True) -> str:
    inside = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inside}</tr>" if close else f"<tr>{inside}"
