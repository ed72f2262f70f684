"""OpenCV's YuNet with a MobileFaceNet on ONNX Runtime, aligned by YuNet's five points; one thread."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.recognition.align import similarity
from trainer.bench.nearest import nearest_to_centre
from trainer.bench.workers.protocol import Worker, serve
from trainer.embedder.alignments import FIVE_POINT_112

DETECTOR, EMBEDDER = "yunet_n_320_320.onnx", "foamliu_mobilefacenet.onnx"
_SIDE, _CROP = 320, 112
_MIN_SCORE, _SUPPRESS_IOU = (
    0.6,
    0.3,
)  # OpenCV's own defaults are 0.9 and 0.3; its samples use 0.6 where faces may be poor
_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # ImageNet's, as the weights expect


def start(weights: str) -> Worker:
    """weights: a folder with the two files above."""
    import cv2
    import onnxruntime

    folder = Path(weights)
    missing = next((name for name in (DETECTOR, EMBEDDER) if not (folder / name).is_file()), None)
    if missing:
        raise FileNotFoundError(f"{folder} has no {missing}; --peers names the folder with the peers' weights")
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(str(folder / DETECTOR), "", (_SIDE, _SIDE), _MIN_SCORE, _SUPPRESS_IOU)
    network = _network(onnxruntime, folder / EMBEDDER)
    template = np.array(FIVE_POINT_112.template, np.float32)

    def embed(frame: NDArray[np.uint8]) -> NDArray[np.floating[Any]] | None:
        points = _points(cv2, detector, frame)
        if points is None:
            return None
        crop = cv2.warpAffine(frame, similarity(points, template), (_CROP, _CROP), flags=cv2.INTER_LINEAR)
        return network(((crop / 255.0 - _MEAN) / _STD).astype(np.float32).transpose(2, 0, 1)[None])

    versions = {"opencv": cv2.__version__, "onnxruntime": onnxruntime.__version__}
    return Worker("opencv_yunet", versions, "cosine", embed)


def _network(onnxruntime: Any, file: Path) -> Callable[[NDArray[Any]], NDArray[np.floating[Any]]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda tensor: np.asarray(session.run(None, {name: tensor})[0]).reshape(-1)


def _points(cv2: Any, detector: Any, frame: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Eyes, nose and mouth corners, left before right as seen, `(5, 2)`, of the face nearest the centre."""
    height, width = frame.shape[:2]
    scale = _SIDE / max(height, width)
    small = cv2.resize(frame, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    letterbox = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    letterbox[: small.shape[0], : small.shape[1]] = small[..., ::-1]  # YuNet takes BGR
    _, found = detector.detect(letterbox)
    rows = [] if found is None else found / scale
    place = nearest_to_centre(((row[0] + row[2] / 2, row[1] + row[3] / 2) for row in rows), width, height)
    return None if place is None else np.asarray(rows[place][4:14].reshape(5, 2), np.float32)


if __name__ == "__main__":
    sys.exit(serve(start))
