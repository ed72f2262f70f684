from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.adapters.camera_options import CameraOptions
from edge.adapters.cameras import make_camera
from edge.adapters.walkup import (
    Visit,
    Walkup,
    WalkupCamera,
    defocus_of,
    exposure_at,
    in_turn,
    stance_at,
    usual_face,
)
from edge.adapters.walkup_figure import Still, cut_out, face_of_eyes
from edge.errors import CameraError
from edge.recognition.types import Box, Frame, Image

RED = np.array([200, 40, 40])


class SetClock:
    def __init__(self) -> None:
        self.now_s = 50.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return 0.0


def portrait() -> Still:
    """A red ellipse of a face, 120 px wide, over a green body, before yellow."""
    pixels = np.full((480, 400, 3), (220, 210, 60), np.uint8)
    y, x = np.mgrid[:480, :400]
    pixels[(np.abs(x - 200) < 150) & (y > 260)] = (40, 120, 60)
    pixels[((x - 200) / 66) ** 2 + ((y - 160) / 92) ** 2 < 1] = RED
    return Still(pixels, Box(140, 110, 120, 140))


HALF = CameraOptions(width=320, height=240)


def frames_of(walkup: Walkup, options: CameraOptions = HALF) -> list[Frame]:
    camera = WalkupCamera(walkup, options, SetClock())
    camera.open()
    return [frame for frame in iter(camera.read, None) if frame is not None]


@cache
def played(seed: int = 3, light: float = 1.0, options: CameraOptions = HALF) -> list[Frame]:
    """6 s of 4 frames: a visit of 4 s with a second before and after."""
    visits, length_s = in_turn([portrait()], seconds=4, pause=1)
    return frames_of(Walkup(visits, length_s, frames_per_second=4.0, seed=seed, light=light), options)


