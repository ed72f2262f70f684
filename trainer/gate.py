"""Whether a new head may take the place of the one in use: a candidate against it, on people it was not learned from.

Pure. What is judged are heads as doors score with them: the candidate is the exported file, run by `edge`'s own code
(`refresh.py` loads it). How they are searched with is `dealt.py`'s, how a report is written and shown
`gate_report.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.recognition.scoring import Head
from trainer.dealt import Found, deal, find_all
from trainer.statistics import Doubles
from trainer.trials import TrialPerson

Decision = Literal["replace", "keep", "refuse"]
CANDIDATE, CURRENT, COSINE = "candidate", "current", "centred cosine"

DET_GRID = tuple(float(f) for f in np.geomspace(0.001, 0.2, 24))


@dataclass(frozen=True, slots=True)
class GateRules:
    """What is asked of a candidate. Rates are shares, 0..1.

    fpir: at which heads are compared, and the target that doors' own thresholds are to realise. table: people in one.
    draws: times that everybody is dealt into tables.
    clean_worse: by how much FNIR of clean searches may exceed the current head's.
    sure: in so many of the bootstrap's draws a candidate must be better before it replaces; and it is worse, and
        refused, when it is worse in so many.
    realised_fpir: at most so many times the target; where the current head realises more than that, at most so many
        times what it does (`realised_worse`): people of one company are more alike than the public, for every head.
    flips: share of clean searches that the current head answers rightly, and the candidate does not.
    people, strangers: with fewer people to find, or fewer searches by strangers, nothing is judged.
    bytes, project_us: bounds of the exported model, as it runs here.
    """

    fpir: float = 0.01
    table: int = 20
    draws: int = 5
    clean_worse: float = 0.002
    sure: float = 0.9
    realised_fpir: float = 1.3
    realised_worse: float = 1.15
    flips: float = 0.005
    people: int = 20
    strangers: int = 300
    bytes: int = 1 << 20
    project_us: float = 2000.0
    resamples: int = 2000


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Of the exported model. parity: a door gets the same numbers from it as the trainer does; words: how nearly."""

    bytes: int
    project_us: float
    parity: bool
    words: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing asked. value, limit: what was found and what is allowed. words: both, for a person."""

    name: str
    passed: bool
    value: float
    limit: float
    words: str


@dataclass(frozen=True, slots=True)
class Rating:
    """How a head does.

    mix, clean: FNIR at the rules' FPIR: of searches by clean and degraded views under one threshold, and by clean ones.
    realised: FPIR at the doors' own thresholds, over the target. det: FNIR of the mix at each FPIR of `DET_GRID`.
    """

    id: str
    mix: float
    clean: float
    realised: float
    det: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """Somebody whom the current head answers rightly in clean searches in which the candidate does not."""

    person: str
    searches: int
    of: int


@dataclass(frozen=True, slots=True)
class Difference:
    """FNIR of the mix, candidate less current. low, high: 95 %, people drawn with replacement.

    better, worse: share of those draws in which the candidate missed fewer, and more.
    """

    value: float
    low: float
    high: float
    better: float
    worse: float


@dataclass(frozen=True, slots=True)
class Tried:
    """On how much a judgement rests. one_visit: people all of whose pictures are of one visit."""

    people: int
    one_visit: int
    searches: int
    strangers: int
    tables: int


@dataclass(frozen=True, slots=True)
class GateReport:
    """All that was found, and what follows. heads: by CANDIDATE, CURRENT, COSINE; empty where nothing was judged."""

    decision: Decision
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    heads: Mapping[str, Rating]
    difference: Difference | None
    lost: tuple[Lost, ...]
    tried: Tried
    rules: GateRules


def judge(
    heads: Mapping[str, Head],
    people: Sequence[TrialPerson],
    outside: Sequence[TrialPerson],
    file: FileFacts,
    rules: GateRules | None = None,
) -> GateReport:
    """Compare the heads named CANDIDATE, CURRENT and COSINE.

    people: to be found; those with nothing to search with are left out. outside: never enrolled, strangers to all.
    """
    rules = rules or GateRules()
    searched = [person for person in people if person.clean or person.night]
    one_visit = sum(person.one_visit for person in searched)
    tables = deal(len(searched), min(rules.table, len(searched) // 2), rules.draws) if len(searched) > 1 else []
    if not tables:
        none = Tried(len(searched), one_visit, 0, 0, 0)
        return _concluded(_enough(none, rules), {}, None, (), rules, none)
    found = {name: find_all(head, searched, outside, tables, rules.fpir) for name, head in heads.items()}
    some = found[CANDIDATE]
    tried = Tried(len(searched), one_visit, len(some.enrolled), len(some.strangers), len(tables))
    rated = {name: _rated(heads[name], each, rules) for name, each in found.items()}
    difference = _difference(found[CANDIDATE], found[CURRENT], rules)
    flips = _flips(found)
    checks = [
        *_enough(tried, rules),
        *_compared(rated, difference, rules),
        _at_most("accept-to-reject flips", float(flips.mean()) if len(flips) else 0.0, rules.flips),
        *_of_file(file, rules),
    ]
    return _concluded(checks, rated, difference, _lost(searched, some, flips), rules, tried)


def decide(
    checks: Sequence[Check], difference: Difference | None, rules: GateRules
) -> tuple[Decision, tuple[str, ...]]:
    """What follows from the figures; the same whenever a report is read again."""
    failed = tuple(f"{check.name}: {check.words}" for check in checks if not check.passed)
    if failed or difference is None:
        return "refuse", failed or ("nothing was compared",)
    said = f"misses {abs(difference.value):.2%} {'fewer' if difference.value < 0 else 'more'} of the searches"
    if difference.value < 0 and difference.better >= rules.sure:
        return "replace", (f"{said} than the current head, and fewer in {difference.better:.0%} of draws",)
    return "keep", (
        f"not surely better: {said}, fewer in {difference.better:.0%} of draws; {rules.sure:.0%} are asked",
    )


def _concluded(
    checks: Sequence[Check],
    heads: Mapping[str, Rating],
    difference: Difference | None,
    lost: tuple[Lost, ...],
    rules: GateRules,
    tried: Tried,
) -> GateReport:
    decision, reasons = decide(checks, difference, rules)
    return GateReport(decision, reasons, tuple(checks), heads, difference, lost, tried, rules)


def _rated(head: Head, found: Found, rules: GateRules) -> Rating:
    return Rating(
        head.id,
        mix=float(found.missed_at(rules.fpir).mean()),
        clean=float(found.missed_at(rules.fpir, clean=True).mean()),
        realised=found.realised_fpir() / rules.fpir,
        det=tuple(float(found.missed_at(fpir).mean()) for fpir in DET_GRID),
    )


def _difference(candidate: Found, current: Found, rules: GateRules) -> Difference:
    """Paired: both heads are asked the same searches, and a person's searches are drawn together."""
    missed = [found.missed_at(rules.fpir).astype(np.float64) for found in (candidate, current)]
    owner = candidate.enrolled.person
    searches = np.bincount(owner).astype(np.float64)
    more = np.bincount(owner, missed[0] - missed[1])
    there = np.flatnonzero(searches)
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(there), (rules.resamples, len(there)))
    values: Doubles = more[there][drawn].sum(axis=1) / searches[there][drawn].sum(axis=1)
    low, high = np.percentile(values, [2.5, 97.5])
    value = float(more.sum() / searches.sum())
    better, worse = float((values < 0).mean()), float((values > 0).mean())
    return Difference(value, min(float(low), value), max(float(high), value), better, worse)


