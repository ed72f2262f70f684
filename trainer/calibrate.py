"""How often real strangers are named where a head's own synthetic ones would be: `Head.fpir_scale`, measured.

Synthetic strangers follow the head's normal distributions, and real people crowd where those are thin: colleagues of
one company more than the public. So the door aims at its target divided by how many times too often they were named;
as strictly as that says, and no more strictly than keeps those recognized whom the head in use recognizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge.recognition.scoring import Head
from trainer.dealt import Dealt, deal, find_all
from trainer.distill import HeadParameters
from trainer.trials import TrialPerson

# From the laxest to the strictest, as tried.
SCALES = tuple(float(scale) for scale in np.geomspace(0.5, 10.0, 31))
_MARGIN = 1.1  # other people will name strangers somewhat more or less often: rather less
_BOTH = 1.25
# Of the searches that are answered rightly. Half of what the gate allows, which asks other people.
_FLIPS = 0.0025
# So many people are worth as much as knowing nothing: among a few, one double would settle it.
_EVEN_PEOPLE = 30.0


def with_fpir_scale(
    head: HeadParameters,
    current: Head,
    factory: Head,
    people: Sequence[TrialPerson],
    target_fpir: float,
    table: int,
    draws: int = 2,
) -> HeadParameters:
    """The same head with the scale at which these people name strangers as often as the target says, or a little less.

    A laxer one is taken where that would lose searches that `current` answers rightly, but none with which strangers
    are named more often than by `current`, nor than by `factory`: else each head might be laxer than the one before.
    Too few people for two tables leave the head as it was.
    """
    searched = [person for person in people if person.clean or person.night]
    if len(searched) < 4:
        return head
    tables = deal(len(searched), min(table, len(searched) // 2), draws)
    kept, shipped = (find_all(one, searched, (), tables, target_fpir) for one in (current, factory))
    dealt = Dealt.of(head.head(), searched, (), tables)
    found = {scale: dealt.found(target_fpir, scale) for scale in SCALES}
    most = max(target_fpir, min(kept.realised_fpir(), shipped.realised_fpir()))
    strict = [scale for scale in SCALES if found[scale].realised_fpir() * _MARGIN <= target_fpir]
    wanted = strict[0] if strict else SCALES[-1]
    was_right = kept.enrolled.clean().accepted
    for scale in reversed([scale for scale in SCALES if scale <= wanted]):
        if found[scale].realised_fpir() > most:
            break
        wanted = scale
        if (was_right & ~found[scale].enrolled.clean().accepted).sum() <= _FLIPS * was_right.sum():
            break
    trust = len(searched) / (len(searched) + _EVEN_PEOPLE)
    return replace(head, fpir_scale=head.fpir_scale * (wanted / head.fpir_scale) ** trust)


def public_scale(
    head: HeadParameters,
    people: Sequence[TrialPerson],
    strangers: Sequence[TrialPerson],
    target_fpir: float,
    table: int,
) -> HeadParameters:
    """The same head with the scale at which tables of these people name these strangers as often as the target says.

    For a factory head, of whose doors nothing is known: strangers are of the public, and none of the people. By night
    they are named more often than by day; a scale for both is a little lax by night.
    """
    dealt = Dealt.of(head.head(), people, strangers, deal(len(people), min(table, len(people) // 2), 1))

    def realised(scale: float) -> float:
        searches = dealt.found(target_fpir, scale).strangers
        return float(searches.named[searches.person < 0].mean())

    return replace(
        head, fpir_scale=next((scale for scale in SCALES if realised(scale) <= _BOTH * target_fpir), SCALES[-1])
    )
