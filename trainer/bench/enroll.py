"""`doorward-trainer bench enroll`: people enrolled session by session, as they come to a door; nobody is forgotten.

Every picture goes once through the door's own line (default embedder, int8), and through three ways to compare: raw
cosine, centred cosine and the learned head, each by the code that a door runs. How long somebody waits, and what one
more person costs, is measured by the door's half (`enroll_door.py`). How rows are told is `enroll_report.py`'s.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge import __version__
from edge.contract.bench import BenchReport, Cell, Row
from edge.contract.bench_output import deliver, progress
from edge.inference.machine import commit, this_machine
from edge.inference.spec import load_manifest
from edge.inference.tflite import runtime_name
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding
from trainer.bench.data import STRANGERS, Enrollee, FaceData, open_data
from trainer.bench.enroll_door import time_a_door
from trainer.bench.enroll_report import NOTES, plots, side_by_side, summary
from trainer.bench.growth import Album, Stage, grow
from trainer.bench.heads import all_heads
from trainer.bench.pairs import FaceLine
from trainer.bench.tables import OpenTable, Scored, parts
from trainer.metrics import fnir_at_fpir, fnir_interval, fpir_at, share_interval, wilson_interval

SHOTS = (1, 3, 5)
TARGETS = (0.01, 0.001)
TARGET = 0.01  # of a door that was told nothing else
_SHOWN = 3  # shots for what is not measured for each number of them
_PROGRESS_EVERY = 250


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured; None for all that the lists have.

    people: of each of so many sessions. probes: of each person. strangers: of each list. part: people of the small
    tables. visitors: timed one by one. sizes, repeats: of the synthetic tables. houses: people of doors that are asked
    while they recognize. requests: of each kind.
    """

    sessions: int | None
    people: int | None
    probes: int | None
    strangers: int | None
    part: int
    visitors: int | None
    sizes: tuple[int, ...]
    repeats: int
    houses: tuple[int, ...]
    requests: int


FULL = Effort(
    sessions=None,
    people=None,
    probes=None,
    strangers=None,
    part=20,
    visitors=None,
    sizes=(10, 100, 1000, 10_000),
    repeats=20,
    houses=(10, 100, 1000),
    requests=100,
)
QUICK = Effort(3, 4, 3, 40, part=5, visitors=4, sizes=(10, 100), repeats=3, houses=(10,), requests=5)


