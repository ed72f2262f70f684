"""A linear head trained by CosFace: cosine after a learned map.

Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018 (arXiv 1801.09414): a softmax over
the fleet's people of s (cos - m for the right one). The map begins as the identity about the fleet's mean, so that an
untrained one is centred cosine; Adam (Kingma & Ba, 2015) with decoupled decay towards that beginning. Written in numpy:
a matrix of 192 x 192 needs no framework, and the gradient is checked by a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.bench.features import Faces
from trainer.bench.rivals.way import Doubles, Learner, Way, normalized, pooled_within

_BATCH = 256
_SEED = 18_01


@dataclass(frozen=True, slots=True)
class CosFaceSettings:
    """scale, margin: the paper's s and m. epochs: over the fleet. rate: Adam's. decay: towards the identity, a step."""

    epochs: int
    margin: float = 0.2
    scale: float = 30.0
    rate: float = 1e-3
    decay: float = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class LinearCosine:
    """mean: `(D,)`. matrix: `(D, D)`."""

    mean: Doubles
    matrix: Doubles

    @property
    def independent(self) -> bool:
        return True

    def scores(self, table: Sequence[Faces], probes: Faces) -> Doubles:
        rows = normalized(np.stack([self._seen(faces.x).mean(axis=0) for faces in table]))
        return np.asarray(self._seen(probes.x) @ rows.T)

    def _seen(self, x: NDArray[Any]) -> Doubles:
        return normalized((x - self.mean) @ self.matrix)


def learn_cosface(faces: Faces, owners: NDArray[np.intp], settings: CosFaceSettings) -> Way:
    """Raises:
    ValueError: nobody has two faces.
    """
    mean, _ = pooled_within(faces.x, owners)
    x = normalized(faces.x - mean)
    names, labels = np.unique(owners, return_inverse=True)
    centres = normalized(np.stack([x[labels == place].mean(axis=0) for place in range(len(names))]))
    random = np.random.default_rng(_SEED)
    identity = np.eye(x.shape[1])
    weights = [identity.copy(), centres]
    adam = _Adam(weights, settings.rate)
    for _ in range(settings.epochs):
        for batch in np.array_split(random.permutation(len(x)), max(1, len(x) // _BATCH)):
            _, gradients = loss_and_gradients(weights[0], weights[1], x[batch], labels[batch], settings)
            adam.step(weights, gradients)
            weights[0] += settings.decay * (identity - weights[0])
    return LinearCosine(mean, weights[0])


def loss_and_gradients(
    matrix: Doubles, centres: Doubles, x: Doubles, labels: NDArray[np.intp], settings: CosFaceSettings
) -> tuple[float, list[Doubles]]:
    """Mean loss of a batch with its gradients by matrix `(D, D)` and by the people's centres `(C, D)`."""
    projected = x @ matrix
    lengths, widths = (np.linalg.norm(a, axis=1, keepdims=True) for a in (projected, centres))
    seen, people = projected / lengths, centres / widths
    cosines, rows = seen @ people.T, np.arange(len(x))
    logits = settings.scale * cosines
    logits[rows, labels] -= settings.scale * settings.margin
    logits -= logits.max(axis=1, keepdims=True)
    shares = np.exp(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    loss = -float(np.log(shares[rows, labels]).mean())
    shares[rows, labels] -= 1
    by_cosine = shares * (settings.scale / len(x))
    by_seen, by_people = by_cosine @ people, by_cosine.T @ seen
    return loss, [x.T @ _through_length(by_seen, seen, lengths), _through_length(by_people, people, widths)]


def _through_length(gradient: Doubles, units: Doubles, lengths: Doubles) -> Doubles:
    """From the gradient by unit vectors to that by what they were before normalization."""
    return np.asarray((gradient - units * (gradient * units).sum(axis=1, keepdims=True)) / lengths)


class _Adam:
    """Adam with the paper's constants."""

    def __init__(self, weights: Sequence[Doubles], rate: float) -> None:
        self._rate, self._steps = rate, 0
        self._first = [np.zeros_like(w) for w in weights]
        self._second = [np.zeros_like(w) for w in weights]

    def step(self, weights: Sequence[Doubles], gradients: Sequence[Doubles]) -> None:
        self._steps += 1
        for place, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            first, second = self._first[place], self._second[place]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            corrected = np.sqrt(second / (1 - 0.999**self._steps)) + 1e-8
            np.subtract(weight, self._rate * first / (1 - 0.9**self._steps) / corrected, out=weight)


COSFACE = Learner(tuple(CosFaceSettings(epochs, margin) for epochs in (4, 12) for margin in (0.3, 0.5)), learn_cosface)
