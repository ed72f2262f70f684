"""The people a challenger learns from: their embeddings, who is held out, and which views go into one batch. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Floats

Places = NDArray[np.intp]

# Half of so many are held out: fewer would judge by the luck of their pictures.
_ENOUGH_NEW = 40


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Views of people, clean and degraded.

    x: `(n, D)` unit embeddings. norms: `(n,)` before normalization. owners: `(n,)` whose each is, any numbers.
    pictures: `(n,)` which picture each view was made of, any numbers; None where every view is a picture of its own.
    old: `(n,)` whether the person was in the fleet when the previous head was learned; None for all of them.
    """

    x: Floats
    norms: Floats
    owners: NDArray[np.intp]
    pictures: NDArray[np.intp] | None = None
    old: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Raises:
        ValueError: lengths that do not fit, a number that is not finite, or people that nothing can be learned from.
        """
        lengths = {len(a) for a in (self.x, self.norms, self.owners, self.pictures, self.old) if a is not None}
        if self.x.ndim != 2 or len(lengths) != 1 or lengths == {0}:
            raise ValueError("a fleet needs an embedding at least, and a norm and an owner for each")
        if not (np.isfinite(self.x).all() and np.isfinite(self.norms).all()):
            raise ValueError("an embedding or a norm is not a finite number")

    @property
    def dim(self) -> int:
        return int(self.x.shape[1])

    @property
    def people(self) -> NDArray[np.intp]:
        """Everybody once, in order."""
        return np.asarray(np.unique(self.owners), np.intp)

    def of(self, which: NDArray[np.bool_]) -> Fleet:
        """Some of the views. which: `(n,)`."""
        pictures = None if self.pictures is None else self.pictures[which]
        old = None if self.old is None else self.old[which]
        return Fleet(self.x[which], self.norms[which], self.owners[which], pictures, old)


def held_out(fleet: Fleet, share: float, seed: int) -> tuple[NDArray[np.bool_], bool]:
    """`(n,)` which views are of people who are held out, drawn by `seed`, and whether the previous head knew them.

    They are drawn from those whom the previous head was not learned from, so that it is judged fairly and training may
    begin where it is; only where these are too few, from all.

    Raises:
        ValueError: fewer than four people.
    """
    people = fleet.people
    if len(people) < 4:
        raise ValueError(
            f"a challenger needs four people at least, to learn from and to be held out; got {len(people)}"
        )
    new = people if fleet.old is None else np.setdiff1d(people, fleet.owners[fleet.old])
    known = fleet.old is None or len(new) < _ENOUGH_NEW
    wanted = max(2, round(share * len(people)))
    drawn = np.random.default_rng(seed).permutation(people if known else new)
    return np.isin(fleet.owners, drawn[: min(wanted, len(drawn) // 2)]), known


def batches(owners: NDArray[np.intp], people: int, views: int, seed: int | Sequence[int]) -> Places:
    """One epoch: `(steps, people * views)` places of views, those of one person side by side.

    Everybody comes once; the last batch is filled up with people from the front. Who has fewer views than wanted shows
    some twice. The same seed gives the same batches everywhere.
    """
    random = np.random.default_rng(seed)
    names, owner = np.unique(owners, return_inverse=True)
    order = random.permutation(len(names))
    steps = -(-len(order) // people)
    chosen = np.resize(order, steps * people)
    by_owner = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    drawn = [_draw(by_owner[person], views, random) for person in chosen]
    return np.stack(drawn).reshape(steps, people * views)


def _draw(places: Places, count: int, random: np.random.Generator) -> Places:
    """All of them before any of them again."""
    return np.asarray(np.concatenate([random.permutation(places) for _ in range(-(-count // len(places)))])[:count])
