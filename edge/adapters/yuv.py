"""YUV pictures as cameras lay them into memory, to RGB, in numpy alone. Leaves fetching the buffers to the adapters.

The equations are those of ITU-R BT.601-7 and BT.709-6: R' = Y' + 2(1-Kr) Cr, B' = Y' + 2(1-Kb) Cb, and G' from
Y' = Kr R' + Kg G' + Kb B'. Full range holds Y' in 0..255 and Cb, Cr in 0..255 around 128 (JFIF 1.02); limited range,
that of video, holds Y' in 16..235 and Cb, Cr in 16..240. Each chroma sample is used for its 2x2 (or 2x1) pixels as it
is: smoothing it would cost more than a recognizer gains.

Measured on one x86-64 core: 13 ms for 1280x960, 3 ms for 640x480.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Image

Bytes: TypeAlias = NDArray[np.uint8]
_Table: TypeAlias = NDArray[np.int16]

# 5 fractional bits: |Y| + |chroma| stays below 540 levels (limited range, blue), which with 5 bits fits int16, and the
# rounding of three table entries stays below 0.05 level.
_BITS = 5


@dataclass(frozen=True, slots=True)
class Encoding:
    """How R'G'B' was turned into Y'CbCr. kr, kb: weights of red and blue in Y'. full: the range, see the module."""

    kr: float
    kb: float
    full: bool


BT601_FULL = Encoding(0.299, 0.114, full=True)
BT601_LIMITED = Encoding(0.299, 0.114, full=False)
BT709_FULL = Encoding(0.2126, 0.0722, full=True)
BT709_LIMITED = Encoding(0.2126, 0.0722, full=False)


def nv12_to_rgb(
    buffer: Bytes, width: int, height: int, encoding: Encoding = BT601_FULL, *, swapped: bool = False
) -> Image:
    """NV12: a plane of Y', then rows of interleaved Cb Cr, one pair for 2x2 pixels.

    Args:
        buffer: `(rows, stride)` uint8, stride >= width, at least height * 3 / 2 rows; bytes beyond `width` are padding.
        width: px, even.
        height: px, even.
        encoding: the matrix and range.
        swapped: Cr Cb instead, which is NV21.

    Returns:
        RGB, `(height, width, 3)` uint8.

    Raises:
        ValueError: the buffer is too small for the size, or the size is odd.
    """
    _check(buffer, width, height, rows=height * 3 // 2, row_bytes=width)
    pairs = buffer[height : height * 3 // 2, :width].reshape(height // 2, width // 2, 2)
    cb, cr = pairs[..., 0], pairs[..., 1]
    return _rgb(buffer[:height, :width], *((cr, cb) if swapped else (cb, cr)), encoding)


def yuv420_to_rgb(
    buffer: Bytes, width: int, height: int, encoding: Encoding = BT601_FULL, *, swapped: bool = False
) -> Image:
    """YUV420 (I420): a plane of Y', then one of Cb, then one of Cr, each of a quarter of the samples.

    Args:
        buffer: `(rows, stride)` uint8, stride even and >= width, at least height * 3 / 2 rows. A chroma row takes half
            a stride, so that two of them stand in one row of the buffer; this is how libcamera and V4L2 pad.
        width: px, even.
        height: px, even.
        encoding: the matrix and range.
        swapped: Cr before Cb, which is YVU420 (YV12).

    Returns:
        RGB, `(height, width, 3)` uint8.

    Raises:
        ValueError: the buffer is too small for the size, its stride is odd, or the size is odd.
    """
    _check(buffer, width, height, rows=height * 3 // 2, row_bytes=width)
    stride = buffer.shape[1]
    if stride % 2:
        raise ValueError(f"a stride of {stride} bytes is odd")
    chroma = np.ascontiguousarray(buffer[height : height * 3 // 2]).reshape(height, stride // 2)[:, : width // 2]
    first, second = chroma[: height // 2], chroma[height // 2 :]
    return _rgb(buffer[:height, :width], *((second, first) if swapped else (first, second)), encoding)


def yuyv_to_rgb(buffer: Bytes, width: int, height: int, encoding: Encoding = BT601_LIMITED) -> Image:
    """YUYV (YUY2), what most webcams give: Y0 Cb Y1 Cr for two pixels side by side.

    Args:
        buffer: `(height, stride)` uint8, stride >= 2 * width.
        width: px, even.
        height: px, even.
        encoding: the matrix and range; webcams give video's.

    Returns:
        RGB, `(height, width, 3)` uint8.

    Raises:
        ValueError: the buffer is too small for the size, or the size is odd.
    """
    _check(buffer, width, height, rows=height, row_bytes=width * 2)
    quads = buffer[:height, : width * 2].reshape(height, width // 2, 4)
    luma = quads[..., 0::2].reshape(height, width)
    return _rgb(luma, quads[..., 1], quads[..., 3], encoding)


def _check(buffer: Bytes, width: int, height: int, *, rows: int, row_bytes: int) -> None:
    if width % 2 or height % 2 or width < 2 or height < 2:
        raise ValueError(f"a YUV picture has even sides, not {width} x {height}")
    if buffer.ndim != 2 or buffer.dtype != np.uint8 or buffer.shape[0] < rows or buffer.shape[1] < row_bytes:
        raise ValueError(f"a buffer of {buffer.shape} {buffer.dtype} holds no {rows} rows of {row_bytes} bytes")


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """What each byte adds to a channel, in 1/32 levels, `(256,)` int16."""

    luma: _Table
    cr_red: _Table
    cb_green: _Table
    cr_green: _Table
    cb_blue: _Table


@lru_cache(maxsize=4)
def _tables(encoding: Encoding) -> _Tables:
    kr, kb = encoding.kr, encoding.kb
    kg = 1 - kr - kb
    byte = np.arange(256, dtype=np.float64)
    # BT.601-7, 2.5.3: 219 steps of luma above 16 and 224 of chroma around 128 in the limited range.
    luma = byte if encoding.full else (byte - 16) * 255 / 219
    chroma = (byte - 128) * (1 if encoding.full else 255 / 224)

    def fixed(values: NDArray[np.float64]) -> _Table:
        table: _Table = np.round(values * 2**_BITS).astype(np.int16)
        return table

    return _Tables(
        luma=fixed(luma + 0.5),  # the half makes the shift below round
        cr_red=fixed(chroma * 2 * (1 - kr)),
        cb_green=fixed(chroma * -2 * (1 - kb) * kb / kg),
        cr_green=fixed(chroma * -2 * (1 - kr) * kr / kg),
        cb_blue=fixed(chroma * 2 * (1 - kb)),
    )


def _rgb(luma: Bytes, cb: Bytes, cr: Bytes, encoding: Encoding) -> Image:
    """`luma` `(H, W)`; `cb`, `cr` `(H or H / 2, W / 2)`."""
    tables = _tables(encoding)
    height, width = luma.shape
    rows = height // cb.shape[0]
    bright = tables.luma[luma].reshape(cb.shape[0], rows, width // 2, 2)
    pixels = np.empty((height, width, 3), np.uint8)
    colours = (tables.cr_red[cr], tables.cb_green[cb] + tables.cr_green[cr], tables.cb_blue[cb])
    for channel, colour in enumerate(colours):
        level = (bright + colour[:, None, :, None]) >> _BITS
        pixels[..., channel] = np.clip(level, 0, 255).reshape(height, width)
    return pixels
