"""Writes a learned head as a door reads it: a `.tflite` model, its description beside it, and a parity report.

The model is tried in float32 and with int8 weights; int8 ships where the numbers that it gives are as good as float's,
as the report says. What a door makes of the files is `edge/inference/head.py`'s, and the report is made with that.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge.contract.head import Canary, HeadDescription, Quality, Strangers, numbers_of, text_of
from edge.inference.head import load_head, read_description
from edge.recognition.plda import Plda, QualityModel
from edge.recognition.types import Embedding, Floats
from trainer.distill import HeadParameters
from trainer.quiet import quiet_tensorflow

Weights = Literal["float32", "int8"]

# A canary's z may be off by so much of its length: five times what float32 in another order of adding, and int8
# weights with activations rounded anew in each runtime, were seen to differ between runtimes and machines.
_TOLERANCE: dict[Weights, float] = {"float32": 1e-3, "int8": 0.05}
_CANARIES = 8
# Scores are log-likelihood ratios of some tens. Between two TFLite runtimes an embedding alone moves one by up to 2.
_MOST_SCORE_SHIFT = 0.5
_SEED = 20_17


@dataclass(frozen=True, slots=True)
class Parity:
    """An exported file beside the float numbers that it was made of, run as a door runs it.

    bytes: of the model. worst_z: largest error of a z, as a share of its length. worst_precision: of a precision, as a
    share of itself. worst_score: largest shift of a score, in the score's unit. project_us: median time of one.
    """

    weights: Weights
    bytes: int
    worst_z: float
    worst_precision: float
    worst_score: float
    project_us: float

    @property
    def holds(self) -> bool:
        """Whether a door scores with it as with the float numbers."""
        return self.worst_z <= _TOLERANCE[self.weights] and self.worst_score <= _MOST_SCORE_SHIFT

    def __str__(self) -> str:
        size = f"{self.weights}: {self.bytes:,} bytes, {self.project_us:.1f} us"
        worst = f"z off by {self.worst_z:.1e}, a score by {self.worst_score:.2g}"
        return f"{size}, {worst}: parity {'holds' if self.holds else 'does not hold'}"


@dataclass(frozen=True, slots=True)
class Exported:
    """description: the file that `load_head` takes; the model lies beside it. tried: both kinds, float32 first."""

    description: Path
    model: Path
    weights: Weights
    tried: tuple[Parity, ...]

    @property
    def shipped(self) -> Parity:
        """Of the kind that was written."""
        return next(parity for parity in self.tried if parity.weights == self.weights)


def export(head: HeadParameters, folder: Path, name: str, samples: Sequence[Embedding] = ()) -> Exported:
    """Write `NAME.head.tflite` and `NAME.head.json` into a folder.

    samples: embeddings to measure parity on beside those drawn from the head; none of them is kept.

    Raises:
        ValueError: numbers that are not finite, or a variance that is not above 0.
    """
    _check(head)
    probes = [*_drawn(head, 64), *samples]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        kinds: tuple[Weights, ...] = ("float32", "int8")
        tried = [_parity(head, _write(head, Path(scratch), name, kind), probes, kind) for kind in kinds]
    weights: Weights = "int8" if tried[1].holds else "float32"
    description = _write(head, folder, name, weights)
    return Exported(description, description.with_name(f"{name}.head.tflite"), weights, tuple(tried))


def read_back(description: Path, embedder_sha256: str) -> HeadParameters:
    """The numbers of a head that was exported, to float32: what the model makes of every direction.

    Raises:
        ModelError: see `load_head`.
    """
    said, head = read_description(description), load_head(description, embedder_sha256)
    norm = said.canaries[0].norm
    units = np.eye(said.dim, dtype=np.float32)
    offset = head.project(Embedding(np.zeros(said.dim, np.float32), norm)).z.astype(np.float64)
    transform = np.stack([head.project(Embedding(unit, norm)).z - offset for unit in units], axis=1)
    beta = np.array(numbers_of(said.beta), np.float64)
    told = said.quality
    quality = QualityModel(told.intercept, told.slope, told.lowest, told.highest, said.strangers.levels)
    mean = -np.linalg.solve(transform, offset)
    return HeadParameters(embedder_sha256, mean, transform, beta, quality, said.strangers.fpir_scale)


def _check(head: HeadParameters) -> None:
    arrays = (head.mean, head.transform, head.beta)
    if not all(np.isfinite(array).all() for array in arrays) or not (head.beta > 0).all():
        raise ValueError("a head has a number that is not finite, or a variance that is not above 0")


def _write(head: HeadParameters, folder: Path, name: str, weights: Weights) -> Path:
    model = folder / f"{name}.head.tflite"
    content = _tflite(head, weights)
    model.write_bytes(content)
    description = HeadDescription(
        id=head.id,
        embedder_sha256=head.embedder_id,
        dim=len(head.mean),
        model=model.name,
        model_sha256=hashlib.sha256(content).hexdigest(),
        weights=weights,
        beta=text_of(head.beta.astype(np.float32).tolist()),
        quality=Quality(
            intercept=head.quality.intercept,
            slope=head.quality.slope,
            lowest=head.quality.lowest,
            highest=head.quality.highest,
        ),
        strangers=Strangers(levels=head.quality.levels, fpir_scale=head.fpir_scale),
        canaries=tuple(_canary(head, probe) for probe in _drawn(head, _CANARIES)),
        tolerance=_TOLERANCE[weights],
    )
    file = folder / f"{name}.head.json"
    file.write_bytes(description.to_json() + b"\n")
    return file


def _canary(head: HeadParameters, probe: Embedding) -> Canary:
    answer = head.head().project(probe)
    return Canary(
        x=text_of(probe.x.tolist()),
        norm=probe.norm,
        z=text_of(answer.z.tolist()),
        precision=answer.precision,
    )


def _drawn(head: HeadParameters, count: int) -> list[Embedding]:
    """Embeddings of people who do not exist: random directions around the head's mean, norms over all its range."""
    random = np.random.default_rng(_SEED)
    x = head.mean + random.standard_normal((count, len(head.mean))) / math.sqrt(len(head.mean))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    slope = head.quality.slope or -1.0
    middle = -head.quality.intercept / slope
    norms = np.exp(np.clip(middle + random.uniform(-1, 1, count), math.log(1e-3), math.log(1e6)))
    return [Embedding(row, float(np.float32(norm))) for row, norm in zip(x, norms, strict=True)]


