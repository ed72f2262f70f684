"""The fresh process of `doorward bench`: from nothing to a first recognition, then its memory.

Started anew for each measurement, so that imports, model files and calibration are all paid for. Its caller measures
the time; what is enrolled and what is seen come in a file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from edge.compose import active_model, head_for, recognizer
from edge.errors import DoorwardError
from edge.inference.machine import memory_mb
from edge.recognition.types import Embedding, Exemplar, Floats, Image, Known
from edge.settings import load_settings

FRAMES = 50  # by then the runtimes have all the memory that they will take


def write_scene(file: Path, pixels: Image, names: list[str], embeddings: Floats) -> None:
    """What the process is to see and whom it knows. embeddings: `(N, D)` unit vectors, one for each name."""
    np.savez(file, pixels=pixels, names=np.array(names), embeddings=embeddings)


def main(arguments: list[str]) -> int:
    """`SCENE [SETTINGS]`: print one JSON line with who was recognized, and after some frames more one with the memory.

    recognized: the first face's person, or null where the answer is another.
    """
    scene, settings_file = Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else None
    settings = load_settings(settings_file).recognition
    line = recognizer(settings)
    with np.load(scene, allow_pickle=False) as arrays:
        pixels, names, embeddings = arrays["pixels"], arrays["names"], arrays["embeddings"]
    people = zip(names, embeddings, strict=True)
    model = active_model(settings, head_for(settings), [Exemplar(str(name), Embedding(x, 1.0)) for name, x in people])
    decisions = [line.decide(probe, model) for probe in line.probes(pixels)]
    first = decisions[0] if decisions else None
    print(json.dumps({"recognized": first.person if isinstance(first, Known) else None}), flush=True)
    for _ in range(FRAMES):
        line.probes(pixels)
    print(json.dumps({"rss_mb": memory_mb("VmRSS"), "peak_mb": memory_mb("VmHWM")}), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DoorwardError as error:
        sys.exit(str(error))
