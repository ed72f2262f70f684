"""The network camera's adapter against a real RTSP server on loopback: rtsp_server.py, by GStreamer."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.adapters.camera_options import CameraOptions
from edge.adapters.cameras import make_camera
from edge.adapters.capture import Capture, CaptureOptions, CaptureState
from edge.adapters.clock import SystemClock
from edge.errors import CameraError
from edge.ports import Camera
from edge.recognition.types import Frame

SERVER = Path(__file__).with_name("rtsp_server.py")
PYTHON = "/usr/bin/python3"
OPTIONS = CameraOptions(frames_per_second=10, timeout_s=2)


@cache
def missing() -> str:
    try:
        import av  # noqa: F401 - only whether it is there
    except ImportError:
        return "the video extra is not installed"
    try:
        done = subprocess.run([PYTHON, SERVER, "--check"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return f"{PYTHON} is not there"
    return "" if done.returncode == 0 else "gst-rtsp-server is not installed; see tests/device/rtsp_server.py"


pytestmark = pytest.mark.device


class Server:
    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: Any = None

    def start(self) -> None:
        command = [PYTHON, str(SERVER), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process.stdout.close()
            self.process = None

    def url(self, password: str = "secret") -> str:
        return f"rtsp://door:{password}@127.0.0.1:{self.port}/live"

    def camera(self, password: str = "secret") -> Camera:
        return make_camera(self.url(password), OPTIONS, SystemClock())


@pytest.fixture
def server() -> Iterator[Server]:
    if reason := missing():
        pytest.skip(reason)
    made = Server()
    made.start()
    yield made
    made.stop()


def state(capture: Capture) -> CaptureState:
    """Read anew, which the type checker would otherwise not expect to change."""
    return capture.state


def assert_right(frame: Frame | None) -> None:
    assert frame is not None
    assert frame.pixels.shape == (240, 320, 3)
    assert np.abs(frame.pixels[120, 40].astype(int) - (255, 0, 0)).max() < 30
    assert np.abs(frame.pixels[120, 280].astype(int) - (0, 0, 255)).max() < 30


def test_frames_come_in_their_colours_at_the_rate_asked(server: Server) -> None:
    camera = server.camera()
    camera.open()
    frames = [camera.read() for _ in range(12)]
    camera.close()
    for frame in frames:
        assert_right(frame)
    times = [frame.time_s for frame in frames[2:] if frame is not None]
    assert 0.08 < np.median(np.diff(times)) < 0.2  # of 25 a second, 10 were asked for


def test_a_wrong_password_is_one_line_that_holds_no_password(server: Server) -> None:
    with pytest.raises(CameraError) as caught:
        server.camera("hunter2").open()
    assert "401" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "door" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_camera_that_freezes_is_noticed_in_time(server: Server) -> None:
    camera = server.camera()
    camera.open()
    assert_right(camera.read())
    server.process.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(CameraError, match="nothing came for 2 s"):
        list(iter(camera.read, None))
    assert time.monotonic() - start < 8
    server.process.send_signal(signal.SIGCONT)
    camera.open()
    assert_right(camera.read())
    camera.close()


def test_a_camera_that_loses_its_power_comes_back_by_itself(server: Server) -> None:
    capture = Capture(server.camera(), CaptureOptions(first_delay_s=0.5), SystemClock())
    capture.start()
    assert_right(capture.next(20))
    server.stop()
    deadline = time.monotonic() + 20
    while state(capture) is not CaptureState.LOST:
        assert time.monotonic() < deadline
        capture.next(0.1)
    assert "secret" not in capture.error
    server.start()
    while capture.counts.reopened == 0:
        assert time.monotonic() < deadline + 20
        capture.next(0.1)
    assert_right(capture.next(20))
    capture.stop()
    assert state(capture) is CaptureState.ENDED
