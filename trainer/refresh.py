"""One refresh: from the fleet's store to a head that is ready to sign, or to the reason why there is none.

Pools who is new, chooses how much the fleet may change the factory head, exports the result, and has the exported file
judged on people whom it was not learned from. Nothing is put in force: `releases` signs what is here. A refresh never
begins from the head before it: the sums hold everybody who is enrolled now, and nobody who was erased.
"""

from __future__ import annotations

import filecmp
import hashlib
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import DoorwardError, ModelError
from edge.inference.head import head_path, load_centred_cosine, load_head
from edge.inference.spec import ModelSpec
from edge.recognition.scoring import Head
from trainer.calibrate import with_fpir_scale
from trainer.challenger_fleet import challenger_fleet
from trainer.challengers.challenge import ChallengerReport, train_challenger
from trainer.challengers.settings import ChallengerSettings
from trainer.distill import HeadParameters
from trainer.export import Exported, Parity, export, read_back
from trainer.fleet_trials import Judges, choosing_people, judging_people, spread
from trainer.gate import CANDIDATE, COSINE, CURRENT, FACTORY, FileFacts, GateReport, GateRules, judge
from trainer.gate_report import HEAD_DIGEST, as_html, read_report, to_json
from trainer.refine import refined
from trainer.statistics import FOLDS, Statistics
from trainer.store.store import FleetStore
from trainer.strength import Choice, all_alike, choose_strength
from trainer.trials import TrialPerson

