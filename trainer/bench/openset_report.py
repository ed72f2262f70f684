"""How the rows of `bench openset` are told: a table of ways, the summary, charts and notes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge.contract.bench import Cell, Row
from trainer.bench.contenders import LEARNED_HERE, SHIPPED_HEAD, WAYS
from trainer.bench.features import NIGHT, OTHER_NIGHT
from trainer.bench.heads import CENTRED, RAW
from trainer.bench.plots import Axes, Series, line_chart

_KEYS = {RAW: "raw", CENTRED: "centred", SHIPPED_HEAD: "head"}
_LOOK_AGAIN = "fnir, look again 25%"
_CURVES = (RAW, CENTRED, SHIPPED_HEAD, LEARNED_HERE, "RanPAC", "CosFace linear")
_COLUMNS = (
    ("clean", "clean", None),
    ("mix", "mix", NIGHT),
    ("mix, other", "mix", OTHER_NIGHT),
    ("door", "door", NIGHT),
    ("door, other", "door", OTHER_NIGHT),
)
NOTES = (
    "fnir: people's pictures not named at rank 1 above the threshold that so many strangers' pictures reach (IR 8271).",
    "The printed table: FNIR in % at FPIR 1 % / 0.1 %, for door with rank 1 in brackets; means over tables drawn.",
    "clean: as in the picture. door: as a simulated night camera saw it. mix: both at one threshold. Enrolled clean.",
    "camera night: the one that heads are learned with (matched). other night: one that no head has seen (mismatched).",
    "seen: whether the head was learned from the shots of those enrolled too; never from what they come with.",
    "Settings of whatever is learned here are chosen on the fleet's people and the calibration list's strangers.",
    "The shipped head is learned from the fleet list too, with two night views of each picture.",
    "low, high: 95 %, bootstrap over people and strangers; for all ways the same draws, so that ratios have one.",
    "At FPIR 0.1 % a single stranger decides, where there are fewer than 1000.",
    "look again: the worst share of people's faces by norm is put off, and strangers below the same norm.",
    "A picture without a face misses, and names nobody.",
    "Simulated night is not night. The persons are public figures who probably sit in the embedders' training sets.",
)


def summary(rows: Sequence[Row], embedder: str) -> dict[str, float]:
    """The published figures: of this embedder, people whom nothing was learned from, the smaller tables, FPIR 1 %."""
    size = min(int(_number(row["people"])) for row in rows)
    main = [
        row
        for row in rows
        if row["embedder"] == embedder and row["people"] == size and row["k"] == 3 and not row["seen"]
        if row["fpir"] == 0.01 and row["camera"] in (None, NIGHT)
    ]
    found: dict[str, float] = {}
    for side in ("clean", "mix"):
        for row in main:
            if row["measure"] == "fnir" and row["side"] == side and row["way"] in _KEYS:
                found[f"{_KEYS[str(row['way'])]}_{side}_k3"] = _number(row["value"])
    for row in main:
        if row["way"] == SHIPPED_HEAD and row["measure"] == _LOOK_AGAIN:
            found["head_mix_k3_look_again_25pct"] = _number(row["value"])
        for other in (RAW, CENTRED):
            if row["way"] == SHIPPED_HEAD and row["measure"] == f"fnir over {other}":
                found[f"head_over_{_KEYS[other]}_mix_k3"] = _number(row["value"])
    return found


def side_by_side(rows: Sequence[Row]) -> list[Row]:
    """A line for each embedder, size, number of shots and way; of the rivals where the summary looks alone."""
    size = min(int(_number(row["people"])) for row in rows)
    lines: dict[tuple[Cell, ...], dict[str, Cell]] = {}
    for row in rows:
        if row["measure"] not in ("fnir", "rank1"):
            continue
        if row["way"] in _KEYS or (row["people"] == size and row["k"] == 3):
            key = tuple(row[name] for name in ("embedder", "people", "k", "seen", "way"))
            about = dict(zip(("embedder", "people", "k", "seen", "way"), key, strict=True))
            _tell(lines.setdefault(key, {**about, **{name: None for name, _, _ in _COLUMNS}}), row)
    order = list(dict.fromkeys(row["embedder"] for row in rows))
    return sorted(
        lines.values(), key=lambda r: (order.index(r["embedder"]), *(_number(r[n]) for n in ("people", "k", "seen")))
    )


def _tell(line: dict[str, Cell], row: Row) -> None:
    """Rows of one cell come in order: FPIR 1 %, FPIR 0.1 %, rank 1."""
    column = next(name for name, side, camera in _COLUMNS if (side, camera) == (row["side"], row["camera"]))
    share = 100 * _number(row["value"])
    if row["measure"] == "rank1":
        line[column] = f"{line[column]} ({share:.1f})" if row["side"] == "door" else line[column]
    else:
        line[column] = f"{line[column]}/{share:.2f}" if line[column] else f"{share:.2f}"


def plots(rows: Sequence[Row]) -> list[str]:
    """For each embedder: misses over the shots, and over the false alarms, by day and night."""
    size = min(int(_number(row["people"])) for row in rows)
    charts = []
    for embedder in dict.fromkeys(str(row["embedder"]) for row in rows):
        its = [row for row in rows if row["embedder"] == embedder and row["people"] == size and not row["seen"]]
        for camera in (NIGHT, OTHER_NIGHT):
            mixed = [row for row in its if row["side"] == "mix" and row["camera"] == camera]
            fnir = [row for row in mixed if row["measure"] == "fnir" and row["fpir"] == 0.01]
            title = f"{embedder}, day and {camera}, {size} people"
            charts.append(
                line_chart(
                    Axes(f"{title}: FNIR at FPIR 1 %", "shots", "share missed", most=1.0),
                    list(_series(fnir, "k", WAYS[:3], spans=True)),
                )
            )
            curve = [row for row in mixed if row["measure"] == "det" and _number(row["value"]) > 0]
            charts.append(line_chart(Axes(f"{title}, 3 shots", "FPIR", "FNIR", log=True), list(_series(curve, "fpir"))))
    return charts


def _series(rows: Sequence[Row], x: str, ways: Sequence[str] = _CURVES, *, spans: bool = False) -> Iterator[Series]:
    for way in ways:
        its = [row for row in rows if row["way"] == way]
        ends = [(_number(row["low"]), _number(row["high"])) for row in its] if spans else []
        yield Series(way, [(_number(row[x]), _number(row["value"])) for row in its], ends)


def _number(cell: Cell) -> float:
    assert isinstance(cell, int | float)
    return float(cell)
