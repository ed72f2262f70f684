"""The one importer of a TFLite runtime: loads a model file and checks that it is what its description promises.

LiteRT is preferred, since it hands int8 to XNNPACK; tflite-runtime is the floor that installs on every Python 3.11.
What the tensors mean is left to `detector.py`, `mesh.py` and `embedder.py`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.inference.spec import TensorSpec, sha256_of

# In order of preference: (distribution, module).
_RUNTIMES = (("ai-edge-litert", "ai_edge_litert.interpreter"), ("tflite-runtime", "tflite_runtime.interpreter"))
_CHOICE = "DOORWARD_RUNTIME"  # names a distribution above; for comparing the two


class FileSpec(Protocol):
    """What a model file must be; a `ModelSpec` says more of it."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path: ...

    @property
    def sha256(self) -> str: ...

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...


class Model:
    """A loaded model with fixed shapes. Not thread-safe: one thread owns it."""

    def __init__(self, spec: FileSpec, threads: int = 1) -> None:
        """Load and check.

        Raises:
            ModelError: missing, another hash, not a model, or other tensors than promised; the line says which.
        """
        self.spec = spec
        _check_hash(spec)
        self._interpreter = _interpreter(spec.path, threads)
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()
        _check_tensors(spec.path, "input", self._inputs, spec.inputs)
        _check_tensors(spec.path, "output", self._outputs, spec.outputs)

    def run(self, tensor: NDArray[Any]) -> list[NDArray[Any]]:
        """One inference. The arrays are copies and stay valid."""
        self._interpreter.set_tensor(self._inputs[0]["index"], tensor)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(detail["index"]) for detail in self._outputs]


def describe(file: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """A file's inputs and outputs, as the trainer writes them into the manifest."""
    interpreter = _interpreter(file, 1)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    return tuple(_spec_of(d) for d in inputs), tuple(_spec_of(d) for d in outputs)


def runtime_name() -> str:
    """Which runtime is in use with its version, such as `ai-edge-litert 2.3.0`."""
    distribution, _ = _runtime()
    return f"{distribution} {importlib.metadata.version(distribution)}"


def _runtime() -> tuple[str, Any]:
    wanted = os.environ.get(_CHOICE)
    for distribution, module in _RUNTIMES:
        if wanted in (None, "", distribution):
            try:
                return distribution, importlib.import_module(module)
            except ImportError:
                continue
    names = wanted or " or ".join(name for name, _ in _RUNTIMES)
    raise ModelError(f"no TFLite runtime: install {names} with pip")


def _interpreter(file: Path, threads: int) -> Any:
    _, module = _runtime()
    try:
        with _quiet():
            interpreter = module.Interpreter(model_path=str(file), num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        first_line = str(error).splitlines()[0] if str(error) else "no reason given"
        raise ModelError(f"{file}: the TFLite runtime refuses it ({first_line})") from error
    return interpreter


@contextmanager
def _quiet() -> Iterator[None]:
    """The runtimes write "INFO: Created … delegate" to standard error, past Python, and offer no way to stop it."""
    if os.environ.get("DOORWARD_DEBUG"):
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _check_hash(spec: FileSpec) -> None:
    try:
        found = sha256_of(spec.path)
    except OSError as error:
        raise ModelError(f"{spec.path}: {error.strerror}; reinstall Doorward or build the models again") from error
    if found != spec.sha256:
        raise ModelError(
            f"{spec.path}: sha256 is {found[:12]}…, the manifest says {spec.sha256[:12]}…; "
            "the file is damaged or another one: reinstall Doorward or build the models again"
        )


def _check_tensors(file: Path, kind: str, found: list[dict[str, Any]], promised: tuple[TensorSpec, ...]) -> None:
    if len(found) != len(promised):
        raise ModelError(f"{file}: {len(found)} {kind}s, the manifest promises {len(promised)}")
    for number, (detail, promise) in enumerate(zip(found, promised, strict=True)):
        actual = _spec_of(detail)
        for field in ("shape", "dtype", "scale", "zero_point"):
            is_so, should_be = getattr(actual, field), getattr(promise, field)
            same = np.isclose(is_so, should_be, rtol=1e-5, atol=0) if field == "scale" else is_so == should_be
            if not same:
                raise ModelError(f"{file}: {kind} {number} has {field} {is_so}, the manifest promises {should_be}")


def _spec_of(detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    shape = tuple(int(n) for n in detail["shape"])
    return TensorSpec(shape, np.dtype(detail["dtype"]).name, float(scale), int(zero_point))
