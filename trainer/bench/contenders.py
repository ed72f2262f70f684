"""The ways to compare that open-set benches measure: what ships, what is learned on the spot, and the rivals."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from edge.inference.spec import ModelSpec
from trainer.bench.features import Faces
from trainer.bench.heads import CENTRED, LEARNED, RAW, all_heads
from trainer.bench.rivals.cosface import COSFACE
from trainer.bench.rivals.fecam import FECAM
from trainer.bench.rivals.ranpac import RANPAC, RANPAC_TABLE
from trainer.bench.rivals.slda import SLDA
from trainer.bench.rivals.way import HeadWay, Learner, Way
from trainer.distill import DistillSettings, distill
from trainer.statistics import Statistics

SHIPPED_HEAD, LEARNED_HERE, NO_QUALITY = "PLDA-q, shipped", "PLDA-q, learned here", "PLDA, no quality"
TABLE_ALONE = "RanPAC, table alone"  # the one way that learns from nobody but the table


def learn_plda(faces: Faces, owners: NDArray[np.intp], settings: DistillSettings) -> Way:
    """The trainer's own head, from these people.

    Raises:
        ValueError: fewer than two people, or nobody with two pictures that differ.
    """
    statistics = Statistics.of_people(faces.x, faces.norms, owners)
    return HeadWay(distill(statistics, "bench", settings).head())


LEARNERS = {
    LEARNED_HERE: Learner(
        tuple(DistillSettings(w, p) for w, p in product((0.03, 0.1, 0.3), (0.0, 0.3, 0.6, 1.0, 1.3))), learn_plda
    ),
    NO_QUALITY: Learner(tuple(DistillSettings(w, 0.0) for w in (0.03, 0.1, 0.3)), learn_plda),
    "RanPAC": RANPAC,
    TABLE_ALONE: RANPAC_TABLE,
    "SLDA": SLDA,
    "FeCAM": FECAM,
    "CosFace linear": COSFACE,
}
WAYS = (RAW, CENTRED, SHIPPED_HEAD, *LEARNERS)


def shipped_ways(embedder: ModelSpec) -> dict[str, Way]:
    """The cosines and the head as doors have them.

    Raises:
        ModelError: the head or the cohort is missing, damaged, or of another embedder.
    """
    heads = all_heads(embedder)
    return {name: HeadWay(heads[of]) for name, of in ((RAW, RAW), (CENTRED, CENTRED), (SHIPPED_HEAD, LEARNED))}