def _flips(found: Mapping[str, Found]) -> NDArray[np.bool_]:
    """`(clean searches,)` rightly answered by the current head and not by the candidate, at the doors' thresholds."""
    before, after = (found[name].enrolled.clean().accepted for name in (CURRENT, CANDIDATE))
    return np.asarray(before & ~after)


def _lost(people: Sequence[TrialPerson], found: Found, flips: NDArray[np.bool_]) -> tuple[Lost, ...]:
    owner = found.enrolled.clean().person
    of = np.bincount(owner, minlength=len(people))
    lost = np.bincount(owner[flips], minlength=len(people))
    return tuple(Lost(people[place].person, int(lost[place]), int(of[place])) for place in np.flatnonzero(lost))


def _enough(tried: Tried, rules: GateRules) -> list[Check]:
    return [
        _at_least("people to judge by", tried.people, rules.people),
        _at_least("searches by strangers to judge by", tried.strangers, rules.strangers),
    ]


def _compared(heads: Mapping[str, Rating], difference: Difference, rules: GateRules) -> list[Check]:
    candidate, current, cosine = (heads[name] for name in (CANDIDATE, CURRENT, COSINE))
    allowed = max(rules.realised_fpir, rules.realised_worse * current.realised)
    worse = difference.worse if difference.value > 0 else 0.0
    interval = f"{difference.value:+.2%} [{difference.low:+.2%}, {difference.high:+.2%}]"
    return [
        Check(
            "FNIR, clean and by night", worse < rules.sure, worse, rules.sure, f"{interval} against the current head"
        ),
        _at_most("FNIR, clean and by night, against centred cosine", candidate.mix, cosine.mix),
        _at_most("FNIR, clean", candidate.clean, current.clean + rules.clean_worse),
        Check(
            "realised FPIR over its target",
            candidate.realised <= allowed,
            candidate.realised,
            allowed,
            f"{candidate.realised:.2f}, at most {allowed:.2f} (the current head: {current.realised:.2f})",
        ),
    ]


def _of_file(file: FileFacts, rules: GateRules) -> list[Check]:
    return [
        Check("parity of door and server", file.parity, float(file.parity), 1.0, file.words),
        Check(
            "size",
            file.bytes <= rules.bytes,
            float(file.bytes),
            float(rules.bytes),
            f"{file.bytes:,} of {rules.bytes:,} bytes",
        ),
        Check(
            "time",
            file.project_us <= rules.project_us,
            file.project_us,
            rules.project_us,
            f"{file.project_us:.0f} of {rules.project_us:.0f} us a projection",
        ),
    ]


def _at_most(name: str, value: float, limit: float) -> Check:
    return Check(name, value <= limit + 1e-12, value, limit, f"{value:.2%}, at most {limit:.2%}")


def _at_least(name: str, value: int, limit: int) -> Check:
    return Check(name, value >= limit, float(value), float(limit), f"{value}, at least {limit}")
