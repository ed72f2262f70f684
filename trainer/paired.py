"""How surely one head misses fewer searches than another: a paired bootstrap over people. Pure.

Both heads are asked the same searches. In each draw people are drawn with replacement, each with all their searches,
those in tables where they are enrolled and those in tables where they are strangers; so are outside strangers. Each
head's threshold is set anew by the strangers drawn, since it rests on few of them and varies more than what it parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from edge.contract.codec import between
from trainer.dealt import Found
from trainer.statistics import Doubles

Counts = NDArray[np.int32]
# Draws at once: memory is bounded, whatever is searched.
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """FNIR of the mix, candidate less current. low, high: 95 %.

    better, worse: share of those draws in which the candidate missed fewer, and more.
    """

    value: Annotated[float, between(-1, 1)]
    low: Annotated[float, between(-1, 1)]
    high: Annotated[float, between(-1, 1)]
    better: Annotated[float, between(0, 1)]
    worse: Annotated[float, between(0, 1)]


def difference(candidate: Found, current: Found, fpir: float, resamples: int) -> Difference:
    """Compare what two heads found in the same tables, each at the threshold that `fpir` of the strangers reach."""
    drawn = _draws(current, resamples)
    values = resampled_fnir(candidate, drawn, fpir) - resampled_fnir(current, drawn, fpir)
    low, high = np.percentile(values, [2.5, 97.5])
    value = float(candidate.missed_at(fpir).mean()) - float(current.missed_at(fpir).mean())
    better, worse = float((values < 0).mean()), float((values > 0).mean())
    return Difference(value, min(float(low), value), max(float(high), value), better, worse)


def resampled_fnir(found: Found, drawn: Counts, fpir: float) -> Doubles:
    """`(R,)` FNIR of the mix in each draw. drawn: `(R, N)` how often each one is in it; outside strangers at the end.

    Threshold and misses are those of `Found.missed_at`, had everybody's searches been there so many times.
    """
    owner = found.enrolled.person
    searches = drawn @ np.bincount(owner, minlength=drawn.shape[1])
    missed = [
        (drawn[some][:, owner] * found.enrolled.missed(highest[:, None])).sum(axis=1)
        for some, highest in _thresholds(found, drawn, fpir)
    ]
    return np.asarray(np.concatenate(missed) / np.maximum(searches, 1))


def _thresholds(found: Found, drawn: Counts, fpir: float) -> Iterator[tuple[slice, Doubles]]:
    """For some draws after the other, just above the first stranger's search that may not be named any more."""
    top, who = found.strangers.top, found.strangers.person  # outside strangers count down from -1
    order = np.argsort(-top)
    allowed = np.floor(fpir * (drawn @ _counted(who, drawn)) + 1e-9)
    most = int(2 * fpir * len(order)) + 1
    while (drawn @ _counted(who[order[:most]], drawn) <= allowed).any():
        most *= 2
    order = order[:most]
    for start in range(0, len(drawn), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        named = np.cumsum(drawn[some][:, who[order]], axis=1, dtype=np.int32)
        first = (named <= allowed[some, None]).sum(axis=1)
        yield some, np.nextafter(top[order[first]], np.inf)


def _counted(who: NDArray[np.intp], drawn: Counts) -> NDArray[np.intp]:
    people = drawn.shape[1]
    return np.bincount(who % people, minlength=people)


def _draws(found: Found, resamples: int) -> Counts:
    """People and outside strangers, each drawn as often as there are; who searches nowhere is not drawn."""
    random = np.random.default_rng(0)
    everyone = np.unique(np.concatenate([found.enrolled.person, found.strangers.person]))
    drawn = np.zeros((resamples, int(everyone.max()) + 1 + int(-min(everyone.min(), 0))), np.int32)
    for those in (everyone[everyone >= 0], everyone[everyone < 0]):
        if len(those):
            drawn[:, those] = random.multinomial(len(those), np.full(len(those), 1 / len(those)), resamples)
    return drawn
