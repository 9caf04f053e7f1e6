"""The metric points of all faces as a point cloud."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from facemesh_ros.types import Face

POINT = np.dtype([("xyz", "<f4", 3), ("face", "<u4"), ("landmark", "<u2"), ("unused", "<u2")])
"""One point: place, m in the header's frame; id of the face; number of the point in its mesh."""
FIELDS = (
    ("x", 0, PointField.FLOAT32),
    ("y", 4, PointField.FLOAT32),
    ("z", 8, PointField.FLOAT32),
    ("face", 12, PointField.UINT32),
    ("landmark", 16, PointField.UINT16),
)
"""Name, offset in bytes, and type."""


def cloud_message(faces: Iterable[Face], header: Header) -> PointCloud2:
    """Return the cloud of an image: a row for each face that has metric points, a column for each point of the mesh.

    Without such a face it has one row of no points.
    """
    meshes = [(face.track_id, face.points_m) for face in faces if face.points_m is not None]
    cloud = np.zeros((len(meshes), len(meshes[0][1])) if meshes else (1, 0), POINT)
    cloud["landmark"] = np.arange(cloud.shape[1])
    for row, (track_id, points) in zip(cloud, meshes, strict=bool(meshes)):
        row["xyz"], row["face"] = points, track_id
    return PointCloud2(
        header=header,
        height=cloud.shape[0],
        width=cloud.shape[1],
        fields=[PointField(name=name, offset=offset, datatype=kind, count=1) for name, offset, kind in FIELDS],
        point_step=POINT.itemsize,
        row_step=POINT.itemsize * cloud.shape[1],
        data=array("B", cloud.tobytes()),
        is_dense=True,
    )
