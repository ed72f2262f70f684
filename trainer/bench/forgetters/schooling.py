"""Every trained way at the start of a course: all know the same people, learned from the same pictures alike."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge.recognition.types import Floats
from trainer.bench.forgetters.course import Course
from trainer.bench.forgetters.network import Network, Recipe, cross_entropy
from trainer.bench.forgetters.ways import Consolidated, Joint, Replaced, Replayed, Tuned, Way, WithoutForgetting

REPLACED = "(a) last layer replaced"
TUNED = "(b) last layers tuned on the new"
WIDENED = "(c) one-hot widened with zeros"
LWF, EWC = "LwF", "EWC"
REPLAYED = "replay, 1 picture each"
JOINT = "joint retraining"
TRAINED = (REPLACED, TUNED, WIDENED, LWF, EWC, REPLAYED, JOINT)


def trained_ways(course: Course, mean: Floats, recipe: Recipe, seed: int) -> Iterator[tuple[str, Way]]:
    """In the order of TRAINED. mean: `(D,)` of faces in general. Each has randomness of its own."""
    faces, labels = next(course.lessons())
    people = len(course.steps[0])

    def random(place: int) -> np.random.Generator:
        return np.random.default_rng([seed, place])

    def start(*, dense: bool) -> Network:
        network = Network.new(people, mean, recipe, random(0), dense=dense)
        return network.trained(faces.x, labels, random(1), cross_entropy)

    plain = start(dense=False)
    yield REPLACED, Replaced(plain, random(2))
    yield TUNED, Tuned(start(dense=True), random(3))
    yield WIDENED, Tuned(plain, random(4))
    yield LWF, WithoutForgetting(plain, random(5))
    yield EWC, Consolidated(plain, random(6), faces, labels)
    yield REPLAYED, Replayed(plain, random(7), faces, labels)
    yield JOINT, Joint(plain, random(8), faces, labels)
