"""The mean face and spread of a public cohort, from which a door without a learned head scores and sets its threshold.

Means and covariances of many people only: no embedding of anybody is in the file. `trainer/cohort.py` writes it.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from edge.errors import ModelError
from edge.inference.spec import ModelSpec
from edge.recognition.scoring import CentredCosine
from edge.recognition.types import Floats


def cohort_path(embedder: ModelSpec) -> Path:
    """Where an embedder's cohort lies: beside it, under its name."""
    return embedder.path.with_name(f"{embedder.name}.cohort.npz")


def load_centred_cosine(embedder: ModelSpec) -> CentredCosine:
    """The head of a door without a learned one.

    Raises:
        ModelError: the cohort is missing, damaged, or of another embedder.
    """
    file, dim = cohort_path(embedder), embedder.outputs[0].shape[-1]
    try:
        with np.load(file, allow_pickle=False) as arrays:
            mean, covariance, of = arrays["mean"], arrays["covariance"], str(arrays["embedder_sha256"])
    except FileNotFoundError as error:
        raise ModelError(f"{file}: no such file; `doorward-trainer models cohort` makes it") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{file}: not a cohort file ({error}); reinstall Doorward or make it again") from error
    if of != embedder.sha256:
        raise ModelError(f"{file}: made for embedder {of[:12]}…, in use is {embedder.sha256[:12]}…; make it again")
    _check(file, mean, (dim,))
    _check(file, covariance, (dim, dim))
    return CentredCosine(embedder.sha256, mean.astype(np.float32), covariance.astype(np.float32))


def _check(file: Path, array: Floats, shape: tuple[int, ...]) -> None:
    if array.shape != shape or not np.isfinite(array).all():
        raise ModelError(f"{file}: has an array of shape {array.shape}, wanted finite numbers of shape {shape}")
