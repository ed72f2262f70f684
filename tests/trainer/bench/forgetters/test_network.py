"""The small softmax that trained ways stand on: its gradients are right, it learns, and it widens without a change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.recognition.types import Floats
from trainer.bench.forgetters.network import Labels, Network, Parameters, Recipe, cross_entropy, softmax

DIM = 6
PEOPLE = 4


def network(seed: int = 0, *, dense: bool = True, recipe: Recipe | None = None) -> Network:
    random = np.random.default_rng(seed)
    new = Network.new(PEOPLE, np.full(DIM, 0.1, np.float32), recipe or Recipe(decay=0.0), random, dense=dense)
    moved = {n: (v + 0.3 * random.standard_normal(v.shape)).astype(np.float32) for n, v in new.parameters.items()}
    return Network(moved, new.mean, new.recipe)


def pictures(seed: int, count: int = 9) -> tuple[Floats, Labels]:
    random = np.random.default_rng(seed)
    x = random.standard_normal((count, DIM)).astype(np.float32)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32), random.integers(0, PEOPLE, count)


def loss(of: Network, parameters: Parameters, x: Floats, labels: Labels) -> float:
    told = Network(parameters, of.mean, of.recipe).logits(x)
    return float(-np.log(softmax(told).astype(np.float64)[np.arange(len(x)), labels]).mean())


@given(st.integers(0, 500), st.booleans())
def test_a_step_follows_the_gradient_of_the_loss(seed: int, dense: bool) -> None:
    of, (x, labels) = network(seed, dense=dense), pictures(seed + 1)
    inputs = (x - of.mean) * np.float32(of.recipe.scale)
    found = of._gradients(of.parameters, inputs, labels, cross_entropy)
    random = np.random.default_rng(seed)
    for name, value in of.parameters.items():
        way = random.standard_normal(value.shape).astype(np.float32)
        way /= np.linalg.norm(way)
        up, down = ({**of.parameters, name: value + sign * np.float32(2e-3) * way} for sign in (1, -1))
        slope = (loss(of, up, x, labels) - loss(of, down, x, labels)) / 4e-3
        assert float((found[name] * way).sum()) == pytest.approx(slope, rel=0.05, abs=0.02)


def test_the_fisher_information_is_the_mean_of_single_pictures_squared_gradients() -> None:
    of, (x, labels) = network(dense=False), pictures(3)
    told = of.squared_gradients(x, labels)
    inputs = (x - of.mean) * np.float32(of.recipe.scale)
    single = [of._gradients(of.parameters, inputs[n : n + 1], labels[n : n + 1], cross_entropy) for n in range(len(x))]
    for name in ("weights", "bias"):
        np.testing.assert_allclose(told[name], np.mean([one[name] ** 2 for one in single], axis=0), rtol=1e-4)


@pytest.mark.parametrize("dense", [True, False])
def test_what_was_learned_is_known_and_the_network_before_is_unchanged(dense: bool) -> None:
    random = np.random.default_rng(0)
    x = np.eye(DIM, dtype=np.float32)[:PEOPLE]
    new = Network.new(PEOPLE, np.zeros(DIM, np.float32), Recipe(), random, dense=dense)
    before = {name: value.tobytes() for name, value in new.parameters.items()}
    taught = new.trained(x, np.arange(PEOPLE), random, cross_entropy)
    assert taught.logits(x).argmax(axis=1).tolist() == list(range(PEOPLE))
    assert {name: value.tobytes() for name, value in new.parameters.items()} == before


def test_a_wider_network_says_of_those_it_knew_what_it_said_before() -> None:
    of, (x, _) = network(), pictures(1)
    wide = of.widened(3, np.random.default_rng(1))
    assert wide.people == PEOPLE + 3
    np.testing.assert_allclose(wide.logits(x)[:, :PEOPLE], of.logits(x), rtol=1e-5)
