"""Draws what the recognizer saw into a picture: boxes, names, captions, a strip of pictures. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from edge.recognition.types import Box, Decision, Image, Known, Stranger

Colour = tuple[int, int, int]
KNOWN: Colour = (46, 160, 67)
STRANGER: Colour = (209, 92, 30)
UNCLEAR: Colour = (120, 120, 120)
_INK: Colour = (255, 255, 255)
_PAPER: Colour = (24, 26, 30)


@dataclass(frozen=True, slots=True)
class Mark:
    """A box with a line of text over it."""

    box: Box
    text: str
    colour: Colour


def colour_of(decision: Decision) -> Colour:
    """One colour for each of the three answers."""
    if isinstance(decision, Known):
        return KNOWN
    return STRANGER if isinstance(decision, Stranger) else UNCLEAR


def annotate(pixels: Image, marks: Sequence[Mark]) -> Image:
    """A copy of an RGB picture with the marks drawn in."""
    picture = Pillow.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    unit = max(1, min(picture.size) // 240)
    font = ImageFont.load_default(13 * unit)
    for mark in marks:
        _draw_mark(pen, mark, unit, font)
    return np.asarray(picture)


def strip(panels: Sequence[tuple[Image, str]], columns: int, width: int = 320) -> Image:
    """Pictures in rows, each with its caption under it. width: of one picture, px."""
    font = ImageFont.load_default(14)
    tiles = [_tile(pixels, caption, width, font) for pixels, caption in panels]
    rows = -(-len(tiles) // columns)
    height = max(tile.height for tile in tiles)
    gap = 8
    sheet = Pillow.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), _PAPER)
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (gap + number % columns * (width + gap), gap + number // columns * (height + gap)))
    return np.asarray(sheet)


def _draw_mark(
    pen: ImageDraw.ImageDraw, mark: Mark, unit: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    left, top = mark.box.left, mark.box.top
    right, bottom = left + mark.box.width, top + mark.box.height
    pen.rectangle((left, top, right, bottom), outline=mark.colour, width=2 * unit)
    text_box = pen.textbbox((0, 0), mark.text, font=font)
    text_width, text_height = text_box[2] + 6 * unit, text_box[3] + 4 * unit
    above = top - text_height if top >= text_height else bottom
    pen.rectangle((left, above, left + text_width, above + text_height), fill=mark.colour)
    pen.text((left + 3 * unit, above + unit), mark.text, fill=_INK, font=font)


def _tile(pixels: Image, caption: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Pillow.Image:
    picture = Pillow.fromarray(pixels)
    height = round(picture.height * width / picture.width)
    lines = caption.splitlines()
    tile = Pillow.new("RGB", (width, height + 22 * len(lines)), _PAPER)
    tile.paste(picture.resize((width, height), Pillow.Resampling.LANCZOS))
    pen = ImageDraw.Draw(tile)
    for number, line in enumerate(lines):
        pen.text((4, height + 3 + 22 * number), line, fill=_INK, font=font)
    return tile
