"""Reads what a door scores with: the learned head beside its embedder, or the cohort from which centred cosine works.

Both are numbers learned from many people at once; no embedding of anybody is in either file. The trainer writes them
(`trainer/head_files.py`), `recognition/` uses them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.inference.spec import ModelSpec
from edge.recognition.plda import Plda, QualityModel
from edge.recognition.scoring import CentredCosine

_Arrays = Mapping[str, NDArray[Any]]


def head_path(embedder: ModelSpec) -> Path:
    """Where an embedder's learned head lies: beside it, under its name."""
    return embedder.path.with_name(f"{embedder.name}.head.npz")


def cohort_path(embedder: ModelSpec) -> Path:
    """Where an embedder's cohort lies."""
    return embedder.path.with_name(f"{embedder.name}.cohort.npz")


def load_plda(embedder: ModelSpec) -> Plda:
    """The learned head.

    Raises:
        ModelError: it is missing, damaged, or of another embedder.
    """
    file, dim = head_path(embedder), embedder.outputs[0].shape[-1]
    arrays = _read(file, embedder, ("mean", "transform", "beta", "quality", "levels", "id"))
    _check(file, arrays, {"mean": (dim,), "transform": (dim, dim), "beta": (dim,), "quality": (4,)})
    if not (arrays["beta"] > 0).all() or not (arrays["levels"] > 0).all():
        raise ModelError(f"{file}: has a variance that is not above 0; reinstall Doorward or learn the head again")
    intercept, slope, lowest, highest = (float(value) for value in arrays["quality"])
    quality = QualityModel(intercept, slope, lowest, highest, tuple(float(g) for g in arrays["levels"]))
    return Plda(str(arrays["id"]), embedder.sha256, arrays["mean"], arrays["transform"], arrays["beta"], quality)


def load_centred_cosine(embedder: ModelSpec) -> CentredCosine:
    """The head of a door without a learned one.

    Raises:
        ModelError: the cohort is missing, damaged, or of another embedder.
    """
    file, dim = cohort_path(embedder), embedder.outputs[0].shape[-1]
    arrays = _read(file, embedder, ("mean", "covariance"))
    _check(file, arrays, {"mean": (dim,), "covariance": (dim, dim)})
    return CentredCosine(embedder.sha256, arrays["mean"].astype(np.float32), arrays["covariance"].astype(np.float32))


def _read(file: Path, embedder: ModelSpec, names: tuple[str, ...]) -> _Arrays:
    try:
        with np.load(file, allow_pickle=False) as packed:
            arrays = {name: packed[name] for name in (*names, "embedder_sha256")}
    except FileNotFoundError as error:
        raise ModelError(f"{file}: no such file; `doorward-trainer head build` makes it") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{file}: damaged, or no such file as wanted ({error}); reinstall Doorward") from error
    of = str(arrays["embedder_sha256"])
    if of != embedder.sha256:
        raise ModelError(f"{file}: made for embedder {of[:12]}…, in use is {embedder.sha256[:12]}…; make it again")
    return arrays


def _check(file: Path, arrays: _Arrays, shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ModelError(f"{file}: {name} has shape {array.shape}, wanted finite numbers of shape {shape}")
