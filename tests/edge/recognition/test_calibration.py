from __future__ import annotations

import math

import numpy as np
import pytest

from edge.inference.head import load_centred_cosine
from edge.inference.spec import load_manifest
from edge.recognition.calibration import STRANGERS, threshold_for
from edge.recognition.gallery import Gallery
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Exemplar
from tests.fakes.probes import cosine_head, direction, plda_head

HEADS: dict[str, Head] = {"cosine": cosine_head(), "plda": plda_head()}
both_heads = pytest.mark.parametrize("head", HEADS.values(), ids=list(HEADS))
FRESH = 20_000


def table(head: Head, people: int) -> Gallery:
    return Gallery.build(head, [Exemplar(f"p{n}", Embedding(direction(n), 70.0)) for n in range(people)])


@both_heads
@pytest.mark.parametrize(("people", "target"), [(1, 0.01), (40, 0.01), (20, 0.05)])
def test_of_fresh_strangers_the_stated_share_is_taken_for_somebody(head: Head, people: int, target: float) -> None:
    gallery = table(head, people)
    threshold = threshold_for(gallery, target)
    wrong = int((gallery.best_scores(head.strangers(FRESH, seed=99)) >= threshold).sum())
    # Both the strangers that set the threshold and the fresh ones are a sample: four standard deviations of the two.
    sigma = math.sqrt(target * (1 - target) * (1 / STRANGERS + 1 / FRESH))
    assert abs(wrong / FRESH - target) < 4 * sigma


@both_heads
def test_a_stricter_target_never_lowers_the_threshold(head: Head) -> None:
    gallery = table(head, 8)
    thresholds = [threshold_for(gallery, target) for target in (0.2, 0.05, 0.01, 0.001)]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]


@both_heads
def test_a_larger_table_never_lowers_the_threshold(head: Head) -> None:
    gallery, thresholds = Gallery(head), []
    for person in (0, 1, 2, 3):
        gallery = gallery.with_person(f"p{person}", [Embedding(direction(person), 70.0)])
        thresholds.append(threshold_for(gallery, 0.01))
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]


@both_heads
def test_the_same_table_always_has_the_same_threshold(head: Head) -> None:
    assert threshold_for(table(head, 6), 0.01) == threshold_for(table(head, 6), 0.01)


def test_in_an_empty_table_nobody_can_be_recognized() -> None:
    assert threshold_for(Gallery(cosine_head()), 0.01) == math.inf


def test_the_threshold_goes_with_the_table_when_people_come_and_go() -> None:
    model = ActiveModel.of(cosine_head(), [], 0.01, "factory")
    assert model.threshold == math.inf
    for people in (3, 30, 1):
        model = model.with_gallery(table(cosine_head(), people))
        assert model.threshold == threshold_for(table(cosine_head(), people), 0.01)
    assert model.target_fpir == 0.01
    assert model.with_gallery(Gallery(cosine_head())).threshold == math.inf


def test_the_shipped_cohort_sets_a_threshold_between_strangers_and_oneself() -> None:
    head = load_centred_cosine(load_manifest().pick("embedder"))
    people = [Exemplar(f"p{n}", Embedding(direction(n, head.row_dim), 70.0)) for n in range(5)]
    threshold = ActiveModel.of(head, people, 0.01, "factory").threshold
    assert 0.1 < threshold < 0.6
    assert np.isfinite(threshold)
