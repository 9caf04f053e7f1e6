"""The connectivity of the mesh as a message."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from facemesh_ros.msg import FacePointGroup, FaceTopology
from facemesh_ros.topology import ALL_POINTS, SURFACE_POINTS, Indices, Topology, face_topology

POINT_COUNTS = {"mesh": SURFACE_POINTS, "attention": ALL_POINTS, "landmarker": ALL_POINTS}
"""``mesh.network`` → points of its meshes."""


class TopologyTopic:
    """The topic on which the connectivity is found by whoever comes, in every state of the node."""

    def __init__(self, node: Node) -> None:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._publisher = node.create_publisher(FaceTopology, "~/topology", latched)

    def publish(self, network: str) -> None:
        """Latch the connectivity of the meshes of a landmark network."""
        self._publisher.publish(topology_message(face_topology(POINT_COUNTS[network])))


def topology_message(topology: Topology) -> FaceTopology:
    """Make the message that lets any subscriber draw the mesh."""
    return FaceTopology(
        num_points=topology.point_count,
        triangles=_flat(topology.triangles),
        tesselation=_flat(topology.tesselation),
        contours=_flat(topology.contours),
        irises=_flat(topology.irises),
        groups=[FacePointGroup(name=name, points=_flat(points)) for name, points in named_points(topology).items()],
    )


def named_points(topology: Topology) -> Mapping[str, Indices]:
    """Return all that has a name, each name once: parts of the face, their outlines in order, single points.

    Where a part has an outline of its name, it is the part: a face oval or an eye in order, an iris with its centre
    first.
    """
    points = {name: np.array([index], np.uint16) for name, index in topology.points.items()}
    return {**topology.loops, **topology.paths, **topology.groups, **points}


def _flat(indices: Indices) -> array[int]:
    return array("H", indices.tobytes())
