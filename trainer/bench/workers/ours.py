"""Doorward's own whole way, as a door runs it: detector, mesh, quality, alignment, int8 embedder; one thread."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge import __version__
from edge.inference.detector import Detector
from edge.inference.embedder import Embedder
from edge.inference.mesh import Mesh
from edge.inference.spec import SHIPPED, load_manifest
from edge.inference.tflite import runtime_name
from edge.recognition.quality import QualityGate
from edge.recognition.recognizer import Recognizer
from edge.recognition.types import Floats
from trainer.bench.nearest import nearest_to_centre
from trainer.bench.workers.protocol import Worker, serve

ANYTHING_GOES = QualityGate(0.0, 180.0, 0.0, 255.0, 0.0, 0.0)


def start(models: str) -> Worker:
    """models: a folder of models; empty takes those that ship."""
    manifest = load_manifest(Path(models) if models else SHIPPED)
    line = Recognizer(
        Detector(manifest.pick("detector")),
        Mesh(manifest.pick("mesh")),
        Embedder(manifest.pick("embedder")),
        ANYTHING_GOES,
    )
    runtime, version = runtime_name().split()

    def embed(frame: NDArray[np.uint8]) -> Floats | None:
        faces = line.faces(frame)
        height, width = frame.shape[:2]
        place = nearest_to_centre((face.detection.box.centre for face in faces), width, height)
        return None if place is None else line.probe(frame, faces[place]).embedding.x

    return Worker("doorward", {"doorward": __version__, runtime: version}, "cosine", embed)


if __name__ == "__main__":
    sys.exit(serve(start))