def run_enroll(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files that were asked for."""
    effort = QUICK if arguments.quick else FULL
    data, manifest = open_data(arguments.data), load_manifest(arguments.models)
    people = chosen(data.enrollees(), effort)
    lists = {name: data.strangers(name)[: effort.strangers] for name in STRANGERS}
    heads = all_heads(manifest.pick("embedder"))
    pictures = [path for person in people for path in (*person.shots, *person.probes)]
    faces = embed_faces(data, [*pictures, *(path for paths in lists.values() for path in paths)], FaceLine(manifest))
    album = Album(people, faces)
    strangers = {name: [faces.get(path) for path in paths] for name, paths in lists.items()}
    rows = [row for name, head in heads.items() for row in _head_rows(name, head, album, strangers, effort, arguments)]
    houses = (effort.houses, effort.requests)
    times = time_a_door(data, people[: effort.visitors], arguments.models, effort.sizes, effort.repeats, *houses)
    rows += [*times.rows(), *_faceless(album, strangers)]
    settings: dict[str, Cell] = {
        "data": str(arguments.data),
        "embedder": manifest.defaults["embedder"],
        "embedder_sha256": manifest.pick("embedder").sha256,
        "people": len(people),
        "sessions": len(set(album.sessions.tolist())),
        "pictures": len(pictures),
        "strangers": len(lists["test"]),
        "part": effort.part,
        "quick": arguments.quick,
        "seeds": arguments.seeds,
    }
    report = BenchReport(
        "enroll",
        __version__,
        commit(),
        this_machine(runtime_name()),
        settings,
        tuple(rows),
        {**summary(rows), **times.summary()},
        NOTES,
    )
    deliver(report, arguments, table=side_by_side(rows), plots=plots(rows))
    return 0


def chosen(people: Sequence[Enrollee], effort: Effort) -> list[Enrollee]:
    """The first people of the first sessions, with their first probes, as far as the effort goes."""
    sessions = sorted({person.session for person in people})[: effort.sessions]
    by_session = [[person for person in people if person.session == session][: effort.people] for session in sessions]
    return [replace(person, probes=person.probes[: effort.probes]) for part in by_session for person in part]


def embed_faces(data: FaceData, paths: Sequence[str], line: FaceLine) -> dict[str, Embedding]:
    """Each picture's face by path; a picture in which none is found is left out."""
    found: dict[str, Embedding] = {}
    for number, path in enumerate(paths, 1):
        probe = line.probe(data.face(path))
        if probe is not None:
            found[path] = probe.embedding
        if number % _PROGRESS_EVERY == 0 or number == len(paths):
            progress(f"pictures: {number} of {len(paths)}")
    return found


def _head_rows(
    name: str,
    head: Head,
    album: Album,
    strangers: dict[str, list[Embedding | None]],
    effort: Effort,
    arguments: argparse.Namespace,
) -> Iterator[Row]:
    draws = parts(len(album.people), effort.part, arguments.seeds)
    for shots in SHOTS:
        which: Row = {"head": name, "k": shots}
        stages = list(grow(head, album, shots, TARGET))
        yield from growth_rows(which, album, stages)
        scored = Scored.of(album, stages[-1].model.gallery, strangers)
        whole, drawn = scored.whole("test"), [scored.part("test", part) for part in draws]
        for target in TARGETS:
            yield _whole_fnir(which, whole, target)
            yield _drawn_row(which, "fnir", effort.part, target, [_fnir(table, target) for table in drawn])
        if shots == _SHOWN:
            yield from calibration_rows(which, scored, whole, drawn, effort.part)
        progress(f"{name}, {shots} shots: done")


def growth_rows(which: Row, album: Album, stages: Sequence[Stage]) -> Iterator[Row]:
    """What each session left of the first session's people, and how the new ones do; then whose scores it changed."""
    session_of, first, last = album.sessions, stages[0].session, stages[-1]
    for stage in stages:
        about: Row = {**which, "people": len(stage.model.gallery), "session": stage.session}
        session = session_of[stage.searches.person]
        old = stage.searches.of(session == first)
        yield {**about, "measure": "rank1 old", **_share(old.right, old.person)}
        named = ~old.missed(stage.model.threshold)
        yield {**about, "measure": "named old", "fpir": TARGET, **_share(named, old.person)}
        if stage.session != first:
            new = stage.searches.of(session == stage.session)
            yield {**about, "measure": "rank1 new", **_share(new.right, new.person)}
        counted: Row = {"unit": "people", "n": len(stage.model.gallery), "value": len(stage.changed)}
        yield {**about, "measure": "others changed", **counted}
    later = last.searches.of(session_of[last.searches.person] != first)
    about = {**which, "people": len(last.model.gallery), "session": last.session}
    yield {**about, "measure": "rank1 all new", **_share(later.right, later.person)}


def calibration_rows(
    which: Row, scored: Scored, whole: OpenTable, drawn: Sequence[OpenTable], part: int
) -> Iterator[Row]:
    """The share of strangers named at a door's own threshold, over the share that it was told."""
    for target in TARGETS:
        for measure, threshold in (
            ("fpir realised/target", whole.own_threshold(target)),
            ("fpir realised/target, set by others", scored.real_threshold("calibration", target)),
        ):
            yield {**which, "measure": measure, "people": len(whole.gallery), **_over(whole, threshold, target)}
    thresholds = [table.own_threshold(TARGET) for table in drawn]
    pairs = list(zip(drawn, thresholds, strict=True))
    named = [fpir_at(table.strangers, threshold) / TARGET for table, threshold in pairs]
    yield _drawn_row(which, "fpir realised/target", part, TARGET, named)
    elsewhere = [fpir_at(table.others, threshold) / TARGET for table, threshold in pairs]
    yield _drawn_row(which, "fpir realised/target, enrolled elsewhere", part, TARGET, elsewhere)


def _whole_fnir(which: Row, table: OpenTable, target: float) -> Row:
    value = _fnir(table, target)
    low, high = fnir_interval(table.searches, table.strangers, target)
    measured: Row = {"n": len(table.searches.top), "value": value, "low": min(low, value), "high": max(high, value)}
    people = len(table.gallery)
    return {**which, "measure": "fnir", "people": people, "fpir": target, "unit": "share", **measured}


def _drawn_row(which: Row, measure: str, people: int, target: float, values: Sequence[float]) -> Row:
    """Mean over tables drawn, with their 5th and 95th percentile."""
    low, high = np.percentile(values, [5, 95])
    unit = "share" if measure == "fnir" else "ratio"
    measured: Row = {"n": len(values), "value": float(np.mean(values)), "low": float(low), "high": float(high)}
    return {**which, "measure": measure, "people": people, "fpir": target, "unit": unit, **measured}


def _fnir(table: OpenTable, target: float) -> float:
    return fnir_at_fpir(table.searches, table.strangers, target)[0]


def _over(table: OpenTable, threshold: float, target: float) -> Row:
    share = fpir_at(table.strangers, threshold)
    low, high = wilson_interval(round(share * len(table.strangers)), len(table.strangers))
    measured: Row = {"n": len(table.strangers), "value": share / target, "low": low / target, "high": high / target}
    return {"fpir": target, "unit": "ratio", **measured}


def _share(hits: NDArray[np.bool_], person: NDArray[np.intp]) -> Row:
    low, high = share_interval(hits, person)
    return {"unit": "share", "n": len(hits), "value": float(hits.mean()), "low": low, "high": high}


def _faceless(album: Album, strangers: dict[str, list[Embedding | None]]) -> Iterator[Row]:
    """How many pictures showed no face to the door's line."""
    shots = [path in album.faces for person in album.people for path in person.shots]
    seen = {"shots": shots, "probes": [probe is not None for probe in album.probes()]}
    seen |= {f"strangers, {name}": [face is not None for face in faces] for name, faces in strangers.items()}
    for kind, found in seen.items():
        yield {"measure": f"no face in {kind}", "unit": "pictures", "n": len(found), "value": found.count(False)}
