"""The connectivity of the mesh as a message."""

from __future__ import annotations

from array import array

from facemesh_ros.msg import FacePointGroup, FaceTopology
from facemesh_ros.topology import ALL_POINTS, SURFACE_POINTS, Indices, Topology

POINT_COUNTS = {"mesh": SURFACE_POINTS, "attention": ALL_POINTS, "landmarker": ALL_POINTS}
"""``mesh.network`` → points of its meshes."""


def topology_message(topology: Topology) -> FaceTopology:
    """Make the message that lets any subscriber draw the mesh."""
    return FaceTopology(
        num_points=topology.point_count,
        triangles=_flat(topology.triangles),
        tesselation=_flat(topology.tesselation),
        contours=_flat(topology.contours),
        irises=_flat(topology.irises),
        groups=[FacePointGroup(name=name, points=_flat(points)) for name, points in topology.groups.items()],
    )


def _flat(indices: Indices) -> array[int]:
    return array("H", indices.tobytes())
