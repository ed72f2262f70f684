"""How a factory head is learned best from some people: tried on parts of them that it was not learned from.

Which shrinkage and how much quality serve an embedder differs from one to the other; what is tried is a small grid,
and the cost is that of `strength.py`: the held-out likelihood of who is who, at a door's odds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from trainer.distill import DistillSettings, distill
from trainer.fleet_faces import PersonViews
from trainer.statistics import Statistics
from trainer.strength import person_costs
from trainer.trials import TrialPerson, run_trials

GRID = tuple(DistillSettings(w, p) for w, p in product((0.03, 0.1, 0.3), (0.0, 0.3, 0.6, 1.0, 1.3)))
_PARTS = 3
_SHOTS = 3
_SEED = 4


@dataclass(frozen=True, slots=True)
class Settled:
    """settings: of the lowest cost. costs: mean of each setting tried, a person."""

    settings: DistillSettings
    costs: tuple[tuple[DistillSettings, float], ...]


def settle(
    people: Sequence[PersonViews],
    embedder_id: str,
    candidates: Sequence[DistillSettings] = GRID,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Settled:
    """Try every setting in every part.

    Raises:
        ValueError: too few people, or nothing to learn from them; see `distill`.
    """
    if len(people) < 2 * _PARTS:
        raise ValueError(f"{len(people)} people are too few to try how a head is learned best: {2 * _PARTS} at least")
    order = np.random.default_rng(_SEED).permutation(len(people))
    parts = [[people[place] for place in order[part::_PARTS]] for part in range(_PARTS)]
    sums = [statistics_of(part) for part in parts]
    whole = sum(sums[1:], sums[0])
    trials = [[trial_of(str(number), views) for number, views in enumerate(part)] for part in parts]
    costs = []
    for number, settings in enumerate(candidates):
        heads = [distill(whole - own, embedder_id, settings).head() for own in sums]
        each = [person_costs(run_trials(head, those)) for head, those in zip(heads, trials, strict=True)]
        costs.append((settings, float(np.concatenate(each).mean())))
        progress(number + 1, len(candidates))
    return Settled(min(costs, key=lambda tried: tried[1])[0], tuple(costs))


def statistics_of(people: Sequence[PersonViews]) -> Statistics:
    """Of all views of some people, one at least."""
    owners = np.repeat(np.arange(len(people)), [len(views.norms) for views in people])
    embeddings, norms = (np.concatenate([getattr(v, name) for v in people]) for name in ("embeddings", "norms"))
    return Statistics.of_people(embeddings, norms, owners)


def trial_of(name: str, views: PersonViews) -> TrialPerson:
    """Up to three pictures enrolled; the others, clean and by night, searched with."""
    shots = max(1, min(_SHOTS, len(views.clean) - 1))
    nights = len(views.night) // len(views.clean)
    return TrialPerson(name, views.clean[:shots], views.clean[shots:], views.night[nights * shots :])
