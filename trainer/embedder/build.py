"""`doorward-trainer models build`: from fetched weights, or an operator's file, to a folder that a door can use.

Everything is made in a folder beside the target and moved there when it is whole, the manifest last.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import DoorwardError, ModelError
from edge.inference.embedder import Embedder
from edge.inference.spec import MANIFEST, SHIPPED, Manifest, ModelSpec, load_manifest
from trainer.embedder.card import About, card
from trainer.embedder.catalogue import BLAZEFACE_SHORT, DETECTORS_AND_MESH, DLIB_RESNET, EMBEDDERS, Shipped
from trainer.embedder.convert import Converted, convert, describe_file
from trainer.embedder.custom import read_description, read_network
from trainer.embedder.datasets import PictureSet, find_pictures
from trainer.embedder.dlib import read_dlib
from trainer.embedder.faces import FaceFinder, MeshedPicture, calibration_faces
from trainer.embedder.graph import Graph
from trainer.embedder.manifest import describe_model, with_model, write_manifest
from trainer.embedder.parity import TestPictures, compare, this_machine
from trainer.embedder.read_tflite import read_tflite
from trainer.embedder.report import BuildReport, choose_default
from trainer.embedder.sources import fetch

CARD = "MODEL_CARD.md"
_ALIKE = 0.999  # cosine between different people's faces that says the network does not look at its picture


@dataclass(frozen=True, slots=True)
class Request:
    """out: the folder to fill. cache: of fetched packages. data: of pictures. quick: few pictures, no
    verification.
    """

    out: Path
    cache: Path
    data: Path | None = None
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Custom:
    """An operator's network file and its description."""

    network: Path
    preprocessing: Path


def build_shipped(request: Request) -> BuildReport:
    """Build every model that ships with Doorward, measure the embedders, and write manifest and card.

    Raises:
        ModelError: weights cannot be fetched or converted. DoorwardError: the pictures cannot be used.
    """
    pictures = find_pictures(request.data, quick=request.quick)
    with _staged(request.out) as folder:
        manifest = _published(folder, request.cache)
        finder = FaceFinder(manifest)
        faces = _faces(pictures, finder)
        converted = [_convert_shipped(shipped, faces, folder, request) for shipped in EMBEDDERS]
        report = _measured(manifest, converted, pictures, faces, finder)
        _finish(folder, report, converted, request)
    return report


def build_custom(request: Request, custom: Custom) -> BuildReport:
    """Build an operator's embedder into `request.out`, beside the models that are there.

    Raises:
        ModelError: file or description cannot be used; the line says which and why.
    """
    described = read_description(custom.preprocessing)
    network = read_network(custom.network)
    pictures = find_pictures(request.data, quick=request.quick)
    finder = FaceFinder(load_manifest(SHIPPED))
    there = load_manifest(request.out) if (request.out / MANIFEST).exists() else Manifest({}, {})
    with _staged(request.out) as folder:
        faces = _faces(pictures, finder)
        if isinstance(network, Graph):
            _check_size(custom.network, network.input_shape[:2], described.size)
            converted = convert(network, described.description, faces, folder, layers=not request.quick)
        else:
            file = folder / f"{described.description.name}.tflite"
            converted = Converted(describe_file(file, network, described.description))
        _check_embedder(custom.network, converted.int8, described.size, faces)
        report = _measured(there, [converted], pictures, faces, finder)
        _finish(folder, report, [converted], request)
    return report


def _published(folder: Path, cache: Path) -> Manifest:
    """The models that are used as they were published."""
    manifest = Manifest({}, {})
    for shipped in DETECTORS_AND_MESH:
        print(f"{shipped.file}: as published", flush=True)
        file = folder / shipped.file
        file.write_bytes(fetch(shipped.sources[0], cache))
        manifest = with_model(
            manifest, describe_model(file, shipped.description), default=shipped is not BLAZEFACE_SHORT
        )
    return manifest


def _faces(pictures: PictureSet, finder: FaceFinder) -> list[MeshedPicture]:
    print(f"finding faces to calibrate on in {len(pictures.calibration)} pictures", flush=True)
    return calibration_faces(pictures.calibration, finder)


def _convert_shipped(shipped: Shipped, faces: Sequence[MeshedPicture], folder: Path, request: Request) -> Converted:
    print(f"{shipped.file}: converting", flush=True)
    contents = [fetch(source, request.cache) for source in shipped.sources]
    graph = read_dlib(*contents) if shipped is DLIB_RESNET else read_tflite(contents[0], shipped.sources[0].member)
    return convert(graph, shipped.description, faces, folder, layers=not request.quick)


def _measured(
    manifest: Manifest,
    converted: Sequence[Converted],
    pictures: PictureSet,
    faces: Sequence[MeshedPicture],
    finder: FaceFinder,
) -> BuildReport:
    print("measuring", flush=True)
    parities = compare(converted, TestPictures(pictures.folder, pictures.lists, faces), finder)
    default, reason = choose_default(parities)
    for one in converted:
        manifest = with_model(manifest, one.int8, default=one.int8.name == default)
    return BuildReport(manifest, this_machine(), len(faces), pictures.described, reason, tuple(parities))


def _finish(folder: Path, report: BuildReport, converted: Sequence[Converted], request: Request) -> None:
    for one in converted:
        if one.float is not None:
            one.float.path.unlink()
    about = {s.description.name: About(s.training, s.limits) for s in (*DETECTORS_AND_MESH, *EMBEDDERS)}
    command = f"doorward-trainer models build{' --quick' if request.quick else ' --data DIR' if request.data else ''}"
    (folder / CARD).write_text(card(report, about, command), encoding="utf-8")
    write_manifest(folder, report.manifest)


def _check_size(file: Path, found: tuple[int, ...], promised: int) -> None:
    if found != (promised, promised):
        raise ModelError(f"{file}: takes {found[0]} x {found[1]} px, its description says {promised} x {promised}")


def _check_embedder(file: Path, spec: ModelSpec, size: int, faces: Sequence[MeshedPicture]) -> None:
    """A network that a door could load and that tells faces apart."""
    shape = spec.inputs[0].shape
    if len(spec.inputs) != 1 or len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
        raise ModelError(f"{file}: its input is {shape}, expected 1 x {size} x {size} x 3")
    _check_size(file, shape[1:3], size)
    if len(spec.outputs) != 1 or len(spec.outputs[0].shape) != 2:
        raise ModelError(f"{file}: its outputs are {[t.shape for t in spec.outputs]}, expected one of 1 x dimension")
    embedder = Embedder(spec)
    found = [embedder.embed(embedder.align(face.pixels, face.mesh)).x for face in faces if face.mesh is not None]
    vectors = np.stack(found) if found else np.zeros((0, embedder.dim), np.float32)
    if not np.isfinite(vectors).all():
        raise ModelError(f"{file}: gives numbers that are not finite")
    if len(vectors) > 1 and float((vectors @ vectors.T).min()) > _ALIKE:
        raise ModelError(f"{file}: gives the same embedding for every face; are mean, std and colour right?")


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A folder whose files are moved to `out` when the block ends well, the manifest last.

    Raises:
        ModelError: the disk is full or `out` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".models-", dir=out) as name:
            folder = Path(name)
            yield folder
            for file in sorted(folder.iterdir(), key=lambda file: file.name == MANIFEST):
                file.replace(out / file.name)
    except DoorwardError:
        raise
    except OSError as error:
        raise ModelError(f"{out}: cannot be written ({error.strerror or error}); --out names another folder") from error
