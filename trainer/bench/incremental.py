"""`doorward-trainer bench incremental`: a fleet that grows to a million people, and loses some, without learning anew.

People are simulated: drawn from made-up normal distributions, nobody's faces. Three things are measured: that adding
and erasing give the head of learning from everything (at a size where that can still be done); that a refresh costs
what is new, whatever the fleet's size, once on the sums alone and once through the fleet's own store, sealed rows and
all; and that memory stays flat, in a process of its own, so that what it takes can be told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge import __version__
from edge.contract.bench import BenchReport, Cell, Row
from edge.contract.bench_output import deliver, progress
from edge.errors import DoorwardError
from edge.inference.machine import commit, memory_mb, this_machine
from edge.inference.tflite import runtime_name
from trainer.bench.plots import Axes, Series, line_chart
from trainer.bench.simulated_fleet import DIM, EMBEDDER, VIEWS, Simulated, open_empty, tell
from trainer.distill import HeadParameters, distill
from trainer.refine import covariances, refined
from trainer.statistics import Doubles, Statistics

_CHUNK = 1000
NOTES = (
    "Simulated people of 9 views in 192 dimensions; no real face. Nothing of accuracy follows from it.",
    "error: largest difference of mean, W and B to learning from everybody at once, relative to the largest of each.",
    "refresh: adding new people to the sums of a fleet of so many, and making the head again.",
    "refresh, store: the same from a SQLite store that holds so many people, opening the new ones' sealed rows.",
    "RSS: peak of a process that holds the sums of the largest fleet and streams its people through.",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """exact: people for the comparison. sizes: of the fleet, at which a refresh of `new` people is timed.

    stored: the same through the store.
    """

    exact: int
    sizes: tuple[int, ...]
    stored: tuple[int, ...]
    new: int
    repeats: int


def _plan(most: int, *, quick: bool) -> Plan:
    if quick:
        return Plan(60, (100, 1000), (20, 200), 20, 3)
    smaller = (size for size in (1000, 10_000, 100_000) if size < most)
    return Plan(2000, (*smaller, most), (1000, 10_000), 200, 5)


def run_incremental(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files that were asked for."""
    if arguments.people < 1000:
        raise DoorwardError(f"--people {arguments.people}: 1000 at least")
    plan = _plan(arguments.people, quick=arguments.quick)
    rows = [*exactness(plan.exact, arguments.seeds), *_growth_apart(plan), *_through_the_store(plan)]
    settings: dict[str, Cell] = {"people": max(plan.sizes), "new": plan.new, "quick": arguments.quick, "views": VIEWS}
    machine = this_machine(runtime_name())
    report = BenchReport("incremental", __version__, commit(), machine, settings, tuple(rows), summary(rows), NOTES)
    timed = [row for row in rows if row["measure"] == "refresh"]
    axes = Axes("A refresh costs what is new", "people in the fleet", "ms for the new people and the head", log=True)
    line = Series("refresh", [(float(str(r["people"])), float(str(r["value"]))) for r in timed])
    deliver(report, arguments, plots=[line_chart(axes, [line])])
    return 0


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """The published figures; of the largest fleet."""
    last: dict[str, float] = {str(row["measure"]): float(str(row["value"])) for row in rows}
    timed = [row for row in rows if row["measure"] == "refresh"]
    return {
        "add_relative_error": last["error, added one by one"],
        "erase_relative_error": last["error, one in ten erased"],
        "people": float(str(timed[-1]["people"])),
        "peak_rss_mb": last["peak RSS"],
        "rss_growth": last["RSS growth"],
        "ms_per_new_person": float(str(timed[-1]["value"])) / float(str(timed[-1]["new"])),
        "refresh_ms_largest_over_smallest": _ratio(rows, "refresh"),
        "store_refresh_ms_largest_over_smallest": _ratio(rows, "refresh, store"),
    }


def _ratio(rows: Sequence[Row], measure: str) -> float:
    values = [float(str(row["value"])) for row in rows if row["measure"] == measure]
    return values[-1] / values[0]


def exactness(people: int, seeds: int) -> Iterator[Row]:
    """One by one against all at once; then one in ten erased against their never having been there."""
    for seed in range(seeds):
        fleet = Simulated(seed)
        x, norms, owners = fleet.people(0, people)
        single = Statistics.empty(DIM)
        for person in range(people):
            single = single + Statistics.of_person(x[owners == person], norms[owners == person])
        stayed, erased = owners % 10 != 0, single
        for person in range(0, people, 10):
            erased = erased - Statistics.of_person(x[owners == person], norms[owners == person])
        at_once = Statistics.of_people(x, norms, owners)
        without = Statistics.of_people(x[stayed], norms[stayed], owners[stayed])
        for name, one, other in (("added one by one", single, at_once), ("one in ten erased", erased, without)):
            about: Row = {"measure": f"error, {name}", "people": people, "unit": "relative"}
            yield {**about, "n": 1, "value": _head_error(one, other)}
    progress("exactness: done")


