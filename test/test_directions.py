"""Laws of the drawn axes and gazes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facemesh_ros.directions import AXIS_M, GAZE_FACES, SELLION, gaze_lines, head_axes
from facemesh_ros.lens import project, rays
from facemesh_ros.types import Camera, Face, Gaze, HeadPose, Mesh, Roi

PINHOLE = Camera.from_fov((640, 480), np.radians(70.0))
LENSES = {
    "pinhole": PINHOLE,
    "distorted": Camera.from_matrix(PINHOLE.matrix, [-0.3, 0.1, 0.001, 0.0, 0.0], (640, 480)),
    "fisheye": Camera.from_matrix(PINHOLE.matrix, [0.05, 0.0, 0.0, 0.0], (640, 480), "equidistant"),
}
FRONTAL = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
"""camera_from_head of a head that looks into the camera: x out of the face, y to its left, z up."""
every_lens = pytest.mark.parametrize("camera", LENSES.values(), ids=LENSES.keys())


def pose(position_m=(0.1, -0.05, 0.7), rotation=FRONTAL, **more):
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3], camera_from_head[:3, 3] = rotation, position_m
    return HeadPose(camera_from_head, 1.0, np.eye(6), **more)


@every_lens
@pytest.mark.parametrize("seed", range(5))
def test_axes_run_from_the_projected_origin_to_the_projected_tips(camera, seed):
    one = pose(rotation=Rotation.random(random_state=seed).as_matrix(), head_scale=0.9)
    lines = head_axes(one, camera)
    tips = one.camera_from_head @ np.vstack([0.9 * AXIS_M * np.eye(3), np.ones(3)])
    assert set(lines) == set("xyz")
    for index, name in enumerate("xyz"):
        np.testing.assert_allclose(lines[name][0], project(camera, one.camera_from_head[np.newaxis, :3, 3])[0])
        np.testing.assert_allclose(lines[name][-1], project(camera, tips[np.newaxis, :3, index])[0])


def test_y_points_to_the_persons_left_and_z_up_and_x_hardly_anywhere_on_a_head_that_looks_into_the_camera():
    ways = {name: line[-1] - line[0] for name, line in head_axes(pose((0.0, 0.0, 0.7)), PINHOLE).items()}
    assert ways["y"][0] > 40.0 and abs(ways["y"][1]) < 1e-6
    assert ways["z"][1] < -40.0 and abs(ways["z"][0]) < 1e-6
    assert np.allclose(ways["x"], 0.0, atol=1e-6)


def test_the_nearest_axis_is_drawn_last():
    assert list(head_axes(pose(), PINHOLE))[-1] == "x"
    turned_away = Rotation.from_euler("y", 180.0, degrees=True).as_matrix() @ FRONTAL
    assert next(iter(head_axes(pose(rotation=turned_away), PINHOLE))) == "x"


def test_an_axis_that_runs_past_the_camera_ends_before_it():
    lines = head_axes(pose((0.01, 0.0, 0.05)), PINHOLE)
    assert 1 < len(lines["x"]) < len(lines["y"])
    assert all(np.isfinite(line).all() for line in lines.values())


def test_a_head_behind_a_perspective_camera_has_no_axes():
    assert head_axes(pose((0.0, 0.0, -1.0)), PINHOLE) == {}


def face_of(gaze, points_m=None, camera=None, irises=True, **more):
    """A flat face of 0.1 m, its irises 30 mm beside the middle; seen straight on, 1 px a mm, without a camera."""
    across = np.random.default_rng(0).uniform(-0.05, 0.05, (478, 3)) * [1.0, 1.0, 0.0]
    across[:2, 1] = -0.05, 0.05
    across[468], across[473], across[SELLION] = [-0.03, 0.0, 0.0], [0.03, 0.0, 0.0], [0.0, 0.0, 0.0]
    points = np.zeros((478, 3), np.float32)
    seen = None
    if camera is None:
        points[:, :2] = 200.0 + 1000.0 * across[:, :2]
    else:
        points[:, :2] = project(camera, across + points_m)
        seen = rays(camera, points[:, :2])
    points = points if irises else points[:468]
    mesh = Mesh(points, 0.9)
    return Face(1, Roi((200.0, 200.0), 150.0, 0.0), mesh, mesh, gaze=gaze, rays=None if seen is None else seen, **more)


def gaze(direction, right=True, left=True):
    unit = np.array(direction, float) / np.linalg.norm(direction)
    return Gaze(unit, (1.0, 0.0, 0.0), "iris", unit if right else None, unit if left else None)


def test_a_face_without_a_gaze_has_no_lines():
    assert gaze_lines(face_of(None)) == []


@pytest.mark.parametrize(
    ("right", "left", "starts"),
    [(True, True, (468, 473)), (True, False, (468,)), (False, True, (473,)), (False, False, (SELLION,))],
)
def test_the_gaze_begins_at_each_eye_that_tells_and_between_them_if_none_does(right, left, starts):
    face = face_of(gaze((0.6, 0.0, -0.8), right, left))
    lines = gaze_lines(face)
    np.testing.assert_allclose([line[0] for line in lines], face.smoothed.points[list(starts), :2])
    for line in lines:
        np.testing.assert_allclose(line[1] - line[0], [0.6 * GAZE_FACES * 100.0, 0.0], atol=1e-3)


def test_a_mesh_without_irises_has_its_gaze_begin_between_the_eyes():
    face = face_of(gaze((0.6, 0.0, -0.8)), irises=False)
    assert [line[0].tolist() for line in gaze_lines(face)] == [[200.0, 200.0]]


@every_lens
@pytest.mark.parametrize("position_m", [(0.0, 0.0, 0.6), (0.3, 0.1, 0.6), (-0.25, -0.15, 0.5)])
def test_a_gaze_into_the_camera_ends_where_it_begins_wherever_the_face_is(camera, position_m):
    face = face_of(gaze(-np.array(position_m)), position_m, camera)
    for begin, end in gaze_lines(face):
        assert np.linalg.norm(end - begin) < 2.0  # the line of sight is that of the sellion, found again by a lens


def test_with_a_pose_alone_the_line_of_sight_is_the_way_to_the_head():
    position_m = (0.3, 0.1, 0.6)
    face = replace(face_of(gaze(-np.array(position_m))), pose=pose(position_m))
    for begin, end in gaze_lines(face):
        np.testing.assert_allclose(end, begin, atol=1e-6)


def test_rays_that_the_lens_does_not_have_leave_the_face_straight_ahead():
    face = face_of(gaze((0.6, 0.0, -0.8)))
    blind = replace(face, rays=np.full((478, 2), np.nan))
    np.testing.assert_array_equal(gaze_lines(blind), gaze_lines(face))
