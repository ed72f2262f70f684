from __future__ import annotations

import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.adapters.camera_options import CameraOptions
from edge.adapters.cameras import make_camera
from edge.adapters.video import VideoCamera, network_stream, video_file, webcam
from edge.errors import CameraError
from edge.recognition.types import Frame, Image

av: Any = pytest.importorskip("av", reason="the video extra is not installed")


class SetClock:
    def monotonic_s(self) -> float:
        return 1000.0

    def wall_s(self) -> float:
        return 0.0


def scene(level: int, width: int = 160, height: int = 96) -> Image:
    """Red on the left, blue on the right, and a grey block in the middle that tells the frames apart."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    pixels[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4] = level
    return pixels


def film(
    file: Path,
    levels: list[int],
    *,
    rate: int = 5,
    times: list[int] | None = None,
    codec: str = "mpeg4",
    layout: str = "yuv420p",
) -> Path:
    """A video of one scene a level. times: of each, in units of 1/1000 s; else evenly by the rate."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 160, 96, layout
        stream.bit_rate = 4_000_000
        if times:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(scene(level), "rgb24")
            if times:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


def opened(file: Path, options: CameraOptions | None = None) -> VideoCamera:
    camera = VideoCamera(video_file(file), options or CameraOptions(), SetClock())
    camera.open()
    return camera


def all_of(camera: VideoCamera) -> list[Frame]:
    return [frame for frame in iter(camera.read, None) if frame is not None]


def complaint(camera: VideoCamera) -> str:
    with pytest.raises(CameraError) as caught:
        camera.open()
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
def test_every_frame_of_a_file_comes_once_in_order_and_in_its_colours(tmp_path: Path, name: str) -> None:
    levels = [20, 60, 100, 140, 180, 220, 250]
    frames = all_of(opened(film(tmp_path / name, levels)))
    assert [frame.number for frame in frames] == list(range(7))
    for frame, level in zip(frames, levels, strict=True):
        assert frame.pixels.shape == (96, 160, 3)
        assert frame.pixels.flags.c_contiguous
        assert np.abs(frame.pixels[48, 80].astype(int) - level).max() < 12
        assert np.abs(frame.pixels[48, 10].astype(int) - (255, 0, 0)).max() < 40
        assert np.abs(frame.pixels[48, 150].astype(int) - (0, 0, 255)).max() < 40


def test_times_are_the_files_own_counted_from_the_opening(tmp_path: Path) -> None:
    file = film(tmp_path / "uneven.mkv", [50, 100, 150, 200], times=[0, 100, 900, 1000])
    assert [frame.time_s for frame in all_of(opened(file))] == pytest.approx([1000, 1000.1, 1000.9, 1001])


def test_a_file_is_no_live_source_and_may_be_opened_again(tmp_path: Path) -> None:
    camera = opened(film(tmp_path / "clip.mp4", [50, 100, 150]))
    assert camera.live is False
    assert camera.read() is not None
    camera.open()
    assert len(all_of(camera)) == 3
    assert camera.read() is None
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match="not open"):
        camera.read()


def test_a_larger_film_is_scaled_down_in_its_proportions_and_turned(tmp_path: Path) -> None:
    camera = opened(film(tmp_path / "clip.mp4", [128]), CameraOptions(width=80, height=80, rotate=90))
    frame = camera.read()
    assert frame is not None
    assert frame.pixels.shape == (80, 48, 3)
    assert frame.pixels[4, 24, 0] > 180  # the left side has come up
    assert frame.pixels[75, 24, 2] > 180


def test_a_telephones_film_is_set_upright(tmp_path: Path) -> None:
    file = film(tmp_path / "clip.mp4", [128])
    data = bytearray(file.read_bytes())
    # ISO/IEC 14496-12, 8.3.2: the track header's matrix, here a quarter turn clockwise.
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 96 << 16, 0, 1 << 30)
    file.write_bytes(data)
    frame = opened(file).read()
    assert frame is not None
    assert frame.pixels.shape == (160, 96, 3)
    assert frame.pixels[5, 48, 0] > 200
    assert frame.pixels[155, 48, 2] > 200


def test_a_damaged_packet_costs_its_picture_and_not_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = film(tmp_path / "clip.avi", [20, 60, 100, 140, 180, 220], codec="png", layout="rgb24")
    data = bytearray(file.read_bytes())
    pictures = [at for at in range(len(data)) if data[at : at + 4] == b"IDAT"]
    data[pictures[2] : pictures[2] + 64] = bytes(range(255, 191, -1))
    file.write_bytes(data)
    camera = opened(file)
    frames = all_of(camera)
    seen = [int(frame.pixels[48, 80, 0]) for frame in frames]
    assert seen == [20, 60, 140, 180, 220]
    assert camera.damaged == 1
    assert caplog.text.count("1 damaged packets left out") == 1


def test_a_cut_off_file_gives_what_there_is(tmp_path: Path) -> None:
    file = film(tmp_path / "clip.mkv", list(range(20, 220, 10)))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    frames = all_of(opened(file))
    assert 3 <= len(frames) < 20


@pytest.mark.parametrize("data", [b"", b"no film at all" * 100, b"\x00\x00\x00\x18ftypmp42" + b"\0" * 40])
def test_what_is_no_film_is_one_line_with_its_name(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(data)
    text = complaint(VideoCamera(video_file(file), CameraOptions(), SetClock()))
    assert text.startswith(f"camera file:{file}: ")
    assert "name a video file" in text


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    text = complaint(VideoCamera(video_file(tmp_path / "no.mp4"), CameraOptions(), SetClock()))
    assert "No such file" in text


def test_sound_alone_is_no_camera(tmp_path: Path) -> None:
    file = tmp_path / "sound.wav"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    assert "no video in it" in complaint(VideoCamera(video_file(file), CameraOptions(), SetClock()))


def test_a_path_is_never_taken_for_a_network_address() -> None:
    text = complaint(VideoCamera(video_file(Path("http://127.0.0.1:9/clip.mp4")), CameraOptions(), SetClock()))
    assert "No such file" in text


def test_a_playlist_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "list.m3u8"
    file.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/part.ts\n#EXT-X-ENDLIST\n", encoding="utf-8")
    camera = VideoCamera(video_file(file), CameraOptions(timeout_s=2), SetClock())
    # FFmpeg says "Connection refused" where it has tried; nobody listens there.
    assert "refused" not in complaint(camera)


def test_a_webcam_that_is_not_there_is_one_line() -> None:
    text = complaint(VideoCamera(webcam("/dev/video99", CameraOptions()), CameraOptions(), SetClock()))
    assert text.startswith("camera v4l2:/dev/video99: No such file")
    assert "group video" in text


def test_a_stream_that_nobody_serves_is_one_line_without_its_password() -> None:
    url = "rtsp://admin:hunter2@127.0.0.1:9/hunter2"
    options = CameraOptions(timeout_s=2)
    text = complaint(VideoCamera(network_stream(url, options), options, SetClock()))
    assert text.startswith("camera rtsp://127.0.0.1:9/…: ")
    assert "hunter2" not in text
    assert "admin" not in text
    assert "hunter2" not in repr(network_stream(url, options)).replace(url, "")


def test_without_pyav_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(CameraError, match=r"pip install 'doorward\[video\]'"):
        make_camera("rtsp://127.0.0.1:9/1", CameraOptions(), SetClock()).open()
