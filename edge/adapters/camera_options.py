"""What every camera takes from the settings, and what all of them do alike: turn, fit, and name their source.

Leaves choosing and making a camera to `cameras.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from edge.errors import CameraError
from edge.recognition.types import Image

QUARTER_TURNS = (0, 90, 180, 270)
# Schemes whose URLs hold no secret.
_LOCAL = ("picamera", "v4l2", "file", "folder", "walkup")


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """The cameras' slice of the settings.

    width, height: px, of the picture as the sensor gives it, before it is turned. A camera asks its device for this
        size; a video or picture that is larger is scaled down to fit into it, and never up.
    frames_per_second: asked of a device, and the most that is handed on from a stream.
    rotate: degrees clockwise, one of 0, 90, 180, 270.
    mirror: swaps left and right, after the turn.
    timeout_s: a device that gives no frame for so long counts as lost.
    """

    width: int = 1280
    height: int = 960
    frames_per_second: float = 10.0
    rotate: int = 0
    mirror: bool = False
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what no camera can do.

        Raises:
            ValueError: a value is out of its range; the text names it.
        """
        if self.width < 2 or self.height < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"width and height must be even and at least 2, not {self.width} x {self.height}")
        if not 0 < self.frames_per_second <= 120:
            raise ValueError(f"frames_per_second must be above 0 and at most 120, not {self.frames_per_second}")
        if self.rotate not in QUARTER_TURNS:
            raise ValueError(f"rotate must be 0, 90, 180 or 270, not {self.rotate}")
        if not 0 < self.timeout_s <= 300:
            raise ValueError(f"timeout_s must be above 0 and at most 300, not {self.timeout_s}")


def turned(pixels: Image, options: CameraOptions) -> Image:
    """`(H, W, 3)` as the settings want it seen, C-contiguous; the input itself where nothing is to be done."""
    if options.rotate:
        pixels = np.rot90(pixels, k=-options.rotate // 90)
    if options.mirror:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def fitted(width: int, height: int, options: CameraOptions) -> tuple[int, int]:
    """The size, px, at which a picture of `width` x `height` fits into the options' own; never enlarged, even."""
    scale = min(1.0, options.width / width, options.height / height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def printable_url(url: str) -> str:
    """A camera's URL fit for a log: of a network stream only scheme, host and port.

    User and password stand before the host, and several makes put them into the path as well. Where an `@` further on
    leaves open which part is the host (a password with a `/` in it), not even that is shown.
    """
    scheme, _, rest = url.partition(":")
    if scheme.lower() in _LOCAL or not ("@" in rest or rest.startswith("//")):
        return one_line(url)
    if not rest.startswith("//"):
        return one_line(f"{scheme}:…")
    rest = rest[2:]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2] if "@" not in rest[len(authority) :] else ""
    return one_line(f"{scheme}://{host}/…")


def one_line(text: object) -> str:
    """Text of others (a driver, a file's name) made fit to stand in one line of a log."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(str(text).split()))


def camera_error(url: str, problem: str, way_out: str) -> CameraError:
    """The one form of a camera's complaint: which one, what happened, what to do."""
    return CameraError(f"camera {printable_url(url)}: {problem}; {way_out}")
