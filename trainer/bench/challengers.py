"""`doorward-trainer bench challengers`: heads trained by gradient beside the closed form, on people they never saw.

Half of the fleet list's people are the old fleet, from which the previous head is learned; then the other half has
come. Closed form and challengers, with and without teachers, learn from all. People of the enrollment list are enrolled
and come by day, or by day and night; what is measured of them is `visits.py`'s and `resampled.py`'s.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge import __version__
from edge.contract.bench import BenchReport, Cell, Row
from edge.contract.bench_output import deliver, progress
from edge.errors import DoorwardError
from edge.inference.machine import commit, this_machine
from edge.inference.spec import Manifest, ModelSpec, load_manifest
from edge.inference.tflite import runtime_name
from trainer.bench.data import FaceData, open_data
from trainer.bench.features import CLEAN, FULL, NIGHT, QUICK, Effort, Features, ListFeatures
from trainer.bench.originals import float_originals
from trainer.bench.resampled import Estimate, Resamples
from trainer.bench.rivals.way import HeadWay
from trainer.bench.visits import House, Searched, draws
from trainer.challengers.challenge import ChallengerReport, train_challenger
from trainer.challengers.fleet import Fleet
from trainer.challengers.settings import ChallengerSettings
from trainer.challengers.teacher import Teacher, teacher_model
from trainer.distill import HeadParameters, distill
from trainer.statistics import FOLDS, Statistics, fold_of

PREVIOUS, CLOSED, UNTAUGHT = "previous head, half of the fleet", "closed form", "challenger"
_TAUGHT = "challenger, taught by "
HELD_OUT = "held-out loss"
SHOTS, SIDES, _TARGET = (1, 3), ("clean", "mix"), 0.01
_SHOWN = 3
NOTES = (
    "fnir: people's pictures not named at rank 1 above the threshold that 1 % of strangers' pictures reach (IR 8271).",
    "clean: as in the picture. mix: also as a simulated night camera saw it, under one threshold. Enrolled clean.",
    "All but the previous head are learned from all of the fleet list, clean and night; nobody of it is measured.",
    "less closed form: above 0, worse than the closed form; on the same draws of people and strangers.",
    "held-out loss: of people of the fleet list that a run did not learn from; lower is better.",
    "A teacher sees the clean picture and its mirror image, in float; it does not ship.",
    "low, high: 95 %, bootstrap over people and strangers.",
    "Simulated night is not night. The persons are public figures who probably sit in the embedders' training sets.",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. size: people of a table; one of all is measured as well."""

    effort: Effort
    size: int
    training: ChallengerSettings


FULL_PLAN = Plan(FULL, 20, ChallengerSettings())
QUICK_PLAN = Plan(QUICK, 5, ChallengerSettings(seeds=1, epochs=3, people=8))


def run_challengers(arguments: argparse.Namespace) -> int:
    """Train, measure, print, and write the files that were asked for."""
    plan = QUICK_PLAN if arguments.quick else FULL_PLAN
    data, manifest = open_data(arguments.data), load_manifest(arguments.models)
    teachers = dict(_teachers(arguments, manifest))
    features = Features.load_or_make(data, manifest, "", arguments.cache, plan.effort)
    rows: list[Row] = []
    heads: dict[str, HeadParameters] = {}
    for name, head, training in _heads(features, data, manifest, teachers, plan.training):
        heads[name] = head
        rows += _training_rows(name, training) if training else ()
    house = House.of_enrolled(data.enrollees(), features.enrolled, features.strangers["test"])
    rows += _rows(house, heads, plan, arguments.seeds)
    settings: dict[str, Cell] = {
        "data": str(arguments.data),
        "embedder": features.embedder.name,
        "fleet": len(features.fleet.people),
        "teachers": ", ".join(f"{name} {spec.sha256[:12]}" for name, spec in teachers.items()),
        "quick": arguments.quick,
        "seeds": arguments.seeds,
    }
    machine, found = this_machine(runtime_name()), summary(rows)
    report = BenchReport("challengers", __version__, commit(), machine, settings, tuple(rows), found, NOTES)
    deliver(report, arguments, table=side_by_side(rows))
    return 0


def _teachers(arguments: argparse.Namespace, manifest: Manifest) -> Iterator[tuple[str, ModelSpec]]:
    """The embedder's float original, where there is one, and what the operator named."""
    if (arguments.teacher is None) != (arguments.teacher_description is None):
        raise DoorwardError("--teacher and --teacher-description go together: a file, and how it wants its pictures")
    own = manifest.defaults["embedder"]
    if not arguments.named_teacher_only and own in (floats := float_originals(manifest, arguments.cache)):
        yield f"{own}, float", floats[own]
    if arguments.teacher is not None:
        spec = teacher_model(arguments.teacher, arguments.teacher_description, arguments.cache / "teachers")
        yield spec.name, spec


