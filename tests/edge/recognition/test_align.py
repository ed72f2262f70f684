from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from edge.recognition.align import Alignment, apply, eye_centres, invert, similarity, square, warp
from edge.recognition.types import Floats, Image

Matrix = NDArray[np.float64]
NO_CHANGE: Matrix = np.array([[1.0, 0, 0], [0, 1, 0]])


def similar(scale: float, degrees: float, shift: tuple[float, float]) -> Matrix:
    """Enlarge, turn clockwise as seen, then shift."""
    a = math.radians(degrees)
    turn = scale * np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    return np.column_stack([turn, shift])


def smooth(width: int, height: int, seed: int = 3) -> Image:
    """Colours without edges, so that a small difference of place is a small difference of level."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Pillow.fromarray(small).resize((width, height), Pillow.Resampling.BICUBIC))


def bilinear(pixels: Image, matrix: Matrix, size: tuple[int, int]) -> NDArray[np.float64]:
    """By the definition: a pixel's centre is at +0.5, its colour is mixed from the four nearest centres."""
    columns, rows = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    turn, shift = matrix[:, :2], matrix[:, 2]
    there = np.linalg.solve(turn, np.stack([columns.ravel(), rows.ravel()]) - shift[:, None])
    x, y = there[0] - 0.5, there[1] - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right_share, lower_share = (x - left)[:, None], (y - top)[:, None]
    height, width = pixels.shape[:2]

    def at(row: NDArray[np.int_], column: NDArray[np.int_]) -> NDArray[np.float64]:
        return np.asarray(pixels[row.clip(0, height - 1), column.clip(0, width - 1)], np.float64)

    upper = at(top, left) * (1 - right_share) + at(top, left + 1) * right_share
    lower = at(top + 1, left) * (1 - right_share) + at(top + 1, left + 1) * right_share
    mixed = upper * (1 - lower_share) + lower * lower_share
    inside = (there[0] >= 0) & (there[0] < width) & (there[1] >= 0) & (there[1] < height)
    mixed[~inside] = 0
    return np.asarray(mixed.reshape(size[1], size[0], 3))


coordinates = st.floats(-500, 500, width=32)
point_sets = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=9).map(
    lambda rows: np.array(rows, np.float32)
)


@given(point_sets, st.floats(0.05, 20), st.floats(-180, 180), st.tuples(st.floats(-900, 900), st.floats(-900, 900)))
def test_a_similarity_is_found_again_from_points_that_went_through_it(
    points: Floats, scale: float, degrees: float, shift: tuple[float, float]
) -> None:
    assume(np.ptp(points, axis=0).max() > 1)
    true = similar(scale, degrees, shift)
    target = points.astype(np.float64) @ true[:, :2].T + true[:, 2]
    found = similarity(points, np.asarray(target))
    assert found[:, :2] == pytest.approx(true[:, :2], abs=1e-6 * scale)
    assert found[:, 2] == pytest.approx(true[:, 2], abs=1e-3 * max(1, scale))


@given(point_sets, point_sets)
def test_no_other_similarity_comes_closer_to_points_that_do_not_match(source: Floats, target: Floats) -> None:
    count = min(len(source), len(target))
    source, target = source[:count], target[:count]
    assume(np.ptp(source, axis=0).max() > 1)
    best = similarity(source, target)

    def error(matrix: Matrix) -> float:
        return float(((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2).sum())

    least = error(best)
    for nudge in (similar(1.01, 0, (0, 0)), similar(1, 0.5, (0, 0)), similar(1, 0, (0.3, -0.2))):
        moved = np.column_stack([nudge[:, :2] @ best[:, :2], nudge[:, :2] @ best[:, 2] + nudge[:, 2]])
        assert error(moved) >= least - 1e-6 * (1 + least)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    points = np.array([[0, 0], [4, 0], [1, 3]], np.float32)
    found = similarity(points, points * np.array([-1, 1], np.float32))
    assert np.linalg.det(found[:, :2]) >= 0


def test_points_that_are_all_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="alike"):
        similarity(np.ones((5, 2), np.float32), np.eye(5, 2, dtype=np.float32))


@given(st.floats(0.1, 10), st.floats(-180, 180), st.tuples(st.floats(-300, 300), st.floats(-300, 300)), point_sets)
def test_the_way_back_leads_back(scale: float, degrees: float, shift: tuple[float, float], points: Floats) -> None:
    matrix = similar(scale, degrees, shift)
    assert apply(invert(matrix), apply(matrix, points)) == pytest.approx(points, abs=0.02)


def test_a_turned_square_comes_upright_with_its_corners_in_the_corners() -> None:
    roll = math.radians(30)
    down_right = np.array([math.cos(roll) - math.sin(roll), math.sin(roll) + math.cos(roll)])
    corners = np.array([np.array([200, 100]) - 40 * down_right, [200, 100], np.array([200, 100]) + 40 * down_right])
    crop = apply(square((200, 100), 80, roll, 192), corners.astype(np.float32))
    assert crop == pytest.approx(np.array([[0, 0], [96, 96], [192, 192]]), abs=1e-3)


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7, 3.1])
@pytest.mark.parametrize("degrees", [0, 17, -30, 90])
def test_warping_is_bilinear_to_the_level(scale: float, degrees: float) -> None:
    pixels = smooth(90, 70)
    turned = similar(scale, degrees, (0, 0))
    matrix = np.column_stack([turned[:, :2], np.array([32, 24]) - turned[:, :2] @ [45, 35]])
    found, wanted = warp(pixels, matrix, (64, 48)), bilinear(pixels, matrix, (64, 48))
    assert found.shape == (48, 64, 3)
    assert found.dtype == np.uint8
    # At the very border of the frame a pixel may count as inside for one and outside for the other.
    compared = np.abs(found - wanted).max(axis=2)
    assert np.quantile(compared, 0.97) <= 1.5
    inside = bilinear(np.full_like(pixels, 255), matrix, (64, 48)).min(axis=2) == 255
    assert compared[_shrunk(inside)].max() <= 1.5


