"""The last layers of a recognizer over a frozen embedder, trained when somebody joins: a softmax over people.

Plain numpy, since they are small: 300 steps of Adam over a table of a thousand people take seconds. What a loss asks
for beside the right answer (the old answers, the old weights) comes in as a function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Floats

Labels: TypeAlias = NDArray[np.intp]
Parameters: TypeAlias = dict[str, Floats]
# Of hidden features, logits and labels to the gradient by the logits, `(n, C)`, of the mean over the batch.
LogitGradient: TypeAlias = Callable[[Floats, Floats, Labels], Floats]
# Of the parameters to a gradient that is added to each step's.
Pull: TypeAlias = Callable[[Parameters], Parameters]

_BETA1, _BETA2, _TINY = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True)
class Recipe:
    """How everything here is trained. Chosen on the fleet list's people, for the best joint training.

    scale: what unit embeddings are multiplied with. steps: of Adam, with a rate that falls to 0 along a cosine.
    decay: pull of all weights towards 0.
    """

    scale: float = 24.0
    steps: int = 300
    batch: int = 128
    rate: float = 0.005
    decay: float = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """weights `(C, D)` and bias `(C,)` of the softmax; dense `(D, D)` of a layer before it, or none. people: C of them.

    mean: `(D,)` subtracted from embeddings. Parameters are never changed in place.
    """

    parameters: Parameters
    mean: Floats
    recipe: Recipe

    @classmethod
    def new(cls, people: int, mean: Floats, recipe: Recipe, random: np.random.Generator, *, dense: bool) -> Network:
        """Small random weights; the dense layer begins as the identity, so that it changes nothing before it learns."""
        dim = len(mean)
        parameters = {"weights": _small(people, dim, random), "bias": np.zeros(people, np.float32)}
        if dense:
            parameters["dense"] = np.eye(dim, dtype=np.float32)
        return cls(parameters, mean, recipe)

    @property
    def people(self) -> int:
        return len(self.parameters["bias"])

    def widened(self, people: int, random: np.random.Generator) -> Network:
        """With a row more for each new person; the old rows stay as they are."""
        weights = np.concatenate([self.parameters["weights"], _small(people, len(self.mean), random)])
        bias = np.concatenate([self.parameters["bias"], np.zeros(people, np.float32)])
        return replace(self, parameters={**self.parameters, "weights": weights, "bias": bias})

    def logits(self, x: Floats) -> Floats:
        """`(n, C)` of unit embeddings `(n, D)`."""
        return self._forward(self.parameters, self._input(x))[1]

    def trained(
        self, x: Floats, labels: Labels, random: np.random.Generator, gradient: LogitGradient, pull: Pull | None = None
    ) -> Network:
        """x: `(n, D)` unit embeddings. labels: `(n,)` rows of the softmax."""
        recipe, inputs = self.recipe, self._input(x)
        parameters = {name: value.copy() for name, value in self.parameters.items()}
        adam = _Adam(parameters)
        for step in range(recipe.steps):
            chosen = random.permutation(len(x))[: recipe.batch]
            gradients = self._gradients(parameters, inputs[chosen], labels[chosen], gradient)
            for name, extra in (pull(parameters) if pull else {}).items():
                gradients[name] += extra
            adam.step(parameters, gradients, recipe.rate * (1 + np.cos(np.pi * step / recipe.steps)) / 2)
        return replace(self, parameters=parameters)

    def squared_gradients(self, x: Floats, labels: Labels) -> Parameters:
        """The diagonal of the empirical Fisher information: each parameter's squared gradient, mean over pictures."""
        hidden, logits = self._forward(self.parameters, self._input(x))
        by_logit = softmax(logits) - _one_hot(labels, self.people)
        squared = np.asarray(by_logit**2)
        # Of a linear layer an example's gradient is an outer product, whose square is the squares' outer product.
        return {"weights": squared.T @ hidden**2 / len(x), "bias": squared.mean(axis=0)}

    def _input(self, x: Floats) -> Floats:
        return np.asarray((x - self.mean) * np.float32(self.recipe.scale), np.float32)

    def _forward(self, parameters: Parameters, inputs: Floats) -> tuple[Floats, Floats]:
        hidden = inputs @ parameters["dense"].T if "dense" in parameters else inputs
        return hidden, hidden @ parameters["weights"].T + parameters["bias"]

    def _gradients(self, parameters: Parameters, inputs: Floats, labels: Labels, by: LogitGradient) -> Parameters:
        hidden, logits = self._forward(parameters, inputs)
        by_logit = by(inputs / np.float32(self.recipe.scale) + self.mean, logits, labels)
        decay = np.float32(self.recipe.decay)
        found = {
            "weights": by_logit.T @ hidden + decay * parameters["weights"],
            "bias": by_logit.sum(axis=0),
        }
        if "dense" in parameters:
            found["dense"] = (by_logit @ parameters["weights"]).T @ inputs
        return found


class _Adam:
    """Adam (Kingma & Ba 2015), in place."""

    def __init__(self, parameters: Parameters) -> None:
        self._first = {name: np.zeros_like(value) for name, value in parameters.items()}
        self._second = {name: np.zeros_like(value) for name, value in parameters.items()}
        self._steps = 0

    def step(self, parameters: Parameters, gradients: Parameters, rate: float) -> None:
        self._steps += 1
        size = rate * np.sqrt(1 - _BETA2**self._steps) / (1 - _BETA1**self._steps)
        for name, gradient in gradients.items():
            first, second = self._first[name], self._second[name]
            first += (1 - _BETA1) * (gradient - first)
            second += (1 - _BETA2) * (gradient**2 - second)
            parameters[name] -= np.float32(size) * first / (np.sqrt(second) + np.float32(_TINY))


def cross_entropy(_: Floats, logits: Floats, labels: Labels) -> Floats:
    """The gradient of asking for the right answer alone."""
    return np.asarray((softmax(logits) - _one_hot(labels, logits.shape[1])) / np.float32(len(labels)))


def softmax(logits: Floats) -> Floats:
    """`(n, C)`, each row sums to 1."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _one_hot(labels: Labels, people: int) -> Floats:
    wanted = np.zeros((len(labels), people), np.float32)
    wanted[np.arange(len(labels)), labels] = 1
    return wanted


def _small(people: int, dim: int, random: np.random.Generator) -> Floats:
    return random.normal(0, 0.01, (people, dim)).astype(np.float32)
