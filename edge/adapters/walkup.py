"""A scripted walk-up as a camera: people come from far to near, stand before the door and leave, one after another.

Made from still pictures, the same for the same seed, so that demos and tests need no camera and no film. Leaves drawing
to `walkup_figure.py` and `walkup_scene.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from edge.adapters.camera_options import CameraOptions, camera_error, fitted, one_line, turned
from edge.adapters.pictures import read_picture
from edge.adapters.walkup_figure import Figure, Still, cut_out
from edge.adapters.walkup_scene import Scene, Stance
from edge.errors import CameraError, PictureError
from edge.ports import Clock
from edge.recognition.types import Box, Frame, Image

FindFace: TypeAlias = Callable[[Image], Box | None]
"""Where the face of a picture is, in its pixels, or None."""

_WIDTH, _HEIGHT = 640, 480
# Face widths as shares of the frame's: 38 px and 200 px of 640.
_FAR, _NEAR = 0.060, 0.3125
# How a visit's time is shared out: walking up, standing, stepping aside.
_ARRIVES, _LEAVES = 0.60, 0.88
# A pace a second, swaying 2.5 cm to either side, of a face that is 14 cm wide; heads bob at twice that.
_SWAY, _BOB, _ROLL_DEG = 2.5 / 14, 1.2 / 14, 2.5
# The share of a frame's time in which the shutter is open, and the moments in it that are drawn.
_SHUTTER, _MOMENTS = 0.35, 3


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's walk-up.

    picture: a file, or pixels with the face's box already known.
    start_s: from the opening of the camera.
    duration_s: from the far end to gone.
    """

    picture: Path | Still
    start_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Walkup:
    """A script.

    visits: in order of their start; they do not overlap, and the hall is empty between them.
    length_s: of the whole; the source ends then.
    frames_per_second: as the camera takes them.
    seed: of the noise and of each person's gait.
    light: 1 is a right exposure; 0.2 is a dim porch.
    """

    visits: tuple[Visit, ...]
    length_s: float
    frames_per_second: float = 8.0
    seed: int = 0
    light: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be played.

        Raises:
            ValueError: the text says what.
        """
        if not 0 < self.frames_per_second <= 60 or not 0 < self.light <= 2:
            raise ValueError("frames_per_second must be above 0 and at most 60, light above 0 and at most 2")
        ends_s = 0.0
        for visit in self.visits:
            if visit.start_s < ends_s or visit.duration_s <= 0:
                raise ValueError("visits must follow one another, each with a duration above 0")
            ends_s = visit.start_s + visit.duration_s
        if self.length_s < ends_s:
            raise ValueError(f"length_s must reach to the last visit's end, {ends_s:g} s")


def in_turn(
    pictures: Sequence[Path | Still], seconds: float = 6.0, pause: float = 2.0
) -> tuple[tuple[Visit, ...], float]:
    """Visits one after another with a pause before each and after the last, and their length in all, s."""
    visits = tuple(Visit(picture, pause + index * (seconds + pause), seconds) for index, picture in enumerate(pictures))
    return visits, pause + len(pictures) * (seconds + pause)


class WalkupCamera:
    """See `ports.Camera`. Frames are at most 640x480 and fit the options' size."""

    QUERY = ("seconds", "pause", "repeat", "fps", "seed", "light", "pace", "face")

    def __init__(
        self,
        script: Walkup,
        options: CameraOptions,
        clock: Clock,
        *,
        find_face: FindFace | None = None,
        paced: bool = False,
        live: bool | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """find_face: see `walkup_from_query`. paced: frames come when a camera would give them, and not at once.
        live: whether late frames may be dropped, as a camera's are; as `paced` unless given.
        """
        self._script = script
        self._options = options
        self._clock = clock
        self._find_face = find_face
        self._paced = paced
        self._live = paced if live is None else live
        self._sleep = sleep
        self._scene: Scene | None = None
        self._figures: list[Figure] = []
        self._start_s = 0.0
        self._number = 0

    @property
    def live(self) -> bool:
        return self._live

    def open(self) -> None:
        # The same picture may come several times; it is cut out once.
        figures: dict[int | Path, Figure] = {}
        for visit in self._script.visits:
            key = visit.picture if isinstance(visit.picture, Path) else id(visit.picture)
            if key not in figures:
                figures[key] = cut_out(self._still(visit.picture))
        self._figures = [
            figures[visit.picture if isinstance(visit.picture, Path) else id(visit.picture)]
            for visit in self._script.visits
        ]
        width, height = fitted(_WIDTH, _HEIGHT, self._options)
        self._scene = Scene(width, height, self._script.seed)
        self._start_s = self._clock.monotonic_s()
        self._number = 0

    def read(self) -> Frame | None:
        if self._scene is None:
            raise CameraError("camera walkup: not open; open it first")
        at_s = self._number / self._script.frames_per_second
        if at_s >= self._script.length_s:
            return None
        if self._paced:
            self._sleep(max(0.0, self._start_s + at_s - self._clock.monotonic_s()))
        pixels = self._drawn(self._scene, at_s)
        frame = Frame(turned(pixels, self._options), self._start_s + at_s, self._number)
        self._number += 1
        return frame

    def close(self) -> None:
        self._scene = None
        self._figures = []

    def _drawn(self, scene: Scene, at_s: float) -> Image:
        light = self._script.light
        for index, visit in enumerate(self._script.visits):
            into_s = at_s - visit.start_s
            if 0 <= into_s < visit.duration_s:
                open_s = _SHUTTER / self._script.frames_per_second
                moments = [into_s + open_s * step / _MOMENTS for step in range(_MOMENTS)]
                gait = float(np.random.default_rng((self._script.seed, index)).uniform(0, 2 * math.pi))
                stances = [stance_at(moment, visit.duration_s, gait) for moment in moments]
                return scene.frame(
                    self._number,
                    self._figures[index],
                    stances,
                    light=light * exposure_at(into_s),
                    defocus=defocus_of(stances[0].face),
                )
        return scene.frame(self._number, None, [], light=light, defocus=0.0)

    def _still(self, picture: Path | Still) -> Still:
        if isinstance(picture, Still):
            return picture
        try:
            pixels = read_picture(picture)
        except PictureError as error:
            raise CameraError(f"camera walkup: {error}") from error
        face = self._find_face(pixels) if self._find_face else None
        return Still(pixels, face or usual_face(pixels))


def stance_at(into_s: float, duration_s: float, gait: float) -> Stance:
    """Where a person is so long into a visit.

    gait: phase of the first step, radians.
    The distance shrinks evenly to the end of the walk with a short braking, so that the face grows ever faster.
    """
    share = into_s / duration_s
    walked = min(1.0, share / _ARRIVES)
    braked = walked * (1.25 - 0.25 * walked**4)  # stands still at the end, without a jolt
    distance = 1 / _FAR + (1 / _NEAR - 1 / _FAR) * braked
    face = 1 / distance
    striding = 1 - 0.85 * braked**6
    step = 2 * math.pi * into_s + gait
    aside = max(0.0, (share - _LEAVES) / (1 - _LEAVES))
    return Stance(
        x=0.47 + 0.03 * braked + face * _SWAY * striding * math.sin(step) + 0.95 * aside * aside,
        y=0.30 + 0.16 * braked + face * _BOB * striding * math.cos(2 * step),
        face=face * (1 - 0.15 * aside),
        roll=_ROLL_DEG * striding * math.sin(step + 0.7) + 4 * aside,
    )


def exposure_at(into_s: float) -> float:
    """The camera's own control, as a factor of light: too dark at first, then too bright, settled in two seconds."""
    return 1 - 0.35 * math.exp(-into_s / 0.6) * math.cos(into_s * 4)


def defocus_of(face: float) -> float:
    """Standard deviation, px at 640: the lens is set to arm's length, so that whoever is far away is soft."""
    return 0.25 + 0.9 * max(0.0, (_NEAR - face) / _NEAR) ** 2


def usual_face(pixels: Image) -> Box:
    """Where portraits have the face, for want of better: upper middle, a third of the width."""
    height, width = pixels.shape[:2]
    side = min(width, height) / 3
    return Box(width / 2 - side / 2, min(height * 0.38, width * 0.5) - side / 2, side, side)


def walkup_from_query(
    url: str,
    picture: Path,
    query: dict[str, str],
    options: CameraOptions,
    clock: Clock,
    find_face: FindFace | None = None,
) -> WalkupCamera:
    """The camera of a `walkup:PICTURE?...` URL.

    Args:
        url: for errors.
        picture: the still.
        query: seconds=6 and pause=2 of each visit, repeat=1 times, fps=8, seed=0, light=1, pace=1 (0: all frames at
            once), face=x,y,width in px of the picture.
        options: as for every camera.
        clock: as for every camera.
        find_face: used where the URL has no face=; without both, `usual_face`.

    Raises:
        CameraError: a value that makes no sense.
    """

    def number(key: str, usual: float, low: float, high: float) -> float:
        try:
            value = float(query.get(key, usual))
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise camera_error(url, f"{key}={one_line(query[key])} is out of range", f"use {low:g} to {high:g}")
        return value

    if "face" in query:
        find_face = _given_face(url, query["face"])
    visits, length_s = in_turn(
        [picture] * int(number("repeat", 1, 1, 10000)), number("seconds", 6, 1, 600), number("pause", 2, 0, 3600)
    )
    script = Walkup(
        visits,
        length_s,
        frames_per_second=number("fps", 8, 0.5, 60),
        seed=int(number("seed", 0, 0, 2**31)),
        light=number("light", 1, 0.02, 2),
    )
    return WalkupCamera(script, options, clock, find_face=find_face, paced=number("pace", 1, 0, 1) > 0)


def _given_face(url: str, text: str) -> FindFace:
    try:
        x, y, width = (float(part) for part in text.split(","))
    except ValueError:
        raise camera_error(url, f"face={one_line(text)} is not x,y,width", "give three numbers, px") from None
    box = Box(x - width / 2, y - width / 2, width, width)
    return lambda _: box
