"""Reads what a door scores with: a learned head, or the cohort from which centred cosine works.

A learned head is two files, `NAME.head.json` (`edge/contract/head.py`) and the `.tflite` model that it names; a cohort
is one. All are numbers learned from many people at once; no embedding of anybody is in them. The trainer writes them
(`trainer/export.py`, `trainer/head_files.py`), `recognition/` uses them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.head import HeadDescription, numbers_of
from edge.errors import MessageError, ModelError
from edge.inference.spec import ModelSpec, TensorSpec
from edge.inference.tflite import Model
from edge.recognition.plda import Plda, Projector
from edge.recognition.scoring import CentredCosine
from edge.recognition.types import Embedding, Floats, Projection

_Arrays = Mapping[str, NDArray[Any]]


def head_path(embedder: ModelSpec) -> Path:
    """Where an embedder's learned head lies: beside it, under its name."""
    return embedder.path.with_name(f"{embedder.name}.head.json")


def cohort_path(embedder: ModelSpec) -> Path:
    """Where an embedder's cohort lies."""
    return embedder.path.with_name(f"{embedder.name}.cohort.npz")


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """A head's model as `Model` loads it."""

    name: str
    path: Path
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class TfliteProjector:
    """Projects by a head's model. Not thread-safe, as `Model` is not."""

    def __init__(self, spec: HeadSpec) -> None:
        """Raises:
        ModelError: see `Model`.
        """
        self._model = Model(spec)
        self._input = np.empty(spec.inputs[0].shape, np.float32)

    def __call__(self, embedding: Embedding) -> Projection:
        self._input[0, :-1], self._input[0, -1] = embedding.x, embedding.norm
        z, precision = self._model.run(self._input)
        return Projection(z[0], float(precision[0, 0]))


def read_description(file: Path) -> HeadDescription:
    """What a head says of itself; its model is not looked at.

    Raises:
        ModelError: missing, or not a description.
    """
    try:
        return HeadDescription.from_json(file.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(f"{file}: no such file; `doorward-trainer head build` makes it") from error
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}; reinstall Doorward") from error
    except MessageError as error:
        raise ModelError(f"{file}: damaged ({error}); reinstall Doorward or make it again") from error


def load_head(file: Path, embedder_sha256: str) -> Plda:
    """A learned head, for one embedder, which answers its canaries as it should. file: its description.

    Raises:
        ModelError: a file is missing or damaged, of another embedder, or its model answers otherwise than it should.
    """
    said = read_description(file)
    _check_embedder(file, said.embedder_sha256, embedder_sha256)
    project = TfliteProjector(_spec(file.with_name(said.model), said))
    error = canary_error(said, project)
    if not error <= said.tolerance:
        raise ModelError(
            f"{file}: its canaries are off by {error:.2g}, {said.tolerance:.2g} is allowed; another model?"
        )
    return Plda(
        said.id, said.embedder_sha256, project, _floats(said.beta), said.strangers.levels, said.strangers.fpir_scale
    )


def canary_error(said: HeadDescription, project: Projector) -> float:
    """The worst canary's error: of z as a share of its length, or of the precision as a share of itself."""
    errors = [0.0]
    for canary in said.canaries:
        found, z = project(Embedding(_floats(canary.x), canary.norm)), _floats(canary.z)
        errors.append(float(np.linalg.norm(found.z - z) / max(float(np.linalg.norm(z)), 1e-9)))
        errors.append(abs(found.precision / canary.precision - 1))
    return float(np.max(errors))


def load_plda(embedder: ModelSpec) -> Plda:
    """The learned head that lies beside its embedder.

    Raises:
        ModelError: see `load_head`.
    """
    return load_head(head_path(embedder), embedder.sha256)


def load_centred_cosine(embedder: ModelSpec) -> CentredCosine:
    """The head of a door without a learned one.

    Raises:
        ModelError: the cohort is missing, damaged, or of another embedder.
    """
    file, dim = cohort_path(embedder), embedder.outputs[0].shape[-1]
    arrays = _read(file, embedder, ("mean", "covariance"))
    _check(file, arrays, {"mean": (dim,), "covariance": (dim, dim)})
    return CentredCosine(embedder.sha256, arrays["mean"].astype(np.float32), arrays["covariance"].astype(np.float32))


def _spec(file: Path, said: HeadDescription) -> HeadSpec:
    takes = TensorSpec((1, said.dim + 1), "float32")
    gives = (TensorSpec((1, said.dim), "float32"), TensorSpec((1, 1), "float32"))
    return HeadSpec(said.id, file, said.model_sha256, (takes,), gives)


def _floats(text: str) -> Floats:
    return np.array(numbers_of(text), np.float32)


def _read(file: Path, embedder: ModelSpec, names: tuple[str, ...]) -> _Arrays:
    try:
        with np.load(file, allow_pickle=False) as packed:
            arrays = {name: packed[name] for name in (*names, "embedder_sha256")}
    except FileNotFoundError as error:
        raise ModelError(f"{file}: no such file; `doorward-trainer head build` makes it") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{file}: damaged, or no such file as wanted ({error}); reinstall Doorward") from error
    _check_embedder(file, str(arrays["embedder_sha256"]), embedder.sha256)
    return arrays


def _check_embedder(file: Path, made_for: str, in_use: str) -> None:
    if made_for != in_use:
        raise ModelError(f"{file}: made for embedder {made_for[:12]}…, in use is {in_use[:12]}…; make it again")


def _check(file: Path, arrays: _Arrays, shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ModelError(f"{file}: {name} has shape {array.shape}, wanted finite numbers of shape {shape}")
