"""`doorward-trainer bench forgetting`: people join, and who of the others is still recognized, way by way.

The embedder is frozen for all, so every way is given the same int8 embeddings (`features.py`). Who joins when is
`forgetters/rolls.py`'s, what each way does `forgetters/ways.py`'s; how rows are told is `forgetting_report.py`'s.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge import __version__
from edge.contract.bench import BenchReport, Cell, Row
from edge.contract.bench_output import deliver, progress
from edge.errors import DoorwardError
from edge.inference.machine import commit, this_machine
from edge.inference.spec import load_manifest
from edge.inference.tflite import runtime_name
from edge.recognition.scoring import Head
from trainer.bench.data import open_data
from trainer.bench.features import CLEAN, FULL, QUICK, Effort, Features
from trainer.bench.forgetters.course import Course, Marks, attend, estimates, old_after
from trainer.bench.forgetters.network import Labels, Recipe
from trainer.bench.forgetters.rolls import Sizes, enrolled_members, large_course, names, small_course
from trainer.bench.forgetters.schooling import trained_ways
from trainer.bench.forgetters.tables import Tables, folded_heads
from trainer.bench.forgetters.ways import Way
from trainer.bench.forgetting_report import (
    CHANGED,
    FNIR,
    NOTES,
    OLD_AFTER,
    TABLE,
    TABLE_RAW,
    plots,
    side_by_side,
    summary,
)
from trainer.bench.heads import LEARNED, RAW, all_heads
from trainer.bench.resampled import Estimate, Resamples
from trainer.bench.visits import Trial
from trainer.statistics import fold_of

_TARGET = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. small_shots, large_shots: pictures that each person joins with, at most."""

    effort: Effort
    small: Sizes
    large: Sizes
    small_shots: tuple[int, ...]
    large_shots: tuple[int, ...]


# In the large course few have more pictures than four, and some of them are to be searched with.
FULL_PLAN = Plan(FULL, Sizes(50, 10, 5), Sizes(None, 101, 1), (1, 3, 5), (1, 3))
QUICK_PLAN = Plan(QUICK, Sizes(6, 2, 3), Sizes(None, 8, 1), (1, 3), (3,))


@dataclass(frozen=True, slots=True, eq=False)
class Attended:
    """What came of one course: each way's marks, and of tables what strangers made of the last."""

    marks: dict[str, Marks]
    trials: dict[str, list[Trial]]


def run_forgetting(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files that were asked for."""
    plan = QUICK_PLAN if arguments.quick else FULL_PLAN
    data, manifest, seeds = open_data(arguments.data), load_manifest(arguments.models), arguments.seeds
    features = Features.load_or_make(data, manifest, "", arguments.cache, plan.effort)
    enrolled = enrolled_members(data.enrollees(), features.enrolled)
    bench = Forgetting(features, names(features, enrolled))
    rows: list[Row] = []
    for shots in plan.small_shots:
        small = [small_course(enrolled, plan.small, shots, seed) for seed in range(seeds)]
        rows += bench.rows("small", small, shots)
    for shots in plan.large_shots:
        large = [large_course(features, enrolled, plan.large, shots, seed) for seed in range(seeds)]
        rows += bench.rows("large", large, shots)
    settings: dict[str, Cell] = {
        "data": str(arguments.data),
        "embedder": features.embedder.name,
        "embedder_sha256": features.embedder.sha256,
        "strangers": bench.strangers,
        "quick": arguments.quick,
        "seeds": seeds,
    }
    machine = this_machine(runtime_name())
    report = BenchReport("forgetting", __version__, commit(), machine, settings, tuple(rows), summary(rows), NOTES)
    deliver(report, arguments, table=side_by_side(rows), plots=plots(rows))
    return 0


class Forgetting:
    """Courses attended by every way. people: everybody's name by number."""

    def __init__(self, features: Features, people: Sequence[str]) -> None:
        """Raises:
        DoorwardError: the fleet list is too small to learn heads from.
        """
        heads = all_heads(features.embedder)
        self._raw, self._shipped = heads[RAW], heads[LEARNED]
        self._mean = features.fleet.views(CLEAN)[0].of(features.fleet.found).x.mean(axis=0)
        strangers = features.strangers["test"]
        self._strangers = strangers.views(CLEAN)[0].of(strangers.found)
        self._folds = np.array([fold_of(name) for name in people], np.intp)
        try:
            self._folded = folded_heads(features.fleet, features.embedder.sha256)
        except ValueError as error:
            raise DoorwardError(f"the fleet list has too few people to learn heads from ({error})") from error
        self._draws = Resamples.draw(len(people), len(self._strangers))

    @property
    def strangers(self) -> int:
        return len(self._strangers)

    def rows(self, size: str, courses: Sequence[Course], shots: int) -> Iterator[Row]:
        """size: "small", from whose people the shipped head was not learned, or "large", some of whom it was."""
        attended = []
        for seed, course in enumerate(courses):
            attended.append(self._attend(course, seed, folded=size == "large"))
            progress(f"{size} course, {shots} shots: {seed + 1} of {len(courses)}")
        base, *later = courses[0].steps
        about: Row = {"course": size, "base": len(base), "added": sum(map(len, later)), "k": shots}
        for way in attended[0].marks:
            yield from self._way_rows({**about, "way": way}, [one.marks[way] for one in attended])
            trials = [trial for one in attended for trial in one.trials.get(way, ())]
            if trials:
                fnir = _told(self._draws.fnir(trials, _TARGET), len(courses))
                yield {**about, "way": way, "measure": FNIR, "fpir": _TARGET, **fnir}

    def _attend(self, course: Course, seed: int, *, folded: bool) -> Attended:
        marks = {name: attend(way, course, started=True) for name, way in self._trained(course, seed)}
        trials = {}
        for name, heads, folds in self._tables(course, folded=folded):
            table = Tables(heads, folds)
            marks[name] = attend(table, course)
            trials[name] = list(table.trials(course, self._strangers))
        return Attended(marks, trials)

    def _trained(self, course: Course, seed: int) -> Iterator[tuple[str, Way]]:
        return trained_ways(course, self._mean, Recipe(), seed)

    def _tables(self, course: Course, *, folded: bool) -> Iterator[tuple[str, Sequence[Head], Labels]]:
        """Name, heads, and which of them each probe is for."""
        _, owners = course.probes()
        all_alike = np.zeros(len(owners), np.intp)
        yield TABLE_RAW, [self._raw], all_alike
        if folded:
            numbers = np.array([pupil.number for pupil in course.people])
            yield TABLE, self._folded, self._folds[numbers[owners]]
        else:
            yield TABLE, [self._shipped], all_alike

    def _way_rows(self, about: Row, marks: Sequence[Marks]) -> Iterator[Row]:
        drawn, count = self._draws.people, len(marks)
        for measure, estimate in estimates(marks, drawn).items():
            yield {**about, "measure": measure, **_told(estimate, count)}
        for step in range(len(marks[0].hits)):
            yield {**about, "measure": OLD_AFTER, "step": step, **_told(old_after(marks, step, drawn), count)}
        changed = float(np.mean([mark.changed for mark in marks]))
        yield {**about, "measure": CHANGED, "unit": "people", "n": count, "value": changed}


def _told(estimate: Estimate, courses: int) -> Row:
    low, high = estimate.interval
    return {"unit": "share", "n": courses, "value": estimate.value, "low": low, "high": high}
