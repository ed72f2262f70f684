"""A Raspberry Pi camera module through picamera2. The only importer of that package.

Opens the main and the low-resolution stream, hands on one of them as RGB, and notices a camera that hangs. Leaves
reopening to `capture.py`.

What the package does not tell at first sight, read from its source (0.3.38):
- format names are libcamera's, which count from the highest byte: "BGR888" lies in memory as R, G, B;
- libcamera may give another format than was asked for (its virtual camera gives NV12), so the answer of
  `camera_configuration()` decides how a buffer is read;
- a capture job that is waiting stands before every later job, `stop()` too, which then waits for ever: it has to be
  cancelled;
- its event loop dies with the first exception, after which every call waits for ever: hence `Bounded`.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.adapters.bounded import Bounded
from edge.adapters.camera_options import CameraOptions, camera_error, one_line, turned
from edge.adapters.yuv import (
    BT601_FULL,
    BT601_LIMITED,
    BT709_FULL,
    BT709_LIMITED,
    Encoding,
    nv12_to_rgb,
    yuv420_to_rgb,
    yuyv_to_rgb,
)
from edge.errors import CameraError
from edge.ports import Clock
from edge.recognition.types import Frame, Image

_log = logging.getLogger("doorward.camera")  # of `edge.log`, so that its level holds

T = TypeVar("T")
Stream = Literal["main", "lores"]

# A camera module starts in about a second; the first start after boot loads its tuning file from a slow card.
_OPEN_S = 20.0
_CLOSE_S = 5.0
# Beyond picamera2's own limit for a capture: only a dead event loop uses it up.
_GRACE_S = 2.0
# One in the sensor's hands, one being filled, one held by picamera2 for the next capture, one being read.
_BUFFERS = 4

_CABLE = "check its ribbon cable and that no other program uses it"


def picamera2_device(index: int) -> Any:
    """The package's own camera object.

    Raises:
        CameraError: the package is not there or does not load, or there is no such camera.
    """
    name = f"picamera:{index}"
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # it writes past logging, straight to standard error
    try:
        from picamera2 import Picamera2
    except Exception as error:
        # A package built for another numpy or libcamera raises ValueError or AttributeError as it loads.
        raise camera_error(
            name,
            f"picamera2 cannot be loaded ({one_line(error)})",
            "install the system's python3-picamera2 and let the program see it",
        ) from error
    # Asked first, because a Picamera2 that finds no camera leaves a pipe open at every attempt.
    found = len(Picamera2.global_camera_info())
    if index >= found:
        raise camera_error(name, f"there is no camera number {index}, {found} found", _CABLE)
    return Picamera2(index)


class PicameraCamera:
    """Camera `index` of those that picamera2 lists. See `ports.Camera`."""

    def __init__(
        self,
        index: int,
        options: CameraOptions,
        clock: Clock,
        *,
        stream: Stream = "main",
        make: Callable[[int], Any] = picamera2_device,
    ) -> None:
        """stream: which one the frames come from; `lores` is of half the size, for slow boards. make: see above."""
        self._url = f"picamera:{index}"
        self._index = index
        self._options = options
        self._clock = clock
        self._stream: Stream = stream
        self._make = make
        self._worker = Bounded(self._url)
        self._device: Any = None
        self._number = 0

    @property
    def live(self) -> bool:
        return True

    def open(self) -> None:
        self.close()
        if self._device is not None:
            raise camera_error(self._url, "its driver does not answer", "restart the program, or the board")
        self._bounded(self._start, _OPEN_S)
        self._number = 0

    def read(self) -> Frame:
        if self._device is None:
            raise camera_error(self._url, "not open", "open it first")
        pixels = self._bounded(self._capture, self._options.timeout_s + _GRACE_S)
        frame = Frame(turned(pixels, self._options), self._clock.monotonic_s(), self._number)
        self._number += 1
        return frame

    def close(self) -> None:
        """A camera whose driver hangs stays as it is; `open` tries again."""
        if self._device is None:
            return
        try:
            self._worker.call(self._end, _CLOSE_S)
        except Exception as error:  # noqa: BLE001 - libcamera raises what it likes, and closing must not fail
            _log.warning("camera %s does not close: %s", self._url, one_line(error) or type(error).__name__)
        self._worker.finish()

    def _bounded(self, work: Callable[[], T], timeout_s: float) -> T:
        try:
            return self._worker.call(work, timeout_s)
        except CameraError:
            raise
        except TimeoutError as error:
            raise camera_error(self._url, f"no frame for {self._options.timeout_s:g} s", _CABLE) from error
        except Exception as error:
            raise camera_error(self._url, one_line(error) or type(error).__name__, _CABLE) from error

    def _start(self) -> None:
        self._device = device = self._make(self._index)
        # At exit picamera2 would wait, for ever if need be; closing with a limit is ours.
        atexit.unregister(device.close)
        try:
            device.configure(self._configuration(device, lores=True))
        except Exception:
            if self._stream == "lores":
                raise
            # A webcam gives a single stream.
            device.configure(self._configuration(device, lores=False))
        device.start()

    def _configuration(self, device: Any, *, lores: bool) -> Any:
        import libcamera

        width, height = self._options.width, self._options.height
        duration_us = round(1e6 / self._options.frames_per_second)
        paced = "FrameDurationLimits" in device.camera_controls
        return device.create_video_configuration(
            main={"size": (width, height), "format": "BGR888"},
            lores={"size": (max(2, width // 4 * 2), max(2, height // 4 * 2)), "format": "YUV420"} if lores else None,
            # Full-range BT.601. The package's default for video of this size would be BT.709 in video's range.
            colour_space=libcamera.ColorSpace.Sycc(),
            buffer_count=_BUFFERS,
            controls={"FrameDurationLimits": (duration_us, duration_us)} if paced else {},
        )

    def _capture(self) -> Image:
        request = self._next_request()
        try:
            layout = self._device.camera_configuration()
            return to_rgb(request.make_array(self._stream), layout[self._stream], layout.get("colour_space"))
        finally:
            request.release()

    def _next_request(self) -> Any:
        job = self._device.capture_request(wait=False)
        try:
            return job.get_result(timeout=self._options.timeout_s)
        except TimeoutError:
            self._device.cancel_all_and_flush()
            # It may have come in between; unreleased, its buffers would be lost to the system's contiguous memory.
            with contextlib.suppress(TimeoutError, CancelledError):
                job.get_result(timeout=0.1).release()
            raise

    def _end(self) -> None:
        self._device.close()
        self._device = None


def to_rgb(array: NDArray[np.uint8], layout: dict[str, Any], colour_space: Any) -> Image:
    """What picamera2's `make_array` gave, as RGB `(H, W, 3)`.

    Args:
        array: as that method shapes it; rows of YUV420 keep their padding.
        layout: the stream's entry of `camera_configuration()`: format, size (width, height).
        colour_space: libcamera's ColorSpace of the configuration, or None.

    Raises:
        CameraError: a format that this adapter does not know.
    """
    name = layout["format"]
    width, height = layout["size"]
    if name in ("BGR888", "MJPEG"):
        return array
    if name == "RGB888":
        return array[..., ::-1]
    if name in ("XBGR8888", "XRGB8888"):
        return array[..., :3] if name == "XBGR8888" else array[..., 2::-1]
    if name in ("NV12", "NV21"):
        return nv12_to_rgb(array, width, height, encoding_of(colour_space, BT601_FULL), swapped=name == "NV21")
    if name in ("YUV420", "YVU420"):
        return yuv420_to_rgb(array, width, height, encoding_of(colour_space, BT601_FULL), swapped=name == "YVU420")
    if name == "YUYV":
        return yuyv_to_rgb(array.reshape(height, -1), width, height, encoding_of(colour_space, BT601_LIMITED))
    raise CameraError(
        f"the camera gives pictures of format {one_line(name)}; use another camera, or v4l2: for a webcam"
    )


def encoding_of(colour_space: Any, otherwise: Encoding) -> Encoding:
    """The matrix and range that libcamera's ColorSpace names; `otherwise` where it names none."""
    matrix = getattr(getattr(colour_space, "ycbcrEncoding", None), "name", "Null")
    full = getattr(getattr(colour_space, "range", None), "name", "Full") == "Full"
    if matrix == "Rec601":
        return BT601_FULL if full else BT601_LIMITED
    if matrix == "Rec709":
        return BT709_FULL if full else BT709_LIMITED
    return otherwise
