import math
from itertools import pairwise

import numpy as np
import pytest

from facemesh_ros.geometry import image_from_crop, letterbox_roi
from facemesh_ros.types import Roi
from facemesh_ros.views import AROUND, LARGEST_TILE, TILE_OF_FACE, TILE_OVERLAP, around, pyramid, whole

SIZES = [(1280, 720), (720, 1280), (640, 480), (427, 240), (199, 148), (2048, 922), (3, 500)]
ANGLES = [0.0, math.pi / 2, math.pi, 0.3, -2.0]


def in_view(points_xy, roi):
    """Where image points lie in a view, 0..1 within its square."""
    affine = image_from_crop(roi, 1)
    return (np.asarray(points_xy, float) - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T


@pytest.mark.parametrize("size_wh", SIZES)
def test_the_upright_whole_is_the_letterbox(size_wh):
    view, square = whole("short", size_wh), letterbox_roi(size_wh)
    assert (view.roi.size, view.roi.angle) == (square.size, 0.0)
    assert (view.roi.center_xy == square.center_xy).all()


@pytest.mark.parametrize("size_wh", SIZES)
@pytest.mark.parametrize("angle", ANGLES)
def test_the_whole_shows_every_corner_of_the_image_at_any_turn_and_wastes_nothing(size_wh, angle):
    width, height = size_wh
    corners = in_view([[0, 0], [width, 0], [0, height], [width, height]], whole("full", size_wh, angle).roi)
    assert corners.min() > -1e-9 and corners.max() < 1 + 1e-9
    assert np.ptp(corners, axis=0).max() == pytest.approx(1.0)


@pytest.mark.parametrize("size_wh", SIZES)
@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("share", [1.0, 1.9])
def test_every_small_face_is_whole_in_a_view_that_shows_it_large_enough(size_wh, angle, share):
    smallest = 24.0
    views = (*pyramid("full", size_wh, smallest, angle), whole("full", size_wh, angle))
    rng = np.random.default_rng(0)
    side = smallest * share
    for center in rng.uniform(0, size_wh, (50, 2)):
        cos, sin = math.cos(angle), math.sin(angle)
        corners = 0.5 * side * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        square = center + corners @ np.array([[cos, sin], [-sin, cos]])
        inside = np.clip(square, 0, size_wh)  # what lies outside the image cannot be seen
        seen = [
            view.roi.size / side
            for view in views
            if in_view(inside, view.roi).min() >= -1e-9 and in_view(inside, view.roi).max() <= 1 + 1e-9
        ]
        assert min(seen, default=np.inf) <= 2 * TILE_OF_FACE


@pytest.mark.parametrize("size_wh", SIZES)
def test_tiles_come_large_ones_first_and_double_in_side(size_wh):
    sides = [view.roi.size for view in pyramid("full", size_wh, 24.0)]
    assert sides == sorted(sides, reverse=True)
    steps = sorted(set(sides))
    assert all(b == 2 * a for a, b in pairwise(steps))
    assert not steps or (steps[0] == 192.0 and steps[-1] <= LARGEST_TILE * max(size_wh) < 2 * steps[-1])


def test_tiles_overlap_by_at_least_what_they_should():
    xs = sorted({view.roi.center_xy[0] for view in pyramid("full", (1280, 720), 24.0) if view.roi.size == 192.0})
    assert xs[0] == 96.0 and xs[-1] == 1280 - 96.0
    assert np.diff(xs).max() <= 192.0 * (1 - TILE_OVERLAP)


def test_an_image_that_the_whole_shows_large_enough_has_no_tiles():
    assert pyramid("full", (250, 200), 24.0) == ()


def test_the_view_around_a_region_is_upright_for_its_face():
    view = around("short", Roi((30, 40), 100.0, 1.2))
    assert (view.network, view.roi.size, view.roi.angle) == ("short", AROUND * 100.0, 1.2)
