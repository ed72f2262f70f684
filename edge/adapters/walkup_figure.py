"""Cuts a person out of a still picture, roughly, and gives the body that the picture does not show.

A stand-in for a person before a camera, good enough to try the whole way from frame to event. Leaves the scene to
`walkup_scene.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFilter

from edge.recognition.types import Box, Floats, Image

_Field: TypeAlias = NDArray[np.float32]

# All below in widths of the face (0.14 m from ear to ear); a grown person is about 12 of them tall.
_HEAD = (0.0, -0.17, 0.64, 0.94)  # head and hair: centre, from the face's, and half axes
_HALF_WIDTHS = (  # (down from the face's centre, half width): neck, shoulders, hips, knees, feet
    (0.25, 0.40),
    (0.90, 0.46),
    (1.15, 0.85),
    (1.50, 1.50),
    (2.10, 1.72),
    (4.80, 1.50),
    (5.30, 1.25),
    (8.20, 0.95),
    (10.6, 0.80),
)
_ABOVE, _BELOW, _ASIDE = 1.4, 10.8, 2.1
# The face width, px, at which the figure is kept; larger stills are reduced to it.
_FINEST_PX = 220
_LEVELS = 4
# The face width, px, at which person and background are told apart.
_COARSE_PX = 40
_SAMPLES = 400
# A place one face width away counts like so many levels of colour.
_PLACE = 70.0


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A picture with one face. pixels: RGB `(H, W, 3)` uint8. face: in its pixels, from ear to ear."""

    pixels: Image
    face: Box


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """The person, cut out.

    layers: RGBa, that is with colours multiplied by alpha, each of half the size of the one before, so that a person
        far away does not flicker.
    anchor: the face's centre in the first, px. face_px: the face's width there.
    """

    layers: tuple[Pillow.Image, ...]
    anchor: tuple[float, float]
    face_px: float


def face_of_eyes(eyes: Floats) -> Box:
    """The face's box from the eyes' centres, `(2, 2)` x, y in px.

    Eyes stand about 0.45 face widths apart (63 mm of 140 mm), and above the middle of a face.
    """
    centre = eyes.mean(axis=0)
    width = float(np.hypot(*(eyes[1] - eyes[0]))) / 0.45
    return Box(float(centre[0]) - width / 2, float(centre[1]) - 0.28 * width, width, width * 1.15)


def cut_out(still: Still) -> Figure:
    """The person with soft edges; below the picture's end the body goes on in the clothes' colour."""
    unit = min(float(_FINEST_PX), still.face.width)
    canvas = _Canvas.of(still, unit)
    alpha = np.maximum(_scaled(_person(_Canvas.of(still, _COARSE_PX)), canvas.known.shape), canvas.painted_body())
    # Towards the still's own edges the painted body takes over.
    share = (canvas.known * canvas.faded())[..., None]
    colour = canvas.pixels * share + canvas.cloth() * (1 - share)
    layer = np.dstack([colour * alpha[..., None], alpha * 255]).round().clip(0, 255).astype(np.uint8)
    size = layer.shape[1], layer.shape[0]
    finest = Pillow.frombuffer("RGBa", size, layer.tobytes(), "raw", "RGBa", 0, 1)
    layers = tuple(finest.reduce(2**level) if level else finest for level in range(_LEVELS))
    return Figure(layers, canvas.anchor, unit)


