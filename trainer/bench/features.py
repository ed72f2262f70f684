"""Every face of a data folder's lists as one embedder gives it, clean and as seen at night: made once and kept.

Pictures go through the door's own line; a night view is made from the aligned face, by the camera that heads are
learned from (`NIGHT`) and by another one that no head has seen (`OTHER_NIGHT`). What is measured on them is left to
the benches. The files hold numbers alone, in the lists' order: no name and no path.

    features = Features.load_or_make(data, manifest, "mobilefacenet_192_int8", cache)
    fleet = features.fleet                        # and .enrolled, .strangers["test"], .strangers["calibration"]
    fleet.people                                  # {person: places of the pictures in which a face was found}
    fleet.views(NIGHT)[0].x                       # (n, D) of every picture's first night view, zeros without a face
    fleet.learnable((CLEAN, NIGHT))               # (faces, owners) of all of them, for `Statistics.of_people`
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge.contract.bench_output import progress
from edge.errors import DoorwardError
from edge.inference.embedder import Embedder
from edge.inference.spec import Manifest, ModelSpec
from edge.inference.tflite import runtime_name
from edge.recognition.degrade import NightCamera, night_view
from edge.recognition.quality import measure
from edge.recognition.types import Embedding, Floats, Image, Quality
from trainer.bench.data import STRANGERS, FaceData
from trainer.bench.other_camera import InfraredCamera, infrared_view
from trainer.bench.pairs import FaceLine

CLEAN, NIGHT, OTHER_NIGHT = "clean", "night", "other night"
QUALITY = tuple(field.name for field in fields(Quality))
_FLEET, _ENROLLED = "fleet", "enrolled"
_FORMAT = 1
_PROGRESS_EVERY = 100


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is embedded; None for all that the lists have.

    fleet, enrolled: people. pictures: of each of them (of those enrolled: shots and probes each). strangers: of each
    list. views: by each night camera of each picture.
    """

    fleet: int | None = None
    enrolled: int | None = None
    pictures: int | None = None
    strangers: int | None = None
    views: int = 2


