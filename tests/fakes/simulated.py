"""People who do not exist, drawn from a known two-covariance model: what a trainer learns from, with the truth beside.

Embeddings of `people` are not of length 1: heads do not mind. Those of a `SimulatedFleet` are, as messages want them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from edge.contract.fleet import FleetExemplar, FleetView, PersonReport, text_of
from edge.recognition.types import Embedding, Floats
from edge.store.codec import quantize
from trainer.distill import HeadParameters, diagonalize, quality_model
from trainer.statistics import Doubles, Statistics
from trainer.trials import TrialPerson

DIM = 24
EMBEDDER = "e" * 64
BETWEEN: Doubles = np.linspace(1.0, 0.3, DIM)
WITHIN: Doubles = np.linspace(0.03, 0.6, DIM)
NORM = 60.0
VISITED = datetime(2031, 5, 4, 7, 30, tzinfo=UTC)


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


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedFleet:
    """People as a head thinks they are, seen by cameras that it does not know: their pictures differ otherwise.

    strange: how many times the variance within a person is larger than the head thinks, in every fourth direction.
    """

    head: HeadParameters
    strange: float = 6.0

    def reports(self, door: str, count: int, seed: int, pictures: int = 5) -> Iterator[PersonReport]:
        """What a door with so many people tells; each has pictures of two visits, clean and two times as by night."""
        random = np.random.default_rng(seed)
        back = np.linalg.inv(self.head.transform)
        spread = np.where(np.arange(len(self.head.beta)) % 4 == 0, self.strange, 1.0) ** 0.5
        for number in range(count):
            centre = random.standard_normal(len(spread)) * np.sqrt(self.head.beta)
            noise = random.standard_normal((pictures, 3, len(spread))) * spread
            noise[:, 1:] = noise[:, :1] + 0.7 * noise[:, 1:]
            x = self.head.mean + (centre + 0.8 * noise) @ back.T
            yield self._report(door, f"p_{seed}_{number}", x)

    def _report(self, door: str, person: str, x: Doubles) -> PersonReport:
        exemplars = tuple(
            FleetExemplar(
                exemplar=f"{person}_{number}",
                taken_at=VISITED + timedelta(days=3 * (number // 3), seconds=number),
                clean=_view(views[0], 70.0),
                night=tuple(_view(view, 50.0) for view in views[1:]),
            )
            for number, views in enumerate(x)
        )
        return PersonReport(
            report=uuid5(NAMESPACE_OID, f"{door} {person}"),
            door=door,
            person=person,
            revision=1,
            at=VISITED,
            clock_set=True,
            embedder_sha256=self.head.embedder_id,
            runtime="ai-edge-litert 2.3.0",
            verified=True,
            exemplars=exemplars,
        )


def _view(x: Doubles, norm: float) -> FleetView:
    levels, scale = quantize((x / np.linalg.norm(x)).astype(np.float32))
    return FleetView(
        x=text_of(levels.tobytes()),
        scale=scale,
        norm=norm,
        width_px=90.0,
        eye_distance_px=40.0,
        sharpness=120.0,
        brightness=120.0,
        contrast=40.0,
        clipped=0.0,
        away_deg=5.0,
        presence=0.99,
    )
