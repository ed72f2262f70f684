"""The door's half of `doorward-trainer bench enroll`: from the last shot to being recognized, on a real template store.

A process of its own, since a trainer knows nothing of a door's store. What to enroll comes in a file; the times go out
as one JSON object. People are enrolled through the door's own roster, with its settings' defaults. How long requests
wait meanwhile is `requests.py`'s to measure.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from edge.adapters.pictures import read_picture
from edge.bench.device import pasted, synthetic_people
from edge.bench.line import Stopwatch
from edge.bench.requests import ask_while_recognizing
from edge.compose import head_for, model_over, recognizer
from edge.enrollment.pictures import Provenance, exemplar_of, night_views
from edge.errors import DoorwardError
from edge.inference.spec import SHIPPED
from edge.inference.tflite import runtime_name
from edge.recognition.recognizer import Recognizer
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Frame, Image, Known, Probe, Quality
from edge.roster import Roster
from edge.settings.slices import RecognitionSettings, StoreSettings
from edge.store.codec import pack_exemplar
from edge.store.templates import TemplateStore
from edge.store.transfer import take_in
from edge.store.types import ExemplarRecord, Kind, NewExemplar, Person, PersonRecord, View
from edge.stored import open_store

# Row and threshold are `Roster.enroll` less the commit; the row is measured beside it, the threshold is what remains.
STEPS = ("night views", "commit", "row", "threshold", "next frame")
TABLE_STEPS = ("commit", "row", "threshold", "score")
TOTAL = "total"
CLOCKS = ("ms", "cpu_ms")  # time that passed, and time that the process computed
Times: TypeAlias = Mapping[str, Mapping[str, Sequence[float]]]  # by clock and step
_WARM_UP = 2
_SHOTS = 3
_VIEWS = 2
_NORM = 70.0
_APART = 10_000_000  # seeds of those who come, away from those of the tables
_QUALITY = Quality(100.0, 45.0, 200.0, 120.0, 40.0, 0.0, 5.0, 0.99)
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Picture files of somebody. shots: to enroll. probes: the first that will do is the next frame."""

    shots: tuple[str, ...]
    probes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    visitors: enrolled one after another, each timed. sizes: of synthetic tables. repeats: enrollments into each.
    houses: people of whole doors that are asked while they recognize. requests: of each kind.
    """

    visitors: tuple[Visitor, ...]
    sizes: tuple[int, ...]
    repeats: int
    models: str = str(SHIPPED)
    houses: tuple[int, ...] = ()
    requests: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """What `to_json` made."""
        raw = json.loads(text)
        visitors = tuple(Visitor(tuple(v["shots"]), tuple(v["probes"])) for v in raw["visitors"])
        numbers = {name: tuple(raw[name]) for name in ("sizes", "houses")}
        return cls(**{**raw, "visitors": visitors, **numbers})


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """steps: of every visitor. recognized: whether the next frame named each. refused: visitors without a picture that
    shows one face good enough to enroll, or to tell. tables: by size. requests: ms by house and kind.
    """

    steps: Times
    recognized: Sequence[bool]
    refused: int
    tables: Mapping[str, Times]
    requests: Mapping[str, Mapping[str, Sequence[float]]]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Findings:
        """What `to_json` made."""
        return cls(**json.loads(text))


class _TimedStore(TemplateStore):
    """The store with a stopwatch around its commit."""

    def __init__(self, store: TemplateStore, watch: Stopwatch) -> None:
        super().__init__(store.session, ())
        self._watch = watch

    def add_person(self, name: str | None, exemplars: Sequence[NewExemplar], **how: Any) -> Person:
        return self._watch.time("commit", super().add_person, name, exemplars, **how)


class TimedDoor:
    """A roster on a store in a folder, whose enrollments are timed."""

    def __init__(self, store: TemplateStore, models: Path, settings: RecognitionSettings) -> None:
        """Raises:
        ModelError: the embedder's head is missing or damaged.
        """
        self.watch = Stopwatch()
        head = head_for(settings, models)
        people = store.load()
        self.embedder = head.embedder_id
        self.roster = Roster(_TimedStore(store, self.watch), people, model_over(settings, head))
        self.roster.ready()

    def enroll(self, name: str, exemplars: Sequence[NewExemplar]) -> Person:
        """As a session at the door does once it has its shots."""
        embeddings = [exemplar.embedding for exemplar in exemplars]
        self.watch.time("row", self.roster.model.gallery.with_person, "row", embeddings)
        person = self.watch.time("enroll", self.roster.enroll, name, exemplars, time.time(), verified=True)
        for times in self._clocks.values():
            commit, row, whole = (times[step][-1] for step in ("commit", "row", "enroll"))
            times["threshold"].append(max(0.0, whole - commit - row))
        return person

    def times(self, steps: Sequence[str]) -> dict[str, dict[str, list[float]]]:
        """By clock and step, as it was measured so far."""
        return {clock: {step: times[step] for step in steps} for clock, times in self._clocks.items()}

    @property
    def _clocks(self) -> dict[str, dict[str, list[float]]]:
        return dict(zip(CLOCKS, (self.watch.times, self.watch.cpu_times), strict=True))


def main(arguments: Sequence[str]) -> int:
    """`PLAN`: measure what the file says, and print the findings."""
    plan = Plan.from_json(Path(arguments[0]).read_text("utf-8"))
    settings = RecognitionSettings()
    with tempfile.TemporaryDirectory(prefix="doorward-enroll-") as folder:
        steps, recognized = visit(plan, settings, Path(folder) / "visits")
        tables = fill_and_enroll(plan, settings, Path(folder))
        requests = {str(people): ask_a_house(people, plan, settings, Path(folder)) for people in plan.houses}
    refused = len(plan.visitors) - len(recognized)
    print(Findings(steps, recognized, refused, tables, requests).to_json(), flush=True)
    return 0


def ask_a_house(people: int, plan: Plan, settings: RecognitionSettings, folder: Path) -> Mapping[str, Sequence[float]]:
    """Ask a door that knows so many, while it recognizes: ms by kind of request."""
    place = StoreSettings(folder=folder / f"house {people}")
    with open_store(place) as store:
        _fill(store, people, head_for(settings))
    assert place.folder is not None
    times = ask_while_recognizing(place.folder, settings, plan.requests)
    _progress("asked a house of", people, people)
    return times


def visit(plan: Plan, settings: RecognitionSettings, folder: Path) -> tuple[Times, list[bool]]:
    """Enroll the visitors one after another: times, and whether each was recognized on the frame after."""
    line = recognizer(settings, Path(plan.models))
    views, recognized = night_views(line), []
    with open_store(StoreSettings(folder=folder)) as store:
        door = TimedDoor(store, Path(plan.models), settings)
        for number, visitor in enumerate(plan.visitors):
            shots = list(_shots(visitor.shots, line))
            after = next(_shots(visitor.probes, line), None)
            if not shots or after is None:
                continue
            # Those of the shots before the last are made as each is taken (`ShotViews`): nobody waits for them.
            *earlier, last = shots
            exemplars = _exemplars(earlier, views, door.embedder)
            exemplars += door.watch.time("night views", _exemplars, [last], views, door.embedder)
            person = door.enroll(f"visitor {number}", exemplars)
            seen = door.watch.time("next frame", _recognized, line, after[0], door.roster)
            recognized.append(person.id in seen)
            _progress("visitors", number + 1, len(plan.visitors))
    return {clock: _with_total(steps) for clock, steps in door.times((*STEPS, "enroll")).items()}, recognized


def _with_total(steps: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    parts = [steps[step] for step in ("night views", "enroll", "next frame")]
    return {**{step: steps[step] for step in STEPS}, TOTAL: [sum(each) for each in zip(*parts, strict=True)]}


def fill_and_enroll(plan: Plan, settings: RecognitionSettings, folder: Path) -> dict[str, Times]:
    """Enroll synthetic people into tables of each size: times by size.

    Sizes take turns, so that whatever else the machine does falls on all alike.
    """
    with ExitStack() as stack:
        doors = {size: stack.enter_context(_door_of(size, plan, settings, folder)) for size in plan.sizes}
        for number in range(_WARM_UP + plan.repeats):
            for size, door in doors.items():
                with door.watch.paused() if number < _WARM_UP else nullcontext():
                    _enroll_synthetic(door, seed=size + number)
            _progress("synthetic enrollments", number + 1, _WARM_UP + plan.repeats)
        return {str(size): door.times(TABLE_STEPS) for size, door in doors.items()}


@contextmanager
def _door_of(size: int, plan: Plan, settings: RecognitionSettings, folder: Path) -> Iterator[TimedDoor]:
    """A door that knows `size` people less one, so that the next is person `size`."""
    with open_store(StoreSettings(folder=folder / str(size))) as store:
        _fill(store, size - 1, head_for(settings, Path(plan.models)))
        _progress("table of", size, size)
        yield TimedDoor(store, Path(plan.models), settings)


def _fill(store: TemplateStore, people: int, head: Head) -> None:
    """Synthetic ones, as another door would send them."""
    faces = synthetic_people(_SHOTS * people, _dim(head), seed=people + 1)
    pictures = [_synthetic(Embedding(face, _NORM), head.embedder_id) for face in faces]
    take_in(store, (_record(n, pictures[_SHOTS * n : _SHOTS * (n + 1)]) for n in range(people)))


def _enroll_synthetic(door: TimedDoor, seed: int) -> None:
    drawn = synthetic_people(_SHOTS + 1, _dim(door.roster.model.gallery.head), seed=_APART + seed)
    faces = [Embedding(face, _NORM) for face in drawn]
    view = View(faces[-1], _QUALITY)
    door.enroll("synthetic", [replace(_synthetic(f, door.embedder), views=(view,) * _VIEWS) for f in faces[:_SHOTS]])
    door.watch.time("score", door.roster.model.candidates, faces[-1])


def _dim(head: Head) -> int:
    """Of the embeddings that it takes; both heads keep it."""
    return len(head.strangers(1, 0)[0].z)


def _shots(files: Sequence[str], line: Recognizer) -> Iterator[tuple[Frame, Probe]]:
    """Pictures as frames, as far as each shows one face that is good enough."""
    for number, file in enumerate(files):
        pixels = pasted(read_picture(Path(file)), 1.0)
        probes = line.probes(pixels)
        if len(probes) == 1 and line.refusal(probes[0]) is None:
            yield Frame(pixels, 0.0, number), probes[0]


def _exemplars(
    shots: Sequence[tuple[Frame, Probe]], views: Callable[[Image, Probe], list[View]], embedder: str
) -> list[NewExemplar]:
    provenance = Provenance(embedder, runtime_name(), time.time())
    return [exemplar_of(probe, provenance, views(frame.pixels, probe)) for frame, probe in shots]


def _recognized(line: Recognizer, frame: Frame, roster: Roster) -> set[str]:
    """The people whom a frame shows, by id."""
    decisions = [line.decide(probe, roster.model) for probe in line.probes(frame.pixels, frame.number)]
    return {decision.person for decision in decisions if isinstance(decision, Known)}


def _synthetic(embedding: Embedding, embedder: str) -> NewExemplar:
    return NewExemplar(embedding, _QUALITY, embedder, runtime_name(), time.time())


def _record(number: int, pictures: Sequence[NewExemplar]) -> PersonRecord:
    """A person as another door would send them."""
    letters = "".join(_LETTERS[number >> 5 * place & 31] for place in range(8))
    kept = tuple(ExemplarRecord(picture.id, Kind.ENROLLED, None, pack_exemplar(picture), None) for picture in pictures)
    return PersonRecord(f"p_{letters}", f"Person {number}", True, pictures[0].taken_s, None, None, kept)


def _progress(what: str, number: int, of: int) -> None:
    if number % 10 == 0 or number == of:
        print(f"{what}: {number} of {of}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DoorwardError as error:
        sys.exit(str(error))