FULL = Effort()
QUICK = Effort(fleet=30, enrolled=16, pictures=3, strangers=30, views=1)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Embedded faces. x: `(n, D)` float32 unit vectors. norms: `(n,)`. quality: `(n, 8)`, columns are QUALITY."""

    x: Floats
    norms: Floats
    quality: Floats

    def __len__(self) -> int:
        return len(self.x)

    def of(self, which: NDArray[Any] | Sequence[int]) -> Faces:
        """Some of them, by place or by mask."""
        return Faces(self.x[which], self.norms[which], self.quality[which])

    def embeddings(self) -> list[Embedding]:
        """As the door's code takes them."""
        return [Embedding(x, float(norm)) for x, norm in zip(self.x, self.norms, strict=True)]

    @classmethod
    def joined(cls, parts: Sequence[Faces]) -> Faces:
        """One after another; one part at least."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("x", "norms", "quality")))


@dataclass(frozen=True, slots=True, eq=False)
class ListFeatures:
    """One list's pictures.

    paths, owners: of each picture, in the list's order. found: `(n,)` whether the line found a face in it.
    shown: by kind, that kind's views of all pictures; zeros where no face was found.
    """

    paths: tuple[str, ...]
    owners: tuple[str, ...]
    found: NDArray[np.bool_]
    shown: Mapping[str, tuple[Faces, ...]]

    def views(self, kind: str) -> tuple[Faces, ...]:
        """kind: CLEAN, which has one, NIGHT or OTHER_NIGHT."""
        return self.shown[kind]

    @property
    def people(self) -> dict[str, NDArray[np.intp]]:
        """Each person's places, of pictures with a face; somebody without any is not in it."""
        places: dict[str, list[int]] = {}
        for place, owner in enumerate(self.owners):
            if self.found[place]:
                places.setdefault(owner, []).append(place)
        return {person: np.array(its) for person, its in places.items()}

    def part(self, places: NDArray[np.intp]) -> ListFeatures:
        """Some of the pictures alone."""
        shown = {kind: tuple(faces.of(places) for faces in views) for kind, views in self.shown.items()}
        paths, owners = (tuple(names[place] for place in places) for names in (self.paths, self.owners))
        return ListFeatures(paths, owners, self.found[places], shown)

    def learnable(
        self, kinds: Sequence[str] = (CLEAN, NIGHT), only: Sequence[str] | None = None
    ) -> tuple[Faces, NDArray[np.intp]]:
        """All views of these kinds with whose they are, counted from 0. only: these people, in this order."""
        people = self.people
        chosen = list(people) if only is None else [person for person in only if person in people]
        places = np.concatenate([people[person] for person in chosen]) if chosen else np.empty(0, np.intp)
        owners = np.repeat(np.arange(len(chosen)), [len(people[person]) for person in chosen])
        views = [faces.of(places) for kind in kinds for faces in self.views(kind)]
        return Faces.joined(views), np.tile(owners, len(views))


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """All lists of a data folder under one embedder. strangers: by the names of `STRANGERS`."""

    embedder: ModelSpec
    fleet: ListFeatures
    enrolled: ListFeatures
    strangers: Mapping[str, ListFeatures]

    @classmethod
    def load_or_make(
        cls, data: FaceData, manifest: Manifest, name: str, cache: Path, effort: Effort = FULL, seed: int = 0
    ) -> Self:
        """From the cache, else through the models, which takes minutes for each embedder. name: "" for the default.

        A file in the cache that is damaged is made again.

        Raises:
            DoorwardError: a list or a picture is missing or damaged, or the cache cannot be written.
        """
        spec = manifest.pick("embedder", name)
        maker = _Maker(data, manifest, spec, cache / "features", effort.views, seed)
        lists = {list_name: maker.load_or_make(list_name, *its) for list_name, its in _listed(data, effort).items()}
        return cls(spec, lists[_FLEET], lists[_ENROLLED], {stranger: lists[stranger] for stranger in STRANGERS})


def _listed(data: FaceData, effort: Effort) -> dict[str, tuple[list[str], list[str]]]:
    """By list, the pictures' paths and whose they are."""
    fleet = list(data.fleet().items())[: effort.fleet]
    enrolled = data.enrollees()[: effort.enrolled]
    most = effort.pictures
    lists = {
        _FLEET: [(path, person) for person, paths in fleet for path in paths[:most]],
        _ENROLLED: [(path, who.person) for who in enrolled for path in (*who.shots[:most], *who.probes[:most])],
    }
    for name in STRANGERS:
        lists[name] = [(path, path) for path in data.strangers(name)[: effort.strangers]]
    return {name: ([path for path, _ in its], [person for _, person in its]) for name, its in lists.items()}


