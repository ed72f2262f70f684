from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.recognition.types import Floats
from trainer.bench.judge import judge, pair_scores
from trainer.embedder.pairs import PairList

FOLDS, PER_FOLD = 10, 20


def crowd(seed: int = 0, noise: float = 0.2, people: int = 200) -> tuple[PairList, dict[str, Floats]]:
    """Two pictures of each person; half of a fold's pairs are of one person, half of two."""
    random = np.random.default_rng(seed)
    faces = random.standard_normal((people, 64))
    vectors = {
        f"{person}/{picture}": (face + noise * random.standard_normal(64)).astype(np.float32)
        for person, face in enumerate(faces)
        for picture in (1, 2)
    }
    left, right, same, folds = [], [], [], []
    for number in range(FOLDS * PER_FOLD):
        alike = number % 2 == 0
        left.append(f"{number % people}/1")
        right.append(f"{(number if alike else number + 1) % people}/2")
        same.append(alike)
        folds.append(number // PER_FOLD)
    return PairList("crowd", tuple(left), tuple(right), np.array(same), np.array(folds)), vectors


def test_faces_far_apart_are_all_told_and_the_interval_still_admits_doubt() -> None:
    verdict = judge(*crowd())
    assert verdict.accuracy.value == 1.0
    assert verdict.accuracy.low == pytest.approx(0.9812, abs=1e-3)  # Wilson, 200 of 200
    assert verdict.accuracy.high == pytest.approx(1.0)
    assert verdict.tar.value == 1.0
    assert (verdict.pairs, verdict.failed) == (200, 0)


def test_noise_costs_accuracy_and_the_intervals_hold_the_figures() -> None:
    verdict = judge(*crowd(noise=1.6))
    assert 0.6 < verdict.accuracy.value < 1.0
    assert verdict.accuracy.low < verdict.accuracy.value < verdict.accuracy.high
    assert verdict.tar.low <= verdict.tar.value <= verdict.tar.high
    assert verdict.tar.low < verdict.tar.high


def test_a_face_that_was_not_found_fails_its_pairs_whichever_answer_they_wanted() -> None:
    pairs, vectors = crowd()
    blind = [pairs.left[0], pairs.left[1]]  # one genuine and one impostor pair
    verdict = judge(pairs, {path: vector for path, vector in vectors.items() if path not in blind})
    assert verdict.failed == 2
    assert verdict.accuracy.value == pytest.approx(198 / 200)
    assert verdict.accuracy_found.value == 1.0
    assert verdict.tar.value == pytest.approx(99 / 100)


def test_a_detector_that_sees_nothing_has_no_accuracy() -> None:
    pairs, _ = crowd()
    verdict = judge(pairs, {})
    assert verdict.accuracy.value == 0.0
    assert verdict.tar.value == 0.0
    assert verdict.accuracy_found.value == 0.0
    assert verdict.failed == verdict.pairs


def test_distance_judges_as_cosine_does_where_vectors_have_one_length() -> None:
    pairs, vectors = crowd(noise=1.2)
    units = {path: vector / np.linalg.norm(vector) for path, vector in vectors.items()}
    by_cosine, by_distance = judge(pairs, units), judge(pairs, units, "distance")
    assert by_distance.accuracy.value == pytest.approx(by_cosine.accuracy.value)
    assert by_distance.tar.value == pytest.approx(by_cosine.tar.value)


@given(st.floats(0.01, 100))
def test_the_length_of_an_embedding_changes_no_cosine(length: float) -> None:
    pairs, vectors = crowd()
    longer = {path: vector * np.float32(length) for path, vector in vectors.items()}
    first, second = pair_scores(pairs, vectors, "cosine")[0], pair_scores(pairs, longer, "cosine")[0]
    assert np.allclose(first, second, atol=1e-5)


def test_a_failed_pair_scores_below_every_other() -> None:
    pairs, vectors = crowd()
    del vectors[pairs.left[4]]
    scores, found = pair_scores(pairs, vectors, "distance")
    assert not found[4]
    assert scores[4] < scores[found].min()
    assert np.isfinite(scores).all()
