"""Rotations as messages have them."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facemesh_ros.ros.quaternion import quaternion_xyzw


@pytest.mark.parametrize("degrees", [0.0, 1e-7, 90.0, 179.999999, 180.0, 270.0])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 2, -3), (-1, -1, 1)])
def test_it_is_the_rotation_of_the_matrix(axis, degrees):
    wanted = Rotation.from_rotvec(np.radians(degrees) * np.array(axis) / np.linalg.norm(axis))
    got = quaternion_xyzw(wanted.as_matrix())
    assert np.linalg.norm(got) == pytest.approx(1.0, abs=1e-15)
    assert max(got, key=abs) > 0.0
    np.testing.assert_allclose(Rotation.from_quat(got).as_matrix(), wanted.as_matrix(), atol=1e-14)
