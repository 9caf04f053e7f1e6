import cv2
import numpy as np
import pytest

from facemesh_ros.lens import pixels, pixels_per_ray, project, rays
from facemesh_ros.types import Camera

K = np.array([[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])
LENSES = [
    ("plumb_bob", []),
    ("plumb_bob", [-0.3, 0.1, 0.001, -0.002, 0.01]),
    ("plumb_bob", [0.2, -0.05, 0.001, -0.002]),
    ("rational_polynomial", [0.5, 0.2, 0.001, -0.001, 0.03, 0.8, 0.3, 0.1]),
    ("rational_polynomial", [0.5, 0.2, 0.001, -0.001, 0.03, 0.8, 0.3, 0.1, 0.01, 0.002, -0.01, 0.003]),
    ("rational_polynomial", [0.5, 0.2, 0.001, -0.001, 0.03, 0.8, 0.3, 0.1, 0.01, 0.0, -0.01, 0.0, 0.02, -0.03]),
    ("equidistant", []),
    ("equidistant", [0.05, -0.01, 0.002, -0.001]),
]
each_lens = pytest.mark.parametrize(("model", "distortion"), LENSES, ids=[f"{m} {len(d)}" for m, d in LENSES])


def camera(model, distortion, matrix=K):
    return Camera.from_matrix(matrix, distortion, (640, 480), model)


def some_rays(count=200, reach=0.7):
    return np.random.default_rng(0).uniform(-reach, reach, (count, 2))


@each_lens
def test_a_ray_comes_back_from_its_pixel(model, distortion):
    lens = camera(model, distortion)
    assert rays(lens, pixels(lens, some_rays())) == pytest.approx(some_rays(), abs=1e-9)


@each_lens
def test_points_are_drawn_where_opencv_draws_them(model, distortion):
    points = np.column_stack([some_rays(), np.ones(200)]) * np.linspace(0.5, 3.0, 200)[:, None]
    nothing, coefficients = np.zeros(3), np.array(distortion or [0.0] * 4)
    function = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    expected = function(points[:, None], nothing, nothing, K, coefficients)[0][:, 0]
    assert project(camera(model, distortion), points) == pytest.approx(expected, abs=1e-6)


@each_lens
def test_the_derivative_is_that_of_the_pixels(model, distortion):
    lens, at, step = camera(model, distortion), some_rays(20), np.array([1e-4, -2e-4])
    moved = pixels(lens, at + step) - pixels(lens, at)
    assert np.einsum("nij,j->ni", pixels_per_ray(lens, at), step) == pytest.approx(moved, abs=1e-4)


def test_skewed_pixels_are_straightened():
    skewed = camera("plumb_bob", [0.1, 0.0, 0.0, 0.0], K + [[0, 7.0, 0], [0, 0, 0], [0, 0, 0]])
    assert pixels(skewed, np.array([[0.0, 0.1]]))[0, 0] > 320.5
    assert rays(skewed, pixels(skewed, some_rays())) == pytest.approx(some_rays(), abs=1e-9)


def test_no_pixel_gives_no_ray():
    assert rays(camera(*LENSES[1]), np.zeros((0, 2))).shape == (0, 2)


def test_pixels_far_outside_the_image_have_the_right_ray_or_none():
    lens = camera("plumb_bob", [-0.3, 0.1, 0.0, 0.0])
    far = np.random.default_rng(1).uniform(-3000, 3000, (500, 2))
    found = rays(lens, far)
    known = np.isfinite(found[:, 0])
    assert pixels(lens, found[known]) == pytest.approx(far[known], abs=1e-2)


def test_where_a_barrel_turns_round_there_is_no_ray():
    lens = camera("plumb_bob", [-0.3, 0.0, 0.0, 0.0])  # r - 0.3 r³ never exceeds 0.703, at r = 1.054
    assert np.isfinite(rays(lens, np.array([[320.0 + 500 * 0.70, 240.0]]))).all()
    assert np.isnan(rays(lens, np.array([[320.0 + 500 * 0.72, 240.0]]))).all()


def test_a_pixel_has_only_the_inner_of_two_rays():
    lens = camera("plumb_bob", [-0.3, 0.0, 0.0, 0.0])
    outer = np.array([[1.4, 0.0]])
    inner = rays(lens, pixels(lens, outer))
    assert inner[0, 0] < 1.054 and pixels(lens, inner) == pytest.approx(pixels(lens, outer), abs=1e-6)


def test_behind_the_camera_and_beside_it_nothing_is_drawn():
    drawn = project(camera("plumb_bob", []), np.array([[0.1, 0.1, -1.0], [0.1, 0.1, 0.0], [0.0, 0.0, 1.0]]))
    assert np.isnan(drawn[:2]).all() and drawn[2] == pytest.approx([320.0, 240.0])


def test_a_fisheye_sees_no_ray_beyond_its_plane():
    lens = camera("equidistant", [])
    assert np.isnan(rays(lens, np.array([[320.0 + 500 * np.radians(89), 240.0]]))).all()
    assert rays(lens, np.array([[320.0 + 500 * np.radians(80), 240.0]]))[0] == pytest.approx(
        [np.tan(np.radians(80)), 0]
    )
