"""`doorward-trainer bench calibration`: whether a door names as many strangers as it was told.

A door sets its threshold for its own table from strangers who do not exist. Real ones then come: people of whom there
is one picture, by day and by night, and people who are enrolled at another door. Tables are of several sizes, drawn.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge import __version__
from edge.contract.bench import BenchReport, Cell, Row
from edge.contract.bench_output import deliver, progress
from edge.inference.machine import commit, this_machine
from edge.inference.spec import load_manifest
from edge.inference.tflite import runtime_name
from edge.recognition.calibration import Ceiling
from edge.recognition.gallery import Gallery
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Exemplar, Floats
from trainer.bench.data import STRANGERS, Enrollee, open_data
from trainer.bench.features import CLEAN, FULL, NIGHT, OTHER_NIGHT, QUICK, Features, ListFeatures
from trainer.bench.growth import Album
from trainer.bench.heads import HEADS, LEARNED, all_heads
from trainer.bench.openset import embedders
from trainer.bench.plots import Axes, Series, line_chart
from trainer.bench.tables import OpenTable, Scored, parts

TARGETS = (0.01, 0.001)
_SHOTS = 3
_SIZES, _QUICK_SIZES = (5, 20, 50, 100), (5, 12)
_KINDS = (CLEAN, NIGHT, OTHER_NIGHT)
_ELSEWHERE = "enrolled elsewhere"
_BOTH = "day and night"
_RESAMPLES = 1000
NOTES = (
    "value: strangers who are named at a table's own threshold, over the share that it was told; mean of tables.",
    "low, high: 95 %, bootstrap over strangers, all tables judged on the same draw. p5, p95: of single tables.",
    "The threshold comes from strangers drawn from the head, as a door sets it; 3 shots, enrolled clean.",
    "strangers: test and calibration lists, one picture each; night, other night: as simulated cameras see them.",
    "enrolled elsewhere: pictures of people of the enrollment list who are not in the table.",
    "A single table of 300 strangers shows 3 of them at 1 %: p5 and p95 are chance for the most part.",
    "day and night: the clean and the night picture of each, as both come to a door.",
    "The shipped head's scale between drawn and real strangers was chosen on the calibration list.",
    "Summary: learned head, default embedder, 1 %, test list, day and night; lowest and highest of the sizes' means.",
)


def run_calibration(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files that were asked for."""
    data, manifest = open_data(arguments.data), load_manifest(arguments.models)
    effort, sizes = (QUICK, _QUICK_SIZES) if arguments.quick else (FULL, _SIZES)
    rows: list[Row] = []
    for name in embedders(manifest):
        features = Features.load_or_make(data, manifest, name, arguments.cache, effort)
        album, strangers = album_of(data.enrollees(), features.enrolled), lists_of(features)
        for head_name, head in all_heads(features.embedder).items():
            about: Row = {"embedder": name, "head": head_name}
            rows += calibration_rows(about, head, album, strangers, sizes, arguments.seeds)
            progress(f"{name}, {head_name}: done")
    settings: dict[str, Cell] = {
        "data": str(arguments.data),
        "embedder": manifest.defaults["embedder"],
        "quick": arguments.quick,
        "seeds": arguments.seeds,
    }
    found = summary(rows, manifest.defaults["embedder"])
    machine = this_machine(runtime_name())
    report = BenchReport("calibration", __version__, commit(), machine, settings, tuple(rows), found, NOTES)
    deliver(report, arguments, table=side_by_side(rows), plots=plots(rows))
    return 0


def album_of(people: Sequence[Enrollee], pictures: ListFeatures) -> Album:
    """The enrolled people whose pictures were embedded; a picture without a face has none."""
    embeddings = pictures.views(CLEAN)[0].embeddings()
    faces = {path: e for path, e, found in zip(pictures.paths, embeddings, pictures.found, strict=True) if found}
    there = set(pictures.owners)
    return Album([who for who in people if who.person in there], faces)


def lists_of(features: Features) -> dict[str, list[Embedding | None]]:
    """Strangers by list and kind of view, in one order; None for a picture without a face."""
    found: dict[str, list[Embedding | None]] = {}
    for name in STRANGERS:
        its = features.strangers[name]
        for kind in _KINDS:
            embeddings = its.views(kind)[0].embeddings()
            found[f"{name}, {kind}"] = [e if seen else None for e, seen in zip(embeddings, its.found, strict=True)]
        found[f"{name}, {_BOTH}"] = [*found[f"{name}, {CLEAN}"], *found[f"{name}, {NIGHT}"]]
    return found


