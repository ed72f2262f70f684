"""What `tests/device/identities.py` answers on one machine, parsed, and how two such answers differ."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edge.compose import active_model, head_for
from edge.recognition.decide import decide
from edge.recognition.types import Embedding, Exemplar, Known
from edge.settings.slices import RecognitionSettings

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests/device/identities.py"

Identity: TypeAlias = tuple[str, str | None]
"""Outcome and person."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One face. reason: why it is too poor to tell. scores: against everybody enrolled."""

    identity: Identity
    reason: str | None
    scores: dict[str, float]
    embedding: Embedding

    @property
    def best(self) -> float:
        return max(self.scores.values())


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One machine's.

    pictures: the faces of each, the largest first. frames: the same of the walk-up. visits: what it came to.
    enrolled: the pictures that each person was enrolled from.
    """

    machine: str
    python: str
    runtime: str
    embedder: str
    threshold: float
    took_s: float
    enrolled: dict[str, list[str]]
    pictures: dict[str, list[Seen]]
    frames: list[list[Seen]]
    visits: list[Identity]

    @property
    def title(self) -> str:
        return f"{self.machine}, Python {self.python}, {self.runtime}"

    @property
    def identities(self) -> dict[str, list[Identity]]:
        """Of each picture."""
        return {name: [face.identity for face in faces] for name, faces in self.pictures.items()}

    @property
    def margin(self) -> float:
        """How far the picture whose score comes nearest to the threshold is from it."""
        return min(abs(face.best - self.threshold) for faces in self.pictures.values() for face in faces)


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest between two answers, over the faces of the pictures, or of the frames, that are good enough to tell.

    score: of any face against anybody. best: of the scores that decide. threshold: of the thresholds. All of them are
        natural logarithms of a likelihood ratio.
    angle: 1 less the cosine between the two embeddings of one face.
    norm: of the embeddings' norms, as a share.
    """

    score: float
    best: float
    threshold: float
    angle: float
    norm: float

    def beyond(self, limit: Difference) -> list[str]:
        """What exceeds the limit, in words."""
        names = [field.name for field in fields(self)]
        return [
            f"{name} {getattr(self, name):.3g} > {getattr(limit, name):.3g}"
            for name in names
            if getattr(self, name) > getattr(limit, name)
        ]


# Twice the largest that was measured between x86-64 and arm64, by either runtime, and between the runtimes: their int8
# kernels round differently, layer by layer. To compare: in the pictures a known face scores 38 to 52, the stranger -13,
# and the threshold is -7.6, so that a picture's decision cannot fall the other way; a far or blurred frame's can.
OTHER_KERNELS = {
    "pictures": Difference(score=7.2, best=4.0, threshold=0.8, angle=0.012, norm=0.06),
    "frames": Difference(score=11.0, best=11.0, threshold=0.8, angle=0.03, norm=0.1),
}
# The same kernels under another Python and numpy differ in the last bits of sums.
SAME_KERNELS = dict.fromkeys(
    ("pictures", "frames"), Difference(score=1e-3, best=1e-3, threshold=1e-3, angle=1e-5, norm=1e-5)
)


def tolerance(one: Answer, other: Answer) -> dict[str, Difference]:
    """What two answers may differ by, in pictures and in frames."""
    same = (one.machine, one.runtime) == (other.machine, other.runtime)
    return SAME_KERNELS if same else OTHER_KERNELS


def beyond_tolerance(one: Answer, other: Answer) -> list[str]:
    """What exceeds it."""
    found, limits = differences(one, other), tolerance(one, other)
    return [f"{kind}: {words}" for kind in found for words in found[kind].beyond(limits[kind])]


def told_here(runtime: str) -> Answer:
    """By this Python in a process of its own: one process takes one runtime."""
    environment = os.environ | {"DOORWARD_RUNTIME": runtime, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return parsed(done.stdout)


def parsed(text: str) -> Answer:
    raw = json.loads(text)
    plain = ("machine", "python", "runtime", "embedder", "threshold", "took_s", "enrolled")
    return Answer(
        **{name: raw[name] for name in plain},
        pictures={name: [_seen(face) for face in faces] for name, faces in raw["pictures"].items()},
        frames=[[_seen(face) for face in faces] for faces in raw["frames"]],
        visits=[_identity(visit) for visit in raw["visits"]],
    )


def differences(one: Answer, other: Answer) -> dict[str, Difference]:
    """Of two answers about the same scenes by the same embedder, in pictures and in frames."""
    assert one.embedder == other.embedder, "the two look through different embedders: install the checkout again"
    pictures = [(faces, other.pictures[name]) for name, faces in one.pictures.items()]
    frames = zip(one.frames, other.frames, strict=True)
    threshold = abs(one.threshold - other.threshold)
    return {"pictures": _difference(_pairs(pictures), threshold), "frames": _difference(_pairs(frames), threshold)}


def told_across(doors: Answer, guests: Answer) -> dict[str, list[Identity]]:
    """Who the pictures show that `guests` looked at, by the table that `doors` enrolled, as if a site shared it."""
    settings = RecognitionSettings()
    exemplars = [
        Exemplar(person, doors.pictures[name][0].embedding)
        for person, names in doors.enrolled.items()
        for name in names
    ]
    model = active_model(settings, head_for(settings), exemplars)
    found: dict[str, list[Identity]] = {}
    for name, faces in guests.pictures.items():
        decisions = [decide(model.candidates(face.embedding), model.threshold, None) for face in faces]
        found[name] = [(type(d).__name__.lower(), d.person if isinstance(d, Known) else None) for d in decisions]
    return found


def _pairs(scenes: Iterable[tuple[list[Seen], list[Seen]]]) -> list[tuple[Seen, Seen]]:
    """The same face as both saw it, where it is good enough for both; a face at the edge of that may be so for one."""
    good = [[[face for face in faces if face.reason is None] for faces in scene] for scene in scenes]
    pairs = [pair for mine, theirs in good if len(mine) == len(theirs) for pair in zip(mine, theirs, strict=True)]
    assert len(pairs) > 5, "hardly a face was good enough for both: nothing is compared"
    return pairs


def _difference(pairs: Sequence[tuple[Seen, Seen]], threshold: float) -> Difference:
    return Difference(
        score=max(abs(a.scores[person] - b.scores[person]) for a, b in pairs for person in a.scores),
        best=max(abs(a.best - b.best) for a, b in pairs),
        threshold=threshold,
        angle=max(1 - float(a.embedding.x @ b.embedding.x) for a, b in pairs),
        norm=max(abs(a.embedding.norm / b.embedding.norm - 1) for a, b in pairs),
    )


def _seen(raw: dict[str, Any]) -> Seen:
    x = np.frombuffer(base64.b64decode(raw["x"]), "<f4").astype(np.float32)
    return Seen(_identity(raw), raw["reason"], raw["scores"], Embedding(x, raw["norm"]))


def _identity(raw: dict[str, Any]) -> Identity:
    return raw["outcome"], raw["person"]
