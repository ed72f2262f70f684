"""Runs inside the root of virtual_camera.sh: drives the adapter over the real picamera2 and prints what came as JSON.

Leaves judging it to test_picamera.py, and what a PC lacks to virtual_camera_shim.py.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from PIL import Image as Pillow

from edge.adapters.camera_options import CameraOptions
from edge.adapters.clock import SystemClock
from edge.adapters.picamera import PicameraCamera
from edge.errors import CameraError
from edge.recognition.types import Frame

FRAMES = Path("/opt/frames")
DESCRIPTION = Path("/usr/share/libcamera/pipeline/virtual/virtual.yaml")
YAML = f"""%YAML 1.1
---
"Doorward":
  supported_formats:
  - width: 640
    height: 480
    frame_rates: [30, 60]
  - width: 1280
    height: 960
  frames:
    path: "{FRAMES}/"
  location: "CameraLocationFront"
  model: "virtual"
"""
OPTIONS = CameraOptions(width=1280, height=960, frames_per_second=30, timeout_s=3)


def plug_in(*, camera: bool) -> None:
    """Before libcamera is loaded; two packages that only a display and raw pictures need are faked.

    The picture: red left, blue right, with a green bar along the top.
    """
    FRAMES.mkdir(parents=True, exist_ok=True)
    DESCRIPTION.parent.mkdir(parents=True, exist_ok=True)
    DESCRIPTION.unlink(missing_ok=True)
    picture = Pillow.new("RGB", (1280, 960), (255, 0, 0))
    picture.paste((0, 0, 255), (640, 0, 1280, 960))
    picture.paste((0, 255, 0), (0, 0, 1280, 192))
    for number in range(3):
        picture.save(FRAMES / f"{number}.jpg", quality=95, subsampling=0)
    if camera:
        DESCRIPTION.write_text(YAML, encoding="utf-8")
    for absent in ("pykms", "pidng", "pidng.camdefs", "pidng.core", "pidng.defs", "pidng.dng"):
        sys.modules[absent] = mock.MagicMock()


def virtual_device(index: int) -> Any:
    from virtual_camera_shim import (  # type: ignore[import-not-found]  # it stands beside this file inside the root
        MemoryFiles,
        VirtualCamera,
    )

    return VirtualCamera(index, allocator=MemoryFiles())


def seen(frame: Frame) -> dict[str, Any]:
    height, width = frame.pixels.shape[:2]
    at = {"left": (0.6, 0.25), "right": (0.6, 0.75), "top": (0.1, 0.5)}
    return {
        "size": [width, height],
        "number": frame.number,
        "time_s": frame.time_s,
        "contiguous": frame.pixels.flags.c_contiguous,
        **{place: frame.pixels[int(y * height), int(x * width)].tolist() for place, (y, x) in at.items()},
    }


def camera(**arguments: Any) -> PicameraCamera:
    return PicameraCamera(0, arguments.pop("options", OPTIONS), SystemClock(), make=virtual_device, **arguments)


def frames(stream: str) -> dict[str, Any]:
    device = camera(stream=stream)
    device.open()
    configuration = device._device.camera_configuration()
    answer = [seen(device.read()) for _ in range(20)]
    device.close()
    return {"format": configuration[stream]["format"], "frames": answer}


def single_stream() -> dict[str, Any]:
    """As a webcam: a second stream cannot be configured."""

    def make(index: int) -> Any:
        device = virtual_device(index)
        configure = device.configure

        def refuse_two(configuration: dict[str, Any]) -> None:
            if configuration["lores"] is not None:
                raise RuntimeError("one stream only")
            configure(configuration)

        device.configure = refuse_two
        return device

    device = PicameraCamera(0, OPTIONS, SystemClock(), make=make)
    device.open()
    frame = seen(device.read())
    device.close()
    small = PicameraCamera(0, OPTIONS, SystemClock(), stream="lores", make=make)
    return {"frame": frame, "error": complaint(small.open), "closed": complaint(small.close)}


def turned() -> dict[str, Any]:
    device = camera(options=CameraOptions(width=640, height=480, rotate=90, timeout_s=3))
    device.open()
    pixels = device.read().pixels
    device.close()
    right, lower = pixels[320, 470].tolist(), pixels[600, 200].tolist()
    return {
        "size": [pixels.shape[1], pixels.shape[0]],
        "right": right,
        "upper": pixels[100, 200].tolist(),
        "lower": lower,
    }


def reopened() -> dict[str, Any]:
    device = camera()
    rounds = []
    for _ in range(5):
        device.open()
        rounds.append([seen(device.read()) for _ in range(3)])
    device.open()  # opening an open camera reopens it
    rounds.append([seen(device.read())])
    device.close()
    device.close()
    return {"rounds": rounds, "files": open_files(), "threads": threading.active_count()}


def open_files() -> list[int]:
    """How many files are open after each of some more rounds."""
    counts = []
    for _ in range(6):
        device = camera()
        device.open()
        device.read()
        device.close()
        gc.collect()  # picamera2's objects point at one another
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    return counts


def absent() -> dict[str, Any]:
    return {"error": complaint(PicameraCamera(0, OPTIONS, SystemClock()).open)}


def out_of_range() -> dict[str, Any]:
    device = PicameraCamera(7, OPTIONS, SystemClock())
    return {"error": complaint(device.open)}


def starved() -> dict[str, Any]:
    """The sensor stops: no request completes any more. The adapter notices, closes, and works again when reopened."""
    device = camera(options=CameraOptions(width=640, height=480, timeout_s=1))
    device.open()
    device.read()
    real = device._device.process_requests
    device._device.process_requests = lambda display: None  # the event loop sees no frame any more
    start = time.monotonic()
    error = complaint(lambda: [device.read() for _ in range(3)])
    took_s = time.monotonic() - start
    device._device.process_requests = real
    device.open()
    return {"error": error, "took_s": took_s, "again": seen(device.read()), "closed": complaint(device.close)}


def dead_loop() -> dict[str, Any]:
    """The package's event loop hangs while it holds its lock: nothing of it answers, and we go on all the same."""
    device = camera(options=CameraOptions(width=640, height=480, timeout_s=1))
    device.open()
    device.read()
    device._device.pre_callback = lambda request: time.sleep(3600)
    start = time.monotonic()
    errors = [complaint(lambda: [device.read() for _ in range(3)]), complaint(device.open)]
    return {"errors": errors, "took_s": time.monotonic() - start}


def complaint(work: Callable[[], Any]) -> str:
    try:
        work()
    except CameraError as error:
        return str(error)
    return ""


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "main": lambda: frames("main"),
    "lores": lambda: frames("lores"),
    "single-stream": single_stream,
    "turned": turned,
    "reopened": reopened,
    "absent": absent,
    "out-of-range": out_of_range,
    "starved": starved,
    "dead-loop": dead_loop,
}


def main() -> None:
    case = sys.argv[1]
    plug_in(camera=case != "absent")
    print(json.dumps(CASES[case]()), flush=True)


if __name__ == "__main__":
    main()
