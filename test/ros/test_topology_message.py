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


@pytest.mark.parametrize("points", [468, 478])
def test_every_part_outline_and_single_point_has_its_name_once(points):
    topology = face_topology(points)
    message = topology_message(topology)
    named = {group.name: list(group.points) for group in message.groups}
    assert len(named) == len(message.groups)
    assert set(named) == {*topology.groups, *topology.loops, *topology.paths, *topology.points}
    for name, indices in topology.groups.items():
        assert named[name] == indices.tolist()
    for name, index in topology.points.items():
        assert named[name] == [index]


@pytest.mark.parametrize("points", [468, 478])
def test_an_outline_is_sent_in_order_an_iris_after_its_centre(points):
    topology = face_topology(points)
    named = {group.name: list(group.points) for group in topology_message(topology).groups}
    for name, outline in {**topology.loops, **topology.paths}.items():
        assert named[name][-len(outline) :] == outline.tolist()
        assert len(named[name]) - len(outline) == name.endswith("iris")


def test_every_network_has_a_topology():
    network = next(tunable for tunable in MeshConfig.tunables() if tunable.name == "network")
    assert set(POINT_COUNTS) == set(network.choices)