def test_a_picture_warped_by_nothing_is_itself() -> None:
    pixels = smooth(40, 30)
    assert (warp(pixels, NO_CHANGE, (40, 30)) == pixels).all()


def test_a_shift_by_half_a_pixel_mixes_neighbours_evenly() -> None:
    pixels = np.zeros((3, 4, 3), np.uint8)
    pixels[1, 2] = 200
    shifted = warp(pixels, np.array([[1.0, 0, 0.5], [0, 1, 0]]), (4, 3))
    assert shifted[1, :, 0].tolist() == [0, 0, 100, 100]


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 6, 8])
def test_shrinking_by_a_whole_number_averages_areas(factor: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (24 * factor, 32 * factor, 3), dtype=np.uint8)
    areas = noise.reshape(24, factor, 32, factor, 3).mean(axis=(1, 3))
    found = warp(noise, np.array([[1 / factor, 0, 0], [0, 1 / factor, 0]]), (32, 24))
    assert np.abs(found - areas).max() <= 1.5


@pytest.mark.parametrize("factor", [2.0, 2.6, 3.3, 4.7, 5.9, 7.4, 8.0])
@pytest.mark.parametrize("degrees", [0, 25])
def test_fine_noise_does_not_alias_when_it_shrinks(factor: float, degrees: float) -> None:
    """Averaged over areas of factor x factor, noise loses as much of its contrast; sampled alone it would keep most."""
    noise = np.random.default_rng(2).integers(0, 256, (640, 640, 3), dtype=np.uint8)
    turned = similar(1 / factor, degrees, (0, 0))
    matrix = np.column_stack([turned[:, :2], np.array([24, 24]) - turned[:, :2] @ [320, 320]])
    found = warp(noise, matrix, (48, 48)).astype(float)
    assert abs(found.mean() - noise.mean()) < 2
    assert found.std() < 1.35 * noise.std() / factor


@pytest.mark.parametrize("factor", [2.0, 2.5, 4.3, 8.0])
def test_what_shrinks_stays_in_its_place(factor: float) -> None:
    down, across = np.mgrid[:480, :640] + 0.5
    blob = 255 * np.exp(-((across - 360) ** 2 + (down - 240) ** 2) / (2 * 30**2))
    pixels = np.repeat(np.rint(blob)[..., None], 3, axis=2).astype(np.uint8)
    matrix = similar(1 / factor, 0, (3.2, -1.7))
    crop = warp(pixels, matrix, (int(640 / factor), int(480 / factor)))[..., 0].astype(float)
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]] + 0.5
    centre = [float((crop * columns).sum() / crop.sum()), float((crop * rows).sum() / crop.sum())]
    assert centre == pytest.approx(apply(matrix, np.array([[360, 240]], np.float32))[0], abs=0.05)


@pytest.mark.parametrize("scale", [0.2, 1.0, 4.0])
def test_a_crop_beside_the_frame_is_black(scale: float) -> None:
    white = np.full((50, 60, 3), 255, np.uint8)
    for shift in ((-2000.0, 0.0), (2000.0, 0.0), (0.0, -2000.0), (0.0, 2000.0)):
        assert not warp(white, similar(scale, 0, shift), (20, 20)).any()


def test_a_crop_across_the_frames_edge_is_black_outside_alone() -> None:
    white = np.full((400, 400, 3), 255, np.uint8)
    crop = warp(white, np.array([[0.25, 0, 40], [0, 0.25, 0]]), (80, 80))
    assert (crop[:, 41:] == 255).all()
    assert not crop[:, :39].any()


def test_an_alignment_brings_the_mean_points_to_the_template() -> None:
    alignment = Alignment(groups=((0, 1), (2,), (3,)), template=((10.0, 10.0), (30.0, 10.0), (20.0, 40.0)))
    mesh = np.zeros((468, 3), np.float32)
    mesh[:4, :2] = [[100, 98], [100, 102], [140, 100], [120, 160]]
    assert alignment.points(mesh).tolist() == [[100, 100], [140, 100], [120, 160]]
    brought = apply(alignment.matrix(mesh), alignment.points(mesh))
    assert brought == pytest.approx(np.array(alignment.template), abs=1e-3)


def test_the_eye_distance_of_an_aligned_face_is_in_pixels_of_the_crop() -> None:
    alignment = Alignment(groups=((33,), (263,)), template=((30.0, 50.0), (80.0, 50.0)))
    mesh = np.zeros((468, 3), np.float32)
    mesh[[33, 133, 362, 263], 0] = [100, 120, 180, 200]
    assert eye_centres(mesh)[:, 0].tolist() == [110, 190]
    assert alignment.eye_distance_px(mesh) == pytest.approx(40)


def _shrunk(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without the pixels at its border."""
    padded = np.pad(mask, 2)
    height, width = mask.shape
    shifted = [padded[2 + y : 2 + y + height, 2 + x : 2 + x + width] for y in (-2, 0, 2) for x in (-2, 0, 2)]
    return np.asarray(np.logical_and.reduce(shifted))
