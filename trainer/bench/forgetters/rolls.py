"""Who joins when: courses from a data folder's people, drawn by a seed. Pure.

The small course is that of the published tables: people of the enrollment list, half of them at once and the rest in
classes of ten. The large one is the question's: everybody that the data has, then a hundred more at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import DoorwardError
from trainer.bench.data import Enrollee
from trainer.bench.features import CLEAN, Features, ListFeatures
from trainer.bench.forgetters.course import Course, Pupil


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many there are from the start and join: `steps` times `each`. base: None for all that are left."""

    base: int | None
    each: int
    steps: int

    @property
    def added(self) -> int:
        return self.each * self.steps


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """Somebody of either list. shots, probes: places of pictures with a face. faceless: as in `Pupil`."""

    number: int
    name: str
    pictures: ListFeatures
    shots: tuple[int, ...]
    probes: tuple[int, ...]
    faceless: int = 0

    def pupil(self, shots: int) -> Pupil:
        """With their first so many shots, or as many as they have."""
        faces = self.pictures.views(CLEAN)[0]
        return Pupil(self.number, faces.of(list(self.shots[:shots])), faces.of(list(self.probes)), self.faceless)


def enrolled_members(people: Sequence[Enrollee], pictures: ListFeatures, first: int = 0) -> list[Member]:
    """The enrollment list's people. Those without a face in any shot, or in any probe, are left out."""
    place = {path: at for at, path in enumerate(pictures.paths)}
    members: list[Member] = []
    for who in people:
        shots, probes = ([place[p] for p in paths if p in place] for paths in (who.shots, who.probes))
        seen = tuple(p for p in shots if pictures.found[p]), tuple(p for p in probes if pictures.found[p])
        if all(seen):
            members.append(Member(first + len(members), who.person, pictures, *seen, len(probes) - len(seen[1])))
    return members


def fleet_members(pictures: ListFeatures, seed: int, first: int = 0) -> list[Member]:
    """The fleet list's people with two pictures or more: a third of them, one at least, drawn to be searched with."""
    random = np.random.default_rng(seed)
    members: list[Member] = []
    for name, places in pictures.people.items():
        if len(places) < 2:
            continue
        mixed, probes = random.permutation(places).tolist(), -(-len(places) // 3)
        members.append(Member(first + len(members), name, pictures, tuple(mixed[probes:]), tuple(mixed[:probes])))
    return members


def small_course(enrolled: Sequence[Member], sizes: Sizes, shots: int, seed: int) -> Course:
    """Drawn from the enrollment list.

    Raises:
        DoorwardError: it has too few people.
    """
    assert sizes.base is not None
    if len(enrolled) < sizes.base + sizes.added:
        raise DoorwardError(
            f"the enrollment list has {len(enrolled)} people with a face in their pictures; "
            f"{sizes.base} and {sizes.steps} times {sizes.each} are needed"
        )
    order = np.random.default_rng(seed).permutation(len(enrolled))
    pupils = [enrolled[place].pupil(shots) for place in order]
    starts = [0, *range(sizes.base, sizes.base + sizes.added + 1, sizes.each)]
    return Course(tuple(tuple(pupils[a:b]) for a, b in itertools.pairwise(starts)))


def large_course(features: Features, enrolled: Sequence[Member], sizes: Sizes, shots: int, seed: int) -> Course:
    """Everybody of both lists; those who join are drawn from the enrollment list, a person of which is left at least.

    Raises:
        DoorwardError: nobody is left to be there from the start.
    """
    order = np.random.default_rng(seed).permutation(len(enrolled))
    added = min(sizes.added, len(enrolled) - 1)
    base = [*fleet_members(features.fleet, seed, len(enrolled)), *(enrolled[place] for place in order[added:])]
    if added < 1 or not base:
        raise DoorwardError("the enrollment list needs two people with a face in their pictures")
    return Course(
        (
            tuple(member.pupil(shots) for member in base),
            tuple(enrolled[place].pupil(shots) for place in order[:added]),
        )
    )


def names(features: Features, enrolled: Sequence[Member]) -> list[str]:
    """Everybody's name by their number; numbers of the fleet's people are the same for every seed."""
    return [*(m.name for m in enrolled), *(m.name for m in fleet_members(features.fleet, 0))]
