"""A challenger from a fleet: several runs, one head of the usual kind, and a report. Numbers in, numbers out.

The head is made of the learned map in closed form (`fit.py`), so it is exported and gated like any other. Whether it
ships is the gate's decision: a challenger that is no better on held-out people says so and is still handed over.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edge.recognition.types import Floats
from trainer.challengers.fit import Map, fit, verification_loss
from trainer.challengers.fleet import Fleet, held_out
from trainer.challengers.settings import ChallengerSettings
from trainer.challengers.start import averaged, beginning
from trainer.challengers.strategy import is_chief, make_strategy, together
from trainer.challengers.train import Lesson, Run, train
from trainer.distill import HeadParameters


@dataclass(frozen=True, slots=True)
class ChallengerReport:
    """How a challenger came about. Losses are means over the runs, each on people that it did not learn from.

    people, views: of the fleet. taught: views that the teacher had something to say of.
    previous_loss: of the previous head, which may have been learned from the held-out people: previous_knew_them.
    closed_form_loss: of the closed form learned from the same people, at its best shrinkage.
    challenger_loss: of the challenger, at `shrinkage`.
    epochs: which epoch each run kept, 0 for none: nothing was gained. chief: whether this process is to write the head.
    """

    people: int
    views: int
    taught: int
    previous_loss: float
    previous_knew_them: bool
    closed_form_loss: float
    challenger_loss: float
    shrinkage: float
    epochs: tuple[int, ...]
    seconds: float
    chief: bool
    settings: dict[str, Any]

    @property
    def better(self) -> bool:
        """Than the closed form from the same people, and than the previous head where that is a fair question."""
        fair = [self.closed_form_loss] + ([] if self.previous_knew_them else [self.previous_loss])
        return self.challenger_loss < min(fair)


def train_challenger(
    fleet: Fleet,
    previous: HeadParameters,
    teacher: Floats | None = None,
    settings: ChallengerSettings | None = None,
    strategy: Any = None,
) -> tuple[HeadParameters, ChallengerReport]:
    """Train, and tell of it on standard error.

    fleet: all that may be learned from. previous: where the map begins, and whose behaviour on old people is kept.
    teacher: `(n, T)` its embedding of each view's clean picture, zeros where it has none; None trains without one.
    strategy: a `tf.distribute` one instead of the one that the settings name.
    With several workers every one of them calls this with the same arguments and gets the same head.

    Raises:
        ValueError: too few people, arrays that do not fit, or settings that do not go together.
        StrategyError: the machines named cannot train together.
        ImportError: TensorFlow is not installed.
    """
    settings = settings or ChallengerSettings()
    _check(fleet, previous, teacher)
    strategy, started = strategy or make_strategy(settings.strategy), time.monotonic()
    trials = [_Trial(fleet, previous, teacher, settings, seed) for seed in range(settings.seeds)]
    with together(settings.strategy):
        runs = [trial.run(strategy) for trial in trials]
    losses = np.mean([run.losses for run in runs], axis=0)
    place = int(losses.argmin())
    shrinkage = settings.shrinkages[place]
    head = fit(fleet, _combined(runs, settings), previous.embedder_id, shrinkage, settings.quality_power)
    report = ChallengerReport(
        people=len(fleet.people),
        views=len(fleet.x),
        taught=0 if teacher is None else int(teacher.any(axis=1).sum()),
        previous_loss=float(np.mean([run.previous_loss for run in runs])),
        previous_knew_them=runs[0].previous_knew_them,
        closed_form_loss=float(np.mean([run.closed_form_losses for run in runs], axis=0).min()),
        challenger_loss=float(losses[place]),
        shrinkage=shrinkage,
        epochs=tuple(run.run.epoch for run in runs),
        seconds=time.monotonic() - started,
        chief=is_chief(strategy),
        settings=asdict(settings),
    )
    return head, report


def _check(fleet: Fleet, previous: HeadParameters, teacher: Floats | None) -> None:
    if previous.transform.shape != (fleet.dim, fleet.dim):
        raise ValueError(f"the previous head takes {previous.transform.shape[1]} dimensions, the fleet has {fleet.dim}")
    if teacher is not None and (len(teacher) != len(fleet.x) or not np.isfinite(teacher).all()):
        raise ValueError("the teacher needs one embedding of finite numbers for each view; zeros where it has none")


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A run with what its held-out people say, at each shrinkage. mapped: what it learned, on embeddings."""

    run: Run
    mapped: Map
    losses: tuple[float, ...]
    closed_form_losses: tuple[float, ...]
    previous_loss: float
    previous_knew_them: bool


class _Trial:
    """One seed: who is held out, where the map begins, and the judging."""

    def __init__(
        self, fleet: Fleet, previous: HeadParameters, teacher: Floats | None, settings: ChallengerSettings, seed: int
    ) -> None:
        held, self._known = held_out(fleet, settings.held_out, seed)
        self._learned, self._held = fleet.of(~held), fleet.of(held)
        self._teacher = None if teacher is None else teacher[~held]
        self._previous, self._settings, self._seed = previous, settings, seed
        # A map that began at a head that knows the held-out people would never be bettered by learning.
        begin = fit(self._learned, self._as_it_is, previous.embedder_id, 0.3, 0.0) if self._known else previous
        self._begin = beginning(begin, settings.whitening)

    def run(self, strategy: Any) -> _Judged:
        settings = self._settings
        run = train(self._lesson(), self._judge, settings, strategy, self._seed)
        told = f"epoch {run.epoch} of {len(run.losses) - 1}, loss {run.losses[0]:.4f} -> {run.losses[run.epoch]:.4f}"
        print(f"challenger {self._seed + 1} of {settings.seeds}: {told}", file=sys.stderr, flush=True)
        mapped = self._after(run.matrix)
        return _Judged(
            run,
            mapped,
            tuple(self._loss(mapped, shrinkage) for shrinkage in settings.shrinkages),
            tuple(self._loss(self._as_it_is, shrinkage) for shrinkage in settings.shrinkages),
            verification_loss(self._previous, self._held),
            self._known,
        )

    @property
    def _as_it_is(self) -> Map:
        return Map(np.eye(self._learned.dim), np.zeros(self._learned.dim))

    def _lesson(self) -> Lesson:
        fleet, previous = self._learned, self._previous
        h = np.asarray(self._begin(fleet.x), np.float32)
        before = np.asarray((fleet.x - previous.mean) @ previous.transform.T, np.float32)
        owners = np.unique(fleet.owners, return_inverse=True)[1].astype(np.int32)
        old = np.ones(len(h), np.bool_) if fleet.old is None else fleet.old
        return Lesson(h, owners, old, before, self._teacher)

    def _judge(self, matrix: Floats) -> float:
        """While it is learned, a map is judged at a shrinkage from the middle; at all of them in the end."""
        shrinkages = self._settings.shrinkages
        return self._loss(self._after(matrix), shrinkages[len(shrinkages) // 2])

    def _after(self, matrix: Floats) -> Map:
        return Map(np.asarray(matrix.astype(np.float64) @ self._begin.matrix), self._begin.mean)

    def _loss(self, mapped: Map, shrinkage: float) -> float:
        head = fit(self._learned, mapped, self._previous.embedder_id, shrinkage, self._settings.quality_power)
        return verification_loss(head, self._held)


def _combined(runs: Sequence[_Judged], settings: ChallengerSettings) -> Map:
    if settings.combine == "best":
        return min(runs, key=lambda run: min(run.losses)).mapped
    return averaged([run.mapped for run in runs])
