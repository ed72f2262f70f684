"""Whether a new head may take the place of the one in use: a candidate against it, on people it was not learned from.

Pure. What is judged are heads as doors score with them: the candidate is the exported file, run by `edge`'s own code
(`refresh.py` loads it). How they are searched with is `dealt.py`'s, how a report is written and shown
`gate_report.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from edge.contract.codec import between, count, matches
from edge.recognition.scoring import Head
from trainer.dealt import Found, deal, find_all
from trainer.paired import Difference, difference
from trainer.trials import TrialPerson

Decision = Literal["replace", "keep", "refuse"]
CANDIDATE, CURRENT, FACTORY, COSINE = HEADS = ("candidate", "current", "factory", "centred cosine")

DET_GRID = tuple(float(f) for f in np.geomspace(0.001, 0.2, 24))

Share = Annotated[float, between(0, 1)]
Count = Annotated[int, between(0, 1e12)]
Line = Annotated[str, matches(r"[^\x00-\x1f\x7f-\x9f]*", "one line of text")]


@dataclass(frozen=True, slots=True)
class GateRules:
    """What is asked of a candidate. Rates are shares, 0..1.

    fpir: at which heads are compared, and the target that doors' own thresholds are to realise. table: people in one.
    draws: times that everybody is dealt into tables.
    clean_worse: by how much FNIR of clean searches may exceed the current head's.
    sure: in so many of the bootstrap's draws a candidate must be better before it replaces; and it is worse, and
        refused, when it is worse in so many.
    realised_fpir: at most so many times the target. People of one company are more alike than the public, for every
        head: where the factory head realises more than that on them, at most `realised_worse` times what it does, and
        never more than `realised_most` times the target. The current head allows nothing, or each head could be a
        little laxer than the one before it, without an end.
    flips: of the clean searches that the current head answers rightly, the share that the candidate does not.
    people, strangers: with fewer people to find, or fewer searches by strangers, nothing is judged.
    bytes, project_us: bounds of the exported model, as it runs here.
    """

    fpir: Annotated[float, between(1e-4, 0.1)] = 0.01
    table: Annotated[int, between(2, 1000)] = 20
    draws: Annotated[int, between(1, 100)] = 5
    clean_worse: Share = 0.002
    sure: Annotated[float, between(0.5, 1)] = 0.9
    realised_fpir: Annotated[float, between(1, 10)] = 1.3
    realised_worse: Annotated[float, between(1, 2)] = 1.15
    realised_most: Annotated[float, between(1, 20)] = 2.6
    flips: Share = 0.005
    people: Annotated[int, between(10, 10_000)] = 20
    strangers: Annotated[int, between(100, 1_000_000)] = 300
    bytes: Annotated[int, between(1, 1 << 27)] = 1 << 20
    project_us: Annotated[float, between(0, 1e5)] = 2000.0
    resamples: Annotated[int, between(100, 100_000)] = 2000


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Of the exported model. parity: a door gets the same numbers from it as the trainer does; words: how nearly."""

    bytes: Count
    project_us: Annotated[float, between(0, 1e12)]
    parity: bool
    words: Line


@dataclass(frozen=True, slots=True)
class Check:
    """One thing asked. asked: how the value that was found must stand to the limit. words: both, for a person."""

    name: str
    value: float
    asked: Literal["at most", "at least", "under"]
    limit: float
    words: str

    @property
    def passed(self) -> bool:
        if self.asked == "at least":
            return self.value >= self.limit
        return self.value < self.limit if self.asked == "under" else self.value <= self.limit + 1e-12


@dataclass(frozen=True, slots=True)
class Rating:
    """How a head does.

    mix, clean: FNIR at the rules' FPIR: of searches by clean and degraded views under one threshold, and by clean ones.
    realised: FPIR at the doors' own thresholds, over the target. det: FNIR of the mix at each FPIR of `DET_GRID`.
    """

    id: Line
    mix: Share
    clean: Share
    realised: Annotated[float, between(0, 1e4)]
    det: Annotated[tuple[Share, ...], count(len(DET_GRID), len(DET_GRID))]


