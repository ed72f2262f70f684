"""A learned head becomes the files that a door reads, and the door's own code gets the same numbers from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.inference.head import load_head, read_description
from edge.recognition.gallery import Gallery
from edge.recognition.types import Embedding, Exemplar
from trainer.distill import HeadParameters, distill
from trainer.export import export, read_back
from trainer.statistics import Statistics

pytestmark = pytest.mark.tensorflow
DIM = 32
EMBEDDER = "e" * 64


def samples(count: int, seed: int = 0) -> list[Embedding]:
    random = np.random.default_rng(seed)
    x = random.standard_normal((count, DIM)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return [Embedding(row, float(norm)) for row, norm in zip(x, random.uniform(5, 90, count), strict=True)]


@pytest.fixture(scope="module")
def head() -> HeadParameters:
    random = np.random.default_rng(4)
    total = Statistics.empty(DIM)
    for _ in range(200):
        x = random.standard_normal(DIM) + 0.5 * random.standard_normal((4, DIM))
        x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
        total = total + Statistics.of_person(x, random.uniform(20, 90, 4).astype(np.float32))
    return replace(distill(total, EMBEDDER), fpir_scale=1.5)


def test_a_door_scores_with_the_file_as_the_trainer_does_with_the_numbers(head: HeadParameters, tmp_path: Path) -> None:
    exported = export(head, tmp_path, "trial", samples(40))
    ours, theirs = head.head(), load_head(exported.description, EMBEDDER)
    assert (theirs.id, theirs.embedder_id, theirs.fpir_scale) == (head.id, EMBEDDER, 1.5)
    people = [Exemplar(f"p{n // 3}", view) for n, view in enumerate(samples(30, seed=1))]
    tables = [Gallery.build(one, people) for one in (ours, theirs)]
    for probe in samples(20, seed=2):
        one, other = (table.candidates(table.head.project(probe)) for table in tables)
        assert [c.person for c in one] == [c.person for c in other]
        np.testing.assert_allclose([c.score for c in one], [c.score for c in other], atol=0.01)


def test_the_report_holds_both_kinds_and_float_is_exact(head: HeadParameters, tmp_path: Path) -> None:
    exported = export(head, tmp_path, "trial", samples(40))
    exact, small = exported.tried
    assert (exact.weights, small.weights) == ("float32", "int8")
    assert exact.holds
    assert exact.worst_z < 1e-5
    assert small.worst_z > exact.worst_z
    assert exported.weights == ("int8" if small.holds else "float32")
    assert "parity holds" in str(exact)


def test_nothing_else_is_left_in_the_folder(head: HeadParameters, tmp_path: Path) -> None:
    exported = export(head, tmp_path, "trial")
    assert sorted(tmp_path.iterdir()) == [exported.description, exported.model]


def test_the_canaries_and_strangers_are_of_nobody(head: HeadParameters, tmp_path: Path) -> None:
    shown = samples(40)
    said = read_description(export(head, tmp_path, "trial", shown).description)
    again = read_description(export(head, tmp_path, "trial", samples(40, seed=9)).description)
    assert said == again  # nothing that parity was measured on is in it
    assert said.strangers.levels == head.quality.levels


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_numbers_that_are_none_are_not_written(head: HeadParameters, tmp_path: Path, spoilt: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        export(replace(head, mean=np.full(DIM, spoilt)), tmp_path, "trial")
    assert list(tmp_path.iterdir()) == []


def test_a_variance_that_is_not_above_zero_is_not_written(head: HeadParameters, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not above 0"):
        export(replace(head, beta=np.zeros(DIM)), tmp_path, "trial")


def test_an_exported_head_can_be_gone_on_from(head: HeadParameters, tmp_path: Path) -> None:
    again = read_back(export(head, tmp_path, "trial").description, EMBEDDER)
    np.testing.assert_allclose(again.transform, head.transform, atol=1e-4 * np.abs(head.transform).max())
    np.testing.assert_allclose(again.mean, head.mean, atol=1e-5)
    np.testing.assert_allclose(again.beta, head.beta, rtol=1e-6)
    assert again.quality == head.quality
    assert again.fpir_scale == head.fpir_scale
