"""`doorward-trainer bench swap`: another embedder, and nobody enrolls again.

Between every two embedders there are: stored exemplars through an adapter learned on the fleet list
(`trainer/adapter.py`), against everybody enrolled anew and against staying. Whoever comes is embedded by the new one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np

from edge import __version__
from edge.contract.bench import BenchReport, Cell, Row
from edge.contract.bench_output import deliver, progress
from edge.errors import DoorwardError
from edge.inference.machine import commit, this_machine
from edge.inference.spec import load_manifest
from edge.inference.tflite import runtime_name
from trainer.adapter import Adapter, Pairs, learn_adapter
from trainer.bench.contenders import SHIPPED_HEAD, shipped_ways
from trainer.bench.data import FaceData, open_data
from trainer.bench.features import CLEAN, FULL, NIGHT, QUICK, Faces, Features
from trainer.bench.openset import embedders
from trainer.bench.plots import Axes, Series, line_chart
from trainer.bench.resampled import Estimate, Resamples
from trainer.bench.rivals.way import Way
from trainer.bench.visits import House, Searched, draws

SHOTS = (1, 3, 5)
TARGETS = (0.01, 0.001)
ADAPTER, REENROLLED, STAY = "adapter", "re-enrolled", "stay"
_WAYS = (STAY, REENROLLED, ADAPTER)
_EXCESS = "adapter less re-enrolled"
_SHOWN = 3  # shots where the adapter has few pairs to learn from
_SIZE, _QUICK_SIZE = 20, 5
_FEWER = (200, 500, 1000)  # pairs, beside all
_SEED = 5
NOTES = (
    "adapter: exemplars stored by the old embedder, adapted. re-enrolled: the same pictures by the new one.",
    "Who comes is embedded by the new embedder (stay: by the old one). Heads are the shipped ones of each space.",
    "fnir: pictures not named at rank 1 above the threshold that so many strangers reach; means over tables drawn.",
    "low, high: 95 %, bootstrap over people and strangers, the same draws for all ways.",
    "The adapter and its regularisation are learned on the fleet list's clean pictures; nobody of it is enrolled.",
    "pairs: pictures that the adapter was learned from.",
    "The summary is towards the default embedder, 3 shots, clean; _back is the other direction, _mix by day and night.",
    "The persons are public figures who probably sit in the embedders' training sets too: the figures are optimistic.",
)


def run_swap(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files that were asked for."""
    data, manifest = open_data(arguments.data), load_manifest(arguments.models)
    names = embedders(manifest)
    if len(names) < 2:
        raise DoorwardError(f"{arguments.models}: has one embedder; a swap needs another in its models.json")
    effort, size = (QUICK, _QUICK_SIZE) if arguments.quick else (FULL, _SIZE)
    features = {name: Features.load_or_make(data, manifest, name, arguments.cache, effort) for name in names}
    rows: list[Row] = []
    for new, old in permutations(names, 2):
        rows += swap_rows(data, features[old], features[new], size, arguments.seeds)
        progress(f"{old} to {new}: done")
    settings: dict[str, Cell] = {
        "data": str(arguments.data),
        "embedder": names[0],
        "people in a table": size,
        "quick": arguments.quick,
        "seeds": arguments.seeds,
    }
    machine = this_machine(runtime_name())
    found = summary(rows, names[0])
    report = BenchReport("swap", __version__, commit(), machine, settings, tuple(rows), found, NOTES)
    deliver(report, arguments, table=side_by_side(rows), plots=plots(rows))
    return 0