def _heads(
    features: Features,
    data: FaceData,
    manifest: Manifest,
    teachers: Mapping[str, ModelSpec],
    training: ChallengerSettings,
) -> Iterator[tuple[str, HeadParameters, ChallengerReport | None]]:
    listed, embedder_id = features.fleet, features.embedder.sha256
    fleet, places = fleet_of(listed)
    old = fleet.of(fleet.old) if fleet.old is not None else fleet
    previous = distill(Statistics.of_people(old.x, old.norms, old.owners), embedder_id)
    yield PREVIOUS, previous, None
    yield CLOSED, distill(Statistics.of_people(fleet.x, fleet.norms, fleet.owners), embedder_id), None
    yield UNTAUGHT, *train_challenger(fleet, previous, None, training)
    files = [data.face_file(path) for path in listed.paths]
    for name, spec in teachers.items():
        answers = Teacher(spec, manifest).views(files, _told(name, len(files)))[places]
        yield _TAUGHT + name, *train_challenger(fleet, previous, answers, training)


def fleet_of(listed: ListFeatures) -> tuple[Fleet, NDArray[np.intp]]:
    """All clean and night views of a list's people, half of whom are old, by their ids; and each view's picture."""
    people = listed.people
    faces, owners = listed.learnable((CLEAN, NIGHT))
    places = np.concatenate(list(people.values()))
    pictures = np.tile(places, len(faces) // len(places))
    old = np.array([fold_of(person) < FOLDS // 2 for person in people])
    return Fleet(faces.x, faces.norms, owners, pictures, old[owners]), pictures


def _training_rows(name: str, report: ChallengerReport) -> Iterator[Row]:
    for way, loss in (
        (name, report.challenger_loss),
        (CLOSED, report.closed_form_loss),
        (PREVIOUS, report.previous_loss),
    ):
        about: Row = {"way": way, "measure": HELD_OUT, "of": name, "shrinkage": report.shrinkage}
        yield {**about, "unit": "loss", "n": len(report.epochs), "value": loss}
    yield {"way": name, "measure": "training", "unit": "s", "n": len(report.epochs), "value": report.seconds}


def _rows(house: House, heads: Mapping[str, HeadParameters], plan: Plan, seeds: int) -> Iterator[Row]:
    resamples = Resamples.draw(len(house), len(house.strangers.paths))
    for shots in SHOTS:
        searched = {name: Searched(HeadWay(head.head()), house, shots) for name, head in heads.items()}
        for size in sorted({min(plan.size, len(house)), len(house)}):
            drawn = draws(len(house), size, seeds, len(house.pictures.views(NIGHT)))
            for side in SIDES:
                found = {w: resamples.fnir(s.trials(drawn, side, NIGHT), _TARGET) for w, s in searched.items()}
                about: Row = {"k": shots, "people": size, "side": side, "fpir": _TARGET, "n": len(drawn)}
                for way, estimate in found.items():
                    yield {"way": way, "measure": "fnir", **about, **_estimated(estimate)}
                    yield {
                        "way": way,
                        "measure": "fnir less closed form",
                        **about,
                        **_estimated(estimate.less(found[CLOSED])),
                    }
        progress(f"{shots} shots: done")


def _estimated(estimate: Estimate) -> Row:
    low, high = estimate.interval
    return {"unit": "share", "value": estimate.value, "low": low, "high": high}


def side_by_side(rows: Sequence[Row]) -> list[Row]:
    """One line for each way, with a column for each kind of table."""
    lines: dict[str, dict[str, Cell]] = {}
    for row in rows:
        line = lines.setdefault(str(row["way"]), {"way": row["way"]})
        if row["measure"] == "fnir":
            line[f"{row['side']} k={row['k']} N={row['people']} %"] = f"{100 * _number(row['value']):.2f}"
        elif row["measure"] == "fnir less closed form" and row["k"] == _SHOWN:
            low, high = 100 * _number(row["low"]), 100 * _number(row["high"])
            line[f"{row['side']} N={row['people']} less closed form"] = (
                f"{100 * _number(row['value']):+.2f} [{low:+.2f}, {high:+.2f}]"
            )
    return [lines[way] for way in sorted(lines, key=_order)]


def _order(way: str) -> int:
    known = (PREVIOUS, CLOSED, UNTAUGHT)
    return known.index(way) if way in known else len(known)


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """Three shots, the smaller tables: the closed form, the challenger without a teacher, and that with the teacher
    who was best for held-out people of the fleet.
    """
    size = min(int(_number(row["people"])) for row in rows if row["measure"] == "fnir")
    found: dict[str, float] = {}
    for side in SIDES:
        its = {
            str(row["way"]): _number(row["value"])
            for row in rows
            if row["measure"] == "fnir" and row["k"] == _SHOWN and row["side"] == side and row["people"] == size
        }
        found[f"closed_form_{side}_k3"], found[f"challenger_{side}_k3"] = its[CLOSED], its[UNTAUGHT]
        taught = _best_taught(rows)
        found |= {f"taught_{side}_k3": its[taught]} if taught else {}
    return found


def _best_taught(rows: Sequence[Row]) -> str:
    losses = {
        str(row["way"]): _number(row["value"])
        for row in rows
        if row["measure"] == HELD_OUT and row["way"] == row["of"] and str(row["way"]).startswith(_TAUGHT)
    }
    return min(losses, key=losses.__getitem__, default="")


def _told(name: str, total: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if done % 250 == 0 or done == total:
            progress(f"teacher {name}: {done} of {total} pictures")

    return tell


def _number(cell: Cell) -> float:
    assert isinstance(cell, int | float)
    return float(cell)
