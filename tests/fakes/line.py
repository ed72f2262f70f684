"""The shipped models, loaded once a test run, and the shipped pictures: what tests of the real line start from."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

import edge.demo
from edge.inference.detector import Detector
from edge.inference.embedder import Embedder
from edge.inference.mesh import Mesh
from edge.inference.spec import load_manifest
from edge.recognition.quality import QualityGate
from edge.recognition.recognizer import Recognizer
from edge.recognition.types import Face, Image, Probe

PICTURES = Path(next(iter(edge.demo.__path__))) / "pictures"
WHOLE_FACES = ("astronaut", "biden", "obama", "obama2", "obama3")
PEOPLE = (*WHOLE_FACES, "obama_partial_face", "obama_partial_face2")
NOBODY = ("brick", "chelsea", "coffee", "rocket")
OPEN_GATE = QualityGate(0.0, 180.0, 0.0, 255.0, 0.0, 0.0)


@cache
def detector() -> Detector:
    return Detector(load_manifest().pick("detector"))


@cache
def mesh() -> Mesh:
    return Mesh(load_manifest().pick("mesh"))


@cache
def embedder() -> Embedder:
    return Embedder(load_manifest().pick("embedder"))


@cache
def recognizer() -> Recognizer:
    return Recognizer(detector(), mesh(), embedder(), OPEN_GATE)


@cache
def picture(name: str) -> Image:
    """A shipped picture, RGB."""
    return np.asarray(Pillow.open(PICTURES / f"{name}.jpg").convert("RGB"))


@cache
def face_of(name: str) -> Face:
    """The one face of a shipped picture."""
    (face,) = recognizer().faces(picture(name))
    return face


def only_probe(pixels: Image) -> Probe:
    """The probe of a picture with one face in it."""
    (probe,) = recognizer().probes(pixels)
    return probe
