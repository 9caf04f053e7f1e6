import cv2
import numpy as np
import pytest

from facemesh_ros import lens as module
from facemesh_ros.lens import WIDEST_RAY, pixels_per_ray, project, rays, turn_to
from facemesh_ros.types import Camera

K = np.array([[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])
SKEWED = K + [[0.0, 7.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
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


def pixels(lens, rays):
    """(N, 2) px at which (N, 2) rays are drawn."""
    return project(lens, np.column_stack([rays, np.ones(len(rays))]))


def some_rays(count=200, reach=0.7):
    return np.random.default_rng(0).uniform(-reach, reach, (count, 2))


def rays_within(lens, count=400):
    """(count, 2) rays in all directions, as far out as the model is trusted, or 80° where that is farther."""
    reach = min(module._lens_of(lens).limits.reach, np.tan(np.radians(80.0)))
    rng = np.random.default_rng(0)
    radius, turn = 0.98 * reach * rng.uniform(0.0, 1.0, count), rng.uniform(0.0, 2.0 * np.pi, count)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)


@each_lens
def test_a_ray_comes_back_from_its_pixel_as_far_as_the_model_is_trusted(model, distortion):
    lens = camera(model, distortion, SKEWED)
    there = rays_within(lens)
    assert rays(lens, pixels(lens, there)) == pytest.approx(there, rel=1e-6, abs=1e-9)


@each_lens
def test_a_pixel_comes_back_from_its_ray(model, distortion):
    lens = camera(model, distortion, SKEWED)
    there = np.random.default_rng(2).uniform([0, 0], [640, 480], (200, 2))
    assert pixels(lens, rays(lens, there)) == pytest.approx(there, abs=1e-6)


@each_lens
def test_few_steps_lead_to_a_ray(model, distortion, monkeypatch):
    lens = camera(model, distortion)
    there = pixels(lens, some_rays())
    rays(lens, there)  # the limits of the lens are looked up but once
    count, kind = [], type(module._lens_of(lens).distortion)
    linear = kind.linear
    monkeypatch.setattr(kind, "linear", lambda self, w: count.append(1) or linear(self, w))
    assert np.isfinite(rays(lens, there)).all()
    assert len(count) <= (3 if any(distortion[2:4]) else 2)


@each_lens
def test_points_are_drawn_where_opencv_draws_them(model, distortion):
    points = np.column_stack([some_rays(), np.ones(200)]) * np.linspace(0.5, 3.0, 200)[:, None]
    nothing, coefficients = np.zeros(3), np.array(distortion or [0.0] * 4)
    function = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    expected = function(points[:, None], nothing, nothing, K, coefficients)[0][:, 0]
    assert project(camera(model, distortion), points) == pytest.approx(expected, abs=1e-6)


@each_lens
def test_the_way_a_point_is_drawn_depends_on_its_direction_alone(model, distortion):
    lens, points = camera(model, distortion, SKEWED), np.column_stack([some_rays(), np.ones(200)])
    assert project(lens, 7.0 * points) == pytest.approx(project(lens, points), abs=1e-9)


@each_lens
def test_rays_are_those_that_opencv_finds(model, distortion):
    lens = camera(model, distortion)
    there_px = pixels(lens, some_rays(reach=0.2))  # farther out its five steps lead less close
    function = cv2.fisheye.undistortPoints if model == "equidistant" else cv2.undistortPoints
    found = function(there_px[:, None], K, np.array(distortion or [0.0] * 4))[:, 0]
    assert rays(lens, there_px) == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("distortion", [[0.0] * 4, LENSES[-1][1]])
def test_a_fisheye_bends_rays_as_opencv_does(distortion):
    there = rays_within(camera("equidistant", distortion))
    expected = cv2.fisheye.distortPoints(there[:, None], K, np.array(distortion))[:, 0]
    assert pixels(camera("equidistant", distortion), there) == pytest.approx(expected, abs=1e-6)


@each_lens
def test_the_derivative_is_that_of_the_pixels(model, distortion):
    lens, at, step = camera(model, distortion, SKEWED), some_rays(50), 1e-5
    moved = [pixels(lens, at + step * axis) - pixels(lens, at - step * axis) for axis in np.eye(2)]
    expected = np.stack(moved, axis=2) / (2 * step)
    found = np.broadcast_to(pixels_per_ray(lens, at.T).transpose(2, 1, 0), expected.shape)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-5)


@each_lens
def test_on_the_axis_the_derivative_is_the_camera_matrix(model, distortion):
    lens = camera(model, distortion[:12] if len(distortion) > 12 else distortion, SKEWED)
    found = pixels_per_ray(lens, np.zeros((2, 1)))[:, :, 0]
    assert pytest.approx(SKEWED[:2, :2]) == found.T
    assert rays(lens, SKEWED[:2, 2][None]) == pytest.approx(np.zeros((1, 2)))


def test_skew_moves_pixels_to_the_right_the_lower_they_are():
    lower = pixels(camera("plumb_bob", [], SKEWED), np.array([[0.0, 0.1]]))
    assert lower[0] == pytest.approx([320.0 + 0.7, 240.0 + 51.0])


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


@pytest.mark.parametrize("distortion", [[], LENSES[-1][1]])
@pytest.mark.parametrize("bearing", [0.2, 1.5, np.pi / 2, 1.7, 2.5])
def test_a_fisheye_draws_what_lies_beside_and_behind_it_by_the_angle_to_its_axis(bearing, distortion):
    powers = bearing ** np.array([3, 5, 7, 9])[: len(distortion)]
    away, turn = bearing + powers @ np.array(distortion), 0.7
    direction = [np.sin(bearing) * np.cos(turn), np.sin(bearing) * np.sin(turn), np.cos(bearing)]
    (drawn,) = project(camera("equidistant", distortion), 3.0 * np.array([direction]))
    assert drawn == pytest.approx([320 + 500 * away * np.cos(turn), 240 + 510 * away * np.sin(turn)])


@each_lens
def test_no_ray_lies_farther_out_than_the_limits_say(model, distortion):
    lens = camera(model, distortion)
    anywhere = np.random.default_rng(3).uniform(-4000, 4000, (500, 2))
    found = rays(lens, anywhere)
    away = np.hypot(*found[np.isfinite(found[:, 0])].T)
    assert len(away) and (away < min(module._lens_of(lens).limits.reach, WIDEST_RAY)).all()


@each_lens
def test_directions_of_any_length_are_drawn_without_a_warning(model, distortion):
    lens, rng = camera(model, distortion), np.random.default_rng(4)
    odd = rng.normal(size=(500, 3)) * 10.0 ** rng.uniform(-160, 160, (500, 3))
    assert project(lens, np.vstack([odd, np.zeros((1, 3)), np.eye(3)])).shape == (504, 2)


@pytest.mark.parametrize("direction", [[0, 0, 1], [0, 0, 5], [1, 0, 0], [-0.3, 0.2, 2.0], [1.0, -2.0, -0.5]])
def test_the_shortest_turn_takes_the_axis_there_about_a_line_across_both(direction):
    direction = np.array(direction, float)
    turn, across = turn_to(direction), np.cross([0.0, 0.0, 1.0], direction)
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12) and np.linalg.det(turn) == pytest.approx(1.0)
    assert turn @ [0.0, 0.0, 1.0] == pytest.approx(direction / np.linalg.norm(direction))
    assert turn @ across == pytest.approx(across, abs=1e-12)


@pytest.mark.parametrize("direction", [(0.0, 0.0, 2.0), (0.3, -0.8, 1.2), (-3.0, 0.1, -0.5)])
def test_a_rolled_camera_is_turned_as_one_that_was_rolled_before(direction):
    (cos, sin), plain = (np.cos(0.7), np.sin(0.7)), turn_to(direction)
    assert turn_to(direction, 0.7) == pytest.approx(plain @ [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    assert plain @ plain.T == pytest.approx(np.eye(3)) and np.linalg.det(plain) == pytest.approx(1.0)
    assert plain[:, 2] == pytest.approx(np.array(direction) / np.linalg.norm(direction))
