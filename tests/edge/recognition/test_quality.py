from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageFilter

from edge.recognition.quality import REASONS, QualityGate, measure
from edge.recognition.types import Face, Image, Quality, Reason
from tests.fakes.line import PEOPLE, embedder, face_of, picture

GOOD = Quality(
    width_px=100.0,
    eye_distance_px=45.0,
    sharpness=120.0,
    brightness=125.0,
    contrast=40.0,
    clipped=0.0,
    away=8.0,
    presence=0.999,
)
GATE = QualityGate(
    min_width_px=40.0, max_away=40.0, min_brightness=25.0, max_brightness=225.0, min_sharpness=20.0, min_norm=45.0
)


def crop_of(name: str) -> Image:
    return embedder().align(picture(name), face_of(name).mesh)


def dimmed(crop: Image, gain: float) -> Image:
    return np.asarray(np.rint(crop * gain), np.uint8)


def blurred(crop: Image, sigma: float) -> Image:
    return np.asarray(Pillow.fromarray(crop).filter(ImageFilter.GaussianBlur(sigma)))


@pytest.mark.parametrize("name", PEOPLE)
def test_blurring_lowers_sharpness_step_by_step_and_little_else(name: str) -> None:
    face, crop = face_of(name), crop_of(name)
    steps = [measure(face, blurred(crop, sigma)) for sigma in (0, 0.7, 1.5, 3)]
    sharpness = [quality.sharpness for quality in steps]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[-1] < 0.1 * sharpness[0]
    assert steps[-1].brightness == pytest.approx(steps[0].brightness, abs=4)


@pytest.mark.parametrize("name", PEOPLE)
def test_darkening_lowers_brightness_and_contrast_in_step(name: str) -> None:
    face, crop = face_of(name), crop_of(name)
    light, dark = measure(face, crop), measure(face, dimmed(crop, 0.4))
    assert dark.brightness == pytest.approx(0.4 * light.brightness, abs=1)
    assert dark.contrast == pytest.approx(0.4 * light.contrast, rel=0.03)


@pytest.mark.parametrize("name", PEOPLE)
def test_a_sharp_face_with_the_light_behind_it_is_dark_but_not_blurred(name: str) -> None:
    face, crop = face_of(name), crop_of(name)
    light, backlit = measure(face, crop), measure(face, dimmed(crop, 0.3))
    assert backlit.sharpness == pytest.approx(light.sharpness, rel=0.15)


def test_a_shipped_portrait_passes_and_a_smear_of_it_does_not() -> None:
    face, crop = face_of("obama"), crop_of("obama")
    assert GATE.refusal(measure(face, crop), 70.0) is None
    assert GATE.refusal(measure(face, blurred(crop, 4)), 70.0) == "blurred"
    assert GATE.refusal(measure(face, dimmed(crop, 0.1)), 70.0) == "too_dark"


def test_what_is_black_or_white_is_clipped() -> None:
    crop = np.full((112, 112, 3), 128, np.uint8)
    crop[:56] = 255
    half_white = measure(face_of("obama"), crop)
    assert half_white.clipped == pytest.approx(0.5, abs=0.01)
    crop[56:] = 0
    assert measure(face_of("obama"), crop).clipped == 1
    assert measure(face_of("obama"), np.full((112, 112, 3), 128, np.uint8)).clipped == 0


def test_an_even_surface_has_no_sharpness_and_no_division_by_nothing() -> None:
    flat = measure(face_of("obama"), np.full((112, 112, 3), 90, np.uint8))
    assert (flat.sharpness, flat.contrast) == (0, 0)
    assert flat.brightness == pytest.approx(90, abs=0.01)


def test_the_background_around_the_face_is_not_measured() -> None:
    crop = crop_of("obama")
    framed = crop.copy()
    framed[:12] = framed[-12:] = framed[:, :12] = framed[:, -12:] = 255
    assert measure(face_of("obama"), framed) == measure(face_of("obama"), crop)


def test_sizes_and_pose_come_from_the_mesh() -> None:
    mesh = np.zeros((468, 3), np.float32)
    mesh[[33, 133, 362, 263], :2] = [[100, 50], [120, 50], [160, 80], [180, 80]]
    mesh[[234, 454], :2] = [[80, 60], [200, 60]]
    face: Face = replace(face_of("obama"), mesh=mesh)
    quality = measure(face, crop_of("obama"))
    assert quality.eye_distance_px == pytest.approx(np.hypot(60, 30))
    assert quality.width_px == 120
    assert quality.away == face.pose.away
    assert quality.presence == face.presence


@pytest.mark.parametrize(
    ("spoilt", "norm", "reason"),
    [
        ({"width_px": 39.9}, 70.0, "too_small"),
        ({"away": 40.1}, 70.0, "turned_away"),
        ({"brightness": 24.9}, 70.0, "too_dark"),
        ({"brightness": 225.1}, 70.0, "too_bright"),
        ({"sharpness": 19.9}, 70.0, "blurred"),
        ({}, 44.9, "low_quality"),
    ],
)
def test_each_failing_is_refused_with_its_own_reason(spoilt: dict[str, float], norm: float, reason: Reason) -> None:
    assert GATE.refusal(GOOD, 70.0) is None
    assert GATE.refusal(replace(GOOD, **spoilt), norm) == reason


def test_of_several_failings_the_one_that_a_person_can_mend_first_is_named() -> None:
    everything = replace(GOOD, width_px=10.0, away=90.0, brightness=0.0, sharpness=0.0)
    assert GATE.refusal(everything, 0.0) == "too_small"
    assert GATE.refusal(replace(everything, width_px=100.0), 0.0) == "turned_away"


def test_a_gate_of_zeros_and_infinities_lets_everything_pass() -> None:
    open_gate = QualityGate(0.0, float("inf"), 0.0, float("inf"), 0.0, 0.0)
    assert open_gate.refusal(replace(GOOD, width_px=1.0, away=180.0, brightness=0.0, sharpness=0.0), 0.0) is None


def test_the_table_of_reasons_is_what_the_gate_can_say() -> None:
    assert set(REASONS) == {"too_small", "turned_away", "too_dark", "too_bright", "blurred", "low_quality"}
