"""How the rows of `bench forgetting` are told: ways under one another, the summary, charts and notes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edge.contract.bench import Cell, Row
from trainer.bench.forgetters.schooling import JOINT, REPLACED, TRAINED, TUNED, WIDENED
from trainer.bench.plots import Axes, Series, line_chart

TABLE_RAW, TABLE = "table, raw cosine", "table, PLDA with quality"
WAYS = (*TRAINED, TABLE_RAW, TABLE)
OLD, NEW, LOST = "rank1 old", "rank1 new", "lost old"
OLD_AFTER, CHANGED, FNIR = "rank1 old after", "others changed", "fnir"
SHOTS = 3  # of the figures that the summary gives for one number of shots
SIZES = ("small", "large")
_SHARES = (OLD, NEW, LOST, "average incremental", "forgetting", "bwt", FNIR)
_CURVES = (REPLACED, "LwF", "EWC", "replay, 1 picture each", JOINT, TABLE)
_KEYS = {
    "table_forgetting": (TABLE, LOST),
    "table_old": (TABLE, OLD),
    "table_new": (TABLE, NEW),
    "joint_old": (JOINT, OLD),
    "replaced_softmax_old": (REPLACED, OLD),
    "frozen_tuned_old": (TUNED, OLD),
    "widened_onehot_old": (WIDENED, OLD),
}
NOTES = (
    "The embedder is frozen for every way; all are given the same int8 embeddings, by day, of people who are enrolled.",
    "small: people of the enrollment list, joining in classes. large: everybody of both lists, then one class more.",
    "rank1: pictures whose person comes first among all who have joined. old: those of the first class.",
    "lost old: rank1 old before anybody joined less rank1 old after all; a larger table holds more people to confuse.",
    "average incremental: rank1 of all who have joined, mean over classes. forgetting: Chaudhry 2018. bwt: GEM 2017.",
    "others changed: people some of whose scores were not the same to the last bit after somebody else joined.",
    "fnir: pictures not named at rank 1 above the threshold that 1 % of strangers reach; for tables alone.",
    "(a), (b), (c): the question's three ways. replay: iCaRL-like. joint: all learned anew, the upper reference.",
    "All that is trained has one recipe, chosen on the fleet list's people: 300 steps of Adam, at the best for joint.",
    "LwF and EWC: as strong as did best on the fleet list's people; at its usual strength EWC forgets most.",
    "In the large course the table's head is learned in folds: no picture is searched by a head that knows its person.",
    "Means over courses drawn (seeds); low, high: 95 %, bootstrap over people, and over strangers for fnir.",
    "People of the fleet list join with fewer shots where they have fewer pictures; a third are searched with.",
    "The persons are public figures who probably sit in the embedders' training sets: the figures are optimistic.",
)


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """The published figures, of the large course; those of the small one have `small_` before."""
    found: dict[str, float] = {}
    for size, start in zip(SIZES, ("small_", ""), strict=True):
        its = [row for row in rows if row["course"] == size and row["k"] == SHOTS]
        for key, (way, measure) in _KEYS.items():
            found[start + key] = next(_value(r) for r in its if r["way"] == way and r["measure"] == measure)
        found[f"{start}table_others_changed"] = next(
            _value(r) for r in its if r["way"] == TABLE and r["measure"] == CHANGED
        )
        found[f"{start}base_people"], found[f"{start}added_people"] = (_number(its[0][n]) for n in ("base", "added"))
    return found


def side_by_side(rows: Sequence[Row]) -> list[Row]:
    """One line for each course, number of shots and way, with a column for each measure."""
    lines: dict[tuple[Cell, ...], dict[str, Cell]] = {}
    for row in rows:
        about = {"course": f"{row['base']} + {row['added']}", "k": row["k"], "way": row["way"]}
        line = lines.setdefault((row["course"], *about.values()), about)
        if row["measure"] in _SHARES:
            line[f"{row['measure']} %"] = _told(row)
        elif row["measure"] == CHANGED:
            line[CHANGED] = f"{_value(row):g}"
    return [line for _, line in sorted(lines.items(), key=lambda item: SIZES.index(str(item[0][0])))]


def plots(rows: Sequence[Row]) -> list[str]:
    """How those of the first class fare, from class to class."""
    small = [row for row in rows if row["course"] == "small" and row["k"] == SHOTS and row["measure"] == OLD_AFTER]
    large = [row for row in rows if row["course"] == "large" and row["k"] == SHOTS and row["measure"] == OLD_AFTER]
    base, added = large[0]["base"], large[0]["added"]
    return [
        _chart("The first class after each further one", "classes added", small, "step"),
        _chart(f"{base} people before and after {added} more", "classes added", large, "step"),
    ]


def _chart(title: str, x: str, rows: Sequence[Row], column: str) -> str:
    lines = []
    for way in _CURVES:
        its = [row for row in rows if row["way"] == way]
        spans = [(_number(row["low"]), _number(row["high"])) for row in its]
        lines.append(Series(way, [(_number(row[column]), _value(row)) for row in its], spans))
    return line_chart(Axes(title, x, "rank 1, share", most=1.0, least=0.0), lines)


def _told(row: Row) -> str:
    low, high = _number(row["low"]), _number(row["high"])
    return f"{100 * _value(row):.2f} [{100 * low:.1f}, {100 * high:.1f}]"


def _value(row: Row) -> float:
    return _number(row["value"])


def _number(cell: Cell) -> float:
    assert isinstance(cell, int | float)
    return float(cell)