def calibration_rows(
    about: Row,
    head: Head,
    album: Album,
    strangers: Mapping[str, Sequence[Embedding | None]],
    sizes: Sequence[int],
    seeds: int,
) -> Iterator[Row]:
    """Realised over told, for each size of table, list of strangers and target."""
    exemplars = [Exemplar(p.person, face) for p in album.people for face in album.shots(p, _SHOTS)]
    gallery = Gallery.build(head, exemplars)
    scored = Scored.of(album, gallery, strangers)
    drawn_from_head = head.scores(gallery.rows, Ceiling.of(gallery).strangers)
    for size in sizes:
        drawn = parts(len(album.people), min(size, len(album.people)), seeds)
        for name in strangers:
            tables = [scored.part(name, part) for part in drawn]
            for target in TARGETS:
                thresholds = [own_threshold(drawn_from_head, gallery, table, target) for table in tables]
                told = _realised([table.strangers for table in tables], thresholds, target)
                yield {**about, "people": size, "strangers": name, "fpir": target, **told}
                if name == next(iter(strangers)) and all(len(table.others) for table in tables):
                    elsewhere = [float((t.others >= at).mean()) for t, at in zip(tables, thresholds, strict=True)]
                    yield {**about, "people": size, "strangers": _ELSEWHERE, "fpir": target, **_mean(elsewhere, target)}


def own_threshold(drawn_from_head: Floats, gallery: Gallery, table: OpenTable, target: float) -> float:
    """What `threshold_for` gives for a part of a gallery, from the whole's scores of the head's strangers."""
    columns = [gallery.people.index(person) for person in table.gallery.people]
    if not columns:
        return float("inf")
    return float(np.quantile(drawn_from_head[:, columns].max(axis=1), 1 - target / gallery.head.fpir_scale))


def _realised(strangers: Sequence[NDArray[np.float64]], thresholds: Sequence[float], target: float) -> Row:
    """strangers: by table, best scores of the same strangers in the same order."""
    named = np.stack([scores >= at for scores, at in zip(strangers, thresholds, strict=True)]).astype(np.float64)
    of_each = named.mean(axis=0)
    drawn = np.random.default_rng(0).integers(0, len(of_each), (_RESAMPLES, len(of_each)))
    low, high = np.percentile(of_each[drawn].mean(axis=1), [2.5, 97.5]) / target
    told = _mean(named.mean(axis=1).tolist(), target)
    return {**told, "low": min(float(low), float(of_each.mean()) / target), "high": float(high)}


def _mean(shares: Sequence[float], target: float) -> dict[str, float | str]:
    p5, p95 = np.percentile(shares, [5, 95]) / target
    value = float(np.mean(shares)) / target
    measured: dict[str, float | str] = {"measure": "fpir realised/target", "unit": "ratio", "n": len(shares)}
    return {**measured, "value": value, "p5": float(p5), "p95": float(p95)}


def summary(rows: Sequence[Row], embedder: str) -> dict[str, float]:
    """See NOTES."""
    values = {
        name: [
            _number(row["value"])
            for row in rows
            if row["embedder"] == embedder and row["head"] == LEARNED and row["fpir"] == TARGETS[0]
            if row["strangers"] == name
        ]
        for name in (f"test, {_BOTH}", _ELSEWHERE)
    }
    real, elsewhere = values.values()
    return {
        "fpir_realised_over_target_low": min(real),
        "fpir_realised_over_target_high": max(real),
        "fpir_enrolled_elsewhere_over_target_high": max(elsewhere),
    }


def side_by_side(rows: Sequence[Row]) -> list[Row]:
    """A line for each embedder, target, size and list of strangers, with a column for each head."""
    lines: dict[tuple[Cell, ...], dict[str, Cell]] = {}
    names = ("embedder", "fpir", "people", "strangers")
    for row in rows:
        key = tuple(row[name] for name in names)
        line = lines.setdefault(key, dict(zip(names, key, strict=True)))
        span = f" [{_number(row['low']):.2f}-{_number(row['high']):.2f}]" if "low" in row else ""
        line[str(row["head"])] = f"{_number(row['value']):.2f}{span}"
    return [line for line in lines.values() if not str(line["strangers"]).endswith(OTHER_NIGHT)]


def plots(rows: Sequence[Row]) -> list[str]:
    """Realised over told by the size of the table, for each embedder."""
    charts = []
    for embedder in dict.fromkeys(str(row["embedder"]) for row in rows):
        its = [row for row in rows if row["embedder"] == embedder and row["fpir"] == TARGETS[0]]
        its = [row for row in its if row["strangers"] == f"test, {_BOTH}"]
        charts.append(
            line_chart(
                Axes(f"{embedder}: strangers named at 1 %", "people in the table", "realised/told", least=0.0),
                [
                    Series(
                        head,
                        [(_number(r["people"]), _number(r["value"])) for r in its if r["head"] == head],
                        [(_number(r["low"]), _number(r["high"])) for r in its if r["head"] == head],
                    )
                    for head in HEADS
                ],
            )
        )
    return charts


def _number(cell: Cell) -> float:
    assert isinstance(cell, int | float)
    return float(cell)