def _head_error(one: Statistics, other: Statistics) -> float:
    """Of the head as a refresh makes it and of the plain one; as covariances, since a transform's signs are free."""
    prior = distill(Simulated(999).sums(0, 500), "bench")
    pairs = [(distill(one, "bench"), distill(other, "bench")), (refined(one, prior, 3e3), refined(other, prior, 3e3))]
    return max(_difference(a, b) for a, b in pairs)


def _difference(one: HeadParameters, other: HeadParameters) -> float:
    def largest(a: Doubles, b: Doubles) -> float:
        return float(np.abs(a - b).max() / np.abs(b).max())

    matrices = zip(covariances(one), covariances(other), strict=True)
    return max(largest(one.mean, other.mean), *(largest(a, b) for a, b in matrices))


def _growth_apart(plan: Plan) -> list[Row]:
    """`grow` in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="doorward-") as folder:
        told = json.dumps([list(plan.sizes), plan.new, plan.repeats, folder])
        command = [sys.executable, "-c", f"from trainer.bench.incremental import child; child({told!r})"]
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=False, cwd=Path(__file__).resolve().parents[2]
        )
    if ended.returncode:
        raise DoorwardError("the simulated fleet's process failed, as it says above")
    rows: list[Row] = json.loads(ended.stdout)
    return rows


def child(told: str) -> None:
    """The process's beginning: what to do comes as JSON, the rows go out as JSON."""
    sizes, new, repeats, folder = json.loads(told)
    rows = list(grow(sizes, new, repeats, Path(folder)))
    print(json.dumps(rows))


def grow(sizes: Sequence[int], new: int, repeats: int, folder: Path) -> Iterator[Row]:
    """Stream people into sums, and time a refresh at each size: read the sums, add `new`, make the head, write them."""
    fleet, file, total, have = Simulated(7), folder / "sums", Statistics.empty(DIM), 0
    prior = distill(Simulated(999).sums(0, 500), "bench")
    settled = 0.0
    for size in sizes:
        while have < size:
            count = min(_CHUNK, size - have)
            total = total + fleet.sums(have, count)
            have += count
            if have % 50_000 == 0:
                progress(f"simulated people: {have:,}")
        file.write_bytes(total.to_bytes())
        settled = settled or memory_mb("VmRSS")
        times = [_refresh_ms(fleet, file, prior, 10_000_000 + new * number, new) for number in range(repeats)]
        low, middle, high = np.percentile(times, [25, 50, 75])
        about: Row = {"measure": "refresh", "people": size, "new": new, "unit": "ms", "n": repeats}
        yield {**about, "value": float(middle), "low": float(low), "high": float(high)}
    yield {"measure": "peak RSS", "people": have, "unit": "MB", "n": 1, "value": memory_mb("VmHWM")}
    growth = memory_mb("VmRSS") / settled - 1
    yield {"measure": "RSS growth", "people": have, "unit": "share", "n": 1, "value": growth}


def _refresh_ms(fleet: Simulated, file: Path, prior: HeadParameters, first: int, new: int) -> float:
    views = fleet.people(first, new)
    began = time.perf_counter()
    total = Statistics.from_bytes(file.read_bytes()) + Statistics.of_people(*views)
    refined(total, prior, 3e3)
    file.with_suffix(".new").write_bytes(total.to_bytes())
    return (time.perf_counter() - began) * 1e3


def _through_the_store(plan: Plan) -> Iterator[Row]:
    """Grow a SQLite store by reports as doors send them, and time the refresh of each size's newest people."""
    prior, fleet, have = distill(Simulated(999).sums(0, 500), "bench"), Simulated(11), 0
    with tempfile.TemporaryDirectory(prefix="doorward-") as folder, open_empty(Path(folder)) as store:
        for size in plan.stored:
            tell(store, fleet, have, size - have)
            store.pool_new(EMBEDDER)
            have, times = size, []
            for _ in range(plan.repeats):
                tell(store, fleet, have, plan.new)
                have += plan.new
                began = time.perf_counter()
                store.pool_new(EMBEDDER)
                sums = store.pooled(EMBEDDER)
                refined(sum(sums[1:], sums[0]), prior, 3e3)
                times.append((time.perf_counter() - began) * 1e3)
            low, middle, high = np.percentile(times, [25, 50, 75])
            about: Row = {"measure": "refresh, store", "people": size, "new": plan.new, "unit": "ms", "n": plan.repeats}
            yield {**about, "value": float(middle), "low": float(low), "high": float(high)}
            progress(f"store of {size:,} people: done")
