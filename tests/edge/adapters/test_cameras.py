from __future__ import annotations

import importlib.util
import logging
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.adapters.camera_options import CameraOptions, fitted, printable_url, turned
from edge.adapters.cameras import make_camera
from edge.adapters.clock import SystemClock
from edge.adapters.folder import FolderCamera
from edge.adapters.picamera import PicameraCamera, encoding_of, to_rgb
from edge.adapters.video import VideoCamera
from edge.adapters.walkup import WalkupCamera
from edge.adapters.yuv import BT601_FULL, BT601_LIMITED, BT709_LIMITED
from edge.errors import CameraError
from edge.ports import Camera
from edge.recognition.types import Image

OPTIONS = CameraOptions()


def made(url: str, options: CameraOptions = OPTIONS) -> Camera:
    return make_camera(url, options, SystemClock())


def complaint(url: str) -> str:
    with pytest.raises(CameraError) as caught:
        made(url).open()
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("camera ")
    return text


@pytest.mark.parametrize(
    ("url", "kind", "live"),
    [
        ("picamera:0", PicameraCamera, True),
        ("picamera:1?stream=lores", PicameraCamera, True),
        ("v4l2:/dev/video0", VideoCamera, True),
        ("v4l2:/dev/video0?input_format=mjpeg", VideoCamera, True),
        ("rtsp://user:secret@10.0.0.9:554/stream", VideoCamera, True),
        ("RTSP://10.0.0.9/stream", VideoCamera, True),
        ("file:clip.mp4", VideoCamera, False),
        ("file:///tmp/a%20clip.mp4", VideoCamera, False),
        ("folder:pictures", FolderCamera, False),
        ("walkup:face.jpg?seconds=4&pace=0", WalkupCamera, False),
        ("walkup:face.jpg", WalkupCamera, True),
    ],
)
def test_each_scheme_makes_its_camera_and_opens_nothing(url: str, kind: type, live: bool) -> None:
    camera = made(url)
    assert isinstance(camera, kind)
    assert camera.live is live


@pytest.mark.parametrize("url", ["", "webcam", "/dev/video0", "http://host/x.mjpeg", "picamera", "C:\\clip.mp4"])
def test_an_unknown_kind_is_refused_with_the_kinds_there_are(url: str) -> None:
    text = complaint(url)
    for example in ("picamera:0", "v4l2:/dev/video0", "rtsp://host/path", "file:", "folder:", "walkup:"):
        assert example in text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("picamera:", "names nothing"),
        ("picamera:front", "no number"),
        ("picamera:-1", "no number"),
        ("picamera:0?stream=raw", "stream=main or stream=lores"),
        ("picamera:0?size=3", "no key 'size'; use stream="),
        ("picamera:0?stream", "not of the form key=value"),
        ("rtsp:host/path", "no host"),
        ("rtsp://", "names nothing"),
        ("file:", "names nothing"),
        ("walkup:face.jpg?seconds=fast", "seconds=fast is out of range; use 1 to 600"),
        ("walkup:face.jpg?light=nan", "light=nan is out of range"),
        ("walkup:face.jpg?face=1,2", "three numbers"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused_with_what_would(url: str, words: str) -> None:
    assert words in complaint(url)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:hunter2@10.0.0.9:554/Streaming/1",
        "rtsp://10.0.0.9/user=admin_password=hunter2_channel=1",
        "rtsp://10.0.0.9/cam?user=admin&password=hunter2",
        "rtsp://admin:pa/hunter2@10.0.0.9/1",
        "rtsp://admin:hunt@er2/hunter2@10.0.0.9/1",
        "rtsps://admin:hunter2@10.0.0.9",
        "rtps://admin:hunter2@10.0.0.9/1",
        "rtsp:admin:hunter2@10.0.0.9/1",
        "onvif:admin:hunter2@10.0.0.9",
        "http://admin:hunter2@10.0.0.9",
    ],
)
def test_no_password_is_ever_shown(url: str) -> None:
    texts = [printable_url(url)]
    try:
        texts.append(repr(made(url)))
    except CameraError as error:
        texts.append(str(error))
    for text in texts:
        assert "admin" not in text
        assert "er2" not in text


def test_a_networks_host_is_shown_and_a_local_path_in_full() -> None:
    assert printable_url("rtsp://admin:hunter2@10.0.0.9:554/1") == "rtsp://10.0.0.9:554/…"
    assert printable_url("file:/srv/a@b/clip.mp4") == "file:/srv/a@b/clip.mp4"


@pytest.mark.skipif(importlib.util.find_spec("picamera2") is not None, reason="picamera2 is installed here")
def test_without_picamera2_it_says_what_to_install() -> None:
    text = complaint("picamera:0")
    assert "picamera2 cannot be loaded" in text
    assert "python3-picamera2" in text


@pytest.mark.parametrize("url", ["folder:/nowhere/at/all", "walkup:/nowhere/face.jpg"])
def test_what_is_not_there_is_one_line_with_its_name(url: str) -> None:
    assert "/nowhere" in complaint(url)


