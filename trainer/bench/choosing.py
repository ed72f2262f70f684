"""Chooses how a way is learned, on other people than those whom a bench reports: the fleet's own. Pure.

The fleet's people are dealt into parts. For each part a way is learned from the others, the part's people are enrolled
and come back, and the strangers are those of the calibration list. What misses least by day and night is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.contract.bench_output import progress
from trainer.bench.features import NIGHT, Features, ListFeatures
from trainer.bench.rivals.way import Learner, Way
from trainer.bench.visits import House, Searched, draws
from trainer.metrics import Searches, fnir_at_fpir

_SHOTS = 3
_FPIR = 0.01
_SEED = 4


@dataclass(frozen=True, slots=True)
class Choosing:
    """How carefully. parts: of the fleet. size: of the tables. tried: so many candidates, None for all."""

    parts: int
    size: int
    tried: int | None = None


CAREFUL = Choosing(parts=3, size=20)
QUICK_CHOICE = Choosing(parts=2, size=5, tried=2)


def choose(learner: Learner, features: Features, how: Choosing) -> Any:
    """The candidate with the lowest mean FNIR; the first of several."""
    candidates = learner.candidates[: how.tried]
    missed = np.zeros(len(candidates))
    for learned_from, held_out in dealt(list(features.fleet.people), how.parts):
        faces, owners = features.fleet.learnable(only=learned_from)
        house = House.of_fleet(held_out, _SHOTS, features.fleet, features.strangers["calibration"])
        for place, candidate in enumerate(candidates):
            missed[place] += _missed(learner.learn(faces, owners, candidate), house, how.size)
    best = candidates[int(missed.argmin())]
    progress(f"chosen of {len(candidates)}: {best} ({missed.min() / how.parts:.4f} missed on other people)")
    return best


def learned(learner: Learner, settings: Any, *lists: ListFeatures) -> Way:
    """A way learned from everybody in these lists. settings: one of the learner's candidates."""
    faces, owners = zip(*(its.learnable() for its in lists), strict=True)
    firsts = np.cumsum([0, *(int(its.max()) + 1 for its in owners)])
    everybody = np.concatenate([its + first for its, first in zip(owners, firsts, strict=False)])
    return learner.learn(type(faces[0]).joined(faces), everybody, settings)


def dealt(people: Sequence[str], parts: int) -> list[tuple[list[str], list[str]]]:
    """For each part, who is not in it and who is."""
    order = np.random.default_rng(_SEED).permutation(len(people))
    held = [{people[place] for place in order[part::parts]} for part in range(parts)]
    return [([p for p in people if p not in its], [p for p in people if p in its]) for its in held]


def _missed(way: Way, house: House, size: int) -> float:
    searched = Searched(way, house, _SHOTS)
    trials = searched.trials(draws(len(house), size, 1, 1), "mix", NIGHT)
    return float(np.mean([fnir_at_fpir(Searches(t.top, t.right, t.person), t.strangers, _FPIR)[0] for t in trials]))