class _Maker:
    """Makes and keeps one embedder's lists."""

    def __init__(
        self, data: FaceData, manifest: Manifest, spec: ModelSpec, folder: Path, views: int, seed: int
    ) -> None:
        self._data, self._manifest, self._spec = data, manifest, spec
        self._folder, self._views, self._seed = folder, views, seed
        self._models: tuple[FaceLine, Embedder] | None = None

    def load_or_make(self, name: str, paths: Sequence[str], owners: Sequence[str]) -> ListFeatures:
        file = self._folder / f"{self._spec.name}-{name}-{self._key(paths)}.npz"
        dim = self._spec.outputs[0].shape[-1]
        arrays = read_kept(file, len(paths), 1 + 2 * self._views, dim)
        if arrays is None:
            arrays = self._make(name, paths)
            keep(file, arrays)
        return ListFeatures(tuple(paths), tuple(owners), arrays["found"], dict(_by_kind(arrays, self._views)))

    def _key(self, paths: Sequence[str]) -> str:
        """Of all that the numbers depend on. A picture is known by its path and size."""
        models = [self._manifest.pick(role).sha256 for role in ("detector", "mesh")]
        pictures = [(path, self._data.face_file(path).stat().st_size) for path in paths]
        cameras = [repr(NightCamera()), repr(InfraredCamera()), self._views, self._seed]
        told = json.dumps([_FORMAT, self._spec.sha256, models, cameras, runtime_name(), pictures])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def _make(self, name: str, paths: Sequence[str]) -> dict[str, NDArray[Any]]:
        if self._models is None:
            self._models = FaceLine(self._manifest), Embedder(self._spec)
        count, views, dim = len(paths), 1 + 2 * self._views, self._models[1].dim
        found, norms = np.zeros(count, np.bool_), np.zeros((count, views), np.float32)
        x, quality = np.zeros((count, views, dim), np.float32), np.zeros((count, views, len(QUALITY)), np.float32)
        for place, path in enumerate(paths):
            for view, (embedding, measured) in enumerate(self._embedded(path, *self._models)):
                found[place] = True
                x[place, view], norms[place, view] = embedding.x, embedding.norm
                quality[place, view] = astuple(measured)
            if (place + 1) % _PROGRESS_EVERY == 0 or place + 1 == count:
                progress(f"{self._spec.name}, {name}: {place + 1} of {count} pictures")
        return {"found": found, "x": x, "norms": norms, "quality": quality}

    def _embedded(self, path: str, line: FaceLine, embedder: Embedder) -> Iterator[tuple[Embedding, Quality]]:
        """Clean, then every night view; nothing where no face is found."""
        pixels = self._data.face(path)
        face = line.face(pixels)
        if face is None:
            return
        crop = embedder.align(pixels, face.mesh)
        eye_px = embedder.alignment.eye_distance_px(face.mesh)
        # Each picture has its own randomness, so that a part of a list has the very views of the whole.
        random = np.random.default_rng([self._seed, zlib.crc32(path.encode())])
        shown: list[Image] = [crop]
        shown += [night_view(crop, eye_px, NightCamera(), random) for _ in range(self._views)]
        shown += [infrared_view(crop, eye_px, InfraredCamera(), random) for _ in range(self._views)]
        for view in shown:
            yield embedder.embed(view), measure(face, view)


def _by_kind(arrays: Mapping[str, NDArray[Any]], views: int) -> Iterator[tuple[str, tuple[Faces, ...]]]:
    faces = [
        Faces(arrays["x"][:, v], arrays["norms"][:, v], arrays["quality"][:, v]) for v in range(arrays["x"].shape[1])
    ]
    yield CLEAN, tuple(faces[:1])
    yield NIGHT, tuple(faces[1 : 1 + views])
    yield OTHER_NIGHT, tuple(faces[1 + views :])


def read_kept(file: Path, count: int, views: int, dim: int) -> dict[str, NDArray[Any]] | None:
    """A list's arrays, or None where there is no such file or it is damaged."""
    shapes = {"found": (count,), "x": (count, views, dim), "norms": (count, views), "quality": (count, views, 8)}
    try:
        with np.load(file, allow_pickle=False) as packed:
            arrays = {name: packed[name] for name in shapes}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        progress(f"{file}: damaged ({error}); it is made again")
        return None
    if any(arrays[name].shape != shape or not np.isfinite(arrays[name]).all() for name, shape in shapes.items()):
        progress(f"{file}: damaged (other numbers than wanted); it is made again")
        return None
    return arrays


def keep(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Whole or not at all; two runs at once do not write into one another's file."""
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            save: Any = np.savez  # whose types take every keyword for one of its own options
            save(stream, **arrays)
        part.replace(file)
    except OSError as error:
        raise DoorwardError(
            f"{file}: cannot be written ({error.strerror}); name another folder with --cache"
        ) from error