@pytest.mark.parametrize(
    "values",
    [{"width": 0}, {"width": 641}, {"height": -2}, {"frames_per_second": 0}, {"rotate": 45}, {"timeout_s": 0}],
)
def test_options_that_no_camera_can_meet_are_refused_by_name(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        CameraOptions(**values)


MARKED: Image = np.zeros((2, 3, 3), np.uint8)
MARKED[0, 0] = 255  # upper left


@pytest.mark.parametrize(
    ("rotate", "mirror", "shape", "at"),
    [
        (0, False, (2, 3), (0, 0)),
        (90, False, (3, 2), (0, 1)),
        (180, False, (2, 3), (1, 2)),
        (270, False, (3, 2), (2, 0)),
        (0, True, (2, 3), (0, 2)),
        (90, True, (3, 2), (0, 0)),
    ],
)
def test_turning_is_clockwise_and_mirroring_comes_after(
    rotate: int, mirror: bool, shape: tuple[int, int], at: tuple[int, int]
) -> None:
    pixels = turned(MARKED, CameraOptions(rotate=rotate, mirror=mirror))
    assert pixels.shape[:2] == shape
    assert pixels[at].tolist() == [255, 255, 255]
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("size", "fits"),
    [((4000, 3000), (1280, 960)), ((3000, 4000), (720, 960)), ((320, 240), (320, 240)), ((9, 3), (8, 4))],
)
def test_a_larger_picture_is_scaled_down_and_a_smaller_one_never_up(
    size: tuple[int, int], fits: tuple[int, int]
) -> None:
    assert fitted(*size, OPTIONS) == fits


def pictures_in(folder: Path) -> None:
    for name, level in (("b.png", 20), ("a.png", 10), ("d.png", 40)):
        Pillow.new("RGB", (64, 48), (level, 0, 0)).save(folder / name)
    (folder / "c.jpg").write_bytes(b"no picture")
    (folder / ".hidden.jpg").write_bytes(b"no picture")
    (folder / "sub").mkdir()


def test_a_folders_pictures_come_in_the_order_of_their_names_and_bad_ones_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures_in(tmp_path)
    camera = FolderCamera(tmp_path, CameraOptions(frames_per_second=4), SystemClock())
    camera.open()
    with caplog.at_level(logging.WARNING):
        frames = list(iter(camera.read, None))
    assert [int(frame.pixels[0, 0, 0]) for frame in frames if frame] == [10, 20, 40]
    assert [frame.number for frame in frames if frame] == [0, 1, 2]
    assert frames[2] is not None
    assert frames[0] is not None
    assert frames[2].time_s - frames[0].time_s == pytest.approx(0.5)
    assert camera.skipped == 1
    assert len(caplog.records) == 1
    assert "c.jpg" in caplog.text


def test_a_folder_can_be_opened_again_from_its_start(tmp_path: Path) -> None:
    pictures_in(tmp_path)
    camera = made(f"folder:{tmp_path}")
    for _ in range(2):
        camera.open()
        frame = camera.read()
        assert frame is not None
        assert frame.number == 0
        assert int(frame.pixels[0, 0, 0]) == 10
        camera.close()
    with pytest.raises(CameraError, match="not open"):
        camera.read()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "no file in it" in complaint(f"folder:{tmp_path}")


COLOUR = np.array([[[200, 100, 50]] * 4] * 2, np.uint8)  # (2, 4): R, G, B


@pytest.mark.parametrize(
    ("name", "laid"),
    [
        ("BGR888", COLOUR),
        ("RGB888", COLOUR[..., ::-1]),
        ("XBGR8888", np.dstack([COLOUR, np.full((2, 4), 255, np.uint8)])),
        ("XRGB8888", np.dstack([COLOUR[..., ::-1], np.full((2, 4), 255, np.uint8)])),
        ("MJPEG", COLOUR),
    ],
)
def test_each_packed_format_of_picamera2_comes_out_as_rgb(name: str, laid: Image) -> None:
    assert np.array_equal(to_rgb(laid, {"format": name, "size": (4, 2)}, None), COLOUR)


# (200, 100, 50) in full-range BT.601: Y 124, Cb 86, Cr 182.
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("NV12", [[124] * 4, [124] * 4, [86, 182, 86, 182]]),
        ("NV21", [[124] * 4, [124] * 4, [182, 86, 182, 86]]),
        ("YUV420", [[124] * 4 + [0, 0], [124] * 4 + [0, 0], [86, 86, 0, 182, 182, 0]]),
        ("YVU420", [[124] * 4 + [0, 0], [124] * 4 + [0, 0], [182, 182, 0, 86, 86, 0]]),
    ],
)
def test_each_planar_format_of_picamera2_comes_out_as_rgb(name: str, rows: list[list[int]]) -> None:
    seen = to_rgb(np.array(rows, np.uint8), {"format": name, "size": (4, 2)}, None)
    assert np.abs(seen.astype(int) - COLOUR).max() <= 2


def test_a_format_nobody_knows_is_one_line() -> None:
    with pytest.raises(CameraError, match="format SRGGB10"):
        to_rgb(COLOUR, {"format": "SRGGB10", "size": (4, 2)}, None)


@pytest.mark.parametrize(
    ("matrix", "span", "encoding"),
    [
        ("Rec601", "Full", BT601_FULL),
        ("Rec601", "Limited", BT601_LIMITED),
        ("Rec709", "Limited", BT709_LIMITED),
        ("Null", "Full", BT601_LIMITED),
    ],
)
def test_libcameras_colour_space_decides_the_matrix_and_range(matrix: str, span: str, encoding: object) -> None:
    named = types.SimpleNamespace
    space = named(ycbcrEncoding=named(name=matrix), range=named(name=span))
    assert encoding_of(space, BT601_LIMITED) == encoding
    assert encoding_of(None, BT601_LIMITED) == BT601_LIMITED
