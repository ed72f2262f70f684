"""Writes `models.json`, which tells a device what each model file promises. `edge.inference.spec` reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from edge.inference.spec import (
    MANIFEST,
    SCHEMA,
    Manifest,
    ModelSpec,
    Preprocessing,
    TensorSpec,
    load_manifest,
    sha256_of,
)
from edge.inference.tflite import describe
from edge.recognition.align import Alignment


@dataclass(frozen=True, slots=True)
class Description:
    """What a model file cannot say of itself.

    licence: an SPDX expression. origin: one line, where the weights come from.
    """

    name: str
    role: Literal["embedder", "detector", "mesh"]
    preprocessing: Preprocessing
    alignment: Alignment | None
    licence: str
    origin: str


def describe_model(file: Path, description: Description) -> ModelSpec:
    """Join what the file says (tensors, hash) with what is known of it.

    Raises:
        ModelError: the runtime refuses the file.
    """
    inputs, outputs = describe(file)
    return ModelSpec(
        name=description.name,
        role=description.role,
        path=file,
        sha256=sha256_of(file),
        inputs=inputs,
        outputs=outputs,
        preprocessing=description.preprocessing,
        alignment=description.alignment,
        licence=description.licence,
        origin=description.origin,
    )


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write `folder/models.json`, read it back, and return its path.

    Raises:
        ModelError: what was written cannot be read by a device.
    """
    raw = {
        "schema": SCHEMA,
        "defaults": dict(sorted(manifest.defaults.items())),
        "models": {name: _entry(spec) for name, spec in sorted(manifest.models.items())},
    }
    file = folder / MANIFEST
    file.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    load_manifest(folder)
    return file


def with_model(manifest: Manifest, spec: ModelSpec, *, default: bool) -> Manifest:
    """The manifest with one model added or replaced."""
    defaults = {**manifest.defaults, spec.role: spec.name} if default else manifest.defaults
    return replace(manifest, models={**manifest.models, spec.name: spec}, defaults=defaults)


def _entry(spec: ModelSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "role": spec.role,
        "file": spec.path.name,
        "sha256": spec.sha256,
        "inputs": [_tensor(t) for t in spec.inputs],
        "outputs": [_tensor(t) for t in spec.outputs],
        "preprocessing": asdict(spec.preprocessing),
        "licence": spec.licence,
        "origin": spec.origin,
    }
    if spec.alignment is not None:
        entry["alignment"] = asdict(spec.alignment)
    return entry


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {"shape": spec.shape, "dtype": spec.dtype}
    return entry if spec.scale == 0 else {**entry, "scale": spec.scale, "zero_point": spec.zero_point}
