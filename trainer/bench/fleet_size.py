"""`doorward-trainer bench fleet-size`: what heads learned from ever more people are worth; none may be worse.

The fleet list is dealt in two: from one half a factory head is learned, the other is the fleet, which grows. Each head
comes about as a refresh makes it (`strength.py`, `refine.py`), and is measured on the enrollment list. Beside it: the
plain closed form from the fleet alone, the factory head, and centred cosine. In a second world the fleet's nights are
another camera's, which the factory head has never seen: there a fleet has something to teach.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge import __version__
from edge.contract.bench import BenchReport, Cell, Row
from edge.contract.bench_output import deliver, progress
from edge.inference.machine import commit, this_machine
from edge.inference.spec import load_manifest
from edge.inference.tflite import runtime_name
from trainer.bench.data import FaceData, open_data
from trainer.bench.features import CLEAN, FULL, NIGHT, OTHER_NIGHT, QUICK, Effort, Features, ListFeatures
from trainer.bench.heads import CENTRED, all_heads
from trainer.bench.plots import Axes, Series, line_chart
from trainer.bench.resampled import Estimate, Resamples
from trainer.bench.rivals.way import HeadWay, Way
from trainer.bench.visits import House, Searched, draws
from trainer.distill import HeadParameters, distill
from trainer.refine import refined
from trainer.statistics import FOLDS, Statistics
from trainer.strength import choose_strength
from trainer.trials import TrialPerson

FACTORY, REFRESHED, PLAIN = "factory head", "refreshed", "fleet alone, no prior"
_SHOTS, _FPIR, _TABLE = 3, 0.01, 20
_WORLDS = {"same cameras": NIGHT, "other night cameras": OTHER_NIGHT}
_SIDES = ("clean", "mix")
_EMBEDDER = "bench"
NOTES = (
    "Factory head: learned from one half of the fleet list; the fleet: people of the other. Measured on neither.",
    "refreshed: as `doorward-trainer refresh` makes a head: the prior's worth chosen on people held out.",
    "fleet alone, no prior: the closed form from the fleet and nobody else, from two people on.",
    "strength: how many views the prior is worth; inf: the factory head is kept.",
    "Each seed deals the halves anew. value, low, high: FNIR at FPIR 1 %, k=3, bootstrap over people and strangers.",
    "excess: FNIR less the factory head's (or centred cosine's) of the same seed, in the same draws.",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """sizes: of the fleet, people; as far as there are so many."""

    effort: Effort
    sizes: tuple[int, ...]
    table: int


FULL_PLAN = Plan(FULL, (0, 1, 3, 10, 30, 100, 200, 366), _TABLE)
QUICK_PLAN = Plan(QUICK, (0, 1, 10), 5)


def run_fleet_size(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files that were asked for."""
    plan = QUICK_PLAN if arguments.quick else FULL_PLAN
    data, manifest = open_data(arguments.data), load_manifest(arguments.models)
    features = Features.load_or_make(data, manifest, "", arguments.cache, plan.effort)
    rows = list(_measured(data, features, plan, arguments.seeds))
    settings: dict[str, Cell] = {
        "data": str(arguments.data),
        "embedder": features.embedder.name,
        "quick": arguments.quick,
        "seeds": arguments.seeds,
    }
    machine = this_machine(runtime_name())
    report = BenchReport("fleet-size", __version__, commit(), machine, settings, tuple(rows), summary(rows), NOTES)
    deliver(report, arguments, table=_table(rows), plots=_plots(rows))
    return 0


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """The largest mean excess of any fleet size, over clean and mix, in the world of the same cameras."""
    excess = {over: [r for r in rows if r["measure"] == f"excess over {over}"] for over in (FACTORY, CENTRED)}
    same = {over: [float(str(r["value"])) for r in its if r["world"] == "same cameras"] for over, its in excess.items()}
    other = [r for r in excess[FACTORY] if r["world"] != "same cameras" and r["side"] == "mix"]
    return {
        "worst_excess_over_factory": max(same[FACTORY]),
        "worst_excess_over_centred": max(same[CENTRED]),
        "best_gain_over_factory_other_cameras": -min((float(str(r["value"])) for r in other), default=0.0),
    }


def _measured(data: FaceData, features: Features, plan: Plan, seeds: int) -> Iterator[Row]:
    house = House.of_enrolled(data.enrollees(), features.enrolled, features.strangers["test"])
    centred = HeadWay(all_heads(features.embedder)[CENTRED])
    people = list(features.fleet.people)
    for world, camera in _WORLDS.items():
        gathered: dict[tuple[int, str, str], list[tuple[Estimate, float]]] = {}
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(people))
            halves = [[people[place] for place in half] for half in np.array_split(order, 2)]
            measure = _Measure(house, plan.table, camera, seed)
            factory = distill(_sums(features.fleet, halves[0], (CLEAN, NIGHT)), _EMBEDDER)
            fixed = {FACTORY: HeadWay(factory.head()), CENTRED: centred}
            base = {name: measure.both(way) for name, way in fixed.items()}
            for size in sorted({min(size, len(halves[1])) for size in plan.sizes}):
                heads = dict(_heads(features.fleet, halves[1][:size], camera, factory))
                for name, (head, strength) in heads.items():
                    for side, estimate in measure.both(HeadWay(head.head())).items():
                        gathered.setdefault((size, name, side), []).append((estimate, strength))
                        for over, those in base.items():
                            less = estimate.less(those[side])
                            gathered.setdefault((size, f"{name} less {over}", side), []).append((less, strength))
                for over, those in base.items():
                    for side, estimate in those.items():
                        gathered.setdefault((size, over, side), []).append((estimate, math.inf))
            progress(f"{world}, seed {seed}: done")
        yield from (_row(world, *cell, estimates) for cell, estimates in gathered.items())


