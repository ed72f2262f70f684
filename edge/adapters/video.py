"""Webcams, network streams and video files through PyAV (the `video` extra). The only importer of that package.

Leaves reopening to `capture.py`. A stream's address may hold a password, so it is never shown in full, and of FFmpeg's
errors only the reason is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edge.adapters.bounded import Bounded
from edge.adapters.camera_options import CameraOptions, camera_error, fitted, one_line, turned
from edge.errors import CameraError
from edge.ports import Clock
from edge.recognition.types import Frame, Image

_log = logging.getLogger("doorward.camera")  # of `edge.log`, so that its level holds

T = TypeVar("T")

# A network camera that was asleep takes seconds to its first key frame.
_OPEN_S = 20.0
_CLOSE_S = 5.0
# Beyond FFmpeg's own limit, which a webcam's driver does not know of.
_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Source:
    """What FFmpeg is to open.

    url: as the settings have it; shown without what may be secret.
    target: as FFmpeg wants it. format: its name for the input, None where the content tells.
    live: see `ports.Camera`.
    way_out: what to do when it cannot be opened or stops.
    """

    url: str
    target: str = field(repr=False)
    format: str | None
    settings: dict[str, str]
    live: bool
    way_out: str


def webcam(device: str, options: CameraOptions, input_format: str = "") -> Source:
    """device: a path such as /dev/video0. input_format: FFmpeg's name, such as mjpeg; else the driver chooses."""
    settings = {
        "video_size": f"{options.width}x{options.height}",
        "framerate": f"{options.frames_per_second:g}",
        **({"input_format": input_format} if input_format else {}),
    }
    way_out = "check that it is plugged in, that no other program uses it and that this user is in the group video"
    return Source(f"v4l2:{device}", device, "v4l2", settings, live=True, way_out=way_out)


def network_stream(url: str, options: CameraOptions) -> Source:
    """url: rtsp:// or rtsps://, with user and password where the camera asks for them."""
    settings = {
        # Over UDP a lost packet smears the picture until the next key frame.
        "rtsp_transport": "tcp",
        "timeout": str(round(options.timeout_s * 1e6)),
        # Late frames are of no use at a door: hand on each as soon as it is there.
        "fflags": "nobuffer",
        "flags": "low_delay",
    }
    return Source(url, url, None, settings, live=True, way_out="check address, user and password, and the network")


def video_file(file: Path) -> Source:
    """file: anything that FFmpeg decodes, on this machine: what a playlist in it names elsewhere is not fetched."""
    return Source(
        f"file:{file}",
        f"file:{file}",
        None,
        {"protocol_whitelist": "file"},
        live=False,
        way_out="name a video file that this user may read",
    )


