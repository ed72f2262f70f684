"""Makes the recognition line from its slice of the settings: models loaded and checked, gate, head, active model.

Part of the composition root beside `cli.py`; what the line does is in `recognition/` and `inference/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge.adapters.camera_options import CameraOptions
from edge.adapters.cameras import make_camera
from edge.adapters.clock import SystemClock
from edge.adapters.walkup import FindFace
from edge.adapters.walkup_figure import face_of_eyes
from edge.inference.detector import Detector
from edge.inference.embedder import Embedder
from edge.inference.head import load_centred_cosine, load_plda
from edge.inference.mesh import Mesh
from edge.inference.spec import SHIPPED, load_manifest
from edge.ports import Camera
from edge.recognition.quality import QualityGate
from edge.recognition.recognizer import ActiveModel, Recognizer
from edge.recognition.scoring import Head
from edge.recognition.types import Box, Exemplar, Image
from edge.settings.slices import CameraSettings, RecognitionSettings
from edge.store.types import StoredPeople
from edge.update.force import FACTORY_RELEASE, Force, at_start, standing
from edge.update.place import ReleasePlace
from edge.update.slots import Slots

# Of pictures made worse, the share that is no longer like the original (cosine under 0.4): with a norm below 0.57 of
# the typical one 54 %, up to 0.64 16 %, up to 0.7 5 %, above none.
_LEAST_OF_TYPICAL_NORM = 0.68
# Medians over 300 LFW pictures. An embedder that an operator brings has none here, and its norms are not looked at.
_TYPICAL_NORMS = {"mobilefacenet_192_int8": 70.8, "dlib_resnet_128_int8": 1.43}


def quality_gate(settings: RecognitionSettings) -> QualityGate:
    """What a picture must reach to be told, as the settings say."""
    return QualityGate(
        min_width_px=settings.min_face_px,
        max_away=settings.max_away_deg,
        min_brightness=settings.min_brightness,
        max_brightness=settings.max_brightness,
        min_sharpness=settings.min_sharpness,
        min_norm=_LEAST_OF_TYPICAL_NORM * (typical_norm(settings) or 0.0),
    )


def recognizer(settings: RecognitionSettings, models: Path = SHIPPED) -> Recognizer:
    """Load the detector, the mesh and the embedder.

    Raises:
        ModelError: one of them is missing, damaged or not what the manifest promises.
    """
    manifest = load_manifest(models)
    return Recognizer(
        Detector(manifest.pick("detector", settings.detector), settings.threads),
        Mesh(manifest.pick("mesh"), settings.threads),
        Embedder(manifest.pick("embedder", settings.embedder), settings.threads),
        quality_gate(settings),
        max_faces=settings.max_faces,
        min_presence=settings.min_presence,
    )


def embedder_name(settings: RecognitionSettings, models: Path = SHIPPED) -> str:
    """What the embedder in use is called in the manifest.

    Raises:
        ModelError: there is none of that name.
    """
    return load_manifest(models).pick("embedder", settings.embedder).name


def typical_norm(settings: RecognitionSettings, models: Path = SHIPPED) -> float | None:
    """The norm of a good picture's embedding by the embedder in use; None where it is not known."""
    return _TYPICAL_NORMS.get(embedder_name(settings, models))


def camera_for(settings: CameraSettings, models: Path = SHIPPED) -> Camera:
    """The camera that the settings name, not yet opened.

    Raises:
        CameraError: the URL is of no kind that is known.
        ModelError: a walk-up's face cannot be looked for.
    """
    options = CameraOptions(
        width=settings.width,
        height=settings.height,
        frames_per_second=settings.fps,
        rotate=settings.rotate,
        mirror=settings.mirror,
        timeout_s=settings.timeout_s,
    )
    find_face = face_finder(models) if settings.url.lower().startswith("walkup:") else None
    return make_camera(settings.url, options, SystemClock(), find_face=find_face)


def face_finder(models: Path = SHIPPED) -> FindFace:
    """Where the largest face of a still picture is.

    The detector is loaded here and not by the camera's thread: what other threads log meanwhile would be lost, since
    standard error is closed to the runtime's chatter while a model is loaded.
    """
    detector = Detector(load_manifest(models).pick("detector"))

    def find(pixels: Image) -> Box | None:
        found = detector.detect(pixels)
        return face_of_eyes(found[0].eyes) if found else None

    return find


def head_for(settings: RecognitionSettings, models: Path = SHIPPED) -> Head:
    """The head that belongs to the embedder in use, and that the settings ask for.

    Raises:
        ModelError: it is missing or damaged.
    """
    embedder = load_manifest(models).pick("embedder", settings.embedder)
    return load_plda(embedder) if settings.scoring == "plda" else load_centred_cosine(embedder)


def force_at_start(settings: RecognitionSettings, state: Path, models: Path = SHIPPED) -> Force:
    """The head that a daemon begins with; see `update/force.py`. state: the state folder.

    Raises:
        ModelError: there is none that can be loaded.
    """
    return _force(at_start, settings, state, models)


def force_of(settings: RecognitionSettings, state: Path, models: Path = SHIPPED) -> Force:
    """The head in force, for commands beside the daemon. state: the state folder.

    Raises:
        ModelError: it cannot be loaded.
    """
    return _force(standing, settings, state, models)


def _force(
    choose: Callable[[Slots, str, Callable[[], Head]], Force], settings: RecognitionSettings, state: Path, models: Path
) -> Force:
    if settings.scoring != "plda":  # releases are learned heads
        return Force(head_for(settings, models), FACTORY_RELEASE)
    embedder = load_manifest(models).pick("embedder", settings.embedder)
    return choose(ReleasePlace.below(state).slots, embedder.sha256, lambda: head_for(settings, models))


def model_over(
    settings: RecognitionSettings, head: Head, release: str = FACTORY_RELEASE
) -> Callable[[StoredPeople], ActiveModel]:
    """What makes the active model of a roster."""
    return lambda people: active_model(settings, head, people.gallery(head.embedder_id), release)


def active_model(
    settings: RecognitionSettings, head: Head, exemplars: Sequence[Exemplar], release: str = FACTORY_RELEASE
) -> ActiveModel:
    """A head over everybody enrolled, with this table's own threshold. release: that the head is of."""
    return ActiveModel.of(head, exemplars, settings.target_fpir, release)
