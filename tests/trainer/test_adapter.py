from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.recognition.types import Embedding
from trainer.adapter import RIDGES, Adapter, Pairs, learn_adapter

OLD, NEW, DIM = "a" * 64, "b" * 64, 12


def units(x: Any) -> Any:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def turned(people: int, pictures: int = 3, noise: float = 0.0, seed: int = 0) -> Pairs:
    """The new space is the old one turned, with noise that the old one does not tell of."""
    random = np.random.default_rng(seed)
    old = units(
        np.repeat(random.standard_normal((people, DIM)), pictures, 0)
        + 0.4 * random.standard_normal((people * pictures, DIM))
    )
    turn, _ = np.linalg.qr(np.random.default_rng(99).standard_normal((DIM, DIM)))
    new = units(old @ turn + noise * random.standard_normal(old.shape))
    norms = random.uniform(40, 90, len(old)).astype(np.float32)
    return Pairs(old, new, norms, np.repeat(np.arange(people), pictures))


def cosines(adapter: Adapter, pairs: Pairs) -> Any:
    return (adapter.adapted(pairs.old) * pairs.new).sum(axis=1)


def test_a_turned_space_is_found_again_for_people_who_were_not_learned_from() -> None:
    adapter = learn_adapter(turned(60), OLD, NEW)
    assert cosines(adapter, turned(40, seed=1)).min() > 0.999
    assert adapter.cosine > 0.999
    assert (adapter.old_sha256, adapter.new_sha256) == (OLD, NEW)


def test_the_cosine_it_promises_is_what_others_get() -> None:
    adapter = learn_adapter(turned(80, noise=0.2), OLD, NEW)
    assert adapter.cosine == pytest.approx(float(cosines(adapter, turned(200, noise=0.2, seed=1)).mean()), abs=0.02)


def test_few_noisy_pictures_are_trusted_less_than_many() -> None:
    few = learn_adapter(turned(7, pictures=2, noise=0.5), OLD, NEW)
    many = learn_adapter(turned(400, noise=0.0), OLD, NEW)
    assert few.ridge > many.ridge
    chosen = {ridge: learn_adapter(turned(7, pictures=2, noise=0.5), OLD, NEW, [ridge]).cosine for ridge in RIDGES}
    assert few.ridge == max(chosen, key=chosen.__getitem__)


def test_a_ridge_is_judged_on_people_and_not_on_pictures_who_were_learned_from() -> None:
    pairs = turned(12, pictures=20, noise=0.0)
    strange = replace(pairs, new=units(np.repeat(np.random.default_rng(3).standard_normal((12, DIM)), 20, 0)))
    # Each person's new face has nothing to do with the old one: known people are hit, others are not.
    adapter = learn_adapter(strange, OLD, NEW, [1e-5])
    assert cosines(adapter, strange).mean() > adapter.cosine + 0.3


@settings(max_examples=10)
@given(st.integers(0, 2**16))
def test_the_order_of_the_pictures_does_not_matter(seed: int) -> None:
    pairs = turned(9, noise=0.1)
    order = np.random.default_rng(seed).permutation(len(pairs.owners))
    mixed = Pairs(pairs.old[order], pairs.new[order], pairs.norms[order], pairs.owners[order])
    one, other = learn_adapter(pairs, OLD, NEW), learn_adapter(mixed, OLD, NEW)
    assert other.ridge == one.ridge
    assert other.matrix == pytest.approx(one.matrix, abs=1e-5)


def test_stored_exemplars_become_unit_vectors_with_the_new_embedder_s_norm() -> None:
    pairs = turned(30)
    adapter = learn_adapter(pairs, OLD, NEW)
    stored = [Embedding(x, 3.0) for x in pairs.old[:4]]
    made = adapter.embeddings(stored)
    assert [np.linalg.norm(e.x) for e in made] == pytest.approx([1.0] * 4, abs=1e-5)
    usual = float(np.exp(np.log(pairs.norms).mean()))
    assert [e.norm for e in made] == pytest.approx([usual] * 4, rel=1e-5)
    assert made[0].x.dtype == np.float32
    assert adapter.embeddings([]) == []


def test_a_file_s_bytes_bring_the_same_adapter_back() -> None:
    adapter = learn_adapter(turned(20, noise=0.1), OLD, NEW)
    again = Adapter.from_bytes(adapter.to_bytes())
    assert again.adapted(turned(5).old).tobytes() == adapter.adapted(turned(5).old).tobytes()
    assert (again.norm, again.ridge, again.cosine) == (adapter.norm, adapter.ridge, adapter.cosine)
    assert (again.old_sha256, again.new_sha256) == (OLD, NEW)


@given(st.data())
def test_damaged_bytes_are_refused_or_hold_finite_numbers(data: st.DataObject) -> None:
    whole = learn_adapter(turned(4), OLD, NEW, [0.1]).to_bytes()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ValueError, match="no adapter"):
        Adapter.from_bytes(cut)


def test_an_adapter_whose_parts_do_not_fit_is_refused() -> None:
    adapter = learn_adapter(turned(20), OLD, NEW)
    with pytest.raises(ValueError, match="does not fit"):
        Adapter.from_bytes(replace(adapter, mean=adapter.mean[:-1]).to_bytes())
    with pytest.raises(ValueError, match="not finite"):
        Adapter.from_bytes(replace(adapter, offset=adapter.offset * np.float32("nan")).to_bytes())
    with pytest.raises(ValueError, match="12 dimensions"):
        adapter.adapted(np.zeros((2, DIM + 1), np.float32))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"old": np.full((6, DIM), np.nan, np.float32)}, "not a finite number"),
        ({"norms": np.zeros(6, np.float32)}, "norm is not above 0"),
        ({"norms": np.ones(5, np.float32)}, "as many of each"),
        ({"owners": np.zeros(6, np.intp)}, "two people at least"),
        ({"old": np.ones((6, DIM), np.float32)}, "all pictures are alike"),
    ],
)
def test_what_teaches_nothing_is_told(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        learn_adapter(replace(turned(2), **change), OLD, NEW)
