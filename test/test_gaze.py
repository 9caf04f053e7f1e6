import numpy as np
import pytest
from made_heads import flat, head_m, look, mirrored, seen_by, turned
from scipy.spatial.transform import Rotation

from facemesh_ros import Camera, HeadPose
from facemesh_ros.gaze import (
    EYES,
    HEAD_FROM_REFERENCE,
    LIPS,
    eye_rays,
    eye_weights,
    head_ray,
    in_camera,
    in_head,
    looks_at,
    openness,
    together,
    view_of,
    way_to,
)
from facemesh_ros.lens import rays
from facemesh_ros.topology import RIGID

TURNS = [(0, 0, 0), (15, 0, 0), (0, -20, 0), (0, 0, 35), (-25, 15, -20), (40, 10, 5)]
CAMERA = Camera.from_fov((1280, 720), np.radians(90.0))


def seen_through(camera, points, pose=None):
    """The view of a mesh through a camera; None sees it as if it were on the axis."""
    return view_of(points, None if camera is None else rays(camera, points[:, :2]), pose)


def gaze_of(points, camera=None, pose=None):
    """(3,) of both eyes in the camera's axes, and in the head's."""
    view = seen_through(camera, points, pose)
    ray = together(eye_rays(view), eye_weights(view))
    return in_camera(view, ray), in_head(view, ray)


def apart_deg(one, other):
    return np.degrees(looks_at(np.asarray(one, float), np.asarray(other, float)))


@pytest.mark.parametrize("turn", TURNS)
def test_turning_the_head_changes_neither_openness_nor_the_gaze_relative_to_it(turn):
    points = head_m(look(8, 5), mouth_m=0.02)
    straight, aside = flat(points), flat(points, turned(*turn))
    assert openness(view_of(aside)) == pytest.approx(openness(view_of(straight)), abs=1e-4)
    assert apart_deg(gaze_of(aside)[1], gaze_of(straight)[1]) < 0.05


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("gaze", [(0, 0), (20, 0), (-15, 10), (0, -25)])
def test_the_gaze_is_where_the_eyes_of_a_made_head_look(gaze, turn):
    direction, of_head = gaze_of(flat(head_m(look(*gaze)), turned(*turn)))
    assert apart_deg(direction, turned(*turn).apply(look(*gaze))) < 0.05
    assert apart_deg(of_head, HEAD_FROM_REFERENCE @ look(*gaze)) < 0.05


@pytest.mark.parametrize(
    ("gaze", "axis", "sign"), [((15, 0), 0, 1), ((-15, 0), 0, -1), ((0, 15), 1, 1), ((0, -15), 1, -1)]
)
def test_moving_the_irises_moves_the_gaze_that_way(gaze, axis, sign):
    direction, _ = gaze_of(flat(head_m(look(*gaze))))
    assert sign * direction[axis] > 0.2
    assert abs(direction[1 - axis]) < 1e-3
    assert direction[2] < -0.9


def test_the_head_s_axes_are_out_of_the_face_to_its_left_and_up():
    _, ahead = gaze_of(flat(head_m(look(0, 0))))
    _, to_its_left = gaze_of(flat(head_m(look(20, 0))))
    _, up = gaze_of(flat(head_m(look(0, -20))))
    assert ahead == pytest.approx([1, 0, 0], abs=1e-4)
    assert to_its_left[1] > 0.3 and up[2] > 0.3


@pytest.mark.parametrize("turn", TURNS)
def test_the_mirror_image_looks_the_mirrored_way(turn):
    points = flat(head_m(look(12, 4), shut=(True, False), mouth_m=0.01), turned(*turn))
    view, other = view_of(points), view_of(mirrored(points))
    right, left, mouth = openness(view)
    assert openness(other) == pytest.approx((left, right, mouth), abs=1e-5)
    assert eye_weights(other) == pytest.approx(eye_weights(view)[::-1], abs=1e-5)
    assert eye_rays(other) == pytest.approx(eye_rays(view)[::-1] * [-1, 1, 1], abs=1e-4)


