"""`doorward-trainer bench openset`: people enrolled among strangers, by day, by night, and both under one threshold.

Every picture's embeddings come from `features.py`; ways to compare and their rivals from `contenders.py`, learned on
the fleet list with settings chosen there. How rows are told is `openset_report.py`'s.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge import __version__
from edge.contract.bench import BenchReport, Cell, Row
from edge.contract.bench_output import deliver, progress
from edge.errors import DoorwardError
from edge.inference.machine import commit, this_machine
from edge.inference.spec import Manifest, load_manifest
from edge.inference.tflite import runtime_name
from trainer.bench.choosing import CAREFUL, QUICK_CHOICE, Choosing, choose, learned
from trainer.bench.contenders import LEARNERS, SHIPPED_HEAD, TABLE_ALONE, shipped_ways
from trainer.bench.data import open_data
from trainer.bench.features import FULL, NIGHT, OTHER_NIGHT, QUICK, Effort, Features
from trainer.bench.heads import CENTRED, RAW
from trainer.bench.openset_report import NOTES, plots, side_by_side, summary
from trainer.bench.resampled import Estimate, Resamples
from trainer.bench.rivals.way import Way
from trainer.bench.visits import Draw, House, Searched, Trial, draws

SHOTS = (1, 3, 5)
TARGETS = (0.01, 0.001)
_SHOWN, _TARGET = 3, 0.01  # shots and FPIR for what is not measured for each of them
_DET = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_PUT_OFF = (0.1, 0.25)
_DAYS_AND_NIGHTS = (("clean", NIGHT), *((side, camera) for camera in (NIGHT, OTHER_NIGHT) for side in ("door", "mix")))
_COMPARED = (RAW, CENTRED)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. sizes: people in a table, the first is the one that the summary is of."""

    effort: Effort
    choosing: Choosing
    sizes: tuple[int, ...]


FULL_PLAN = Plan(FULL, CAREFUL, (20, 100))
QUICK_PLAN = Plan(QUICK, QUICK_CHOICE, (5, 12))


