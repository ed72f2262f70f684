"""People who do not exist, drawn from a known two-covariance model: what a trainer learns from, with the truth beside.

Embeddings are not of length 1 here, unless asked for; heads do not mind, messages do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.recognition.types import Embedding, Floats
from trainer.distill import HeadParameters, diagonalize, quality_model
from trainer.statistics import Doubles, Statistics
from trainer.trials import TrialPerson

DIM = 24
EMBEDDER = "e" * 64
BETWEEN: Doubles = np.linspace(1.0, 0.3, DIM)
WITHIN: Doubles = np.linspace(0.03, 0.6, DIM)
NORM = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedPerson:
    """clean: `(n, D)`, one a picture. night: `(n, D)` of the same pictures, three times as far off."""

    name: str
    clean: Floats
    night: Floats

    def trial(self, shots: int = 3) -> TrialPerson:
        clean, night = ([Embedding(row, NORM) for row in rows] for rows in (self.clean, self.night))
        return TrialPerson(self.name, tuple(clean[:shots]), tuple(clean[shots:]), tuple(night[shots:]))

    def statistics(self) -> Statistics:
        views = np.concatenate([self.clean, self.night])
        return Statistics.of_person(views, np.full(len(views), NORM, np.float32))


def people(count: int, seed: int = 0, *, pictures: int = 7, within: Doubles = WITHIN) -> list[SimulatedPerson]:
    """Draw them. within: `(D,)` variances of a clean picture."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        centre = random.standard_normal(DIM) * np.sqrt(BETWEEN)
        noise = random.standard_normal((2, pictures, DIM)) * np.sqrt(within)
        clean, night = centre + noise[0], centre + 1.7 * noise[1]
        made.append(SimulatedPerson(f"p{number}", clean.astype(np.float32), night.astype(np.float32)))
    return made


def head_of(within: Doubles, between: Doubles = BETWEEN) -> HeadParameters:
    """A head that takes these variances, `(D,)` each, for the truth; quality tells it nothing."""
    transform, beta = diagonalize(np.diag(within), np.diag(between))
    quality = quality_model(sum((p.statistics() for p in people(20, seed=1)), Statistics.empty(DIM)), power=0.0)
    return HeadParameters(EMBEDDER, np.zeros(DIM), transform, beta, quality)


TRUE = head_of(WITHIN * (1 + 1.7**2) / 2)
WRONG = head_of(WITHIN[::-1])
