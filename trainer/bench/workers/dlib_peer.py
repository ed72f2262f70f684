"""face_recognition over dlib, as its own documentation uses it: HOG detector, five points, ResNet descriptor."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.bench.nearest import nearest_to_centre
from trainer.bench.workers.protocol import Worker, serve


def start(_weights: str) -> Worker:
    """The weights come with the package face_recognition_models."""
    import dlib
    import face_recognition

    def embed(frame: NDArray[np.uint8]) -> NDArray[np.floating[Any]] | None:
        boxes = face_recognition.face_locations(frame)
        height, width = frame.shape[:2]
        centres = (((left + right) / 2, (top + bottom) / 2) for top, right, bottom, left in boxes)
        place = nearest_to_centre(centres, width, height)
        if place is None:
            return None
        return np.asarray(face_recognition.face_encodings(frame, [boxes[place]])[0])

    versions = {"face_recognition": face_recognition.__version__, "dlib": dlib.__version__}
    return Worker("face_recognition", versions, "distance", embed)


if __name__ == "__main__":
    sys.exit(serve(start))