class VideoCamera:
    """See `ports.Camera`.

    Times of a live source are the clock's at arrival; those of a file begin with the clock's at opening and go on by
    the file's own time stamps. A live source faster than the options' frames per second is thinned out to them.
    """

    def __init__(self, source: Source, options: CameraOptions, clock: Clock) -> None:
        self._source = source
        self._options = options
        self._clock = clock
        self._worker = Bounded(source.format or "video")
        self._container: Any = None
        self._pictures: Iterator[Any] = iter(())
        self._start_s = 0.0
        self._first_s: float | None = None
        self._last_s = float("-inf")
        self._number = 0
        self._damaged = 0

    @property
    def live(self) -> bool:
        return self._source.live

    @property
    def damaged(self) -> int:
        """How many packets could not be decoded since it was opened."""
        return self._damaged

    def open(self) -> None:
        self.close()
        if self._container is not None:
            raise camera_error(self._source.url, "its driver does not answer", "restart the program, or the board")
        self._bounded(self._start, _OPEN_S)

    def read(self) -> Frame | None:
        if self._container is None:
            raise camera_error(self._source.url, "not open", "open it first")
        frame = self._bounded(self._next, self._options.timeout_s + _GRACE_S)
        if frame is None and self.live:
            raise camera_error(self._source.url, "the stream has ended", self._source.way_out)
        if frame is None and self._damaged:
            _log.warning("%s: %d damaged packets left out", one_line(self._source.url), self._damaged)
        return frame

    def close(self) -> None:
        """A camera whose driver hangs stays as it is; `open` tries again."""
        if self._container is None:
            return
        try:
            self._worker.call(self._end, _CLOSE_S)
        except Exception as error:  # noqa: BLE001 - FFmpeg raises many kinds, and closing must not fail
            _log.warning(
                "%s", camera_error(self._source.url, f"does not close ({_reason(error)})", "restart if it stays")
            )
        self._worker.finish()

    def _bounded(self, work: Callable[[], T], timeout_s: float) -> T:
        try:
            return self._worker.call(work, timeout_s)
        except CameraError:
            raise
        except Exception as error:  # noqa: BLE001 - FFmpeg raises many kinds; each becomes one line
            # Without its cause: FFmpeg's own text holds the address, password and all.
            raise camera_error(self._source.url, self._problem(error), self._source.way_out) from None

    def _problem(self, error: Exception) -> str:
        # "Immediate exit requested" is how FFmpeg says that its caller's limit has passed.
        if isinstance(error, TimeoutError) or type(error).__name__ == "ExitError":
            return f"nothing came for {self._options.timeout_s:g} s"
        return _reason(error)

    def _start(self) -> None:
        av = _pyav(self._source.url)
        timeout_s = self._options.timeout_s
        container = av.open(
            self._source.target, format=self._source.format, options=dict(self._source.settings), timeout=timeout_s
        )
        if not container.streams.video:
            container.close()
            raise camera_error(self._source.url, "no video in it", self._source.way_out)
        self._container = container
        self._pictures = self._decoded(container, av.error.InvalidDataError)
        self._start_s, self._first_s, self._last_s = self._clock.monotonic_s(), None, float("-inf")
        self._number = self._damaged = 0

    def _decoded(self, container: Any, damage: type[Exception]) -> Iterator[Any]:
        """Pictures in order; a damaged packet costs its picture and not the rest (streams begin between key frames)."""
        stream = container.streams.video[0]
        # Frame threads hold back a picture each, and a damaged packet then takes a good picture with it.
        stream.thread_type = "SLICE"
        for packet in container.demux(stream):
            try:
                pictures = packet.decode()
            except damage:
                self._damaged += 1
                continue
            yield from pictures

    def _next(self) -> Frame | None:
        for picture in self._pictures:
            time_s = self._time_s(picture)
            # A tenth early still counts as due: cameras are not that punctual.
            if self.live and time_s - self._last_s < 0.9 / self._options.frames_per_second:
                continue
            self._last_s = max(self._last_s, time_s)
            frame = Frame(turned(_rgb(picture, self._options), self._options), self._last_s, self._number)
            self._number += 1
            return frame
        return None

    def _time_s(self, picture: Any) -> float:
        if self.live:
            return self._clock.monotonic_s()
        if picture.time is None:
            return self._start_s + self._number / self._options.frames_per_second
        if self._first_s is None:
            self._first_s = float(picture.time)
        return self._start_s + float(picture.time) - self._first_s

    def _end(self) -> None:
        self._pictures = iter(())
        self._container.close()
        self._container = None


def _pyav(url: str) -> Any:
    try:
        import av
    except ImportError as error:
        raise camera_error(url, "PyAV is not installed", "pip install 'doorward[video]'") from error
    return av


def _rgb(picture: Any, options: CameraOptions) -> Image:
    """FFmpeg converts, by the matrix and range that the stream declares; a telephone's film is set upright."""
    width, height = fitted(picture.width, picture.height, options)
    pixels: Image = picture.reformat(width=width, height=height, format="rgb24").to_ndarray()
    quarters = round(getattr(picture, "rotation", 0) / 90) % 4
    return np.rot90(pixels, k=quarters) if quarters else pixels


def _reason(error: Exception) -> str:
    """Without FFmpeg's mention of the address, which stands in the rest of its text."""
    return one_line(getattr(error, "strerror", None) or type(error).__name__)
