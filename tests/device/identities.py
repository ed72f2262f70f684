"""Tells who is in the shipped pictures and in a scripted walk-up, as JSON: what every machine must answer alike.

Uses the device's code alone, so that it runs wherever the device does; `tests/fakes/identities.py` compares answers.
"""

from __future__ import annotations

import base64
import json
import platform
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
from edge.compose import active_model, face_finder, head_for, quality_gate, recognizer
from edge.inference.tflite import runtime_name
from edge.recognition.presence import Presence, PresenceSettings
from edge.recognition.recognizer import ActiveModel, Recognizer
from edge.recognition.strangers import StrangerMemory
from edge.recognition.types import Decision, Exemplar, Frame, Known, LookAgain, Probe
from edge.settings.slices import RecognitionSettings

PICTURES = Path(next(iter(edge.demo.__path__))) / "pictures"
ENROLLED = {"A": ("obama.jpg", "obama3.jpg"), "B": ("biden.jpg",)}
# Somebody enrolled, in a picture that was not, and somebody whom nobody enrolled.
WALK_UP = ("obama2.jpg", "astronaut.jpg")
# Quick, since every frame is costly where it is emulated; at half the frames people move too far between two of them.
SECONDS, PAUSE_S, FRAMES_PER_SECOND = 3.0, 0.25, 4.0


def main() -> None:
    """Enroll, look at everything, print."""
    begun_s = time.monotonic()
    settings = RecognitionSettings()
    line, head = recognizer(settings), head_for(settings)
    pictures = {file.name: line.probes(read_picture(file)) for file in sorted(PICTURES.glob("*.jpg"))}
    exemplars = [Exemplar(person, pictures[name][0].embedding) for person, names in ENROLLED.items() for name in names]
    model = active_model(settings, head, exemplars)
    frames = [(frame, line.probes(frame.pixels, frame.number)) for frame in _walk_up()]
    answer = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "runtime": runtime_name(),
        "numpy": np.__version__,
        "embedder": line.embedder_id,
        "head": head.id,
        "threshold": model.threshold,
        "enrolled": ENROLLED,
        "pictures": {name: _faces(probes, line, model, exemplars) for name, probes in pictures.items()},
        "frames": [_faces(probes, line, model, exemplars) for _, probes in frames],
        "visits": _visits(frames, settings, model),
        "took_s": round(time.monotonic() - begun_s, 2),
    }
    print(json.dumps(answer))


def _walk_up() -> Iterator[Frame]:
    """Every frame, those with nobody, and with somebody far away or blurred, among them."""
    visits, length_s = in_turn([PICTURES / name for name in WALK_UP], SECONDS, PAUSE_S)
    script = Walkup(visits, length_s, frames_per_second=FRAMES_PER_SECOND)
    camera = WalkupCamera(script, CameraOptions(), SystemClock(), find_face=face_finder())
    camera.open()
    while (frame := camera.read()) is not None:
        yield frame


def _visits(
    frames: Sequence[tuple[Frame, list[Probe]]], settings: RecognitionSettings, model: ActiveModel
) -> list[dict[str, str | None]]:
    """What the door would tell at the end of each visit, of all its good frames as one."""
    memory = StrangerMemory(3600.0, lambda: "somebody")
    presence = Presence(PresenceSettings(), quality_gate(settings), memory, lambda: "visit")
    told = [event for frame, probes in frames for event in presence.update(frame.time_s, probes, model)]
    return [_identity(event.decision) for event in told + presence.finish() if event.phase == "ended"]


def _faces(
    probes: Sequence[Probe], line: Recognizer, model: ActiveModel, exemplars: Sequence[Exemplar]
) -> list[dict[str, Any]]:
    """What the door would say of each face on its own, the largest first, and the numbers behind it."""
    return [_face(probe, line, model, exemplars) for probe in probes]


def _face(probe: Probe, line: Recognizer, model: ActiveModel, exemplars: Sequence[Exemplar]) -> dict[str, Any]:
    box = probe.face.detection.box
    return {
        **_identity(line.decide(probe, model)),
        "scores": {candidate.person: candidate.score for candidate in model.candidates(probe.embedding)},
        "cosines": [float(np.dot(probe.embedding.x, exemplar.embedding.x)) for exemplar in exemplars],
        "norm": probe.embedding.norm,
        "width_px": probe.quality.width_px,
        "sharpness": probe.quality.sharpness,
        "away": probe.quality.away,
        "box": [box.left, box.top, box.width, box.height],
        "x": base64.b64encode(probe.embedding.x.astype("<f4").tobytes()).decode(),
    }


def _identity(decision: Decision) -> dict[str, str | None]:
    return {
        "outcome": type(decision).__name__.lower(),
        "person": decision.person if isinstance(decision, Known) else None,
        "reason": decision.reason if isinstance(decision, LookAgain) else None,
    }


if __name__ == "__main__":
    main()
