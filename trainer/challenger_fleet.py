"""People of the fleet's store as a challenger learns from them: every view, whose it is and of which picture."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trainer.challengers.fleet import Fleet
from trainer.store.records import FleetPerson

# With fewer, half would be held out and the other half teach nothing.
_LEAST = 40


def challenger_fleet(people: Iterable[FleetPerson]) -> Fleet | None:
    """Those with two pictures or more; None where they are too few to train on."""
    several = [person for person in people if len(person.exemplars) > 1]
    if len(several) < _LEAST:
        return None
    pictures = [(owner, views) for owner, person in enumerate(several) for views in person.exemplars.values()]
    counts = [len(views.x) for _, views in pictures]
    return Fleet(
        np.concatenate([views.x for _, views in pictures]),
        np.concatenate([views.norms for _, views in pictures]),
        np.repeat(np.array([owner for owner, _ in pictures], np.intp), counts),
        np.repeat(np.arange(len(pictures), dtype=np.intp), counts),
    )
