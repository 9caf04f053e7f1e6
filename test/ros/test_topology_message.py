"""The connectivity of the mesh as a message."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from facemesh_ros.config import MeshConfig
from facemesh_ros.ros.topology import POINT_COUNTS, topology_message
from facemesh_ros.topology import face_topology

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("points", [468, 478])
def test_the_message_holds_the_librarys_topology(points):
    topology = face_topology(points)
    message = topology_message(topology)
    assert message.num_points == points
    np.testing.assert_array_equal(np.reshape(message.triangles, (-1, 3)), topology.triangles)
    for name in ("tesselation", "contours", "irises"):
        np.testing.assert_array_equal(np.reshape(getattr(message, name), (-1, 2)), getattr(topology, name))
    assert {group.name: list(group.points) for group in message.groups} == {
        name: indices.tolist() for name, indices in topology.groups.items()
    }


def test_every_network_has_a_topology():
    network = next(tunable for tunable in MeshConfig.tunables() if tunable.name == "network")
    assert set(POINT_COUNTS) == set(network.choices)
