"""What is handed to the process that tries a head on, as bytes for a pipe: a header in JSON, then the embeddings.

Both ends are ours; people's raw embeddings are in these bytes and in no file.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edge.recognition.types import Embedding, Floats
from edge.update.confine import Limits
from edge.update.forgotten import Enrolled

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Budget:
    """Of a head on this device. project_ms: processor time of one projection. memory_mb: what it may add to a process.

    A head of ours takes 0.02 ms on a server and 2 MB; a frame has some 100 ms.
    """

    project_ms: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Job:
    """candidate, current: description files of the head to try and of the one in force."""

    candidate: Path
    current: Path
    embedder_sha256: str
    target_fpir: float
    people: tuple[Enrolled, ...]
    limits: Limits
    budget: Budget


def pack(job: Job) -> bytes:
    """The job's bytes."""
    embeddings = [e for who in job.people for e in (*who.embeddings, *who.denied)]
    header = {
        "candidate": str(job.candidate),
        "current": str(job.current),
        "embedder_sha256": job.embedder_sha256,
        "target_fpir": job.target_fpir,
        "people": [[who.person, len(who.embeddings), len(who.denied)] for who in job.people],
        "dim": len(embeddings[0].x) if embeddings else 0,
        "limits": asdict(job.limits),
        "budget": asdict(job.budget),
    }
    head = json.dumps(header).encode()
    x = np.array([e.x for e in embeddings], "<f4").tobytes()
    norms = np.array([e.norm for e in embeddings], "<f8").tobytes()
    return _LENGTH.pack(len(head)) + head + norms + x


def unpack(data: bytes) -> Job:
    """The job in the bytes of `pack`."""
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    header = json.loads(data[_LENGTH.size : start])
    count = sum(own + denied for _, own, denied in header["people"])
    norms = np.frombuffer(data, "<f8", count, start)
    x = np.frombuffer(data, "<f4", count * header["dim"], start + norms.nbytes).reshape(count, header["dim"])
    return Job(
        candidate=Path(header["candidate"]),
        current=Path(header["current"]),
        embedder_sha256=header["embedder_sha256"],
        target_fpir=header["target_fpir"],
        people=_people(header["people"], x.astype(np.float32), norms.tolist()),
        limits=Limits(**header["limits"]),
        budget=Budget(**header["budget"]),
    )


def _people(told: Sequence[tuple[str, int, int]], x: Floats, norms: Sequence[float]) -> tuple[Enrolled, ...]:
    embeddings = iter([Embedding(row, norm) for row, norm in zip(x, norms, strict=True)])
    return tuple(
        Enrolled(person, tuple(next(embeddings) for _ in range(own)), tuple(next(embeddings) for _ in range(denied)))
        for person, own, denied in told
    )