@pytest.mark.parametrize(("px_a_metre", "at_xy"), [(300, (20, 30)), (1500, (900, 10)), (9000, (2000, 2000))])
def test_size_and_place_do_not_matter(px_a_metre, at_xy):
    points = head_m(look(10, -5), mouth_m=0.01)
    there, here = flat(points, px_a_metre=px_a_metre, at_xy=at_xy), flat(points)
    assert openness(view_of(there)) == pytest.approx(openness(view_of(here)), abs=1e-4)
    assert apart_deg(gaze_of(there)[0], gaze_of(here)[0]) < 0.05


def test_openness_is_gap_over_width():
    points = head_m(mouth_m=0.03)
    *_, mouth = openness(view_of(flat(points)))
    assert mouth == pytest.approx(0.03 / np.linalg.norm(points[78] - points[308]), rel=1e-4)
    right, left, _ = openness(view_of(flat(points)))
    assert 0.2 < right < 0.35 and right == pytest.approx(left, rel=1e-3)
    assert openness(view_of(flat(head_m(shut=(True, False)))))[0] == pytest.approx(0.0, abs=1e-6)


def test_lids_and_lips_that_overlap_are_closed():
    assert openness(view_of(flat(head_m(mouth_m=-0.01))))[2] == 0.0


def test_an_eye_counts_less_the_farther_it_is_turned_away():
    weights = np.array([eye_weights(view_of(flat(head_m(), turned(yaw)))) for yaw in range(0, 81, 10)])
    assert (np.diff(weights[1:, 1]) <= 0).all() and weights[-1, 1] == 0.0  # the left eye is the far one
    assert weights[0, 0] == pytest.approx(weights[0, 1], abs=1e-4)
    assert (weights[1:, 0] > weights[1:, 1]).all()


def test_a_mesh_without_irises_has_the_head_s_axis_only():
    view = view_of(flat(head_m(count=468), turned(20, 10)))
    assert eye_rays(view) is None
    assert apart_deg(in_camera(view, head_ray(view)), turned(20, 10).apply([0, 0, -1])) < 0.01
    assert in_head(view, head_ray(view)) == pytest.approx([1, 0, 0], abs=1e-6)


def test_no_eye_that_counts_gives_no_gaze():
    view = view_of(flat(head_m()))
    assert together(eye_rays(view), np.zeros(2)) is None


def test_an_iris_beyond_the_eye_s_rim_looks_as_far_aside_as_can_be():
    points = flat(head_m())
    points[[468, 473], 0] += 100.0
    for ray in eye_rays(view_of(points)):
        assert 70 < apart_deg(ray, [0, 0, -1]) < 73


@pytest.mark.parametrize("bearing_deg", [0, 15, 30])
@pytest.mark.parametrize("turn", [(0, 0), (20, 0), (-10, 15)])
def test_through_a_calibrated_camera_who_looks_into_it_does_so_at_every_bearing(bearing_deg, turn):
    position = 0.8 * Rotation.from_euler("y", bearing_deg, degrees=True).apply([0.0, 0.1, 1.0])
    towards = Rotation.align_vectors([-position], [[0, 0, -1]])[0]
    head = towards * turned(*turn)
    gaze = head.inv().apply(-position / np.linalg.norm(position))
    points = seen_by(CAMERA, head_m(gaze), head, position)
    view = seen_through(CAMERA, points)
    direction, of_head = gaze_of(points, CAMERA)
    assert np.degrees(looks_at(direction, way_to(None, None, view))) < 2.0
    assert np.degrees(looks_at(direction, way_to(None, position, view))) < 3.0
    assert apart_deg(of_head, HEAD_FROM_REFERENCE @ gaze) < 5.0


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
def test_every_lens_model_gives_rays(model):
    camera = Camera.from_matrix(CAMERA.matrix, None, (1280, 720), model)
    at_xy = (CAMERA.matrix[0, 2] + 640.0, CAMERA.matrix[1, 2])
    view = seen_through(camera, flat(head_m(), at_xy=at_xy, px_a_metre=500.0))
    angle = 1.0 if model == "equidistant" else np.arctan(1.0)
    assert view.camera_from_view[:, 2] == pytest.approx([np.sin(angle), 0, np.cos(angle)], abs=0.05)