def swap_rows(data: FaceData, old: Features, new: Features, size: int, seeds: int) -> Iterator[Row]:
    """One direction: all ways, and the adapter learned from fewer pairs."""
    houses = {
        name: House.of_enrolled(data.enrollees(), its.enrolled, its.strangers["test"])
        for name, its in ((STAY, old), (REENROLLED, new))
    }
    heads = {name: shipped_ways(its.embedder)[SHIPPED_HEAD] for name, its in ((STAY, old), (REENROLLED, new))}
    about: Row = {"old": old.embedder.name, "new": new.embedder.name, "people": size}
    swap = _Swap(about, houses, heads, seeds)
    pairs, stored = pairs_of(old, new), old.enrolled.views(CLEAN)[0]
    for count in (n for n in _FEWER if n < len(pairs.owners)):
        adapter = learned(some(pairs, count), old, new)
        yield from swap.adapter_alone(adapter, adapted(adapter, stored), count)
    adapter = learned(pairs, old, new)
    yield from swap.all_ways(adapter, adapted(adapter, stored), len(pairs.owners))


class _Swap:
    """One direction's houses and tables. about: what every row says."""

    def __init__(self, about: Row, houses: Mapping[str, House], heads: Mapping[str, Way], seeds: int) -> None:
        self._about, self._houses, self._heads = about, houses, heads
        house = houses[REENROLLED]
        views, size = len(house.pictures.views(NIGHT)), about["people"]
        assert isinstance(size, int)
        self._drawn = draws(len(house), size, seeds, views)
        self._resamples = Resamples.draw(len(house), len(house.strangers.paths))

    def adapter_alone(self, adapter: Adapter, stored: Faces, pairs: int) -> Iterator[Row]:
        """With few pairs to learn from. stored: every picture, adapted."""
        told, searched = self._told(adapter, pairs), self._searched(ADAPTER, stored, _SHOWN)
        for where, estimate in self._cells(searched, _SHOWN):
            yield {**where, "measure": "fnir", "way": ADAPTER, **told, **_figures(estimate)}

    def all_ways(self, adapter: Adapter, stored: Faces, pairs: int) -> Iterator[Row]:
        """Beside one another, and what the adapter misses more than enrolling anew would."""
        told = self._told(adapter, pairs)
        for shots in SHOTS:
            cells = {way: list(self._cells(self._searched(way, stored, shots), shots)) for way in _WAYS}
            for place, (where, excess) in enumerate(cells[ADAPTER]):
                for way in _WAYS:
                    of_way = told if way == ADAPTER else {"n": len(self._drawn)}
                    yield {**where, "measure": "fnir", "way": way, **of_way, **_figures(cells[way][place][1])}
                yield {**where, "measure": _EXCESS, **told, **_figures(excess.less(cells[REENROLLED][place][1]))}

    def _searched(self, way: str, stored: Faces, shots: int) -> Searched:
        of = STAY if way == STAY else REENROLLED
        house = replace(self._houses[of], enrolled=stored) if way == ADAPTER else self._houses[of]
        return Searched(self._heads[of], house, shots)

    def _cells(self, searched: Searched, shots: int) -> Iterator[tuple[Row, Estimate]]:
        for side in ("clean", "mix"):
            trials = searched.trials(self._drawn, side, NIGHT)
            for target in TARGETS:
                where: Row = {**self._about, "k": shots, "side": side, "fpir": target, "unit": "share"}
                yield where, self._resamples.fnir(trials, target)

    def _told(self, adapter: Adapter, pairs: int) -> Row:
        return {"pairs": pairs, "ridge": adapter.ridge, "cosine": adapter.cosine, "n": len(self._drawn)}


def pairs_of(old: Features, new: Features) -> Pairs:
    """The fleet's clean pictures in which a face was found, which is the same for both embedders."""
    faces, owners = new.fleet.learnable((CLEAN,))
    return Pairs(old.fleet.learnable((CLEAN,))[0].x, faces.x, faces.norms, owners)


def some(pairs: Pairs, count: int) -> Pairs:
    """About so many pairs: whole people, at random, until there are as many."""
    order = np.random.default_rng(_SEED).permutation(int(pairs.owners.max()) + 1)
    taken = np.cumsum(np.bincount(pairs.owners)[order]) <= count
    which = np.isin(pairs.owners, order[taken])
    return Pairs(pairs.old[which], pairs.new[which], pairs.norms[which], pairs.owners[which])


