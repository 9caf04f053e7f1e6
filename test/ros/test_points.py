"""The point cloud of all faces."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rclpy.serialization import deserialize_message, serialize_message
from rig import a_face, image_message
from sensor_msgs.msg import PointCloud2, PointField

from facemesh_ros.ros.points import cloud_message

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("_message_support")]

TYPES = {PointField.FLOAT32: "<f4", PointField.UINT32: "<u4", PointField.UINT16: "<u2"}


def metric(track_id, count=478):
    points = np.random.default_rng(track_id).normal(size=(count, 3)).astype(np.float32)
    return replace(a_face(count), track_id=track_id, points_m=points)


def cloud_of(*faces):
    message = cloud_message(faces, image_message(2.5).header)
    return deserialize_message(serialize_message(message), PointCloud2)


def read(cloud):
    """Return the (height, width) points as any reader sees them, by nothing but the message's own description."""
    described = {
        "names": [field.name for field in cloud.fields],
        "formats": [
            (TYPES[field.datatype], field.count) if field.count > 1 else TYPES[field.datatype] for field in cloud.fields
        ],
        "offsets": [field.offset for field in cloud.fields],
        "itemsize": cloud.point_step,
    }
    rows = np.frombuffer(bytes(cloud.data), np.uint8).reshape(cloud.height, cloud.row_step)
    return rows[:, : cloud.width * cloud.point_step].copy().view(np.dtype(described))


@pytest.mark.parametrize("faces", [(), (a_face(),)], ids=["no face", "a face without metric points"])
def test_a_cloud_of_nothing_is_empty(faces):
    cloud = cloud_of(*faces)
    assert (cloud.height, cloud.width, cloud.row_step, len(cloud.data)) == (1, 0, 0, 0)


@pytest.mark.parametrize("count", [468, 478])
def test_every_face_is_a_row_and_every_point_of_the_mesh_a_column(count):
    faces = (metric(3, count), a_face(count), metric(70_000, count))
    cloud = cloud_of(*faces)
    assert (cloud.height, cloud.width, len(cloud.data)) == (2, count, cloud.height * cloud.row_step)
    assert (cloud.header, cloud.is_dense, cloud.is_bigendian) == (image_message(2.5).header, True, False)
    points = read(cloud)
    xyz = np.stack([points["x"], points["y"], points["z"]], axis=-1)
    np.testing.assert_array_equal(xyz, [faces[0].points_m, faces[2].points_m])
    np.testing.assert_array_equal(points["face"], np.repeat([[3], [70_000]], count, axis=1))
    np.testing.assert_array_equal(points["landmark"], [range(count)] * 2)
