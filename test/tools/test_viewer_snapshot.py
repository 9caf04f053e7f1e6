"""What the page is told of a face."""

import numpy as np
import pytest
from viewer_fakes import CENTRE_XY, FOCAL_PX, a_face, metric

from facemesh_ros.tools.viewer.snapshot import face_numbers, fitted_projection


def projected(point_m):
    return FOCAL_PX * np.asarray(point_m[:2]) / point_m[2] + CENTRE_XY


@pytest.mark.parametrize("points", [468, 478])
@pytest.mark.parametrize("distance_m", [0.3, 3.0])
def test_a_camera_without_distortion_is_found_from_a_mesh_known_in_px_and_m(points, distance_m):
    face = metric(a_face(1, points), distance_m)
    found = fitted_projection(face.smoothed.points, face.points_m)
    assert np.allclose(found, [[FOCAL_PX, 0, CENTRE_XY[0]], [0, FOCAL_PX, CENTRE_XY[1]]], atol=0.05)


def test_the_axes_and_the_gaze_begin_at_the_head_and_point_where_they_should():
    numbers = face_numbers(metric(a_face()))
    origin, out, left, up = np.array(numbers["axes_px"])
    assert np.allclose(origin, projected([0.01, 0.02, 0.6]), atol=0.1)
    assert left[0] > origin[0] + 50 and abs(left[1] - origin[1]) < 1  # the person's left is the image's right
    assert up[1] < origin[1] - 50 and abs(up[0] - origin[0]) < 1
    assert np.linalg.norm(out - origin) < 10  # towards the camera
    assert np.allclose(numbers["gaze_px"][0], origin, atol=0.1)


def test_a_face_that_looks_into_the_camera_is_turned_by_nothing():
    numbers = face_numbers(metric(a_face()))
    assert [numbers["pose"][name] for name in ("yaw", "pitch", "roll")] == pytest.approx([0, 0, 0], abs=0.01)
    assert numbers["pose"]["distance_m"] == pytest.approx(np.linalg.norm([0.01, 0.02, 0.6]), abs=1e-4)
    assert (numbers["gaze"]["right_deg"], numbers["gaze"]["up_deg"]) == (0.0, 0.0)
    assert (numbers["eyes"], numbers["closed"]) == ([0.3, 0.1], [False, True])


def test_a_face_without_a_camera_has_no_axes_and_says_so():
    numbers = face_numbers(a_face())
    assert [numbers[name] for name in ("pose", "gaze", "eyes", "axes_px", "gaze_px")] == [None] * 5
    assert not numbers["metric"]


def test_points_behind_the_camera_give_no_projection():
    face = metric(a_face())
    assert fitted_projection(face.smoothed.points, face.points_m * np.float32([1, 1, -1])) is None
