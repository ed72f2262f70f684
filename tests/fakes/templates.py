"""Made-up people for tests of the template store: embeddings out of a seed, a fixed device key, and ways to compare."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.errors import StoreError
from edge.recognition.types import Embedding, Floats, Quality
from edge.store.keys import DeviceKey
from edge.store.receipts import ErasedPlace, Place
from edge.store.templates import TemplateStore
from edge.store.types import NewExemplar, Person, StoredExemplar, StoredPeople, View

KEY = DeviceKey(bytes(range(32)))
OTHER_KEY = DeviceKey(bytes(range(1, 33)))
EMBEDDER = "e" * 64
NOW = 1_750_000_000.0
QUALITY = Quality(
    width_px=101.5,
    eye_distance_px=44.25,
    sharpness=212.0,
    brightness=121.5,
    contrast=41.0,
    clipped=0.0625,
    away=7.5,
    presence=0.9375,
)


def unit(seed: int, dimensions: int = 192) -> Floats:
    """A random direction, `(D,)` float32 of length 1."""
    x = np.random.default_rng(seed).normal(size=dimensions).astype(np.float32)
    return np.asarray(x / np.linalg.norm(x), dtype=np.float32)


def picture(seed: int, *, views: int = 2, taken_s: float = NOW, dimensions: int = 192) -> NewExemplar:
    """An exemplar to enroll; another seed is another picture."""
    worse = tuple(View(Embedding(unit(seed * 1000 + 1 + i, dimensions), 3.5), QUALITY) for i in range(views))
    shown = Embedding(unit(seed * 1000, dimensions), 9.25)
    return NewExemplar(shown, QUALITY, EMBEDDER, "fake 1.0", taken_s, worse)


def pictures(*seeds: int) -> list[NewExemplar]:
    return [picture(seed, taken_s=NOW + seed) for seed in seeds]


def open_store(
    folder: Path, *, key: DeviceKey = KEY, exclusive: bool = True, places: tuple[Place, ...] = ()
) -> TemplateStore:
    return TemplateStore.open(folder / "templates.db", key, exclusive=exclusive, keep_snapshots=3, places=places)


def outline(person: Person) -> tuple[str, str, bool, float | None, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Everything about a person that has no float precision in it."""
    return (
        person.id,
        person.name,
        person.verified,
        person.seen_s,
        tuple(exemplar.id for exemplar in person.exemplars),
        tuple(exemplar.id for exemplar in person.denied),
        tuple(sorted(person.origins)),
    )


def outlines(people: StoredPeople) -> dict[str, tuple[object, ...]]:
    return {person.id: outline(person) for person in people.people.values()}


def vectors(people: StoredPeople) -> dict[str, bytes]:
    """Each exemplar's embedding to the bit."""
    return {kept.id: kept.embedding.x.tobytes() for person in people.people.values() for kept in person.exemplars}


def likeness(kept: StoredExemplar, enrolled: NewExemplar) -> float:
    """Cosine of what was kept with what was enrolled."""
    return float(kept.embedding.x @ enrolled.embedding.x)


@dataclass
class FakePlace:
    """A place beside the store that counts what it holds of each id; `away` makes it fail."""

    name: str = "outbox"
    held: dict[str, int] = field(default_factory=dict)
    away: bool = False

    def erase(self, people: Sequence[str]) -> ErasedPlace:
        if self.away:
            raise StoreError("the outbox is away")
        return ErasedPlace(self.name, sum(self.held.pop(person, 0) for person in people), 0)

    def count(self, people: Sequence[str]) -> int:
        return sum(self.held.get(person, 0) for person in people)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory where the system has one, for tests that open hundreds of stores; else on the disk."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def everything(folder: Path) -> dict[Path, bytes]:
    """The raw bytes of every file below a folder."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
