"""How much of what a fleet shows a refined head should take up: chosen on people whom it is not learned from.

Each strength of the prior makes a head from the other folds; the held-out fold's people are enrolled and searched, and
each score is taken as a statement "the same" or "another". Its log-loss, the held-out likelihood of who is who, is
weighed for a door, where next to all who are compared are somebody else (the log-likelihood-ratio cost, Brummer & du
Preez 2006, at a prior of 1 in 1000). Only a gain that exceeds what chance would give moves away from the prior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.distill import DistillSettings, HeadParameters
from trainer.refine import refined
from trainer.statistics import Doubles, Statistics
from trainer.trials import TrialPerson, Trials, run_trials

STRENGTHS = (math.inf, 30_000.0, 10_000.0, 3_000.0, 1_000.0)
_PRIOR = 1e-3
# A gain must be so many standard errors above 0: strengths are tried several at a time, on people who resemble.
_SURE = 3.0
# And it must be worth another head: where all searches cost the same, rounding alone gains surely.
_LEAST_GAIN = 0.005
# Of the spread that a head knows; with less, pictures are copies or of a camera that hangs.
_LEAST_SPREAD = 0.01
_NEWTON_STEPS = 30


@dataclass(frozen=True, slots=True)
class Tried:
    """A strength on the held-out people. gain: mean cost saved a person; error: its standard error."""

    strength: float
    gain: float
    error: float

    @property
    def sure(self) -> float:
        """What is saved at least, as far as chance allows to say."""
        return self.gain - _SURE * self.error


@dataclass(frozen=True, slots=True)
class Choice:
    """The strength that is used, and what was tried. people: held-out ones that were searched for."""

    strength: float
    tried: tuple[Tried, ...]
    people: int


def choose_strength(
    folds: Sequence[Statistics],
    people: Mapping[int, Sequence[TrialPerson]],
    prior: HeadParameters,
    settings: DistillSettings | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> Choice:
    """The strength with the surest gain over the prior itself; inf where none is sure and worth another head.

    folds: statistics, by fold. people: of each fold, as many as are to be tried.
    """
    whole = sum(folds[1:], folds[0])
    usable = {
        fold: those for fold, those in people.items() if len(those) > 1 and any(p.clean or p.night for p in those)
    }
    if not usable:
        return Choice(math.inf, (), 0)
    base = np.concatenate([_trial_costs(prior, those) for those in usable.values()])
    tried = []
    for strength in strengths:
        if math.isinf(strength):
            continue
        costs = [
            _trial_costs(refined(whole - folds[fold], prior, strength, settings), those)
            for fold, those in usable.items()
        ]
        saved: Doubles = base - np.concatenate(costs)
        tried.append(Tried(strength, float(saved.mean()), float(saved.std(ddof=1) / math.sqrt(len(saved)))))
    worth = [one for one in tried if one.sure > 0 and one.gain >= _LEAST_GAIN * base.mean()]
    best = max(worth, key=lambda one: one.sure, default=None)
    return Choice(math.inf if best is None else best.strength, tuple(tried), len(base))


def all_alike(statistics: Statistics, prior: HeadParameters) -> str | None:
    """Why nothing can be learned from pictures between which there is next to no difference; None where there is."""
    if statistics.people > 1:
        mean = statistics.mean_sum / statistics.people
        between = statistics.mean_scatter / statistics.people - np.outer(mean, mean)
        if _spread(between, prior) < _LEAST_SPREAD * prior.beta.mean():
            return "the pictures are all alike, whoever they are said to show"
    freedom = statistics.spread_freedom
    if freedom and _spread(statistics.within_scatter / freedom, prior) < _LEAST_SPREAD:
        return "the pictures of each person are all alike"
    return None


def _spread(covariance: Doubles, head: HeadParameters) -> float:
    """Mean variance in the head's own space, in which it takes that within a person for 1."""
    return float(np.einsum("ij,jk,ik->", head.transform, covariance, head.transform, optimize=True)) / len(covariance)


def _trial_costs(head: HeadParameters, people: Sequence[TrialPerson]) -> Doubles:
    return person_costs(run_trials(head.head(), people))


def person_costs(trials: Trials) -> Doubles:
    """`(people searched for,)` the cost of each one's searches, after the scores' best scale and offset.

    The scale is taken away since a threshold is set by strangers anyway. 0 is perfect; saying nothing costs about 8.
    """
    same, scores = trials.same, trials.scores.astype(np.float64)
    scale, offset = _calibrated(scores[same], scores[~same])
    logits = scale * scores + offset + _LOG_ODDS
    others = max(scores.shape[1] - 1, 1)
    missed = _PRIOR * np.logaddexp(0, -logits[same])
    alarms = (1 - _PRIOR) * np.where(same, 0, np.logaddexp(0, logits)).sum(axis=1) / others
    searched = np.bincount(trials.owner)
    costs = np.bincount(trials.owner, missed + alarms)
    return np.asarray(costs[searched > 0] / searched[searched > 0] / _PRIOR)


_LOG_ODDS = math.log(_PRIOR / (1 - _PRIOR))


def _calibrated(same: Doubles, other: Doubles) -> tuple[float, float]:
    """Scale and offset of the least cost: logistic regression weighted to the prior, by Newton's method."""
    x = np.concatenate([same, other])
    sign = np.concatenate([np.ones(len(same)), -np.ones(len(other))])
    weight = np.concatenate([np.full(len(same), _PRIOR / len(same)), np.full(len(other), (1 - _PRIOR) / len(other))])
    spread = float(np.abs(x).mean()) or 1.0
    design = np.stack([x / spread, np.ones(len(x))], axis=1)
    at: NDArray[np.float64] = np.array([1.0, 0.0])

    def cost(where: Doubles) -> float:
        return float(weight @ np.logaddexp(0, -sign * (design @ where + _LOG_ODDS)))

    for _ in range(_NEWTON_STEPS):
        wrong = np.exp(-np.logaddexp(0, sign * (design @ at + _LOG_ODDS)))
        gradient = -design.T @ (weight * sign * wrong)
        curvature = (design * (weight * wrong * (1 - wrong))[:, None]).T @ design
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        size = next((2.0**-halved for halved in range(20) if cost(at - 2.0**-halved * step) < cost(at)), 0.0)
        at = at - size * step
        if not size or np.abs(step * size).max() < 1e-9:
            break
    return float(at[0]) / spread, float(at[1])
