"""Coverage-guided fuzzing of the image door with atheris: see `fuzz_messages.py` for how to run it.

It ends with a trace when bytes raise anything but `PictureError`, or give what is no RGB picture.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["edge.adapters.pictures", "PIL"]):
    from edge.adapters.pictures import decode_picture, encode_jpeg
    from edge.errors import PictureError


def one_input(data: bytes) -> None:
    """A file's bytes."""
    try:
        pixels = decode_picture(data, "fuzz")
    except PictureError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error}") from error
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.dtype == np.uint8


def _seed(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "grey.jpg").write_bytes(encode_jpeg(np.full((48, 64, 3), 128, np.uint8)))


if __name__ == "__main__":
    for folder in (Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")):
        _seed(folder)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
