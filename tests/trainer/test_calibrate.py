"""The scale between drawn strangers and real ones is measured on people, and little data moves it little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.simulated import TRUE, people
from trainer.calibrate import public_scale, with_fpir_scale
from trainer.dealt import deal, find_all
from trainer.distill import HeadParameters

TARGET = 0.02


THINKS_PEOPLE_MORE_ALIKE = replace(TRUE, beta=TRUE.beta * 0.3)
THINKS_PICTURES_WORSE = replace(TRUE, quality=replace(TRUE.quality, levels=(2.0,) * 9))

STRICT = replace(TRUE, fpir_scale=5.0).head()  # names hardly any stranger


def realised(head: HeadParameters, seed: int) -> float:
    those = [person.trial() for person in people(120, seed)]
    return find_all(head.head(), those, (), deal(len(those), 20, 1), TARGET).realised_fpir() / TARGET


@pytest.mark.parametrize("head", [THINKS_PEOPLE_MORE_ALIKE, THINKS_PICTURES_WORSE])
def test_a_head_whose_strangers_are_not_like_real_ones_is_brought_nearer_to_its_target(head: HeadParameters) -> None:
    scaled = with_fpir_scale(head, STRICT, STRICT, [person.trial() for person in people(120, seed=8)], TARGET, 20)
    before, after = realised(head, seed=9), realised(scaled, seed=9)
    assert abs(np.log(after)) < abs(np.log(before))
    assert 0.5 < after < 2


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_for_two_tables_change_nothing(count: int) -> None:
    assert with_fpir_scale(TRUE, STRICT, STRICT, [person.trial() for person in people(count)], TARGET, 20) == TRUE


def test_a_few_people_move_the_scale_little() -> None:
    scaled = with_fpir_scale(TRUE, STRICT, STRICT, [person.trial() for person in people(4, seed=2)], TARGET, 20)
    assert 0.7 < scaled.fpir_scale < 1.4


def test_nobody_is_lost_for_the_sake_of_strangers_whom_the_head_in_use_names_as_often() -> None:
    blurred = replace(TRUE, beta=TRUE.beta * 0.3)  # so that people and strangers overlap
    those = [person.trial() for person in people(120, seed=8)]
    lax = replace(blurred, fpir_scale=0.3).head()
    strict, as_lax = (with_fpir_scale(blurred, head, lax, those, TARGET, 20) for head in (STRICT, lax))
    assert as_lax.fpir_scale < strict.fpir_scale
    assert realised(as_lax, seed=9) < 2 * realised(replace(blurred, fpir_scale=0.3), seed=9)


def test_a_head_in_use_that_has_become_laxer_than_the_factory_head_is_no_reason_to_be_as_lax() -> None:
    blurred = replace(TRUE, beta=TRUE.beta * 0.3)
    those = [person.trial() for person in people(120, seed=8)]
    lax = replace(blurred, fpir_scale=0.3).head()
    by_factory = [with_fpir_scale(blurred, lax, factory, those, TARGET, 20) for factory in (STRICT, lax)]
    assert by_factory[0].fpir_scale > by_factory[1].fpir_scale
    assert realised(by_factory[0], seed=9) < 1.3


def test_a_factory_head_is_scaled_by_strangers_who_are_nobody_of_its_own() -> None:
    those = [person.trial() for person in people(60, seed=8)]
    public = [replace(person.trial(), shots=()) for person in people(200, seed=11)]
    named = {}
    for name, head in (("true", TRUE), ("alike", THINKS_PEOPLE_MORE_ALIKE)):
        scaled = public_scale(head, those, public, TARGET, 20)
        found = find_all(scaled.head(), those, public, deal(60, 20, 1), TARGET).strangers
        named[name] = (scaled.fpir_scale, float(found.named[found.person < 0].mean()) / TARGET)
    assert named["alike"][0] > named["true"][0]
    assert all(realised <= 1.25 for _, realised in named.values())