def learned(pairs: Pairs, old: Features, new: Features) -> Adapter:
    """Raises:
    DoorwardError: the fleet list is not enough to learn from.
    """
    try:
        return learn_adapter(pairs, old.embedder.sha256, new.embedder.sha256)
    except ValueError as error:
        raise DoorwardError(f"the fleet list teaches no adapter: {error}") from error


def adapted(adapter: Adapter, faces: Faces) -> Faces:
    """As the new embedder might have given them."""
    norms = np.full(len(faces), adapter.norm, np.float32)
    return Faces(adapter.adapted(faces.x), norms, faces.quality)


def summary(rows: Sequence[Row], default: str) -> dict[str, float]:
    """See NOTES."""
    most = max(int(_number(row["pairs"])) for row in rows if "pairs" in row)
    main = [row for row in rows if row["k"] == 3 and row["fpir"] == 0.01 and row.get("pairs", most) == most]
    names = {ADAPTER: "fnir_adapter", REENROLLED: "fnir_reenrolled", STAY: "fnir_stay"}
    found: dict[str, float] = {}
    first = next(str(row["old"]) for row in rows if row["new"] == default)
    for end, old, new, side in (
        ("", first, default, "clean"),
        ("_mix", first, default, "mix"),
        ("_back", default, first, "clean"),
        ("_back_mix", default, first, "mix"),
    ):
        for row in main:
            if (row["old"], row["new"], row["side"]) == (old, new, side) and row["measure"] == "fnir":
                found[names[str(row["way"])] + end] = _number(row["value"])
    return found


def side_by_side(rows: Sequence[Row]) -> list[Row]:
    """A line for each direction, side, shots, FPIR and number of pairs; columns are the ways."""
    lines: dict[tuple[Cell, ...], dict[str, Cell]] = {}
    names = ("old", "new", "side", "k", "fpir")
    most = max(int(_number(row["pairs"])) for row in rows if "pairs" in row)
    for row in rows:
        key = (*(row[name] for name in names), row.get("pairs", most))
        line = lines.setdefault(key, dict(zip((*names, "pairs"), key, strict=True)))
        share, low, high = (100 * _number(row[end]) for end in ("value", "low", "high"))
        line[str(row.get("way", _EXCESS))] = f"{share:.2f} [{low:.2f}-{high:.2f}]"
    return list(lines.values())


def plots(rows: Sequence[Row]) -> list[str]:
    """By the number of pairs that the adapter was learned from."""
    charts = []
    for old, new in dict.fromkeys((str(row["old"]), str(row["new"])) for row in rows):
        its = [r for r in rows if (r["old"], r["new"]) == (old, new) and r["k"] == 3 and r["fpir"] == 0.01]
        for side in ("clean", "mix"):
            of_side = [row for row in its if row["side"] == side and row["measure"] == "fnir"]
            grown = [(_number(r["pairs"]), _number(r["value"])) for r in of_side if r["way"] == ADAPTER]
            level = {str(r["way"]): _number(r["value"]) for r in of_side if r["way"] != ADAPTER}
            flat = [Series(way, [(x, level[way]) for x, _ in grown]) for way in (REENROLLED, STAY)]
            axes = Axes(f"{old} to {new}, {side}: FNIR at FPIR 1 %, 3 shots", "pairs", "share missed", least=0.0)
            charts.append(line_chart(axes, [Series(ADAPTER, grown), *flat]))
    return charts


def _figures(estimate: Estimate) -> dict[str, float]:
    low, high = estimate.interval
    return {"value": estimate.value, "low": low, "high": high}


def _number(cell: Cell) -> float:
    assert isinstance(cell, int | float)
    return float(cell)
