import dataclasses
import math

import numpy as np
import pytest

from facemesh_ros.checks import frozen_array
from facemesh_ros.errors import InputError
from facemesh_ros.types import CAMERA_MODELS, Camera, Detection, Eyes, Face, Gaze, HeadPose, Mesh, Mouth, Roi

ROI, MESH = Roi((0, 0), 1.0, 0.0), Mesh(np.zeros((468, 3)), 1.0)


def test_a_value_keeps_a_read_only_copy_of_its_arrays():
    points = np.ones((468, 3), np.float32)
    mesh = Mesh(points, 1.0)
    points[:] = 7.0
    assert (mesh.points == 1.0).all()
    with pytest.raises(ValueError, match="read-only"):
        mesh.points[0, 0] = 2.0


def test_values_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Roi((0, 0), 1.0, 0.0).size = 2.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Mesh(np.zeros((468, 2)), 1.0), r"\(468, 2\).*\(N, 3\)"),
        (lambda: Mesh(np.full((468, 3), np.nan), 1.0), "NaN"),
        (lambda: Detection(np.zeros(5), np.zeros((6, 2)), 1.0), r"\(5,\).*\(4\)"),
        (lambda: Detection(np.zeros(4), np.zeros((5, 2)), 1.0), r"\(5, 2\).*\(6, 2\)"),
        (lambda: Roi((0, 0), 0.0, 0.0), "size 0.0 px"),
        (lambda: Roi((0, 0), math.inf, 0.0), "size inf"),
        (lambda: Roi((0, 0), 1.0, math.nan), "angle nan"),
        (lambda: Mesh(np.zeros((5, 3)), 1.0), "5 points.*468 or 478"),
        (lambda: Mesh(np.zeros((468, 3)), math.nan), "presence is nan.*0 to 1"),
        (lambda: Mesh(np.zeros((468, 3)), 1.1), "presence is 1.1"),
        (lambda: Detection(np.zeros(4), np.zeros((6, 2)), -0.1), "score is -0.1"),
        (lambda: Camera.from_matrix(np.eye(3), None, (0, 480)), "positive pixels"),
        (lambda: Face(0, ROI, MESH, MESH), "track_id is 0"),
        (lambda: Face(1, ROI, MESH, MESH, points_m=np.zeros((468, 2))), r"points_m.*\(468, 2\)"),
        (lambda: HeadPose(np.eye(3), 0.0, np.eye(6)), r"\(3, 3\).*\(4, 4\)"),
        (lambda: HeadPose(np.eye(4), 0.0, np.eye(6), "guess"), "'guess'.*assumed, iris, depth"),
        (lambda: Eyes(math.nan, 0.1, False, False), "Eyes.right_openness is nan; it must be finite"),
        (lambda: Eyes(0.1, math.inf, False, False), "Eyes.left_openness is inf"),
        (lambda: Eyes(0.1, 0.1, False, False, blink_duration_s=math.nan), "Eyes.blink_duration_s is nan"),
        (lambda: Mouth(math.nan), "Mouth.openness is nan"),
        (lambda: frozen_array([1.0, np.inf], (None,), float, "x"), "infinity"),
    ],
)
def test_a_bad_value_is_refused_with_what_was_got_and_what_is_allowed(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_the_centre_of_a_camera_from_its_field_of_view_is_the_middle_of_the_image():
    camera = Camera.from_fov((640, 480), math.pi / 2)
    assert camera.matrix[0, 2] == 319.5
    assert camera.matrix[1, 2] == 239.5
    assert camera.matrix[0, 0] == pytest.approx(320.0)


def test_the_field_of_view_is_that_between_the_outer_edges():
    camera = Camera.from_fov((100, 50), 1.2)
    left = math.atan((camera.matrix[0, 2] + 0.5) / camera.matrix[0, 0])
    assert 2 * left == pytest.approx(1.2)


@pytest.mark.parametrize("model", CAMERA_MODELS)
def test_every_model_takes_the_numbers_of_coefficients_that_it_names(model):
    for count in CAMERA_MODELS[model]:
        assert len(Camera.from_matrix(np.eye(3), np.zeros(count), (2, 2), model).distortion) == count
    with pytest.raises(InputError, match="3"):
        Camera.from_matrix(np.eye(3), np.zeros(3), (2, 2), model)


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (np.zeros((3, 3)), "focal"),
        (np.diag([-1.0, 1.0, 1.0]), "focal"),
        (np.eye(4), "shape"),
        (2 * np.eye(3), "0, 0, 1"),
        ([[1, 0, 0], [7, 1, 0], [0, 0, 1]], "cx"),
        (np.diag([1e200, 1.0, 1.0]), "1e.200.*over 1e.09"),
        ([[500, 0, -1e30], [0, 500, 0], [0, 0, 1]], "over 1e.09"),
        (np.diag([1e-30, 1.0, 1.0]), "1e-30.*from 1e-06 px on"),
    ],
)
def test_a_camera_without_calibration_is_refused(matrix, said):
    with pytest.raises(InputError, match=said):
        Camera.from_matrix(matrix, None, (640, 480))


@pytest.mark.parametrize(("model", "count"), [("plumb_bob", 5), ("rational_polynomial", 14), ("equidistant", 4)])
def test_coefficients_that_no_lens_has_are_refused(model, count):
    for value in (2e9, -1e300):
        with pytest.raises(InputError, match="no number in it may be over 1e.09.*calibrate"):
            Camera.from_matrix(np.eye(3), [0.0] * (count - 1) + [value], (640, 480), model)


def test_degrees_for_radians_are_refused():
    with pytest.raises(InputError, match="degrees"):
        Camera.from_fov((640, 480), 60.0)


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(InputError, match="'pinhole'.*plumb_bob"):
        Camera.from_matrix(np.eye(3), None, (640, 480), "pinhole")


def test_a_gaze_keeps_read_only_vectors_and_says_what_it_comes_from():
    gaze = Gaze([0, 0, -1], [1, 0, 0], "iris", right_direction=[0, 0, -1])
    for vector in (gaze.direction, gaze.head_direction, gaze.right_direction):
        assert vector.dtype == np.float64 and not vector.flags.writeable
    assert gaze.left_direction is None and gaze.origin_m is None and gaze.angle_rad is None
    with pytest.raises(InputError, match=r"Gaze.source is 'nose'.*iris, head"):
        Gaze([0, 0, -1], [1, 0, 0], "nose")
    with pytest.raises(InputError, match=r"Gaze.origin_m has shape \(2,\)"):
        Gaze([0, 0, -1], [1, 0, 0], "head", origin_m=[0, 0])
