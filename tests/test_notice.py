"""Every shipped work of others is named with its origin, and shipped pictures tell nothing beyond what they show."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PICTURES = sorted((ROOT / "edge/demo/pictures").iterdir())
MODELS = sorted((ROOT / "edge/models").glob("*.tflite"))


@pytest.mark.parametrize("file", [*PICTURES, *MODELS], ids=lambda file: file.name)
def test_a_shipped_file_is_named_in_the_notice(file: Path) -> None:
    words = (ROOT / "NOTICE").read_text(encoding="utf-8").replace(",", " ").split()
    assert file.name in words


@pytest.mark.parametrize("file", PICTURES, ids=lambda file: file.name)
def test_a_shipped_picture_is_small_and_carries_no_metadata(file: Path) -> None:
    with Image.open(file) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) <= 640
        assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not picture.getexif()
    assert file.stat().st_size < 100_000


def test_there_are_pictures_and_models_to_look_at() -> None:
    assert len(PICTURES) >= 11
    assert len(MODELS) >= 4
