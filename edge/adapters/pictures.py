"""The image door: a file or its bytes become RGB pixels, or one line that says why not.

Leaves deciding whether a face can be used to `recognition.quality`, and skipping or stopping to the caller.
"""

from __future__ import annotations

import io
import stat
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from edge.adapters.camera_options import one_line
from edge.errors import PictureError
from edge.recognition.types import Image

# What cameras and telephones write; MPO, two views in one file, comes under JPEG. Formats that run programs (EPS) or
# open other files stay out.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")

MOST_BYTES = 64 * 2**20
# The largest telephone pictures are of 50 megapixels; as RGBA such a one takes 200 MB while it is being reduced, which
# is what a Zero 2 W can give.
MOST_PIXELS = 50_000_000
# A face of 112 px is all that the embedder sees; beyond this side only the memory grows.
LONGEST_PX = 2048
# The smallest face that the detectors find is larger.
SHORTEST_PX = 32

# EXIF 2.32, 4.6.4: the tag, and what makes each of its values upright.
_ORIENTATION = 0x0112
_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}

# `warnings.catch_warnings` changes the state of the whole process, so that two threads must not be inside it at once.
_quiet = threading.Lock()


def read_picture(file: Path, *, longest_px: int = LONGEST_PX) -> Image:
    """The picture in `file`.

    Args:
        file: of one of FORMATS; of an animated one the first picture counts.
        longest_px: a picture with a longer side is reduced to it, before it is decoded as far as its format allows.

    Returns:
        RGB, `(H, W, 3)` uint8, upright as its EXIF says; grey, CMYK, palette and 16-bit pictures are converted, and
        what is transparent is white.

    Raises:
        PictureError: it is missing, empty, damaged, too large, too small or no picture; the line names the file.
    """
    name = one_line(file)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{name}: not a file; name a picture file")
        if status.st_size > MOST_BYTES:
            raise _too_many_bytes(name, status.st_size)
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{name}: cannot be read ({_reason(error)}); check its path and permissions") from error
    return decode_picture(data, name, longest_px=longest_px)


def decode_picture(data: bytes, name: str, *, longest_px: int = LONGEST_PX) -> Image:
    """As `read_picture`, of bytes that are already here; `name` is what an error calls them.

    Raises:
        PictureError: they cannot be used.
    """
    name = one_line(name)
    if not data:
        raise PictureError(f"{name}: empty; send the picture again")
    if len(data) > MOST_BYTES:
        raise _too_many_bytes(name, len(data))
    try:
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decoded(data, name, longest_px)
    except PictureError:
        raise
    except Pillow.DecompressionBombError as error:
        raise PictureError(f"{name}: too large to decode; reduce it below {MOST_PIXELS // 10**6} megapixels") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name}: not a picture of a known kind; use one of {', '.join(FORMATS)}") from error
    except Exception as error:
        # A decoder that is fed with a damaged file may raise anything at all.
        raise PictureError(f"{name}: damaged ({_reason(error)}); save or send the picture again") from error


def encode_jpeg(pixels: Image, quality: int = 85) -> bytes:
    """RGB `(H, W, 3)` uint8 as a JPEG file. quality: 1..100.

    Raises:
        ValueError: another shape, type or quality.
    """
    import simplejpeg

    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"a picture is (H, W, 3) uint8, not {pixels.shape} {pixels.dtype}")
    if not 1 <= quality <= 100:
        raise ValueError(f"a JPEG's quality is 1..100, not {quality}")
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality, colorspace="RGB"))


def _decoded(data: bytes, name: str, longest_px: int) -> Image:
    with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
        _check_size(picture, name)
        # A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that is still as large as asked; others ignore this.
        picture.draft(picture.mode, _target(picture.size, longest_px))
        picture.load()
        small = _reduced(_eight_bit(picture), longest_px)
        upright = _upright(small, _orientation(picture))
        pixels = np.array(_on_white(upright), dtype=np.uint8)
    return np.ascontiguousarray(pixels)


def _check_size(picture: Pillow.Image, name: str) -> None:
    """By the header alone, before any pixel is decoded."""
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise PictureError(
            f"{name}: {width} x {height} pixels are too many; reduce it below {MOST_PIXELS // 10**6} megapixels"
        )
    if min(width, height) < SHORTEST_PX:
        raise PictureError(
            f"{name}: {width} x {height} pixels show no face; use one of at least {SHORTEST_PX} x {SHORTEST_PX}"
        )


def _eight_bit(picture: Pillow.Image) -> Pillow.Image:
    """In a mode that can be scaled smoothly: L, LA, RGB, RGBA or CMYK."""
    if picture.mode.startswith("I"):
        # Pillow would clip at 255. Mode I holds 32 bits, but no format here fills more than 16 of them.
        deep = np.clip(np.asarray(picture).astype(np.int64), 0, 65535)
        return Pillow.fromarray((deep >> 8).astype(np.uint8))
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no agreed white")
    if picture.mode in ("P", "PA"):
        return picture.convert("RGBA" if picture.mode == "PA" or "transparency" in picture.info else "RGB")
    if picture.mode in ("L", "RGB") and "transparency" in picture.info:
        return picture.convert("RGBA")
    return picture if picture.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else picture.convert("RGB")


def _target(size: tuple[int, int], longest_px: int) -> tuple[int, int]:
    scale = min(1.0, longest_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _reduced(picture: Pillow.Image, longest_px: int) -> Pillow.Image:
    size = _target(picture.size, longest_px)
    if size == picture.size:
        return picture
    # reducing_gap: whole-number averaging first, then the filter; as good to the eye and several times faster.
    return picture.resize(size, Pillow.Resampling.BICUBIC, reducing_gap=2.0)


def _orientation(picture: Pillow.Image) -> int:
    """EXIF orientation; 1, upright, where there is none or the EXIF block is damaged, which spoils no pixel."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - as in decode_picture; the picture itself is good
        return 1
    return value if isinstance(value, int) else 1


def _upright(picture: Pillow.Image, orientation: int) -> Pillow.Image:
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def _on_white(picture: Pillow.Image) -> Pillow.Image:
    """As RGB. What lies under transparent pixels is often left-over dirt, so that converting alone would show it."""
    if "A" not in picture.getbands():
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    white = Pillow.new("RGBA", seen.size, (255, 255, 255, 255))
    return Pillow.alpha_composite(white, seen).convert("RGB")


def _too_many_bytes(name: str, size: int) -> PictureError:
    return PictureError(f"{name}: {size / 2**20:.0f} MiB; a picture may have {MOST_BYTES // 2**20} MiB, reduce it")


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return one_line(words)[:120] or type(error).__name__