@dataclass(frozen=True, slots=True, eq=False)
class _Canvas:
    """The still laid on a canvas that has room for a whole person.

    columns, rows: coordinates, in face widths from the face's centre. known: 1 where the still is. edges: the still's
    left, right and lower end, in the same coordinates.
    """

    columns: _Field
    rows: _Field
    known: _Field
    pixels: _Field
    edges: tuple[float, float, float]
    anchor: tuple[float, float]

    @classmethod
    def of(cls, still: Still, unit: float) -> _Canvas:
        scale = unit / still.face.width
        size = (max(1, round(still.pixels.shape[1] * scale)), max(1, round(still.pixels.shape[0] * scale)))
        picture = np.asarray(Pillow.fromarray(still.pixels).resize(size, Pillow.Resampling.BICUBIC), np.float32)
        width, height = round(2 * _ASIDE * unit), round((_ABOVE + _BELOW) * unit)
        x, y = width / 2, _ABOVE * unit
        left, top = round(x - still.face.centre[0] * scale), round(y - still.face.centre[1] * scale)
        known, pixels = _laid(picture, (height, width), left, top)
        return cls(
            columns=((np.arange(width) + 0.5 - x) / unit).astype(np.float32),
            rows=((np.arange(height) + 0.5 - y) / unit).astype(np.float32),
            known=known,
            pixels=pixels,
            edges=((left - x) / unit, (left + size[0] - x) / unit, (top + size[1] - y) / unit),
            anchor=(x, y),
        )

    def head(self) -> _Field:
        """Distance from the head's centre; 1 is its outline."""
        x, y, half_width, half_height = _HEAD
        distance: _Field = np.hypot((self.columns[None, :] - x) / half_width, (self.rows[:, None] - y) / half_height)
        return distance

    def body(self) -> _Field:
        """How deep inside the body's outline, in face widths; negative outside."""
        downs, widths = zip(*_HALF_WIDTHS, strict=True)
        half = np.interp(self.rows, downs, widths, left=-1.0, right=-1.0).astype(np.float32)
        depth: _Field = half[:, None] - np.abs(self.columns)[None, :]
        return depth

    def painted_body(self) -> _Field:
        """Alpha of the body where the still does not show it."""
        legs = (np.abs(self.columns)[None, :] - 0.06) / 0.1 + np.clip(6.0 - self.rows, 0, None)[:, None] * 4
        below = _soft((self.rows - self.edges[2] + 0.25) / 0.25)[:, None]
        aside = _soft((np.maximum(self.edges[0] - self.columns, self.columns - self.edges[1]) + 0.1) / 0.1)[None, :]
        painted: _Field = np.minimum(_soft(self.body() / 0.16), _soft(legs)) * np.maximum(below, aside)
        return painted

    def faded(self) -> _Field:
        """1 inside the still, down to 0 at its edges, but not near the face."""
        across = np.clip(np.minimum(self.columns - self.edges[0], self.edges[1] - self.columns) / 0.15, 0, 1)
        down = np.clip((self.edges[2] - self.rows) / 0.5, 0, 1)
        faded: _Field = np.maximum(across[None, :] * down[:, None], _soft((1 - self.head()) / 0.2))
        return faded

    def cloth(self) -> _Field:
        """Clothes in the colour of those that the still shows lowest down; trousers are darker."""
        sure = (self.rows > 1.2)[:, None] & (self.body() > 0.4) & (self.known > 0)
        colour = np.array([58, 62, 74], np.float32)
        if (lowest := np.flatnonzero(sure.any(axis=1))).size:
            sure[: lowest[-max(1, lowest.size // 5)]] = False
            colour = np.median(self.pixels[sure], axis=0).astype(np.float32)
        x, y = self.columns[None, :], self.rows[:, None]
        roundness = 1.05 - 0.22 * x**2 / 1.7**2
        folds = 1 + 0.04 * np.sin(3.1 * y + 2.3 * x**2) * np.sin(1.7 * x + 0.4)
        lower = 1 - 0.35 * _soft((y - 5.1) / 0.15)
        shaded: _Field = (roundness * folds * lower)[..., None] * np.maximum(colour, 18)
        return shaded


def _person(canvas: _Canvas) -> _Field:
    """Alpha of the person in the still: sure inside head and body, none far outside, by colour and place in between.

    Each pixel in between belongs to the side whose nearest sample is more like it.
    """
    head, body, known = canvas.head(), canvas.body(), canvas.known > 0
    inside = known & ((head < 0.78) | (body > 0.45))
    outside = known & (head > 1.10) & (body < -0.12)
    between = known & ~inside & ~outside
    features = np.dstack(
        [
            canvas.pixels,
            np.broadcast_to(canvas.columns[None, :, None] * _PLACE, (*known.shape, 1)),
            np.broadcast_to(canvas.rows[:, None, None] * _PLACE, (*known.shape, 1)),
        ]
    )
    alpha = inside.astype(np.float32)
    if outside.any() and between.any():
        alpha[between] = _likeness(features[between], _some(features[inside]), _some(features[outside]))
    else:
        alpha[between] = np.maximum(_soft((1 - head) / 0.14), _soft(body / 0.16))[between]
    smooth = Pillow.fromarray((alpha * 255).astype(np.uint8)).filter(ImageFilter.MedianFilter(5))
    return np.asarray(np.asarray(smooth.filter(ImageFilter.GaussianBlur(1.0))) / np.float32(255), np.float32)


def _likeness(features: _Field, ours: _Field, theirs: _Field) -> _Field:
    """0..1: how much nearer each row is to one of `ours` than to one of `theirs`."""

    def nearest(samples: _Field) -> _Field:
        squares = (features**2).sum(axis=1)[:, None] - 2 * features @ samples.T + (samples**2).sum(axis=1)
        distance: _Field = np.sqrt(np.maximum(squares.min(axis=1), 0)) + 1
        return distance

    near, far = nearest(ours), nearest(theirs)
    return _soft(np.asarray((far - near) / (far + near) * 4, np.float32))


def _some(rows: _Field) -> _Field:
    return rows[:: max(1, len(rows) // _SAMPLES)]


def _laid(picture: _Field, shape: tuple[int, int], left: int, top: int) -> tuple[_Field, _Field]:
    known = np.zeros(shape, np.float32)
    pixels = np.zeros((*shape, 3), np.float32)
    rows = slice(max(0, top), max(0, min(shape[0], top + picture.shape[0])))
    columns = slice(max(0, left), max(0, min(shape[1], left + picture.shape[1])))
    known[rows, columns] = 1
    pixels[rows, columns] = picture[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return known, pixels


def _scaled(field: _Field, shape: tuple[int, ...]) -> _Field:
    size = shape[1], shape[0]
    return np.asarray(Pillow.fromarray(field).resize(size, Pillow.Resampling.BICUBIC), np.float32).clip(0, 1)


def _soft(values: _Field) -> _Field:
    """A step from 0 to 1 over the values -1..1, without corners."""
    step = np.clip(values * 0.5 + 0.5, 0, 1)
    smooth: _Field = step * step * (3 - 2 * step)
    return smooth
