"""People who do not exist, any number of them, as arrays and as the reports of doors. No real face is behind one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from edge.contract.fleet import FleetExemplar, FleetView, PersonReport, text_of
from edge.recognition.types import Floats
from edge.store.codec import quantize
from edge.store.keys import DeviceKey
from trainer.statistics import Statistics
from trainer.store.store import FleetStore

DIM = 192
VIEWS = 9  # three pictures, each clean and twice by night
EMBEDDER = "0" * 64
_CHUNK = 1000
_DAY, _A_DAY = datetime(2030, 1, 1, tzinfo=UTC), timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """Draws people: means spread by a falling spectrum, pictures around them by another, norms beside."""

    seed: int

    def people(self, first: int, count: int) -> tuple[Floats, Floats, NDArray[np.intp]]:
        """Views `(n, D)` of length 1, norms, owners: the same for the same numbers, whatever was drawn before."""
        random = np.random.default_rng([self.seed, first])
        centres = random.standard_normal((count, 1, DIM), np.float32) * np.linspace(1, 0.1, DIM, dtype=np.float32)
        noise = random.standard_normal((count, VIEWS, DIM), np.float32) * np.linspace(0.3, 0.6, DIM, dtype=np.float32)
        x = (centres + noise).reshape(-1, DIM)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        norms = random.uniform(30, 90, len(x)).astype(np.float32)
        return x, norms, np.repeat(np.arange(count), VIEWS)

    def sums(self, first: int, count: int) -> Statistics:
        return Statistics.of_people(*self.people(first, count))


def open_empty(folder: Path) -> FleetStore:
    """A new SQLite store in a folder, under a key of its own."""
    return FleetStore.open(f"sqlite:///{folder}/fleet.db", DeviceKey.generate())


def tell(store: FleetStore, fleet: Simulated, first: int, count: int) -> None:
    """People told to the store as doors do, some thousand a transaction."""
    for start in range(first, first + count, _CHUNK):
        some = min(_CHUNK, first + count - start)
        x, norms, _ = fleet.people(start, some)
        views = [_view(row, float(norm)) for row, norm in zip(x, norms, strict=True)]
        with store.write() as writer:
            for number in range(some):
                writer.person(_person(start + number, views[number * VIEWS : (number + 1) * VIEWS]))


def _person(number: int, views: Sequence[FleetView]) -> PersonReport:
    exemplars = tuple(
        FleetExemplar(
            exemplar=f"e{number}-{start}",
            taken_at=_DAY + start * _A_DAY,
            clean=views[start],
            night=tuple(views[start + 1 : start + 3]),
        )
        for start in range(0, VIEWS, 3)
    )
    return PersonReport(
        report=UUID(int=number + 1),
        door="bench",
        person=f"p{number}",
        revision=1,
        at=_DAY,
        clock_set=True,
        embedder_sha256=EMBEDDER,
        runtime="simulated",
        verified=True,
        exemplars=exemplars,
    )


def _view(x: Floats, norm: float) -> FleetView:
    levels, scale = quantize(x)
    good = {"width_px": 90.0, "eye_distance_px": 40.0, "sharpness": 100.0, "brightness": 120.0, "contrast": 40.0}
    return FleetView(
        x=text_of(levels.tobytes()), scale=scale, norm=norm, clipped=0.0, away_deg=5.0, presence=1.0, **good
    )