# Whom a head is judged by it is never learned from; who a fold's people are follows from their ids alone.
GATE_FOLDS = (0, 1)
LEARN_FOLDS = tuple(range(2, FOLDS))
_TABLE = 20
_SCRATCH = ".refresh-"

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
        StoreError: the store failed. ModelError: a head in use is missing, damaged, or not for these embeddings.
    """
    embedder = sources.embedder
    pooling = store.pool_new(embedder.sha256, progress=progress("adding up new people"))
    folds = store.pooled(embedder.sha256)
    if not folds:
        none = Choice(math.inf, (), 0)
        return Refreshed(0, 0, none, None, None, None, f"nobody was enrolled by {embedder.name} yet")
    prior, factory = _prior(sources, folds[0].dim), load_head(sources.factory, embedder.sha256)
    # Who is enrolled at two doors is in the sums twice. Each record adds what it would add of two people, differences
    # between one person's pictures among it, so that a double weighs more and misleads nobody.
    learn = [folds[fold] for fold in LEARN_FOLDS]
    counted = sum(fold.people for fold in folds)
    alike = all_alike(_total(learn), prior)
    if alike is not None:
        none = Choice(math.inf, (), 0)
        words = f"{alike}: nothing is learned from {counted} people"
        return Refreshed(counted, pooling.added, none, None, None, None, words)
    choosing = choosing_people(store, embedder.sha256, LEARN_FOLDS, rules.most_people, factory)
    choice = choose_strength(learn, _by_fold(choosing), prior)
    contenders = dict(_contenders(store, embedder.sha256, learn, prior, choice, rules))
    if not contenders:
        words = f"{counted} people give no sure reason to change the factory head"
        return Refreshed(counted, pooling.added, choice, None, None, None, words)
    current, learned = load_head(sources.current, embedder.sha256), (LEARN_FOLDS, rules.most_learned)
    judges = judging_people(store, embedder.sha256, GATE_FOLDS, rules.most_people, learned, factory)
    with _scratch(None if dry_run else sources.out) as scratch:
        judged = []
        for way, raw in contenders.items():
            head = with_fpir_scale(raw, current, factory, [one for _, one in choosing], rules.target_fpir, _TABLE)
            report = _judged(head, way, scratch / head.id, sources, judges, choice, rules)
            judged.append((head.id, report))
        candidate, report = min(judged, key=lambda one: _standing(one[1]))
        folder = None if dry_run else _keep(scratch / candidate, sources.out / candidate, report)
    return Refreshed(counted, pooling.added, choice, candidate, folder, report, "; ".join(report.reasons))


def train_along(store: FleetStore, sources: Sources, rules: RefreshRules) -> None:
    """What a worker does that helps a chief with its challenger: it trains on the same people, and writes nothing.

    Raises:
        StoreError, ModelError: as `refresh`. StrategyError: the workers cannot train together.
    """
    embedder = sources.embedder.sha256
    people = next(store.embeddings(embedder), None)
    if people is not None:
        dim = next(iter(people.exemplars.values())).x.shape[1]
        _challenger(store, embedder, _prior(sources, dim), rules)


def clear_remains(out: Path) -> None:
    """Take away what refreshes left that were killed; none may run meanwhile."""
    for scratch in out.glob(f"{_SCRATCH}*"):
        shutil.rmtree(scratch)


def _prior(sources: Sources, dim: int) -> HeadParameters:
    prior = read_back(sources.factory, sources.embedder.sha256)
    if len(prior.mean) != dim:
        raise ModelError(
            f"{sources.factory}: takes embeddings of {len(prior.mean)} numbers, and those that doors reported by "
            f"{sources.embedder.name} have {dim}; `doorward-trainer head build` makes its head again"
        )
    return prior


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
    challenger = _challenger(store, embedder, prior, rules)
    if challenger is not None:
        head, report = challenger
        yield f"trained by gradient, {report.people} people", head


def _challenger(
    store: FleetStore, embedder: str, prior: HeadParameters, rules: RefreshRules
) -> tuple[HeadParameters, ChallengerReport] | None:
    if rules.challenger is None:
        return None
    chosen = spread(store, embedder, LEARN_FOLDS, rules.most_learned)
    fleet = challenger_fleet(store.embeddings(embedder, LEARN_FOLDS, only=chosen))
    return None if fleet is None else train_challenger(fleet, prior, settings=rules.challenger)


def _standing(report: GateReport) -> tuple[int, float]:
    """What may replace stands before what may not, and of those the one that misses least."""
    order = {"replace": 0, "keep": 1, "refuse": 2}[report.decision]
    return order, report.heads[CANDIDATE].mix if report.heads else math.inf


def _by_fold(people: Sequence[tuple[int, TrialPerson]]) -> dict[int, list[TrialPerson]]:
    """By place among LEARN_FOLDS."""
    return {place: [one for of, one in people if of == fold] for place, fold in enumerate(LEARN_FOLDS)}


def _total(folds: Sequence[Statistics]) -> Statistics:
    return sum(folds[1:], folds[0])


def _judged(
    candidate: HeadParameters,
    way: str,
    folder: Path,
    sources: Sources,
    judges: Judges,
    choice: Choice,
    rules: RefreshRules,
) -> GateReport:
    """Export into a folder of its own, judge the file, and write the report beside it."""
    folder.mkdir()
    samples = [view for person in judges.people[:50] for view in (*person.clean, *person.night)]
    exported = export(candidate, folder, sources.embedder.name, samples)
    report = gate_file(exported, sources, judges, rules.gate)
    about = {"learned": way, **_about(exported, sources, choice)}
    (folder / "gate.json").write_text(to_json(report, about), "utf-8")
    (folder / "gate.html").write_text(as_html(report, about), "utf-8")
    return report


@contextmanager
def _scratch(out: Path | None) -> Iterator[Path]:
    """A folder that is gone afterwards, in `out` for what is moved there; None: where temporary files are."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=out))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _keep(made: Path, folder: Path, report: GateReport) -> Path:
    """Move a candidate to its place: all of it is there, or nothing. The same one with the same decision stays."""
    if _is_there(made, folder, report):
        return folder
    if folder.exists():
        folder.rename(made.with_name("former"))
    made.chmod(0o755)
    made.rename(folder)
    return folder


def _is_there(made: Path, folder: Path, report: GateReport) -> bool:
    names = [file.name for file in made.iterdir() if ".head." in file.name]
    if any(not (folder / name).is_file() or not filecmp.cmp(made / name, folder / name, False) for name in names):
        return False
    try:
        said, _ = read_report(folder / "gate.json")
    except DoorwardError:
        return False
    return said.decision == report.decision


def gate_file(exported: Exported, sources: Sources, judges: Judges, rules: GateRules) -> GateReport:
    """The exported file, as a door loads it, against the current release, the factory head and centred cosine.

    Raises:
        ModelError: one of them cannot be loaded.
    """
    sha256 = sources.embedder.sha256
    heads: dict[str, Head] = {
        CANDIDATE: load_head(exported.description, sha256),
        CURRENT: load_head(sources.current, sha256),
        FACTORY: load_head(sources.factory, sha256),
        COSINE: load_centred_cosine(sources.embedder),
    }
    facts = file_facts(exported.shipped)
    return judge(heads, judges.people, sources.outside, facts, rules, judges.dropped)


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
