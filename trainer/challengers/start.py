"""Where a challenger's map begins and how several runs' maps become one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.challengers.fit import Map
from trainer.distill import HeadParameters


def beginning(head: HeadParameters, whitening: float) -> Map:
    """A head's transform as a map, its singular values raised to a power.

    whitening: 1 gives the transform itself, whose space is round within people; 0 only turns it, so that the map
    begins as the embedder's own space. PLDA follows the map with a W that is drawn towards a sphere, and a sphere of a
    space in between tells held-out people apart best.
    """
    left, sizes, right = np.linalg.svd(head.transform.astype(np.float64))
    scale = sizes**whitening
    return Map(np.asarray((left * (scale / scale.mean())) @ right), head.mean.astype(np.float64))


def averaged(maps: Sequence[Map]) -> Map:
    """One map that sees on average the distances that they see.

    It is their mean metric's root: maps that only differ by a turn are the same, so they need not begin at one place.
    """
    metric = np.mean([m.matrix.T @ m.matrix for m in maps], axis=0)
    values, vectors = np.linalg.eigh(metric)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return Map(np.asarray(root), np.mean([m.mean for m in maps], axis=0))
