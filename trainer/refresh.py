"""One refresh: from the fleet's store to a head that is ready to sign, or to the reason why there is none.

Pools who is new, chooses how much the fleet may change the factory head, exports the result, and has the exported file
judged on people whom it was not learned from. Nothing is put in force: `releases` signs what is here. A refresh never
begins from the head before it: the sums hold everybody who is enrolled now, and nobody who was erased.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.inference.head import head_path, load_centred_cosine, load_head
from edge.inference.spec import ModelSpec
from edge.recognition.scoring import Head
from trainer.calibrate import with_fpir_scale
from trainer.challenger_fleet import challenger_fleet
from trainer.challengers.challenge import train_challenger
from trainer.challengers.settings import ChallengerSettings
from trainer.distill import HeadParameters
from trainer.export import Exported, Parity, export, read_back
from trainer.gate import CANDIDATE, COSINE, CURRENT, FileFacts, GateReport, GateRules, judge
from trainer.gate_report import HEAD_DIGEST, as_html, to_json
from trainer.refine import refined
from trainer.statistics import FOLDS, Statistics
from trainer.store.records import FleetPerson
from trainer.store.store import FleetStore
from trainer.strength import Choice, choose_strength
from trainer.trials import Picture, TrialPerson, trial_person

# Whom a head is judged by it is never learned from; who a fold's people are follows from their ids alone.
GATE_FOLDS = (0, 1)
LEARN_FOLDS = tuple(range(2, FOLDS))
_TABLE = 20

Progress = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True, slots=True)
class RefreshRules:
    """most_people: to choose by, and to judge by: a refresh costs what is new, however large the fleet.

    target_fpir: of the doors. gate: what is asked of a candidate. challenger: how a head is trained by gradient too,
    from `most_learned` people at most; None for the closed form alone. The gate decides which of the two ships.
    """

    most_people: int = 400
    most_learned: int = 5000
    target_fpir: float = 0.01
    challenger: ChallengerSettings | None = None
    gate: GateRules = field(default_factory=GateRules)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a refresh starts from.

    embedder: whose enrollments are taken. factory: description of the head that is the prior. current: of the head
    that doors have. out: folder below which a candidate's folder is made. outside: strangers to judge by, besides the
    fleet's own people.
    """

    embedder: ModelSpec
    factory: Path
    current: Path
    out: Path
    outside: tuple[TrialPerson, ...] = ()

    @classmethod
    def of(
        cls, embedder: ModelSpec, out: Path, current: Path | None = None, outside: tuple[TrialPerson, ...] = ()
    ) -> Sources:
        """The shipped head is the prior, and the current one where no other is named."""
        shipped = head_path(embedder)
        return cls(embedder, shipped, current or shipped, out, outside)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of it.

    candidate: the head's id, None where the fleet gives no reason for another head. folder: where its files are, None
    for a dry run. report: the gate's, None without a candidate.
    """

    people: int
    new: int
    choice: Choice
    candidate: str | None
    folder: Path | None
    report: GateReport | None
    words: str


def refresh(
    store: FleetStore, sources: Sources, rules: RefreshRules, progress: Progress, *, dry_run: bool = False
) -> Refreshed:
    """Refresh. dry_run: leave no candidate behind; who is new is added to the sums all the same.

    Raises:
        StoreError: the store failed. ModelError: a head in use is missing or damaged.
    """
    embedder = sources.embedder
    pooling = store.pool_new(embedder.sha256, progress=progress("adding up new people"))
    folds = store.pooled(embedder.sha256)
    if not folds:
        none = Choice(math.inf, (), 0)
        return Refreshed(0, 0, none, None, None, None, f"nobody was enrolled by {embedder.name} yet")
    prior = read_back(sources.factory, embedder.sha256)
    learn = [folds[fold] for fold in LEARN_FOLDS]
    counted = sum(fold.people for fold in folds)
    choosing = trial_people(store, embedder.sha256, LEARN_FOLDS, rules.most_people)
    choice = choose_strength(learn, _by_fold(choosing), prior)
    contenders = dict(_contenders(store, embedder.sha256, learn, prior, choice, rules))
    if not contenders:
        words = f"{counted} people give no sure reason to change the factory head"
        return Refreshed(counted, pooling.added, choice, None, None, None, words)
    current = load_head(sources.current, embedder.sha256)
    judging = [one for _, one in trial_people(store, embedder.sha256, GATE_FOLDS, rules.most_people)]
    judged = []
    for way, learned in contenders.items():
        head = with_fpir_scale(learned, current, [one for _, one in choosing], rules.target_fpir, _TABLE)
        judged.append((head.id, *_judged(head, way, sources, judging, choice, rules, dry_run=dry_run)))
    best = min(judged, key=lambda one: _standing(one[1]))
    for _, _, folder in judged:
        if folder is not None and folder != best[2]:
            shutil.rmtree(folder)
    candidate, report, folder = best
    return Refreshed(counted, pooling.added, choice, candidate, folder, report, "; ".join(report.reasons))


def _contenders(
    store: FleetStore,
    embedder: str,
    learn: Sequence[Statistics],
    prior: HeadParameters,
    choice: Choice,
    rules: RefreshRules,
) -> Iterator[tuple[str, HeadParameters]]:
    """The heads that may be judged, by the way in which they were learned."""
    if math.isfinite(choice.strength):
        yield "closed form", refined(_total(learn), prior, choice.strength)
    if rules.challenger is not None:
        fleet = challenger_fleet(itertools.islice(store.embeddings(embedder, LEARN_FOLDS), rules.most_learned))
        if fleet is not None:
            head, report = train_challenger(fleet, prior, settings=rules.challenger)
            yield f"trained by gradient, {report.people} people", head


def _standing(report: GateReport) -> tuple[int, float]:
    """What may replace stands before what may not, and of those the one that misses least."""
    order = {"replace": 0, "keep": 1, "refuse": 2}[report.decision]
    return order, report.heads[CANDIDATE].mix if report.heads else math.inf


def trial_people(store: FleetStore, embedder: str, folds: Collection[int], most: int) -> list[tuple[int, TrialPerson]]:
    """People of some folds as heads are tried on them, with their fold; only those with something to search with."""
    found = ((person.fold, _trial(person)) for person in store.embeddings(embedder, folds))
    return list(itertools.islice(((fold, one) for fold, one in found if one.clean or one.night), most))


def _trial(person: FleetPerson) -> TrialPerson:
    pictures = [Picture(views.clean, views.night, views.taken_s) for views in person.exemplars.values()]
    return trial_person(f"{person.door}/{person.person}", pictures)


def _by_fold(people: Sequence[tuple[int, TrialPerson]]) -> dict[int, list[TrialPerson]]:
    """By place among LEARN_FOLDS."""
    return {place: [one for of, one in people if of == fold] for place, fold in enumerate(LEARN_FOLDS)}


def _total(folds: Sequence[Statistics]) -> Statistics:
    return sum(folds[1:], folds[0])


def _judged(
    candidate: HeadParameters,
    way: str,
    sources: Sources,
    people: Sequence[TrialPerson],
    choice: Choice,
    rules: RefreshRules,
    *,
    dry_run: bool,
) -> tuple[GateReport, Path | None]:
    """Export into a folder of its own, judge the file, and write the report beside it: all there, or nothing."""
    sources.out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".refresh-", dir=sources.out))
    try:
        samples = [view for person in people[:50] for view in (*person.clean, *person.night)]
        exported = export(candidate, scratch, sources.embedder.name, samples)
        report = gate_file(exported, sources, people, rules.gate)
        about = {"learned": way, **_about(exported, sources, choice)}
        (scratch / "gate.json").write_text(to_json(report, about), "utf-8")
        (scratch / "gate.html").write_text(as_html(report, about), "utf-8")
        if dry_run:
            return report, None
        folder = sources.out / candidate.id.replace(":", "-")
        shutil.rmtree(folder, ignore_errors=True)
        scratch.chmod(0o755)
        scratch.rename(folder)
        return report, folder
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def gate_file(exported: Exported, sources: Sources, people: Sequence[TrialPerson], rules: GateRules) -> GateReport:
    """The exported file, as a door loads it, against the current release and centred cosine.

    Raises:
        ModelError: one of them cannot be loaded.
    """
    sha256 = sources.embedder.sha256
    heads: dict[str, Head] = {
        CANDIDATE: load_head(exported.description, sha256),
        CURRENT: load_head(sources.current, sha256),
        COSINE: load_centred_cosine(sources.embedder),
    }
    return judge(heads, people, sources.outside, file_facts(exported.shipped), rules)


def file_facts(parity: Parity) -> FileFacts:
    """What the gate is told of an exported model."""
    return FileFacts(parity.bytes, parity.project_us, parity.holds, str(parity))


def _about(exported: Exported, sources: Sources, choice: Choice) -> Mapping[str, Any]:
    return {
        "embedder": sources.embedder.name,
        "embedder_sha256": sources.embedder.sha256,
        HEAD_DIGEST: hashlib.sha256(exported.description.read_bytes()).hexdigest(),
        "weights": exported.weights,
        "parity": [str(parity) for parity in exported.tried],
        "prior worth, views": choice.strength,
        "chosen by, people": choice.people,
        "gain over the factory head": [f"{t.strength:g}: {t.gain:+.4f} +- {t.error:.4f}" for t in choice.tried],
    }