def run_openset(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files that were asked for."""
    plan = QUICK_PLAN if arguments.quick else FULL_PLAN
    data, manifest = open_data(arguments.data), load_manifest(arguments.models)
    rows: list[Row] = []
    chosen: dict[str, Cell] = {}
    for name in embedders(manifest):
        features = Features.load_or_make(data, manifest, name, arguments.cache, plan.effort)
        house = House.of_enrolled(data.enrollees(), features.enrolled, features.strangers["test"])
        rows += OpenSet(name, house, plan, arguments.seeds).measure(_ways(features, house, plan, chosen))
    settings: dict[str, Cell] = {
        "data": str(arguments.data),
        "embedder": manifest.defaults["embedder"],
        "quick": arguments.quick,
        "seeds": arguments.seeds,
        **chosen,
    }
    found = summary(rows, manifest.defaults["embedder"])
    machine = this_machine(runtime_name())
    report = BenchReport("openset", __version__, commit(), machine, settings, tuple(rows), found, NOTES)
    deliver(report, arguments, table=side_by_side(rows), plots=plots(rows))
    return 0


def embedders(manifest: Manifest) -> list[str]:
    """All there are, the default first."""
    names = [name for name, spec in manifest.models.items() if spec.role == "embedder"]
    return sorted(names, key=lambda name: name != manifest.defaults["embedder"])


def _ways(features: Features, house: House, plan: Plan, chosen: dict[str, Cell]) -> Iterator[tuple[str, bool, Way]]:
    """Name, whether those enrolled were among those learned from, and the way. chosen: is told the settings."""
    # As a fleet would have them: their shots, never the pictures that they come with.
    enrolled = house.pictures.part(np.concatenate(house.shots))
    yield from ((name, False, way) for name, way in shipped_ways(features.embedder).items())
    try:
        for name, learner in LEARNERS.items():
            settings = choose(learner, features, plan.choosing)
            chosen[f"{features.embedder.name}, {name}"] = str(settings)
            yield name, False, learned(learner, settings, features.fleet)
            if name != TABLE_ALONE:
                yield name, True, learned(learner, settings, features.fleet, enrolled)
    except ValueError as error:
        raise DoorwardError(f"the fleet list teaches nothing: {error}") from error


@dataclass(slots=True, eq=False)
class OpenSet:
    """The measurements of one embedder."""

    embedder: str
    house: House
    plan: Plan
    seeds: int
    _resamples: Resamples = field(init=False)
    _draws: dict[int, list[Draw]] = field(init=False)
    _main: dict[tuple[str, bool, str], Estimate] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._resamples = Resamples.draw(len(self.house), len(self.house.strangers.paths))
        views = len(self.house.pictures.views(NIGHT))
        self._draws = {size: draws(len(self.house), size, self.seeds, views) for size in self.plan.sizes}

    def measure(self, ways: Iterator[tuple[str, bool, Way]]) -> Iterator[Row]:
        """All cells of all ways, then how the ways compare with the cosines."""
        for name, seen, way in ways:
            about: Row = {"embedder": self.embedder, "way": name, "seen": seen}
            for shots in SHOTS:
                searched = Searched(way, self.house, shots)
                for size in self.plan.sizes:
                    yield from self._cells({**about, "people": size, "k": shots}, searched, self._draws[size])
            progress(f"{self.embedder}: {name}{', learned from them too' if seen else ''}: done")
        yield from self._ratios()

    def _cells(self, about: Row, searched: Searched, drawn: list[Draw]) -> Iterator[Row]:
        main = about["k"] == _SHOWN and about["people"] == self.plan.sizes[0]
        for side, camera in _DAYS_AND_NIGHTS:
            where: Row = {**about, "side": side, "camera": None if side == "clean" else camera}
            trials = searched.trials(drawn, side, camera)
            for target in TARGETS:
                estimate = self._resamples.fnir(trials, target)
                yield {**where, "measure": "fnir", "fpir": target, **_told(estimate, len(trials))}
                if main and side == "mix" and target == _TARGET:
                    self._main[str(about["way"]), bool(about["seen"]), camera] = estimate
            yield {**where, "measure": "rank1", "fpir": None, **_told(self._resamples.rank1(trials), len(trials))}
            if main and side == "mix" and not about["seen"]:
                yield from self._more(where, trials)

    def _more(self, where: Row, trials: list[Trial]) -> Iterator[Row]:
        """The whole curve, and what a quality gate changes."""
        for target in _DET:
            value = self._resamples.fnir(trials, target).value
            yield {**where, "measure": "det", "fpir": target, "unit": "share", "n": len(trials), "value": value}
        if where["way"] in (*_COMPARED, SHIPPED_HEAD):
            for share in _PUT_OFF:
                left = [trial.looked_at_again(share) for trial in trials]
                estimate = self._resamples.fnir(left, _TARGET)
                again: Row = {"measure": f"fnir, look again {share:.0%}", "fpir": _TARGET}
                yield {**where, **again, **_told(estimate, len(left)), "strangers put off": _put_off(trials, left)}

    def _ratios(self) -> Iterator[Row]:
        for (name, seen, camera), estimate in self._main.items():
            for other in _COMPARED:
                ratio = estimate.over(self._main[other, False, camera])
                if ratio is not None and name != other:
                    about: Row = {"embedder": self.embedder, "way": name, "seen": seen, "people": self.plan.sizes[0]}
                    where: Row = {"k": _SHOWN, "side": "mix", "camera": camera, "fpir": _TARGET}
                    told = {**_told(ratio, len(self._draws[self.plan.sizes[0]])), "unit": "ratio"}
                    yield {**about, **where, "measure": f"fnir over {other}", **told}


def _told(estimate: Estimate, tables: int) -> dict[str, Any]:
    low, high = estimate.interval
    return {"unit": "share", "n": tables, "value": estimate.value, "low": low, "high": high}


def _put_off(before: list[Trial], after: list[Trial]) -> float:
    counts = [sum(len(trial.strangers) for trial in trials) for trials in (before, after)]
    return 1 - counts[1] / counts[0]
