"""`doorward identify IMAGE…`: who is in these pictures, by this door's own table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from edge.adapters.pictures import read_picture
from edge.commands import JSON_SCHEMA
from edge.compose import active_model, force_of, recognizer
from edge.draw import Mark, annotate, colour_of
from edge.errors import PictureError
from edge.recognition.recognizer import ActiveModel, Recognizer
from edge.recognition.types import Decision, Image, Known, LookAgain, Probe
from edge.settings import load_settings
from edge.stored import folder_of, open_people


@dataclass(frozen=True, slots=True)
class _Found:
    probe: Probe
    decision: Decision
    name: str

    @property
    def answer(self) -> str:
        if isinstance(self.decision, Known):
            return self.name
        return f"look again: {self.decision.reason}" if isinstance(self.decision, LookAgain) else "stranger"

    @property
    def score(self) -> float | None:
        """None where there is none: nothing can be told, or nobody is there to be compared with."""
        if isinstance(self.decision, LookAgain) or self.decision.score == float("-inf"):
            return None
        return self.decision.score


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("identify", help="say who is in pictures")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("--json", action="store_true", help="one JSON object a picture")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="write annotated copies there, as PNG")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when every picture could be read, else the exit code of a picture error; the others are still answered."""
    settings = load_settings(arguments.settings)
    line = recognizer(settings.recognition)
    people = open_people(settings.store)
    if not people.people:
        print(f"doorward: nobody is enrolled yet in {folder_of(settings.store)}", file=sys.stderr)
    names = {person.id: person.name for person in people.people.values()}
    force = force_of(settings.recognition, folder_of(settings.store))
    model = active_model(settings.recognition, force.head, people.gallery(force.head.embedder_id), force.release)
    skipped = 0
    drawn: set[str] = set()
    for file in arguments.images:
        try:
            pixels = read_picture(file)
        except PictureError as error:
            print(f"doorward: skipped: {error}", file=sys.stderr)
            skipped += 1
            continue
        found = list(_identify(pixels, line, model, names))
        print(_as_json(file, found) if arguments.json else _as_text(file, found))
        if arguments.draw:
            _draw(arguments.draw / _unused_name(file, drawn), pixels, found)
    return PictureError.exit_code if skipped else 0


def _identify(pixels: Image, line: Recognizer, model: ActiveModel, names: Mapping[str, str]) -> Iterator[_Found]:
    for probe in line.probes(pixels):
        decision = line.decide(probe, model)
        yield _Found(probe, decision, names.get(decision.person, "") if isinstance(decision, Known) else "")


def _as_text(file: Path, found: list[_Found]) -> str:
    if not found:
        return f"{file}: no face"
    lines = []
    for one in found:
        score = f"  score {one.score:.3f}" if one.score is not None else ""
        lines.append(f"{file}: {one.answer}{score}  {one.probe.quality.width_px:.0f} px wide")
    return "\n".join(lines)


def _as_json(file: Path, found: list[_Found]) -> str:
    faces = [
        {
            "outcome": type(one.decision).__name__.lower(),
            "person": one.decision.person if isinstance(one.decision, Known) else None,
            "name": one.name or None,
            "reason": one.decision.reason if isinstance(one.decision, LookAgain) else None,
            "score": one.score,
            "box": asdict(one.probe.face.detection.box),
            "norm": one.probe.embedding.norm,
            "quality": asdict(one.probe.quality),
        }
        for one in found
    ]
    return json.dumps({"schema": JSON_SCHEMA, "file": str(file), "faces": faces})


def _unused_name(file: Path, used: set[str]) -> str:
    """A name of its own for each copy: never a picture's own, and of two pictures that are called alike, two."""
    name, number = f"{file.stem}.marked.png", 1
    while name in used:
        number += 1
        name = f"{file.stem}.marked-{number}.png"
    used.add(name)
    return name


def _draw(file: Path, pixels: Image, found: list[_Found]) -> None:
    marks = [Mark(one.probe.face.detection.box, one.answer, colour_of(one.decision)) for one in found]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(annotate(pixels, marks)).save(file)
    except OSError as error:
        raise PictureError(f"{file}: cannot be written ({error.strerror}); name another folder for --draw") from error
