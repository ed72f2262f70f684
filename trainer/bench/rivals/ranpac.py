"""RanPAC: a fixed random layer and a ridge regression onto who it is.

McDonnell et al., "RanPAC: Random Projections and Pre-trained Models for Continual Learning", NeurIPS 2023 (arXiv
2307.02251): h = relu(x R), scores h (G + l I)^-1 C with G the sum of h'h and C of h'y over all pictures so far.
`fleet` counts the fleet's pictures into G as the tasks before this table; without them it is learned from the table's
own pictures alone. With A = G_fleet + l I and H the table's h, (A + H'H)^-1 H' = A^-1 H' (I + H A^-1 H')^-1, so that
a table costs no more than its own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.bench.features import Faces
from trainer.bench.rivals.way import Doubles, Learner, Way

_WIDTH = 2048  # the paper's 10 000 are for 768 dimensions
_SEED = 23_07


@dataclass(frozen=True, slots=True)
class RanpacSettings:
    """ridge: the paper's l, of a G scaled to a mean square of 1 a picture. fleet: whether G counts it."""

    ridge: float
    fleet: bool


@dataclass(frozen=True, slots=True, eq=False)
class Ranpac:
    """layer: `(D, M)`. inverse: `(M, M)`, A^-1; None where A is `ridge` I."""

    layer: Doubles
    ridge: float
    inverse: Doubles | None

    @property
    def independent(self) -> bool:
        return False

    def scores(self, table: Sequence[Faces], probes: Faces) -> Doubles:
        hidden = _hidden(np.concatenate([faces.x for faces in table]), self.layer)
        owners = np.repeat(np.arange(len(table)), [len(faces) for faces in table])
        weighted = hidden.T / self.ridge if self.inverse is None else self.inverse @ hidden.T
        answers = np.linalg.solve(hidden @ weighted + np.eye(len(hidden)), np.eye(len(table))[owners])
        return np.asarray(_hidden(probes.x, self.layer) @ (weighted @ answers))


def learn_ranpac(faces: Faces, owners: NDArray[np.intp], settings: RanpacSettings) -> Way:
    """owners: not used, since G does not ask who it is."""
    del owners
    layer = np.random.default_rng(_SEED).standard_normal((faces.x.shape[1], _WIDTH))
    if not settings.fleet:
        return Ranpac(layer, settings.ridge, None)
    hidden = _hidden(faces.x, layer)
    return Ranpac(layer, settings.ridge, _inverse(hidden, settings.ridge))


def _inverse(hidden: Doubles, ridge: float) -> Doubles:
    """(H'H + l I)^-1, through the smaller of its two sides."""
    count, width = hidden.shape
    if count >= width:
        return np.asarray(np.linalg.inv(hidden.T @ hidden + ridge * np.eye(width)))
    among = hidden @ hidden.T + ridge * np.eye(count)
    return np.asarray((np.eye(width) - hidden.T @ np.linalg.solve(among, hidden)) / ridge)


def _hidden(x: NDArray[Any], layer: Doubles) -> Doubles:
    """Scaled so that a picture's mean square is about 1 over the whole layer."""
    return np.asarray(np.maximum(x.astype(np.float64) @ layer, 0) * np.sqrt(2 / layer.shape[1]))


RANPAC = Learner(tuple(RanpacSettings(r, fleet=True) for r in (0.003, 0.03, 0.1, 1.0)), learn_ranpac)
RANPAC_TABLE = Learner(tuple(RanpacSettings(r, fleet=False) for r in (1e-4, 1e-3, 1e-2, 0.1)), learn_ranpac)
