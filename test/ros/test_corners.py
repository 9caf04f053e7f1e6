"""Points of a mesh, put one after another: every bit as numpy's own indices put them."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")

from facemesh_ros.ros.corners import corners, gathering
from facemesh_ros.topology import face_topology

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("count", [468, 478])
@pytest.mark.parametrize("of", ["triangles", "tesselation", "contours"])
def test_what_is_gathered_is_the_points_of_the_topology_bit_for_bit_and_nothing_beside(of, count):
    random = np.random.default_rng(count)
    memory = np.full(3 * len(corners(of, count)) + 2, 7.0)
    gather = gathering(of, count, memory[1:-1])
    for _ in range(2):
        points = random.normal(size=(1, count, 3))
        points[0, :3] = [[np.nan, -np.nan, -0.0], [np.inf, -np.inf, 5e-324], [1e308, -1e308, 0.1]]
        gather(points)
        expected = points[0][getattr(face_topology(count), of).ravel()]
        np.testing.assert_array_equal(memory[1:-1].view(np.uint64), expected.ravel().view(np.uint64))
    assert (memory[0], memory[-1]) == (7.0, 7.0)