def red_width(pixels: Image) -> int:
    """How wide the red face is, px."""
    levels = pixels.astype(int)
    red = (levels[..., 0] > 1.6 * levels[..., 1]) & (levels[..., 0] > 1.6 * levels[..., 2]) & (levels[..., 0] > 60)
    columns = np.flatnonzero(red.sum(axis=0) > pixels.shape[0] // 80)
    return int(columns[-1] - columns[0] + 1) if columns.size else 0


def test_a_person_comes_from_far_to_near_between_empty_frames() -> None:
    widths = [red_width(frame.pixels) for frame in played(options=CameraOptions())]
    assert len(widths) == 24  # 6 s of 4 frames
    assert widths[:4] == [0] * 4
    assert widths[-4:] == [0] * 4
    coming = widths[4:14]
    assert 36 <= coming[0] <= 52
    assert 190 <= max(widths[:17]) <= 240  # then it leaves, blurred
    assert all(later > earlier - 3 for earlier, later in pairwise(coming))


def test_frames_are_640x480_rgb_and_count_up_in_the_scripts_time() -> None:
    frames = played(options=CameraOptions())
    assert all(frame.pixels.shape == (480, 640, 3) and frame.pixels.dtype == np.uint8 for frame in frames)
    assert [frame.number for frame in frames] == list(range(24))
    assert [frame.time_s for frame in frames] == pytest.approx([50 + index / 4 for index in range(24)])


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    one, other = (played(seed=seed)[8].pixels for seed in (3, 4))
    again = played.__wrapped__()[8].pixels
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_two_frames_of_the_empty_hall_differ_by_noise_alone() -> None:
    first, second = (frame.pixels.astype(int) for frame in played()[:2])
    assert 0.5 < np.abs(first - second).std() < 6
    assert abs(first.mean() - second.mean()) < 0.2


def test_a_dim_porch_is_darker_and_noisier() -> None:
    bright, dim = (played(light=light)[:2] for light in (1.0, 0.15))
    assert dim[0].pixels.mean() < 0.6 * bright[0].pixels.mean()
    noise = [np.abs(a.pixels.astype(int) - b.pixels.astype(int)).std() for a, b in (bright, dim)]
    assert noise[1] > 1.3 * noise[0]


def test_far_away_the_face_is_softer_than_near() -> None:
    blurs = [defocus_of(stance_at(second, 4, 0).face) for second in (0.0, 1.0, 2.0, 3.0)]
    assert blurs == sorted(blurs, reverse=True)
    assert blurs[0] > 2 * blurs[-1]


def test_too_dark_at_first_then_too_bright_then_right() -> None:
    factors = [exposure_at(second / 10) for second in range(40)]
    assert factors[0] < 0.8
    assert max(factors) > 1.02
    assert factors[-1] == pytest.approx(1, abs=0.01)


def test_nothing_of_the_stills_background_stays_beside_the_head() -> None:
    pixels = played()[16].pixels.astype(int)
    yellow = (pixels[..., 0] > 150) & (pixels[..., 1] > 150) & (pixels[..., 2] < 100)
    assert yellow.mean() < 0.004


def test_the_picture_is_not_pasted_as_a_rectangle() -> None:
    """The figure's outline has a soft edge, and nothing at its canvas' corners."""
    alpha = np.asarray(cut_out(portrait()).layers[0])[..., 3]
    assert not alpha[0].any()
    assert not alpha[: alpha.shape[0] // 4, [0, -1]].any()
    assert ((alpha > 10) & (alpha < 245)).mean() > 0.01


def test_below_the_still_a_body_goes_on_in_the_colour_of_the_clothes() -> None:
    figure = cut_out(portrait())
    layer = np.asarray(figure.layers[0])
    row = round(figure.anchor[1] + 4 * figure.face_px)
    colour = layer[row, round(figure.anchor[0])].astype(int)
    assert colour[3] > 240
    assert np.abs(colour[:3] - (40, 120, 60)).max() < 40


@pytest.mark.parametrize(
    "box", [Box(-40, -60, 120, 140), Box(330, 400, 120, 140), Box(0, 0, 399, 479), Box(190, 150, 12, 14)]
)
def test_a_face_at_the_edge_or_of_any_size_can_be_cut_out(box: Box) -> None:
    figure = cut_out(Still(portrait().pixels, box))
    assert np.asarray(figure.layers[0])[..., 3].any()


def test_several_visits_follow_one_another_with_an_empty_hall_between() -> None:
    visits, length_s = in_turn([portrait(), portrait()], seconds=2, pause=1)
    assert [visit.start_s for visit in visits] == [1, 4]
    assert length_s == 7
    widths = [red_width(frame.pixels) > 0 for frame in frames_of(Walkup(visits, length_s, frames_per_second=2.0))]
    assert widths[0:2] == [False, False]
    assert widths[3:5] == [True, True]
    assert widths[6:8] == [False, False]
    assert widths[9:11] == [True, True]
    assert widths[12:] == [False, False]


@pytest.mark.parametrize(
    ("visits", "length_s"),
    [
        ((Visit(Path("a"), 0, 3), Visit(Path("b"), 2, 3)), 9),
        ((Visit(Path("a"), 0, 0),), 9),
        ((Visit(Path("a"), 0, 3),), 2),
    ],
)
def test_a_script_that_cannot_be_played_is_refused(visits: tuple[Visit, ...], length_s: float) -> None:
    with pytest.raises(ValueError, match=r"visits must|length_s must"):
        Walkup(visits, length_s)


def test_the_walk_ends_without_a_jolt_and_the_leaving_leads_out_of_the_frame() -> None:
    faces = [stance_at(second / 10, 6, 0).face for second in range(60)]
    steps = np.diff(faces[:37])
    assert (steps > -1e-9).all()
    assert steps[-1] < 0.25 * steps.max()
    assert stance_at(6, 6, 0).x - stance_at(6, 6, 0).face * 0.65 > 1


def test_a_paced_camera_waits_for_each_frames_time() -> None:
    clock, slept = SetClock(), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now_s += seconds

    camera = WalkupCamera(Walkup((), 1, frames_per_second=4.0), CameraOptions(), clock, paced=True, sleep=sleep)
    camera.open()
    assert camera.live
    assert len(list(iter(camera.read, None))) == 4
    assert slept == pytest.approx([0, 0.25, 0.25, 0.25])


def test_the_url_says_where_the_face_is_and_how_long_a_visit_takes(tmp_path: Path) -> None:
    file = tmp_path / "face.png"
    Pillow.fromarray(portrait().pixels).save(file)
    url = f"walkup:{file}?seconds=4&pause=1&fps=4&seed=3&pace=0&face=200,180,120"
    camera = make_camera(url, HALF, SetClock())
    camera.open()
    frames = [frame for frame in iter(camera.read, None) if frame is not None]
    assert len(frames) == 24
    assert red_width(frames[15].pixels) == pytest.approx(red_width(played()[15].pixels), abs=4)


def test_the_given_finder_is_asked_for_the_face(tmp_path: Path) -> None:
    file = tmp_path / "face.png"
    Pillow.fromarray(portrait().pixels).save(file)
    asked = []

    def find(pixels: Image) -> Box:
        asked.append(pixels.shape)
        return portrait().face

    camera = make_camera(f"walkup:{file}?repeat=3&pace=0", CameraOptions(), SetClock(), find_face=find)
    camera.open()
    assert asked == [(480, 400, 3)]  # once for all three visits


def test_a_picture_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "face.jpg"
    file.write_bytes(b"")
    with pytest.raises(CameraError, match=r"face\.jpg: empty"):
        make_camera(f"walkup:{file}", CameraOptions(), SetClock()).open()


def test_a_small_frame_holds_the_same_scene() -> None:
    frames = played()
    assert frames[0].pixels.shape == (240, 320, 3)
    assert red_width(frames[15].pixels) == pytest.approx(
        red_width(played(options=CameraOptions())[15].pixels) / 2, abs=4
    )


def test_a_face_follows_from_its_eyes() -> None:
    box = face_of_eyes(np.array([[100, 200], [145, 200]], np.float32))
    assert box.width == pytest.approx(100)
    assert box.centre[0] == pytest.approx(122.5)
    assert box.top < 200 < box.centre[1]


def test_without_a_finder_the_face_is_taken_to_be_where_portraits_have_it() -> None:
    box = usual_face(np.zeros((640, 512, 3), np.uint8))
    assert box.centre[0] == 256
    assert 150 < box.centre[1] < 320