def _tflite(head: HeadParameters, weights: Weights) -> bytes:
    """The model: one fully connected layer for z, and the precision from the norm's logarithm."""
    quiet_tensorflow()
    import tensorflow as tf

    dim, quality = len(head.mean), head.quality
    matrix = tf.constant(head.transform.T.astype(np.float32))
    bias = tf.constant(-(head.transform @ head.mean).astype(np.float32))
    lowest, highest = math.log(quality.lowest), math.log(quality.highest)

    def project(probe: Any) -> tuple[Any, Any]:
        z = tf.linalg.matmul(probe[:, :dim], matrix) + bias
        log_norm = tf.math.log(tf.maximum(probe[:, dim:], 1e-30))
        log_g = tf.minimum(tf.maximum(quality.intercept + quality.slope * log_norm, lowest), highest)
        return z, tf.exp(-log_g)

    spec = tf.TensorSpec((1, dim + 1), tf.float32, name="probe")
    function = tf.function(project, input_signature=[spec], autograph=False).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], function)
    if weights == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


def _parity(head: HeadParameters, description: Path, probes: Sequence[Embedding], weights: Weights) -> Parity:
    exact, exported = head.head(), load_head(description, head.embedder_id)
    ours, theirs = ([one.project(probe) for probe in probes] for one in (exact, exported))
    z = [float(np.linalg.norm(a.z - b.z) / np.linalg.norm(a.z)) for a, b in zip(ours, theirs, strict=True)]
    precision = [abs(b.precision / a.precision - 1) for a, b in zip(ours, theirs, strict=True)]
    return Parity(
        weights=weights,
        bytes=description.with_name(description.name.replace(".json", ".tflite")).stat().st_size,
        worst_z=max(z),
        worst_precision=max(precision),
        worst_score=float(np.abs(_scores(exact, probes) - _scores(exported, probes)).max()),
        project_us=_project_us(exported, probes),
    )


def _scores(head: Plda, probes: Sequence[Embedding]) -> Floats:
    """Each probe against a table of all of them, alone and by threes."""
    projections = [head.project(probe) for probe in probes]
    rows = [head.row([one]) for one in projections]
    rows += [head.row(projections[start : start + 3]) for start in range(0, len(projections) - 2, 3)]
    return head.scores(np.stack(rows), projections)


def _project_us(head: Plda, probes: Sequence[Embedding], repeats: int = 200) -> float:
    times = []
    for number in range(repeats):
        probe = probes[number % len(probes)]
        began = time.perf_counter()
        head.project(probe)
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1e6
