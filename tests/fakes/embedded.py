"""Lists of embedded pictures of people who do not exist, for benches that measure on embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.recognition.types import Floats
from trainer.bench.data import Enrollee
from trainer.bench.features import CLEAN, NIGHT, QUALITY, Faces, ListFeatures


def faces(x: Floats, norms: Floats | None = None) -> Faces:
    """x: `(n, D)` of any length."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    told = np.full(len(x), 60, np.float32) if norms is None else norms
    return Faces(unit.astype(np.float32), told, np.zeros((len(x), len(QUALITY)), np.float32))


def listed(
    counts: Sequence[int], *, dim: int = 32, noise: float = 0.4, seed: int = 0, faceless: Sequence[int] = ()
) -> ListFeatures:
    """So many pictures of each person, `SEED/person N`, with a night view each. faceless: places without a face."""
    random = np.random.default_rng(seed)
    owner = np.repeat(np.arange(len(counts)), counts)
    centres = random.standard_normal((len(counts), dim))
    clean, night = (
        centres[owner] + spread * random.standard_normal((len(owner), dim)) for spread in (noise, 2 * noise)
    )
    found = ~np.isin(np.arange(len(owner)), faceless)
    shown = {CLEAN: (faces(clean * found[:, None]),), NIGHT: (faces(night * found[:, None]),)}
    names = tuple(f"{seed}/person {n}" for n in owner)
    return ListFeatures(tuple(f"{name}/{at}" for at, name in enumerate(names)), names, found, shown)


def enrollees(of: ListFeatures, shots: int = 3) -> list[Enrollee]:
    """Its people with their first pictures as shots; two in a session."""
    people: dict[str, list[str]] = {}
    for path, owner in zip(of.paths, of.owners, strict=True):
        people.setdefault(owner, []).append(path)
    return [
        Enrollee(who, number // 2, tuple(paths[:shots]), tuple(paths[shots:]))
        for number, (who, paths) in enumerate(people.items())
    ]
