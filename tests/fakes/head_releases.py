"""Releases of heads as doors get them: the shipped head, or one made of it that is worse, with canaries that hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.contract.head import Canary, HeadDescription, numbers_of, text_of
from edge.contract.release import ReleaseDescription
from edge.inference.head import HeadSpec, TfliteProjector, head_path, read_description
from edge.inference.spec import TensorSpec, load_manifest
from edge.recognition.types import Embedding, Floats
from edge.update.bundle import Bundle, open_bundle, write_bundle
from edge.update.forgotten import Enrolled
from edge.update.machine import Target
from edge.update.problems import Refusal
from edge.update.selftest import ThisDoor
from edge.update.slots import Slot, Slots
from edge.update.tflite_file import parse_tflite
from tests.fakes.releases import describe

EMBEDDER = load_manifest().pick("embedder")
SHIPPED = head_path(EMBEDDER)
SAID = read_description(SHIPPED)
MODEL = SHIPPED.with_name(SAID.model).read_bytes()
DIM = SAID.dim

Weights = Callable[[Floats], Floats]


def changed_weights(change: Weights) -> bytes:
    """The shipped model with other weights, `(DIM, DIM)`; nothing else of the file moves."""
    constants = [tensor.constant for tensor in parse_tflite(MODEL).tensors if tensor.shape == (DIM, DIM)]
    assert constants[0] is not None
    packed = bytes(constants[0])
    weights = np.frombuffer(packed, "<f4").reshape(DIM, DIM)
    at = MODEL.index(packed)
    return MODEL[:at] + change(weights.copy()).astype("<f4").tobytes() + MODEL[at + len(packed) :]


def upside_down(weights: Floats) -> Floats:
    """Directions that do not belong to their variances: a valid head that knows nobody apart."""
    return weights[::-1]


def write_head(folder: Path, model: bytes = MODEL, *, honest_canaries: bool = False, **changes: Any) -> Path:
    """A head's two files in `folder`; its description.

    honest_canaries: made by running the model, as somebody would who has signed it; else the shipped head's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / SAID.model
    file.write_bytes(model)
    said = replace(SAID, model_sha256=hashlib.sha256(model).hexdigest())
    if honest_canaries:
        said = replace(said, canaries=_canaries(file, said))
    description = folder / SHIPPED.name
    description.write_bytes(replace(said, **changes).to_json())
    return description


def _canaries(file: Path, said: HeadDescription) -> tuple[Canary, ...]:
    takes = TensorSpec((1, said.dim + 1), "float32")
    gives = (TensorSpec((1, said.dim), "float32"), TensorSpec((1, 1), "float32"))
    project = TfliteProjector(HeadSpec(said.id, file, said.model_sha256, (takes,), gives))
    found = []
    for canary in said.canaries:
        answer = project(Embedding(np.array(numbers_of(canary.x), np.float32), canary.norm))
        found.append(replace(canary, z=text_of(answer.z.tolist()), precision=answer.precision))
    return tuple(found)


def make_bundle(folder: Path, release: str = "plda-1", counter: int = 1, **changes: Any) -> Bundle:
    """A bundle of the head in `folder/RELEASE`, which is the shipped one unless somebody has written another."""
    contents = folder / release
    if not contents.is_dir():
        write_head(contents)
    bound = {"compatible": EMBEDDER.sha256, "embedder_sha256": EMBEDDER.sha256, "dim": DIM}
    description = describe(contents, release=release, counter=counter, **(bound | changes))
    path = folder / f"{release}.zip"
    write_bundle(path, description, contents)
    return open_bundle(path, description)


def staged(slots: Slots, bundle: Bundle) -> Slot:
    """A release that was brought as far as its self-test."""
    slots.begin(Target.of(bundle.description))
    slots.downloaded()
    return slots.stage(bundle)


def this_door(**changes: Any) -> ThisDoor:
    """A door with the shipped head in force."""
    return replace(ThisDoor("1.0.0", EMBEDDER.sha256, SHIPPED, 0.01), **changes)


def drawn_people(count: int, exemplars: int = 4, seed: int = 0) -> list[Enrolled]:
    """People who do not exist, as the shipped head sees people: drawn in its space, and brought back from there."""
    random = np.random.default_rng(seed)
    beta = np.array(numbers_of(SAID.beta))
    people = []
    for number in range(count):
        mean = random.standard_normal(DIM) * np.sqrt(beta)
        shown = mean + random.standard_normal((exemplars, DIM))
        people.append(Enrolled(f"person-{number}", tuple(_embedding(z) for z in shown)))
    return people


def _embedding(z: Floats) -> Embedding:
    """z = U (x - mean), solved for x, whose length comes out as 1 but for some per cent."""
    transform, offset = _affine()
    x = np.linalg.solve(transform, z - offset)
    return Embedding((x / np.linalg.norm(x)).astype(np.float32), 70.0)


def _affine() -> tuple[Any, Any]:
    if not _KEPT:
        tensors = parse_tflite(MODEL).tensors
        constants = {tensor.shape: tensor.constant for tensor in tensors if tensor.constant is not None}
        _KEPT.append(
            (
                np.frombuffer(constants[(DIM, DIM)], "<f4").reshape(DIM, DIM).astype(float),
                np.frombuffer(constants[(DIM,)], "<f4").astype(float),
            )
        )
    return _KEPT[0]


_KEPT: list[tuple[Any, Any]] = []


@dataclass(frozen=True)
class FolderOffer:
    description: ReleaseDescription


@dataclass
class FolderFetcher:
    """Brings releases from bundles at hand, or says why not; what is asked of it is written down."""

    bundles: Sequence[Bundle]
    look_refusal: Refusal | None = None
    fetch_refusal: Refusal | None = None
    asked: tuple[str, ...] = ()

    def look(self, kind: str, release: str) -> FolderOffer | Refusal:
        self.asked += (f"look {kind} {release}",)
        found = [bundle.description for bundle in self.bundles if bundle.description.release == release]
        if self.look_refusal is not None or not found:
            return self.look_refusal or Refusal("missing", f"the repository has no release {release}")
        return FolderOffer(found[0])

    def fetch(self, offer: FolderOffer) -> Bundle | Refusal:
        self.asked += (f"fetch {offer.description.release}",)
        bundle = next(bundle for bundle in self.bundles if bundle.description == offer.description)
        return self.fetch_refusal or bundle
