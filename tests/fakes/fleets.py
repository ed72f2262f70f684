"""Fleets of people who do not exist: embeddings with a known spread within and between people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trainer.challengers.fleet import Fleet
from trainer.distill import HeadParameters, distill
from trainer.statistics import Statistics

DIM = 16


def fleet(
    people: int = 60, views: int = 6, *, seed: int = 0, old: int | None = None, dim: int = DIM, noise: float = 0.5
) -> Fleet:
    """Unit vectors; two views of each picture. old: so many of the people were there before; None for unsaid."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((people, dim)) * np.linspace(2, 0.3, dim)
    owners = np.repeat(np.arange(people), views)
    x = centres[owners] + noise * random.standard_normal((len(owners), dim)) * np.linspace(0.3, 1.5, dim)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    norms = random.uniform(40, 90, len(owners))
    pictures = np.arange(len(owners), dtype=np.intp) // 2
    known: NDArray[np.bool_] | None = None if old is None else owners < old
    return Fleet(unit.astype(np.float32), norms.astype(np.float32), owners, pictures, known)


def closed_form(of: Fleet) -> HeadParameters:
    """The head that is learned from a fleet without any training."""
    return distill(Statistics.of_people(of.x, of.norms, of.owners), "embedder")


def poor_head(of: Fleet) -> HeadParameters:
    """A head that takes what differs most within people for what tells them apart: it can only be bettered."""
    return replace(closed_form(of), transform=np.diag(np.linspace(0.2, 5, of.dim)), beta=np.ones(of.dim))