def test_the_pose_gives_the_head_s_rotation_where_there_is_one():
    rotation = turned(12, -5, 3)
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3] = rotation.as_matrix() @ HEAD_FROM_REFERENCE.T
    camera_from_head[:3, 3] = [0.0, 0.0, 1.0]
    pose = HeadPose(camera_from_head, 0.0, np.eye(6))
    view = seen_through(CAMERA, flat(head_m(), at_xy=(639.5, 359.5)), pose)
    assert apart_deg(in_camera(view, head_ray(view)), camera_from_head[:3, 0]) < 1e-6
    assert in_head(view, head_ray(view)) == pytest.approx([1, 0, 0], abs=1e-9)


def test_the_way_to_the_target_is_from_the_face_to_it():
    view = view_of(flat(head_m()))
    origin, target = np.array([0.1, 0.2, 1.0]), np.array([0.1, 0.2, 0.5])
    assert way_to(None, origin, view) == pytest.approx(-origin)
    assert way_to(target, origin, view) == pytest.approx([0, 0, -0.5])
    assert way_to(None, None, view) == pytest.approx([0, 0, -1])
    assert way_to(target, None, view) is None


@pytest.mark.parametrize("degrees", [0.0, 1e-4, 30.0, 90.0, 180.0])
def test_the_angle_is_that_between_gaze_and_way(degrees):
    way = 7.0 * Rotation.from_euler("y", degrees, degrees=True).apply([0, 0, -1])
    assert np.degrees(looks_at(np.array([0.0, 0.0, -1.0]), way)) == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize("points", [np.zeros((478, 3)), np.full((478, 3), 1e6), np.eye(478, 3), np.eye(468, 3)])
@pytest.mark.parametrize("camera", [None, CAMERA])
def test_odd_meshes_give_finite_numbers(points, camera):
    view = seen_through(camera, points.astype(np.float32))
    assert np.isfinite([*openness(view), *eye_weights(view), *head_ray(view)]).all()
    found = eye_rays(view)
    assert (found is not None) == (len(points) == 478 and (camera is None or points.max() < 1e6))
    assert found is None or np.isfinite(found).all()


def posed(position, rotation):
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3], camera_from_head[:3, 3] = rotation.as_matrix() @ HEAD_FROM_REFERENCE.T, position
    return HeadPose(camera_from_head, 0.0, np.eye(6))


@pytest.mark.parametrize("lost", [[33], [13], [468], list(range(478))])
def test_where_a_point_has_no_ray_the_head_s_axis_is_that_of_the_pose(lost):
    points, position, head = flat(head_m()), np.array([3.0, 0.2, 0.9]), turned(-60, 10)
    seen = rays(CAMERA, points[:, :2])
    seen[lost] = np.nan
    view = view_of(points, seen, posed(position, head))
    assert view.has_bearing and eye_rays(view) is None
    assert apart_deg(in_camera(view, head_ray(view)), head.apply([0, 0, -1])) < 1e-6
    assert in_head(view, head_ray(view)) == pytest.approx([1, 0, 0], abs=1e-9)
    assert apart_deg(way_to(None, None, view), -position) < 1e-6
    assert openness(view) == pytest.approx(openness(view_of(points)))


def test_without_a_ray_and_without_a_pose_nothing_tells_where_a_face_looks():
    points = flat(head_m())
    seen = rays(CAMERA, points[:, :2])
    assert view_of(points, seen).has_bearing and view_of(points).has_bearing
    seen[133] = np.nan
    view = view_of(points, seen)
    assert not view.has_bearing and eye_rays(view) is None
    assert openness(view) == pytest.approx(openness(view_of(points)))


def test_points_that_tell_nothing_about_eyes_and_mouth_may_lack_a_ray():
    points = flat(head_m())
    seen = rays(CAMERA, points[:, :2])
    seen[np.setdiff1d(np.arange(468), np.concatenate([RIGID, EYES.ravel(), LIPS]))] = np.nan
    assert view_of(points, seen).has_bearing and eye_rays(view_of(points, seen)) is not None