@dataclass(frozen=True, slots=True)
class Lost:
    """Somebody whom the candidate does not answer rightly in clean searches in which the current head does.

    of: so many of their clean searches the current head answers rightly.
    """

    person: Line
    searches: Annotated[int, between(1, 1e12)]
    of: Annotated[int, between(1, 1e12)]


@dataclass(frozen=True, slots=True)
class Tried:
    """On how much a judgement rests.

    one_visit: people all of whose pictures are of one visit. joined: records that were taken for one with another, of
    the same person at another door. dropped: people who were left out, since the same person is learned from.
    accepted: clean searches that the current head answers rightly.
    """

    people: Count
    one_visit: Count = 0
    joined: Count = 0
    dropped: Count = 0
    searches: Count = 0
    strangers: Count = 0
    tables: Count = 0
    accepted: Count = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was found. heads: by the names of `HEADS`; empty, and no difference, where nothing was judged."""

    heads: Mapping[str, Rating]
    difference: Difference | None
    lost: tuple[Lost, ...]
    tried: Tried
    file: FileFacts
    rules: GateRules


@dataclass(frozen=True, slots=True)
class GateReport(Figures):
    """What was found, and what follows from that alone: `conclude` says the same whenever a report is read again."""

    checks: tuple[Check, ...]
    decision: Decision
    reasons: tuple[str, ...]


def judge(
    heads: Mapping[str, Head],
    people: Sequence[TrialPerson],
    outside: Sequence[TrialPerson],
    file: FileFacts,
    rules: GateRules | None = None,
    dropped: int = 0,
) -> GateReport:
    """Compare the heads of these names: `HEADS`.

    people: to be found; those with nothing to search with are left out. outside: never enrolled, strangers to all.
    dropped: see `Tried`.
    """
    rules = rules or GateRules()
    searched = [person for person in people if person.clean or person.night]
    one_visit = sum(person.one_visit for person in searched)
    tried = Tried(len(searched), one_visit, sum(person.records - 1 for person in searched), dropped)
    tables = deal(len(searched), min(rules.table, len(searched) // 2), rules.draws) if len(searched) > 1 else []
    if not tables:
        return conclude(Figures({}, None, (), tried, file, rules))
    found = {name: find_all(heads[name], searched, outside, tables, rules.fpir) for name in HEADS}
    candidate, current = found[CANDIDATE], found[CURRENT]
    before = current.enrolled.clean().accepted
    lost = _lost(searched, candidate, before)
    tried = replace(
        tried,
        searches=len(current.enrolled),
        strangers=len(current.strangers),
        tables=len(tables),
        accepted=int(before.sum()),
    )
    rated = {name: _rated(heads[name], each, rules) for name, each in found.items()}
    compared = difference(candidate, current, rules.fpir, rules.resamples)
    return conclude(Figures(rated, compared, lost, tried, file, rules))


def conclude(figures: Figures) -> GateReport:
    """The checks and the decision that follow from figures."""
    checks = tuple(_checks(figures))
    decision, reasons = _decide(checks, figures.difference, figures.rules)
    found = {field.name: getattr(figures, field.name) for field in fields(Figures)}
    return GateReport(**found, checks=checks, decision=decision, reasons=reasons)


def _decide(
    checks: Sequence[Check], difference: Difference | None, rules: GateRules
) -> tuple[Decision, tuple[str, ...]]:
    failed = tuple(f"{check.name}: {check.words}" for check in checks if not check.passed)
    if failed or difference is None:
        return "refuse", failed or ("nothing was compared",)
    said = f"misses {abs(difference.value):.2%} {'fewer' if difference.value < 0 else 'more'} of the searches"
    if difference.value < 0 and difference.better >= rules.sure:
        return "replace", (f"{said} than the current head, and fewer in {difference.better:.0%} of draws",)
    return "keep", (
        f"not surely better: {said}, fewer in {difference.better:.0%} of draws; {rules.sure:.0%} are asked",
    )


def _rated(head: Head, found: Found, rules: GateRules) -> Rating:
    return Rating(
        head.id,
        mix=float(found.missed_at(rules.fpir).mean()),
        clean=float(found.missed_at(rules.fpir, clean=True).mean()),
        realised=found.realised_fpir() / rules.fpir,
        det=tuple(float(found.missed_at(fpir).mean()) for fpir in DET_GRID),
    )


def _lost(people: Sequence[TrialPerson], candidate: Found, before: NDArray[np.bool_]) -> tuple[Lost, ...]:
    """before: `(clean searches,)` that the current head answers rightly, at the doors' own thresholds."""
    after = candidate.enrolled.clean()
    of = np.bincount(after.person[before], minlength=len(people))
    lost = np.bincount(after.person[before & ~after.accepted], minlength=len(people))
    return tuple(Lost(people[place].person, int(lost[place]), int(of[place])) for place in np.flatnonzero(lost))


