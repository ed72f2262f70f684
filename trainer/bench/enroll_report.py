"""How the rows of `bench enroll` are told: the ways to compare side by side, the summary, charts and notes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge.contract.bench import Cell, Row
from trainer.bench.enroll_door import ASKED, ENROLLED, INTO_TABLE, MS, NAMED, SUM, TOTAL
from trainer.bench.heads import HEADS, LEARNED
from trainer.bench.plots import Axes, Series, line_chart, stacked_bar

SHOTS = 3  # for the figures that the summary gives for one number of shots
_EACH_SESSION = ("rank1 old", "rank1 new", "named old")
_LAST_SESSION = (*_EACH_SESSION, "others changed")
_COLUMNS = ("k", "people", "session", "fpir", "step", "clock")
# What stands behind a figure's name in the summary.
_ENDS = dict(zip(HEADS, ("_raw", "_centred", ""), strict=True))
# In the order that they are told in.
_MEASURES = (
    *("rank1 old", "rank1 new", "rank1 all new", "named old", "others changed", "fnir", "fpir realised/target"),
    *(ENROLLED, NAMED, INTO_TABLE, ASKED, *(f"no face in {kind}" for kind in ("shots", "probes", "strangers"))),
)
NOTES = (
    "Each picture once through the door's own line: the face nearest the centre, whatever its quality; int8 embedder.",
    "rank1 old: pictures of the first session's people after each session; rank1 new: of the session's own people.",
    "named old: rank1 old that also reach the table's own threshold, which is set for a target FPIR of 1 %.",
    "forgetting: rank1 old after the first session less after the last; a larger table holds more people to confuse.",
    "forgetting_named: the same of named old, which is what a door says.",
    "others changed: people enrolled before with a row or a score that is no longer the same to the last bit.",
    "fnir: pictures that miss their person at rank 1 above the threshold that so many strangers reach (NIST IR 8271).",
    "Intervals are 95 %, bootstrap over people (and strangers); of small tables drawn: mean, 5th and 95th percentile.",
    "At FPIR 0.1 % a single stranger decides, where there are fewer than 1000.",
    "fpir realised/target: strangers named at the threshold that the door sets from synthetic ones, over target.",
    "set by others: at the threshold of as many other real strangers. enrolled elsewhere: of those not in the table.",
    "Figures for one number of shots are of 3. A picture without a face misses, and names nobody.",
    "last shot to recognized: 640x480 frames, one thread; commit with fsync in the folder for temporary files.",
    "threshold: what enrolling took beyond commit and row.",
    "night views: of the last shot; those of the others are made as each is taken.",
    "request answered while recognizing: a whole door, 30 frames a second, asked over its own socket; p99 in the rows.",
    "one more person: synthetic people, into a table that then has so many; score: a search of it.",
    "cpu_ms: time that the process computed, which other programs hardly change.",
    "The persons are public figures who probably sit in the embedders' training sets too: the figures are optimistic.",
)


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """The figures that are published of the learned head."""
    of_head = [row for row in rows if row.get("head") == LEARNED]
    rank1, named = (
        {_session(row): _value(row) for row in of_head if row["measure"] == measure and row["k"] == SHOTS}
        for measure in ("rank1 old", "named old")
    )
    first, last = min(rank1), max(rank1)
    changed = sum(_value(row) for row in of_head if row["measure"] == "others changed")
    found = {
        "forgetting": rank1[first] - rank1[last],
        "forgetting_named": named[first] - named[last],
        "rank1_old": rank1[last],
        "rank1_new": next(_value(r) for r in of_head if r["measure"] == "rank1 all new" and r["k"] == SHOTS),
        "others_changed": changed,
    }
    whole = max(_people(row) for row in of_head)
    for row in sorted(rows, key=lambda row: row.get("head") != LEARNED):
        if row["measure"] == "fnir" and row["fpir"] == 0.01 and _people(row) == whole:
            found[f"fnir_fpir_1pct_k{row['k']}{_ENDS[str(row['head'])]}"] = _value(row)
        if row["measure"] == "fpir realised/target" and row["fpir"] == 0.01 and _people(row) == whole:
            found[f"fpir_realised_over_target{_ENDS[str(row['head'])]}"] = _value(row)
    return found


def side_by_side(rows: Sequence[Row]) -> list[Row]:
    """One line for each cell that is told, with a column for each way to compare."""
    last = max(_session(row) for row in rows)
    lines: dict[tuple[Cell, ...], dict[str, Cell]] = {}
    for row in rows:
        if not _is_told(row, last):
            continue
        key = tuple(row.get(name) for name in ("measure", *_COLUMNS))
        about = {name: row.get(name) for name in ("measure", *_COLUMNS, "n")}
        lines.setdefault(key, about)[str(row.get("head") or LEARNED)] = _told(row)
    return sorted(lines.values(), key=lambda line: list(_MEASURES).index(str(line["measure"]).partition(",")[0]))


def _is_told(row: Row, last: int) -> bool:
    """Whether a reader gets it without asking; the rows and the page have the rest."""
    if row["measure"] == INTO_TABLE:
        return row["step"] in (SUM, "score")
    if row["measure"] not in _LAST_SESSION or _session(row) == last:
        return True
    return row["measure"] in _EACH_SESSION and row["k"] == SHOTS


def plots(rows: Sequence[Row]) -> list[str]:
    """Forgetting over the sessions, misses over the shots, and the cost over the table."""
    whole = max(_people(row) for row in rows if row["measure"] == "fnir")
    named = [row for row in rows if row["measure"] == "named old" and row["k"] == SHOTS]
    rank1 = [row for row in rows if row["measure"] == "rank1 old" and row["k"] == SHOTS]
    missed = [row for row in rows if row["measure"] == "fnir" and row["fpir"] == 0.01 and row["people"] == whole]
    cost = [row for row in rows if row["measure"] == INTO_TABLE and row["clock"] == MS]
    waited = [row for row in rows if row["measure"] == ENROLLED and row["clock"] == MS]
    first = f"pictures of the first session's people, {SHOTS} shots"
    return [
        line_chart(
            Axes(f"At rank 1: {first}", "after session", "share", most=1.0, least=0.9), list(_by_head(rank1, "session"))
        ),
        line_chart(
            Axes(f"Named: {first}", "after session", "share", most=1.0, least=0.9), list(_by_head(named, "session"))
        ),
        line_chart(
            Axes(f"FNIR at FPIR 1 %, {whole} people", "shots", "share missed", most=1.0),
            list(_by_head(missed, "k", spans=True)),
        ),
        line_chart(Axes("One more person", "people in the table", "ms, median", log=True), list(_by_step(cost))),
        stacked_bar(
            "From the last shot to recognized on the next frame, ms",
            [(str(row["step"]), _value(row)) for row in waited if row["step"] != TOTAL],
        ),
    ]


def _by_head(rows: Sequence[Row], x: str, *, spans: bool = False) -> Iterator[Series]:
    for head in HEADS:
        its = [row for row in rows if row["head"] == head]
        points = [(_number(row[x]), _value(row)) for row in its]
        yield Series(head, points, [(_number(row["low"]), _number(row["high"])) for row in its] if spans else ())


def _by_step(rows: Sequence[Row]) -> Iterator[Series]:
    for step in dict.fromkeys(str(row["step"]) for row in rows):
        its = [row for row in rows if row["step"] == step]
        # A clock that cannot tell the time from none would have no place on logarithmic axes.
        yield Series("all three" if step == SUM else step, [(_people(r), max(_value(r), 1e-3)) for r in its])


def _told(row: Row) -> str:
    value = _value(row)
    if row["unit"] in ("people", "pictures"):
        return f"{value:g}"
    digits = 4 if row["unit"] == "share" else 2
    span = f" [{_number(row['low']):.{digits}f}-{_number(row['high']):.{digits}f}]" if "low" in row else ""
    return f"{value:.{digits}f}{span}"


def _value(row: Row) -> float:
    return _number(row["value"])


def _people(row: Row) -> int:
    return int(_number(row.get("people") or 0))


def _session(row: Row) -> int:
    session = row.get("session")
    return int(_number(session)) if session is not None else -1


def _number(cell: Cell) -> float:
    assert isinstance(cell, int | float)
    return float(cell)
