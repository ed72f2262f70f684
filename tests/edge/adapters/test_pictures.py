from __future__ import annotations

import io
import logging
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from edge.adapters import pictures
from edge.adapters.pictures import decode_picture, encode_jpeg, read_picture
from edge.errors import PictureError
from edge.recognition.types import Image

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def halves(width: int = 96, height: int = 64) -> Pillow.Image:
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, BLUE
    return Pillow.fromarray(pixels)


def encoded(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def near(pixels: Image, row: float, column: float, colour: tuple[int, int, int], tolerance: int = 8) -> bool:
    """Whether the pixel at a place given as a share of the sides has the colour."""
    pixel = pixels[int(row * pixels.shape[0]), int(column * pixels.shape[1])].astype(int)
    return bool(np.abs(pixel - colour).max() <= tolerance)


def refusal(data: bytes, name: str = "door.jpg") -> str:
    with pytest.raises(PictureError) as caught:
        decode_picture(data, name)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{name}: ")
    return text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_every_kind_that_is_promised_gives_red_on_the_left_and_blue_on_the_right(kind: str) -> None:
    options = {"subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    pixels = decode_picture(encoded(halves(), kind, **options), "door")
    assert pixels.shape == (64, 96, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert near(pixels, 0.5, 0.2, RED)
    assert near(pixels, 0.5, 0.8, BLUE)


@pytest.mark.parametrize(
    ("orientation", "size", "red_at"),
    [
        (1, (64, 96), (0.5, 0.1)),
        (2, (64, 96), (0.5, 0.9)),
        (3, (64, 96), (0.5, 0.9)),
        (4, (64, 96), (0.5, 0.1)),
        (5, (96, 64), (0.1, 0.5)),
        (6, (96, 64), (0.1, 0.5)),
        (7, (96, 64), (0.9, 0.5)),
        (8, (96, 64), (0.9, 0.5)),
    ],
)
def test_a_telephone_picture_is_turned_as_its_exif_says(
    orientation: int, size: tuple[int, int], red_at: tuple[float, float]
) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    pixels = decode_picture(encoded(halves(), "JPEG", subsampling=0, exif=exif), "door.jpg")
    assert pixels.shape[:2] == size
    assert near(pixels, *red_at, RED)


def test_a_damaged_exif_block_spoils_no_picture() -> None:
    exif = b"Exif\x00\x00MM\x00*\xff\xff\xff\xff" + b"\xff" * 40
    pixels = decode_picture(encoded(halves(), "JPEG", exif=exif), "door.jpg")
    assert near(pixels, 0.5, 0.2, RED, 20)


def test_grey_becomes_three_equal_channels() -> None:
    pixels = decode_picture(encoded(Pillow.new("L", (40, 40), 77), "PNG"), "grey.png")
    assert (pixels == 77).all()
    assert pixels.shape == (40, 40, 3)


def test_black_and_white_is_0_and_255() -> None:
    pixels = decode_picture(encoded(Pillow.new("1", (40, 40), 1), "PNG"), "one-bit.png")
    assert (pixels == 255).all()


def test_a_printers_cmyk_jpeg_keeps_its_colours() -> None:
    pixels = decode_picture(encoded(halves().convert("CMYK"), "JPEG", subsampling=0, quality=95), "print.jpg")
    assert near(pixels, 0.5, 0.2, RED, 12)
    assert near(pixels, 0.5, 0.8, BLUE, 12)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    for kind in ("PNG", "TIFF"):
        pixels = decode_picture(encoded(Pillow.fromarray(ramp), kind), f"deep.{kind}")
        assert np.array_equal(pixels[..., 0], ramp >> 8)


def test_palette_with_a_transparent_colour_shows_white_there() -> None:
    picture = halves().quantize(2)
    clear = picture.getpixel((90, 10))
    pixels = decode_picture(encoded(picture, "PNG", transparency=clear), "palette.png")
    assert near(pixels, 0.5, 0.2, RED)
    assert near(pixels, 0.5, 0.8, WHITE)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(mode: str) -> None:
    picture = halves().convert(mode)
    picture.putalpha(0)
    assert (decode_picture(encoded(picture, "PNG"), "clear.png") == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animated_picture_the_first_counts(kind: str) -> None:
    first, second = Pillow.new("RGB", (64, 64), RED), Pillow.new("RGB", (64, 64), BLUE)
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=[second], duration=100, **options)
    assert near(decode_picture(data, "moving"), 0.5, 0.5, RED)


MEMORY = """
import resource, sys
from pathlib import Path
from edge.adapters.pictures import decode_picture
read = lambda file: decode_picture(Path(file).read_bytes(), file)
read(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_twenty_megapixels_are_reduced_and_never_held_in_full(tmp_path: Path) -> None:
    small, large = tmp_path / "small.jpg", tmp_path / "telephone.jpg"
    small.write_bytes(encoded(halves(1280, 960), "JPEG"))
    large.write_bytes(encoded(halves(5472, 3648), "JPEG", quality=60, subsampling=0))
    pixels = read_picture(large)
    assert max(pixels.shape) == pictures.LONGEST_PX
    assert near(pixels, 0.5, 0.2, RED)
    assert near(pixels, 0.5, 0.8, BLUE)
    command = [sys.executable, "-c", MEMORY, str(small), str(large)]
    grown_kib = int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)
    assert grown_kib < 5472 * 3648 * 3 / 1024  # in full it would take 60 MB, and so again for each step


def test_a_large_png_is_reduced_too() -> None:
    pixels = decode_picture(encoded(halves(3000, 1000), "PNG"), "wide.png", longest_px=600)
    assert pixels.shape == (200, 600, 3)
    assert near(pixels, 0.5, 0.2, RED)


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    text = refusal(png_that_claims(20_000, 20_000), "bomb.png")
    assert "megapixels" in text


def test_a_picture_above_our_own_limit_is_refused_before_it_is_decoded() -> None:
    text = refusal(png_that_claims(8_000, 7_000), "large.png")
    assert "8000 x 7000" in text
    assert "50 megapixels" in text


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header promises much and whose data is a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def test_an_empty_picture_is_refused_with_its_name() -> None:
    assert "empty" in refusal(b"")


def test_a_truncated_picture_is_refused_with_its_name() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "BMP"):
        data = encoded(halves(), kind)
        assert "damaged" in refusal(data[: len(data) * 2 // 3], f"cut.{kind}")


def test_one_pixel_is_refused_as_showing_no_face() -> None:
    assert "1 x 1 pixels show no face" in refusal(encoded(Pillow.new("RGB", (1, 1)), "PNG"))


def test_what_is_no_picture_is_refused_with_the_kinds_that_are() -> None:
    for data in (b"#!/bin/sh\necho hello\n", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>", b"\0" * 500):
        assert "JPEG, PNG" in refusal(data)


def test_floating_point_pixels_are_refused() -> None:
    assert "floating-point" in refusal(encoded(Pillow.new("F", (40, 40), 0.5), "TIFF"))


def test_too_many_bytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "long.jpg"
    with file.open("wb") as out:
        os.truncate(out.fileno(), pictures.MOST_BYTES + 1)
    with pytest.raises(PictureError, match="64 MiB"):
        read_picture(file)


@pytest.mark.parametrize("what", ["missing", "folder", "pipe"])
def test_a_path_that_is_no_file_is_refused_with_its_name(tmp_path: Path, what: str) -> None:
    file = tmp_path / "door.jpg"
    if what == "folder":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    with pytest.raises(PictureError) as caught:
        read_picture(file)
    assert str(file) in str(caught.value)


def test_a_file_name_with_a_line_break_stays_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "two\nlines\x1b[31m.jpg"
    file.write_bytes(b"")
    with pytest.raises(PictureError) as caught:
        read_picture(file)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_file_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    file = tmp_path / "door.png"
    file.write_bytes(encoded(halves(), "PNG"))
    assert np.array_equal(read_picture(file), np.asarray(halves()))


def test_nothing_of_pillows_own_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with caplog.at_level(logging.WARNING), pytest.raises(PictureError):
            decode_picture(png_that_claims(10_000, 9_500), "bomb.png")
    assert not caplog.records


GOOD = {kind: encoded(halves(), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_whatever_is_broken_gives_a_picture_or_one_line(kind: str, data: st.DataObject) -> None:
    good = GOOD[kind]
    broken = bytearray(good[: data.draw(st.integers(0, len(good)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    outcome = pixels_or_refusal(bytes(broken))
    if isinstance(outcome, str):
        assert outcome.startswith("fuzz: ")
        assert "\n" not in outcome
    else:
        assert outcome.ndim == 3
        assert outcome.shape[2] == 3


def pixels_or_refusal(data: bytes) -> Image | str:
    try:
        return decode_picture(data, "fuzz")
    except PictureError as error:
        return str(error)


def test_an_encoded_jpeg_is_red_where_it_was_red() -> None:
    pixels = np.asarray(halves())
    again = decode_picture(encode_jpeg(pixels, quality=95), "again.jpg")
    assert near(again, 0.5, 0.2, RED)
    assert near(again, 0.5, 0.8, BLUE)


def test_an_upside_down_view_is_encoded_as_it_is_seen() -> None:
    flipped = np.asarray(halves())[:, ::-1]
    assert near(decode_picture(encode_jpeg(flipped), "flipped.jpg"), 0.5, 0.2, BLUE)


@pytest.mark.parametrize(
    ("pixels", "quality"),
    [(np.zeros((4, 4), np.uint8), 85), (np.zeros((4, 4, 3), np.float32), 85), (np.zeros((4, 4, 3), np.uint8), 0)],
)
def test_what_cannot_be_a_jpeg_is_refused(pixels: Any, quality: int) -> None:
    with pytest.raises(ValueError, match=r"JPEG's quality|a picture is"):
        encode_jpeg(pixels, quality)
