"""Yaw, pitch and roll in the convention of AFLW2000, with scipy as the witness of what the matrices are."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facemesh_ros.tools.evaluation.rotations import (
    Angles,
    angle_errors,
    angles_from_rotation,
    rotation_from_angles,
    rotation_of_mesh,
    rotation_of_pose,
)

SOME = [
    Angles(0, 0, 0),
    Angles(30, 0, 0),
    Angles(0, 20, 0),
    Angles(0, 0, -40),
    Angles(-50, 25, 100),
    Angles(80, -60, 5),
]
REFERENCE = np.array([[0, 0, -3], [-3, -1, 0], [3, -1, 0], [-2, 2, -1], [2, 2, -1], [0, 4, -0.5]], float)
"""A face in cm: nose, eyes, corners of the mouth, chin; x right, y down, z away."""
VIEWER_FROM_IMAGE = np.diag([1.0, -1.0, -1.0])
CAMERA_FROM_FACING_HEAD = np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]], float)
"""x out of the face comes towards the camera, y to the person's left is the image's right, z to the scalp is up."""


@pytest.mark.parametrize("angles", SOME)
def test_angles_come_back(angles):
    got = angles_from_rotation(rotation_from_angles(angles))
    assert (got.yaw, got.pitch, got.roll) == pytest.approx((angles.yaw, angles.pitch, angles.roll), abs=1e-9)


@pytest.mark.parametrize("angles", SOME)
def test_the_matrix_is_a_product_of_turns_about_x_y_z(angles):
    """Each of the three turns the other way round than the usual right-handed one."""
    expected = Rotation.from_euler("XYZ", [-angles.pitch, -angles.yaw, -angles.roll], degrees=True).as_matrix()
    np.testing.assert_allclose(rotation_from_angles(angles), expected, atol=1e-12)


def test_the_published_entries_hold_the_angles():
    r = rotation_from_angles(Angles(yaw=30.0, pitch=20.0, roll=10.0))
    assert np.degrees(np.arctan2(r[1, 2], r[2, 2])) == pytest.approx(20.0)
    assert np.degrees(np.arcsin(-r[0, 2])) == pytest.approx(30.0)
    assert np.degrees(np.arctan2(r[0, 1], r[0, 0])) == pytest.approx(10.0)


def test_a_positive_yaw_takes_the_nose_to_the_images_left():
    nose = rotation_from_angles(Angles(30.0, 0.0, 0.0)) @ [0.0, 0.0, 1.0]
    assert nose[0] == pytest.approx(-0.5)


@pytest.mark.parametrize("angles", SOME)
def test_the_rotation_of_a_mesh_is_found_whatever_its_scale_and_place(angles):
    turned = 40.0 * REFERENCE @ VIEWER_FROM_IMAGE @ rotation_from_angles(angles).T @ VIEWER_FROM_IMAGE
    mesh = turned + [320.0, 240.0, 5.0]
    np.testing.assert_allclose(rotation_of_mesh(mesh, REFERENCE), rotation_from_angles(angles), atol=1e-9)


def test_points_beyond_the_reference_are_left_out():
    mesh = np.concatenate([REFERENCE, [[500.0, 500.0, 500.0]]])
    np.testing.assert_allclose(rotation_of_mesh(mesh, REFERENCE), np.eye(3), atol=1e-9)


def test_a_mirrored_mesh_still_gives_a_rotation():
    rotation = rotation_of_mesh(-REFERENCE, REFERENCE)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_a_head_that_faces_the_camera_has_no_angles():
    facing = np.eye(4)
    facing[:3, :3] = CAMERA_FROM_FACING_HEAD
    got = angles_from_rotation(rotation_of_pose(facing))
    assert (got.yaw, got.pitch, got.roll) == pytest.approx((0.0, 0.0, 0.0))


@pytest.mark.parametrize("angles", SOME)
def test_a_pose_and_the_mesh_that_it_makes_have_the_same_angles(angles):
    pose = np.eye(4)
    turn = VIEWER_FROM_IMAGE @ rotation_from_angles(angles) @ VIEWER_FROM_IMAGE
    pose[:3, :3] = turn @ CAMERA_FROM_FACING_HEAD
    mesh = REFERENCE @ turn.T
    np.testing.assert_allclose(rotation_of_pose(pose), rotation_from_angles(angles), atol=1e-12)
    np.testing.assert_allclose(rotation_of_mesh(mesh, REFERENCE), rotation_from_angles(angles), atol=1e-9)


def test_errors_with_and_without_the_bias():
    truth = [Angles(0, 0, 0)] * 3
    errors = angle_errors([Angles(1, 5, -2), Angles(2, 5, 0), Angles(6, 5, 2)], truth)
    assert (errors["yaw"].mae, errors["yaw"].bias, errors["yaw"].mae_unbiased) == (3.0, 2.0, pytest.approx(5 / 3))
    assert (errors["pitch"].mae, errors["pitch"].bias, errors["pitch"].mae_unbiased) == (5.0, 5.0, 0.0)
    assert (errors["roll"].mae, errors["roll"].bias) == (pytest.approx(4 / 3), 0.0)
    assert angle_errors([], []) == {}


def test_errors_go_the_short_way_round():
    errors = angle_errors([Angles(0, 0, 179)], [Angles(0, 0, -179)])
    assert errors["roll"].mae == pytest.approx(2.0)