def _checks(figures: Figures) -> Iterator[Check]:
    tried, rules, compared = figures.tried, figures.rules, figures.difference
    left_out = (
        f"; {tried.dropped} left out whom another door enrolled and who are learned from" if tried.dropped else ""
    )
    people = _at_least("people to judge by", tried.people, rules.people)
    yield replace(people, words=people.words + left_out)
    if compared is None:
        return
    yield _at_least("searches by strangers to judge by", tried.strangers, rules.strangers)
    yield from _of_heads(figures.heads, compared, rules)
    lost = sum(lost.searches for lost in figures.lost)
    flips = _at_most("accept-to-reject flips", lost / max(tried.accepted, 1), rules.flips)
    yield replace(
        flips, words=f"{flips.words} of {tried.accepted} clean searches that the current head answers rightly"
    )
    yield from _of_file(figures.file, rules)


def _of_heads(heads: Mapping[str, Rating], difference: Difference, rules: GateRules) -> Iterator[Check]:
    candidate, current, factory, cosine = (heads[name] for name in HEADS)
    worse = difference.worse if difference.value > 0 else 0.0
    interval = f"{difference.value:+.2%} [{difference.low:+.2%}, {difference.high:+.2%}] against the current head"
    yield Check("FNIR, clean and by night", worse, "under", rules.sure, interval)
    yield _at_most("FNIR, clean and by night, against centred cosine", candidate.mix, cosine.mix)
    yield _at_most("FNIR, clean", candidate.clean, current.clean + rules.clean_worse)
    allowed = max(rules.realised_fpir, min(rules.realised_worse * factory.realised, rules.realised_most))
    others = f"the factory head: {factory.realised:.2f}, the current one: {current.realised:.2f}"
    words = f"{candidate.realised:.2f}, at most {allowed:.2f} ({others})"
    yield Check("realised FPIR over its target", candidate.realised, "at most", allowed, words)


def _of_file(file: FileFacts, rules: GateRules) -> Iterator[Check]:
    yield Check("parity of door and server", float(file.parity), "at least", 1.0, file.words)
    sizes = f"{file.bytes:,} of {rules.bytes:,} bytes"
    yield Check("size", float(file.bytes), "at most", float(rules.bytes), sizes)
    times = f"{file.project_us:.0f} of {rules.project_us:.0f} us a projection"
    yield Check("time", file.project_us, "at most", rules.project_us, times)


def _at_most(name: str, value: float, limit: float) -> Check:
    return Check(name, value, "at most", limit, f"{value:.2%}, at most {limit:.2%}")


def _at_least(name: str, value: int, limit: int) -> Check:
    return Check(name, float(value), "at least", float(limit), f"{value}, at least {limit}")
