"""What a stronger embedder says of the fleet's pictures: the target of the challengers' distillation.

A teacher looks at the clean picture alone, upright and mirrored, whatever view the pupil is shown. It never ships, and
nothing of it does but what a head learned. Which file is the teacher is the operator's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.adapters.pictures import read_picture
from edge.errors import ModelError
from edge.inference.embedder import Embedder
from edge.inference.spec import Manifest, ModelSpec
from edge.recognition.types import Floats, Image
from trainer.embedder.custom import read_description, read_network
from trainer.embedder.faces import FaceFinder
from trainer.embedder.manifest import describe_model
from trainer.embedder.quantize import float_file

_SMALLEST_NORM = 1e-6


def teacher_model(file: Path, description: Path, folder: Path) -> ModelSpec:
    """An operator's embedder, made ready to run in float.

    file: .onnx, .tflite, .keras or .h5. description: how it wants its pictures, see `read_description`. folder: where
    the float file that is run is written.

    Raises:
        ModelError: a file is missing, damaged or holds what embedders here do not use; TensorFlow is not installed.
    """
    described, network = read_description(description), read_network(file)
    try:
        content = network if isinstance(network, bytes) else float_file(network)
    except ImportError as error:
        raise ModelError(f"{file}: a teacher needs TensorFlow ({error}); pip install 'doorward[trainer]'") from error
    made = folder / f"teacher_{described.description.name}.tflite"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made.write_bytes(content)
    except OSError as error:
        raise ModelError(f"{made}: cannot be written ({error.strerror}); name another folder with --cache") from error
    return describe_model(made, described.description)


class Teacher:
    """A float embedder that looks at every face twice."""

    def __init__(self, spec: ModelSpec, models: Manifest) -> None:
        """models: with the detector and mesh that find the faces.

        Raises:
            ModelError: a file is not what its description says.
        """
        self._embedder = Embedder(spec)
        self._finder = FaceFinder(models)
        self.dim = self._embedder.dim

    def view(self, pixels: Image) -> Floats:
        """`(D,)` unit vector of the face nearest a picture's centre; zeros where there is none.

        Mean of the picture and its mirror image before normalization, as embedders are measured at their best.
        """
        found = self._finder.find(pixels)
        if found.mesh is None:
            return np.zeros(self.dim, np.float32)
        crop = self._embedder.align(pixels, found.mesh)
        mirrored = np.ascontiguousarray(crop[:, ::-1])
        both = [seen.x * np.float32(seen.norm) for seen in map(self._embedder.embed, (crop, mirrored))]
        mean = np.mean(both, axis=0)
        norm = float(np.linalg.norm(mean))
        return np.asarray(mean / norm if norm > _SMALLEST_NORM else np.zeros(self.dim), np.float32)

    def views(self, files: Sequence[Path], progress: Callable[[int], None] = lambda _: None) -> Floats:
        """`(n, D)`, one for each picture. progress: is told how many are done.

        Raises:
            PictureError: a picture is damaged.
        """
        answers = np.zeros((len(files), self.dim), np.float32)
        for number, file in enumerate(files):
            answers[number] = self.view(read_picture(file))
            progress(number + 1)
        return answers
