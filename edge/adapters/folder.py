"""A folder of pictures as a camera: each once, in the order of their names. Leaves decoding to `pictures.py`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from edge.adapters.camera_options import CameraOptions, camera_error, one_line, turned
from edge.adapters.pictures import read_picture
from edge.errors import PictureError
from edge.ports import Clock
from edge.recognition.types import Frame

_log = logging.getLogger("doorward.camera")  # of `edge.log`, so that its level holds


class FolderCamera:
    """See `ports.Camera`. Hidden files and subfolders are left out.

    A picture that cannot be used is skipped with one logged line. The frames' times begin with the clock's at opening
    and go on by the options' frames per second. A picture whose longer side exceeds the options' is reduced to it.
    """

    def __init__(self, folder: Path, options: CameraOptions, clock: Clock) -> None:
        self._url = f"folder:{folder}"
        self._folder = folder
        self._options = options
        self._clock = clock
        self._files: Iterator[Path] | None = None
        self._start_s = 0.0
        self._number = 0
        self._skipped = 0

    @property
    def live(self) -> bool:
        return False

    @property
    def skipped(self) -> int:
        """How many files could not be used since it was opened."""
        return self._skipped

    def open(self) -> None:
        try:
            names = sorted(file for file in self._folder.iterdir() if not file.name.startswith(".") and file.is_file())
        except OSError as error:
            raise camera_error(self._url, one_line(error.strerror), "check the folder and its permissions") from error
        if not names:
            raise camera_error(self._url, "no file in it", "put pictures into it")
        self._files = iter(names)
        self._start_s = self._clock.monotonic_s()
        self._number = self._skipped = 0

    def read(self) -> Frame | None:
        if self._files is None:
            raise camera_error(self._url, "not open", "open it first")
        longest_px = max(self._options.width, self._options.height)
        for file in self._files:
            try:
                pixels = read_picture(file, longest_px=longest_px)
            except PictureError as error:
                self._skipped += 1
                _log.warning("skipped %s", error)
                continue
            time_s = self._start_s + self._number / self._options.frames_per_second
            frame = Frame(turned(pixels, self._options), time_s, self._number)
            self._number += 1
            return frame
        return None

    def close(self) -> None:
        self._files = None
