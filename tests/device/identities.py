"""Tells who is in the shipped pictures and in a scripted walk-up, as JSON: what every machine must answer alike.

Uses the device's code alone, so that it runs wherever the device does; `tests/fakes/identities.py` compares answers.
Usage: `python identities.py [EMBEDDER]`; without a name, the embedder that the manifest gives by default.
"""

from __future__ import annotations

import base64
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import edge.demo
from edge.adapters.camera_options import CameraOptions
from edge.adapters.clock import SystemClock
from edge.adapters.pictures import read_picture
from edge.adapters.walkup import Walkup, WalkupCamera, in_turn
from edge.compose import active_model, face_finder, head_for, recognizer
from edge.inference.tflite import runtime_name
from edge.recognition.recognizer import ActiveModel, Recognizer
from edge.recognition.types import Exemplar, Image, Known, LookAgain, Probe
from edge.settings.slices import RecognitionSettings

PICTURES = Path(next(iter(edge.demo.__path__))) / "pictures"
ENROLLED = {"A": ("obama.jpg", "obama3.jpg"), "B": ("biden.jpg",)}
# Somebody in a picture that was not enrolled, and somebody whom nobody enrolled.
WALK_UP = ("obama2.jpg", "astronaut.jpg")
SECONDS, PAUSE_S, FRAMES_PER_SECOND = 3.0, 0.5, 4.0


def main(arguments: Sequence[str]) -> None:
    """Enroll, look at everything, print."""
    begun_s = time.monotonic()
    settings = RecognitionSettings(embedder=arguments[0] if arguments else "")
    line, head = recognizer(settings), head_for(settings)
    exemplars = [Exemplar(person, shot) for person, names in ENROLLED.items() for shot in _shots(line, names)]
    model = active_model(settings, head, exemplars)
    scenes = {name: _faces(line.probes(pixels), line, model, exemplars) for name, pixels in _pictures()}
    scenes |= {name: _faces(line.probes(p, turn), line, model, exemplars) for name, turn, p in _frames()}
    answer = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "runtime": runtime_name(),
        "numpy": np.__version__,
        "embedder": line.embedder_id,
        "head": head.id,
        "threshold": model.threshold,
        "took_s": round(time.monotonic() - begun_s, 2),
        "scenes": scenes,
    }
    print(json.dumps(answer))


def _shots(line: Recognizer, names: Sequence[str]) -> Iterator[Any]:
    """The embedding of the largest face of each picture."""
    for name in names:
        yield line.probes(read_picture(PICTURES / name))[0].embedding


def _pictures() -> Iterator[tuple[str, Image]]:
    for file in sorted(PICTURES.glob("*.jpg")):
        yield file.name, read_picture(file)


def _frames() -> Iterator[tuple[str, int, Image]]:
    """Every frame of the walk-up, far and blurred ones among them, with its number in the stream."""
    visits, length_s = in_turn([PICTURES / name for name in WALK_UP], SECONDS, PAUSE_S)
    script = Walkup(visits, length_s, frames_per_second=FRAMES_PER_SECOND)
    camera = WalkupCamera(script, CameraOptions(), SystemClock(), find_face=face_finder())
    camera.open()
    while (frame := camera.read()) is not None:
        yield f"walk-up frame {frame.number}", frame.number, frame.pixels


def _faces(
    probes: Sequence[Probe], line: Recognizer, model: ActiveModel, exemplars: Sequence[Exemplar]
) -> list[dict[str, Any]]:
    """What a door would say of each face, the largest first, and the numbers behind it."""
    return [_face(probe, line, model, exemplars) for probe in probes]


def _face(probe: Probe, line: Recognizer, model: ActiveModel, exemplars: Sequence[Exemplar]) -> dict[str, Any]:
    decision = line.decide(probe, model)
    box = probe.face.detection.box
    return {
        "outcome": type(decision).__name__.lower(),
        "person": decision.person if isinstance(decision, Known) else None,
        "reason": decision.reason if isinstance(decision, LookAgain) else None,
        "scores": {c.person: c.score for c in sorted(model.candidates(probe.embedding), key=lambda c: c.person)},
        "cosines": [float(np.dot(probe.embedding.x, exemplar.embedding.x)) for exemplar in exemplars],
        "norm": probe.embedding.norm,
        "width_px": probe.quality.width_px,
        "sharpness": probe.quality.sharpness,
        "away": probe.quality.away,
        "box": [box.left, box.top, box.width, box.height],
        "x": base64.b64encode(probe.embedding.x.astype("<f4").tobytes()).decode(),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
