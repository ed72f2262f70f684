"""The ways to add people, each with what it may look at: the new people's pictures, and what it kept of the old.

The three of the question (a last layer replaced, last layers tuned, one-hot vectors widened), three from the
literature (LwF 1606.09282, EWC 1612.00796, replay as in iCaRL 1611.07725), joint retraining, and the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from edge.recognition.scoring import Head
from edge.recognition.types import Floats
from trainer.bench.features import Faces
from trainer.bench.forgetters.network import Labels, Network, Parameters, cross_entropy, softmax

_TEMPERATURE = 2.0  # of the answers that are kept, as in LwF
# How much they count. Chosen on the fleet list's people for the best average incremental accuracy, among 0.3 to 1e4
# and 10 to 1e7. With the usual 1e3 EWC forgets most of the old people, with the usual 1 LwF up to a quarter.
_OLD_ANSWERS = 1e3
_OLD_WEIGHTS = 1e7


class Way(Protocol):
    """A recognizer to which people are added. People are columns, counted from 0 in the order that they joined."""

    def add(self, faces: Faces, labels: Labels) -> None:
        """People who join, with what the way is given of them: `(n,)` labels go on from those before."""
        ...

    def scores(self, probes: Faces) -> Floats:
        """`(P, C)` against everybody who has joined; -inf for somebody it can no longer name."""
        ...


@dataclass(slots=True, eq=False)
class Tuned:
    """Widens the softmax and trains on the new people's pictures alone: (c), and with a dense layer (b)."""

    network: Network
    random: np.random.Generator

    def add(self, faces: Faces, labels: Labels) -> None:
        wide = self.network.widened(_new(labels), self.random)
        self.network = wide.trained(faces.x, labels, self.random, cross_entropy)

    def scores(self, probes: Faces) -> Floats:
        return self.network.logits(probes.x)


@dataclass(slots=True, eq=False)
class Replaced:
    """Puts a new softmax, over the new people, in the last layer's place: (a)."""

    network: Network
    random: np.random.Generator
    before: int = 0

    def add(self, faces: Faces, labels: Labels) -> None:
        self.before += self.network.people
        fresh = Network.new(_new(labels), self.network.mean, self.network.recipe, self.random, dense=False)
        self.network = fresh.trained(faces.x, labels - self.before, self.random, cross_entropy)

    def scores(self, probes: Faces) -> Floats:
        known = self.network.logits(probes.x)
        return np.concatenate([np.full((len(known), self.before), -np.inf, np.float32), known], axis=1)


@dataclass(slots=True, eq=False)
class WithoutForgetting:
    """LwF: on the new people's pictures, the old people's answers are to stay what they were."""

    network: Network
    random: np.random.Generator

    def add(self, faces: Faces, labels: Labels) -> None:
        wide = self.network.widened(_new(labels), self.random)
        self.network = wide.trained(faces.x, labels, self.random, _KeptAnswers(self.network))

    def scores(self, probes: Faces) -> Floats:
        return self.network.logits(probes.x)


@dataclass(slots=True, eq=False)
class Consolidated:
    """EWC: weights that the old people's answers hang on are held where they were."""

    network: Network
    random: np.random.Generator
    faces: Faces
    labels: Labels
    _held: list[tuple[Parameters, Parameters]] = field(default_factory=list)

    def add(self, faces: Faces, labels: Labels) -> None:
        # What was learned last is weighed now, when its pictures are about to be gone.
        self._held.append((self.network.parameters, self.network.squared_gradients(self.faces.x, self.labels)))
        wide = self.network.widened(_new(labels), self.random)
        self.network = wide.trained(faces.x, labels, self.random, cross_entropy, self._pull)
        self.faces, self.labels = faces, labels

    def scores(self, probes: Faces) -> Floats:
        return self.network.logits(probes.x)

    def _pull(self, parameters: Parameters) -> Parameters:
        pulls = {name: np.zeros_like(value) for name, value in parameters.items()}
        for kept, importance in self._held:
            for name, weight in importance.items():
                old = len(weight)
                pulls[name][:old] += np.float32(_OLD_WEIGHTS) * weight * (parameters[name][:old] - kept[name])
        return pulls


@dataclass(slots=True, eq=False)
class Replayed:
    """One picture of everybody is kept, the one nearest their mean, and shown again; old answers are kept as in LwF."""

    network: Network
    random: np.random.Generator
    faces: Faces
    labels: Labels

    def __post_init__(self) -> None:
        self.faces, self.labels = _one_each(self.faces, self.labels)

    def add(self, faces: Faces, labels: Labels) -> None:
        both, whose = Faces.joined([self.faces, faces]), np.concatenate([self.labels, labels])
        wide = self.network.widened(_new(labels), self.random)
        self.network = wide.trained(both.x, whose, self.random, _KeptAnswers(self.network))
        fresh, theirs = _one_each(faces, labels)
        self.faces, self.labels = Faces.joined([self.faces, fresh]), np.concatenate([self.labels, theirs])

    def scores(self, probes: Faces) -> Floats:
        return self.network.logits(probes.x)


@dataclass(slots=True, eq=False)
class Joint:
    """Everything is kept and learned anew each time: the most that training can do."""

    network: Network
    random: np.random.Generator
    faces: Faces
    labels: Labels

    def add(self, faces: Faces, labels: Labels) -> None:
        self.faces, self.labels = Faces.joined([self.faces, faces]), np.concatenate([self.labels, labels])
        people = self.network.people + _new(labels)
        fresh = Network.new(people, self.network.mean, self.network.recipe, self.random, dense=False)
        self.network = fresh.trained(self.faces.x, self.labels, self.random, cross_entropy)

    def scores(self, probes: Faces) -> Floats:
        return self.network.logits(probes.x)


@dataclass(slots=True, eq=False)
class Table:
    """A row for each person, by the head that a door runs; nothing is trained."""

    head: Head
    _rows: list[Floats] = field(default_factory=list)

    def add(self, faces: Faces, labels: Labels) -> None:
        projected = [self.head.project(embedding) for embedding in faces.embeddings()]
        for label in np.unique(labels):
            self._rows.append(self.head.row([projected[place] for place in np.flatnonzero(labels == label)]))

    def scores(self, probes: Faces) -> Floats:
        return self.head.scores(np.stack(self._rows), [self.head.project(e) for e in probes.embeddings()])


class _KeptAnswers:
    """The gradient of asking for the right answer and for what a network said before of those it knew (Hinton 2015)."""

    def __init__(self, before: Network) -> None:
        self._before = before

    def __call__(self, x: Floats, logits: Floats, labels: Labels) -> Floats:
        gradient, known = cross_entropy(x, logits, labels), self._before.people
        wanted = softmax(self._before.logits(x) / _TEMPERATURE)
        found = softmax(logits[:, :known] / _TEMPERATURE)
        gradient[:, :known] += np.float32(_OLD_ANSWERS * _TEMPERATURE / len(labels)) * (found - wanted)
        return gradient


def _new(labels: Labels) -> int:
    return len(np.unique(labels))


def _one_each(faces: Faces, labels: Labels) -> tuple[Faces, Labels]:
    kept = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        mean = faces.x[places].mean(axis=0)
        kept.append(places[int((faces.x[places] @ mean).argmax())])
    return faces.of(kept), labels[kept]