class _Measure:
    """FNIR of heads on one draw of tables, by clean views and by the mix."""

    def __init__(self, house: House, table: int, camera: str, seed: int) -> None:
        self._house, self._camera = house, camera
        self._resamples = Resamples.draw(len(house), len(house.strangers.paths), seed)
        self._draws = draws(len(house), table, 3, len(house.pictures.views(camera)))

    def both(self, way: Way) -> dict[str, Estimate]:
        searched = Searched(way, self._house, _SHOTS)
        trials = {side: searched.trials(self._draws, side, self._camera) for side in _SIDES}
        return {side: self._resamples.fnir(its, _FPIR) for side, its in trials.items()}


def _heads(
    pictures: ListFeatures, people: Sequence[str], camera: str, factory: HeadParameters
) -> Iterator[tuple[str, tuple[HeadParameters, float]]]:
    """The head of a refresh and the plain one, each with what the prior is worth in it."""
    kinds = (CLEAN, camera)
    folds = [people[fold::FOLDS] for fold in range(FOLDS)]
    sums = [_sums(pictures, fold, kinds) for fold in folds]
    tried = {place: list(_trials(pictures, fold, camera)) for place, fold in enumerate(folds)}
    strength = choose_strength(sums, tried, factory).strength
    whole = sum(sums[1:], sums[0])
    yield REFRESHED, (refined(whole, factory, strength), strength)
    if whole.people >= 2 and whole.spread_freedom > 0:
        yield PLAIN, (distill(whole, _EMBEDDER), 0.0)


def _sums(pictures: ListFeatures, people: Sequence[str], kinds: Sequence[str]) -> Statistics:
    if not people:
        return Statistics.empty(pictures.views(CLEAN)[0].x.shape[1])
    faces, owners = pictures.learnable(kinds, people)
    return Statistics.of_people(faces.x, faces.norms, owners)


def _trials(pictures: ListFeatures, people: Sequence[str], camera: str) -> Iterator[TrialPerson]:
    known, clean = pictures.people, pictures.views(CLEAN)[0]
    for person in people:
        places = known[person]
        shots = max(1, min(_SHOTS, len(places) - 1))
        first, later = (tuple(clean.of(its).embeddings()) for its in (places[:shots], places[shots:]))
        night = tuple(view for views in pictures.views(camera) for view in views.of(places[shots:]).embeddings())
        yield TrialPerson(person, first, later, night)


def _row(world: str, size: int, name: str, side: str, estimates: Sequence[tuple[Estimate, float]]) -> Row:
    """Mean over seeds; intervals of the mean of the resampled."""
    mean = Estimate(
        float(np.mean([e.value for e, _ in estimates])), np.mean([e.resampled for e, _ in estimates], axis=0)
    )
    low, high = mean.interval
    head, _, over = name.partition(" less ")
    measure = f"excess over {over}" if over and head == REFRESHED else (f"{head} over {over}" if over else "fnir")
    strengths = ", ".join(f"{strength:g}" for _, strength in estimates) if head == REFRESHED else None
    about: Row = {"world": world, "people": size, "head": head, "side": side, "measure": measure}
    return {
        **about,
        "unit": "share",
        "n": len(estimates),
        "value": mean.value,
        "low": low,
        "high": high,
        "strength": strengths,
    }


def _table(rows: Sequence[Row]) -> list[Row]:
    """A line for each size: FNIR of the mix and of clean views by head, in %."""
    cells: dict[tuple[Cell, Cell], dict[str, Cell]] = {}
    for row in rows:
        if row["measure"] != "fnir":
            continue
        line = cells.setdefault((row["world"], row["people"]), {"world": row["world"], "people": row["people"]})
        line[f"{row['head']}, {row['side']} %"] = f"{100 * float(str(row['value'])):.2f}"
        if row["head"] == REFRESHED:
            line["prior worth"] = row["strength"]
    return list(cells.values())


def _plots(rows: Sequence[Row]) -> list[str]:
    charts = []
    for world in _WORLDS:
        lines = []
        for head in (REFRESHED, PLAIN, FACTORY, CENTRED):
            its = [r for r in rows if (r["world"], r["head"], r["side"], r["measure"]) == (world, head, "mix", "fnir")]
            points = [(float(str(r["people"])) + 1, 100 * max(float(str(r["value"])), 1e-4)) for r in its]
            lines += [Series(head, points)] if points else []
        axes = Axes(f"Misses by day and night, {world}", "people in the fleet, and one", "FNIR, %", log=True)
        charts.append(line_chart(axes, lines))
    return charts
