"""People who were never photographed: lists of embeddings as `trainer/bench/features.py` gives them, drawn by number.

Pictures of one person differ along a few directions that all people share, by night far more: what a head can learn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.bench.features import CLEAN, NIGHT, OTHER_NIGHT, QUALITY, Faces, ListFeatures

DIM = 24
_SHARED = 6  # directions along which pictures of anybody differ


def listed(people: int, pictures: int, seed: int, *, views: int = 1, faceless: tuple[int, ...] = ()) -> ListFeatures:
    """So many people with so many pictures each. faceless: places of pictures in which no face is found."""
    random = np.random.default_rng(seed)
    own = np.repeat(random.standard_normal((people, DIM)), pictures, axis=0)
    count = people * pictures
    found = np.ones(count, np.bool_)
    found[list(faceless)] = False
    shown: dict[str, tuple[Faces, ...]] = {CLEAN: (_faces(own, 1.0, 70.0, found, random),)}
    for kind, spread in ((NIGHT, 1.7), (OTHER_NIGHT, 1.9)):
        shown[kind] = tuple(_faces(own, spread, 50.0, found, random) for _ in range(views))
    paths = tuple(f"{seed}-{place // pictures}/{place % pictures}.jpg" for place in range(count))
    return ListFeatures(paths, tuple(path.partition("/")[0] for path in paths), found, shown)


def _faces(
    own: NDArray[Any], spread: float, norm: float, found: NDArray[np.bool_], random: np.random.Generator
) -> Faces:
    noise = 0.25 * spread * random.standard_normal(own.shape)
    noise[:, :_SHARED] *= 6
    x = own + noise + 0.5
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    norms = norm + 5 * random.standard_normal(len(x))
    return Faces(
        np.where(found[:, None], x, 0).astype(np.float32),
        np.where(found, norms, 0).astype(np.float32),
        np.zeros((len(x), len(QUALITY)), np.float32),
    )
