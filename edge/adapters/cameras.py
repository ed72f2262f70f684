"""From a camera's URL in the settings to a camera. Leaves opening it to `capture.py`, and the rest to one adapter each.

| URL                                              | camera                                                            |
|--------------------------------------------------|-------------------------------------------------------------------|
| `picamera:0?stream=main`                         | Raspberry Pi camera module, by number; `lores` for a slow board   |
| `v4l2:/dev/video0?input_format=mjpeg`            | webcam                                                            |
| `rtsp://user:password@host/path`, `rtsps://`     | network camera                                                    |
| `file:clip.mp4`                                  | video file                                                        |
| `folder:pictures`                                | pictures in the order of their names                              |
| `walkup:face.jpg?seconds=6&pause=2&repeat=1&...` | a person walking up to the door, made from a picture (walkup.py)  |

What stands behind `?` may be left out. A path may be given as `file:///path` too, percent-encoded then.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from edge.adapters.camera_options import CameraOptions, camera_error, one_line, printable_url
from edge.adapters.folder import FolderCamera
from edge.adapters.picamera import PicameraCamera
from edge.adapters.video import VideoCamera, network_stream, video_file, webcam
from edge.adapters.walkup import FindFace, WalkupCamera, walkup_from_query
from edge.errors import CameraError
from edge.ports import Camera, Clock

__all__ = ["CameraOptions", "make_camera", "printable_url"]

EXAMPLES = "picamera:0, v4l2:/dev/video0, rtsp://host/path, file:clip.mp4, folder:pictures, walkup:face.jpg"


def make_camera(url: str, options: CameraOptions, clock: Clock, *, find_face: FindFace | None = None) -> Camera:
    """The camera that `url` names, not yet opened.

    Args:
        url: see the module.
        options: its slice of the settings.
        clock: for the frames' times.
        find_face: where the face of a walk-up's picture is; without it, about where portraits have it.

    Raises:
        CameraError: an unknown scheme, or a part of the URL that makes no sense; the line lists what would.
    """
    scheme, colon, rest = url.partition(":")
    make = _SCHEMES.get(scheme.lower()) if colon else None
    if make is None:
        raise CameraError(f"camera {printable_url(url)!r}: unknown kind; use one of {EXAMPLES}")
    if not rest.strip("/"):
        raise camera_error(url, "names nothing", f"use one of {EXAMPLES}")
    return make(url, rest, options, clock, find_face)


def _picamera(url: str, rest: str, options: CameraOptions, clock: Clock, _: FindFace | None) -> Camera:
    number, query = _split(url, rest, {"stream"})
    stream = query.get("stream", "main")
    if not (number.isascii() and number.isdigit()):
        raise camera_error(url, f"{one_line(number)!r} is no number", "use picamera:0 for the first camera")
    if stream not in ("main", "lores"):
        raise camera_error(url, f"there is no stream {one_line(stream)!r}", "use stream=main or stream=lores")
    return PicameraCamera(int(number), options, clock, stream="main" if stream == "main" else "lores")


def _v4l2(url: str, rest: str, options: CameraOptions, clock: Clock, _: FindFace | None) -> Camera:
    device, query = _split(url, rest, {"input_format"})
    return VideoCamera(webcam(device, options, query.get("input_format", "")), options, clock)


def _rtsp(url: str, rest: str, options: CameraOptions, clock: Clock, _: FindFace | None) -> Camera:
    if not rest.startswith("//"):
        raise camera_error(f"{url.partition(':')[0]}://", "no host", "use rtsp://host/path")
    return VideoCamera(network_stream(url, options), options, clock)


def _file(_url: str, rest: str, options: CameraOptions, clock: Clock, _: FindFace | None) -> Camera:
    return VideoCamera(video_file(_path(rest)), options, clock)


def _folder(_url: str, rest: str, options: CameraOptions, clock: Clock, _: FindFace | None) -> Camera:
    return FolderCamera(_path(rest), options, clock)


def _walkup(url: str, rest: str, options: CameraOptions, clock: Clock, find_face: FindFace | None) -> Camera:
    picture, query = _split(url, rest, set(WalkupCamera.QUERY))
    return walkup_from_query(url, _path(picture), query, options, clock, find_face)


_Make = Callable[[str, str, CameraOptions, Clock, FindFace | None], Camera]
_SCHEMES: dict[str, _Make] = {
    "picamera": _picamera,
    "v4l2": _v4l2,
    "rtsp": _rtsp,
    "rtsps": _rtsp,
    "file": _file,
    "folder": _folder,
    "walkup": _walkup,
}


def _path(rest: str) -> Path:
    return Path(unquote(rest[2:])) if rest.startswith("//") else Path(rest).expanduser()


def _split(url: str, rest: str, known: set[str]) -> tuple[str, dict[str, str]]:
    """What stands before the `?`, and the keys behind it."""
    target, _, query = rest.partition("?")
    try:
        pairs = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError:
        raise camera_error(url, f"{one_line(query)!r} is not of the form key=value", _keys(known)) from None
    for key in pairs:
        if key not in known:
            raise camera_error(url, f"there is no key {one_line(key)!r}", _keys(known))
    return target, pairs


def _keys(known: set[str]) -> str:
    return f"use {', '.join(f'{key}=' for key in sorted(known))} behind the ?"
