"""What each shipped model promises, read from `models.json` beside the files. `tflite.py` checks the promise.

The trainer writes this file; the device only reads it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge.errors import ModelError
from edge.recognition.align import Alignment

SCHEMA = 1
MANIFEST = "models.json"
SHIPPED = Path(__file__).parent.parent / "models"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """shape: with the batch. scale, zero_point: 0, 0 for a float tensor."""

    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """`(pixel - mean) / std` per channel; channels in the order of `colour`."""

    colour: Literal["RGB", "BGR"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model file. alignment is there for embedders alone; preprocessing for every kind."""

    name: str
    role: Literal["embedder", "detector", "mesh"]
    path: Path
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing
    alignment: Alignment | None
    licence: str
    origin: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All models of a folder by name, and the default name of each role."""

    models: dict[str, ModelSpec]
    defaults: dict[str, str]

    def pick(self, role: str, name: str | None = None) -> ModelSpec:
        """The named model, or the default of its role.

        Raises:
            ModelError: there is none of that name or it plays another role.
        """
        wanted = name or self.defaults.get(role, "")
        spec = self.models.get(wanted)
        if spec is None or spec.role != role:
            there = ", ".join(sorted(m.name for m in self.models.values() if m.role == role)) or "none"
            raise ModelError(f"no {role} named {wanted!r}; there is: {there}")
        return spec


def load_manifest(folder: Path = SHIPPED) -> Manifest:
    """Read `folder/models.json`.

    Raises:
        ModelError: it is missing or not of the form above.
    """
    file = folder / MANIFEST
    try:
        raw = json.loads(file.read_bytes())
        if raw["schema"] != SCHEMA:
            raise ModelError(f"{file}: schema {raw['schema']!r}, this version reads {SCHEMA}")
        models = {name: _model(name, folder, entry) for name, entry in raw["models"].items()}
        return Manifest(models, dict(raw["defaults"]))
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}; reinstall Doorward or build the models again") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{file}: not a model manifest ({error!r})") from error


def sha256_of(file: Path) -> str:
    """Hex digest of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _model(name: str, folder: Path, entry: dict[str, Any]) -> ModelSpec:
    pre = entry["preprocessing"]
    _one_of(name, "role", entry["role"], ("embedder", "detector", "mesh"))
    _one_of(name, "colour", pre["colour"], ("RGB", "BGR"))
    if not all(pre["std"]):
        raise ValueError(f"{name}: a std of 0")
    return ModelSpec(
        name=name,
        role=entry["role"],
        path=folder / entry["file"],
        sha256=entry["sha256"],
        inputs=tuple(_tensor(t) for t in entry["inputs"]),
        outputs=tuple(_tensor(t) for t in entry["outputs"]),
        preprocessing=Preprocessing(pre["colour"], _triple(pre["mean"]), _triple(pre["std"])),
        alignment=_alignment(entry.get("alignment")),
        licence=entry["licence"],
        origin=entry["origin"],
    )


def _one_of(name: str, key: str, found: object, allowed: tuple[str, ...]) -> None:
    if found not in allowed:
        raise ValueError(f"{name}: {key} {found!r}, must be one of {', '.join(allowed)}")


def _tensor(entry: dict[str, Any]) -> TensorSpec:
    return TensorSpec(tuple(entry["shape"]), entry["dtype"], entry.get("scale", 0.0), entry.get("zero_point", 0))


def _triple(values: list[float]) -> tuple[float, float, float]:
    first, second, third = (float(v) for v in values)
    return first, second, third


def _alignment(entry: dict[str, Any] | None) -> Alignment | None:
    if entry is None:
        return None
    groups = tuple(tuple(int(i) for i in group) for group in entry["groups"])
    template = tuple((float(x), float(y)) for x, y in entry["template"])
    if len(groups) != len(template) or len(groups) < 2:
        raise ValueError("alignment needs as many template points as groups, and two at least")
    return Alignment(groups, template)
