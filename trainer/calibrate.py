"""How often real strangers are named where a head's own synthetic ones would be: `Head.fpir_scale`, measured.

Synthetic strangers follow the head's normal distributions, and real people crowd where those are thin: colleagues of
one company more than the public. So the door aims at its target divided by how many times too often they were named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainer.dealt import deal, find_all
from trainer.distill import HeadParameters
from trainer.trials import TrialPerson

_LOWEST, _HIGHEST = 0.5, 5.0
_STEPS = 3  # each sets the scale from what was realised with the one before; the third moves it by a few per cent
# So many people whose namings were neither too many nor too few are counted in beforehand: one double moves little,
# whose every picture is named.
_EVEN_PEOPLE = 10.0


def with_fpir_scale(
    head: HeadParameters, people: Sequence[TrialPerson], target_fpir: float, table: int, draws: int = 2
) -> HeadParameters:
    """The same head with the scale that these people show; as it was where they are too few for two tables."""
    searched = [person for person in people if person.clean or person.night]
    if len(searched) < 4:
        return head
    tables = deal(len(searched), min(table, len(searched) // 2), draws)
    even = _EVEN_PEOPLE * sum(len(person.clean) + len(person.night) for person in searched) / len(searched)
    for _ in range(_STEPS):
        strangers = find_all(head.head(), searched, (), tables, target_fpir).strangers
        realised = (float(strangers.named.sum()) + even) / (target_fpir * len(strangers) + even)
        scale = min(max(head.fpir_scale * realised, _LOWEST), _HIGHEST)
        head = replace(head, fpir_scale=scale)
    return head
