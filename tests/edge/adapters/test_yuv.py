from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from edge.adapters.yuv import (
    BT601_FULL,
    BT601_LIMITED,
    BT709_FULL,
    BT709_LIMITED,
    Bytes,
    Encoding,
    nv12_to_rgb,
    yuv420_to_rgb,
    yuyv_to_rgb,
)
from edge.recognition.types import Image

ENCODINGS = {"601 full": BT601_FULL, "601": BT601_LIMITED, "709 full": BT709_FULL, "709": BT709_LIMITED}
Planes = tuple[Bytes, Bytes, Bytes]


def noise(width: int, height: int, seed: int = 1) -> Planes:
    """Y' of the size, Cb and Cr of half of it: every byte value, in every mixture."""
    random = np.random.default_rng(seed)

    def plane(h: int, w: int) -> Bytes:
        return random.integers(0, 256, (h, w), dtype=np.uint8)

    return plane(height, width), plane(height // 2, width // 2), plane(height // 2, width // 2)


def laid_as_nv12(planes: Planes, padding: int = 0, *, swapped: bool = False) -> Bytes:
    luma, cb, cr = planes
    pairs = np.stack((cr, cb) if swapped else (cb, cr), axis=-1).reshape(cb.shape[0], -1)
    buffer: Bytes = np.pad(np.vstack([luma, pairs]), ((0, 0), (0, padding)), constant_values=0xA5)
    return buffer


def laid_as_i420(planes: Planes, padding: int = 0, *, swapped: bool = False) -> Bytes:
    """As libcamera lays it: `padding` bytes behind each luma row, half of it behind each chroma row."""
    luma, cb, cr = planes
    first, second = (cr, cb) if swapped else (cb, cr)
    rows = [np.pad(luma, ((0, 0), (0, padding)), constant_values=0xA5)]
    rows += [np.pad(plane, ((0, 0), (0, padding // 2)), constant_values=0xA5) for plane in (first, second)]
    buffer: Bytes = np.concatenate([part.ravel() for part in rows]).reshape(-1, luma.shape[1] + padding)
    return buffer


def by_the_equations(planes: Planes, encoding: Encoding) -> Image:
    """The standard's equations in double precision, one chroma sample for 2x2 pixels."""
    luma, cb, cr = (plane.astype(np.float64) for plane in planes)
    cb, cr = (np.asarray(np.kron(plane, np.ones((2, 2))) - 128, np.float64) for plane in (cb, cr))
    if not encoding.full:
        luma, cb, cr = (luma - 16) / 219 * 255, cb / 224 * 255, cr / 224 * 255
    red = luma + 2 * (1 - encoding.kr) * cr
    blue = luma + 2 * (1 - encoding.kb) * cb
    green = (luma - encoding.kr * red - encoding.kb * blue) / (1 - encoding.kr - encoding.kb)
    pixels: Image = np.clip(np.round(np.stack([red, green, blue], axis=-1)), 0, 255).astype(np.uint8)
    return pixels


def worst(left: Image, right: Image) -> int:
    return int(np.abs(left.astype(int) - right.astype(int)).max())


@pytest.mark.parametrize("name", ENCODINGS)
def test_each_encoding_is_within_a_level_of_the_standards_equations(name: str) -> None:
    planes, encoding = noise(128, 96), ENCODINGS[name]
    assert worst(nv12_to_rgb(laid_as_nv12(planes), 128, 96, encoding), by_the_equations(planes, encoding)) <= 1


def test_full_range_agrees_with_pillow() -> None:
    planes = noise(128, 96)
    whole = [Pillow.fromarray(planes[0])]
    whole += [Pillow.fromarray(np.kron(plane, np.ones((2, 2), np.uint8))) for plane in planes[1:]]
    reference = np.asarray(Pillow.merge("YCbCr", whole).convert("RGB"))
    assert worst(yuv420_to_rgb(laid_as_i420(planes), 128, 96), reference) <= 1


@pytest.mark.parametrize("name", ENCODINGS)
def test_flat_colours_agree_with_ffmpeg(name: str) -> None:
    av: Any = pytest.importorskip("av")
    matrix = 1 if name.startswith("709") else 5  # SWS_CS_ITU709, SWS_CS_ITU601
    span = 2 if name.endswith("full") else 1  # AVCOL_RANGE_JPEG, AVCOL_RANGE_MPEG
    # Flat, so that FFmpeg's smoothing of the chroma has nothing to smooth.
    for luma, cb, cr in [(81, 90, 240), (145, 54, 34), (41, 240, 110), (180, 128, 128), (60, 120, 140)]:
        buffer = np.full((96, 64), luma, np.uint8)
        buffer[64:80], buffer[80:] = cb, cr
        frame = av.VideoFrame.from_ndarray(buffer, "yuv420p")
        seen = frame.reformat(format="rgb24", src_colorspace=matrix, src_color_range=span).to_ndarray()
        assert worst(yuv420_to_rgb(buffer, 64, 64, ENCODINGS[name]), seen) <= 2, (luma, cb, cr)


@pytest.mark.parametrize(("encoding", "red"), [(BT601_FULL, (76, 85, 255)), (BT601_LIMITED, (81, 90, 240))])
def test_red_is_red_and_not_blue(encoding: Encoding, red: tuple[int, int, int]) -> None:
    buffer = np.array([[red[0]] * 2, [red[0]] * 2, [red[1], red[2]]], np.uint8)
    assert worst(nv12_to_rgb(buffer, 2, 2, encoding), np.full((2, 2, 3), (255, 0, 0), np.uint8)) <= 2


@given(st.integers(1, 9), st.integers(1, 7), st.integers(0, 8), st.booleans(), st.sampled_from(sorted(ENCODINGS)))
def test_every_layout_of_the_same_samples_gives_the_same_pixels(
    half_width: int, half_height: int, half_padding: int, swapped: bool, name: str
) -> None:
    width, height, padding, encoding = 2 * half_width, 2 * half_height, 2 * half_padding, ENCODINGS[name]
    planes = noise(width, height, seed=width * height)
    plain = nv12_to_rgb(laid_as_nv12(planes), width, height, encoding)
    nv = nv12_to_rgb(laid_as_nv12(planes, padding, swapped=swapped), width, height, encoding, swapped=swapped)
    planar = yuv420_to_rgb(laid_as_i420(planes, padding, swapped=swapped), width, height, encoding, swapped=swapped)
    assert np.array_equal(nv, plain)
    assert np.array_equal(planar, plain)
    assert plain.flags.c_contiguous


def test_yuyv_of_the_same_samples_gives_the_same_pixels() -> None:
    luma, cb, cr = planes = noise(32, 16)
    packed = np.empty((16, 64 + 6), np.uint8)
    packed[:, 0:64:2] = luma
    packed[:, 1:64:4], packed[:, 3:64:4] = np.repeat(cb, 2, axis=0), np.repeat(cr, 2, axis=0)
    expected = nv12_to_rgb(laid_as_nv12(planes), 32, 16, BT601_LIMITED)
    assert np.array_equal(yuyv_to_rgb(packed, 32, 16), expected)


@pytest.mark.parametrize("shape", [(5, 4), (6, 3), (6,), (0, 0)])
def test_a_buffer_too_small_for_its_size_is_refused(shape: tuple[int, ...]) -> None:
    for convert in (nv12_to_rgb, yuv420_to_rgb):
        with pytest.raises(ValueError, match="holds no 6 rows of 4 bytes"):
            convert(np.zeros(shape, np.uint8), 4, 4)


def test_an_odd_size_is_refused() -> None:
    with pytest.raises(ValueError, match="even sides, not 3 x 4"):
        nv12_to_rgb(np.zeros((6, 4), np.uint8), 3, 4)


def test_an_odd_stride_is_refused_where_chroma_rows_take_half_of_it() -> None:
    with pytest.raises(ValueError, match="stride of 5"):
        yuv420_to_rgb(np.zeros((6, 5), np.uint8), 4, 4)
