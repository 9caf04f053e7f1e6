"""Head poses on real topics: image, camera_info and depth in; message and TF out."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import RELIABLE, a_face, depth_message, image_message, info_message, placed, stamp
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from facemesh_ros.ros.convert import info_from_camera
from facemesh_ros.types import Camera

pytestmark = pytest.mark.ros


def info_of(camera, seconds, **fields):
    message = info_from_camera(camera)
    message.header = image_message(seconds).header
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def transforms_of(messages):
    return {one.child_frame_id: one for message in messages for one in message.transforms}


def matrix(place, turn):
    parent_from_child = np.eye(4)
    parent_from_child[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    parent_from_child[:3, 3] = place.x, place.y, place.z
    return parent_from_child


@pytest.fixture
def seen(rig, networks, face_rgb):
    """Return a function that shows the real node one face with a camera_info and a depth; it returns face and TF."""
    from facemesh_ros.pipeline import FaceMesher

    rig.node({"input.reliability": "reliable", "depth.enabled": True, "gaze.enabled": True}, FaceMesher)
    arrays, tf = rig.faces(), rig.collect(TFMessage, "/tf")
    infos = rig.publisher(CameraInfo, "/camera_info")
    depths = rig.publisher(Image, "/depth", RELIABLE)
    images = rig.publisher(Image, "/image", RELIABLE)
    companions = rig.nodes[0]._lanes[0].ready[1]

    def show(seconds, info, depth=None):
        infos.publish(info)
        rig.until(lambda: companions.cameras._messages, "camera_info")
        if depth is not None:
            depths.publish(depth)
            rig.until(lambda: companions.depths._messages, "depth")
        images.publish(image_message(seconds, face_rgb))
        rig.until(lambda: arrays, "faces")
        (face,) = arrays.pop().faces
        if face.pose_valid:
            rig.until(lambda: tf, "TF")
        return face, transforms_of(tf)

    return show


CAMERA = Camera.from_fov((640, 480), np.radians(60.0))


@pytest.mark.models
def test_message_and_tf_agree_and_the_points_lie_where_the_image_shows_them(seen):
    face, tf = seen(3.5, info_of(CAMERA, 3.5))
    head, gaze = tf["face_1"], tf["gaze_1"]
    assert (head.header.stamp, head.header.frame_id) == (stamp(3.5), "camera_optical")
    camera_from_head = matrix(head.transform.translation, head.transform.rotation)
    said = matrix(face.head_pose.pose.position, face.head_pose.pose.orientation)
    np.testing.assert_allclose(camera_from_head, said, atol=1e-6)
    points = np.reshape(face.points, (478, 3)).astype(float)
    projected = points @ CAMERA.matrix.T
    landmarks = np.reshape(face.landmarks, (478, 3))[:, :2]
    assert np.sqrt(np.mean((projected[:, :2] / projected[:, 2:] - landmarks) ** 2)) < 1.0
    assert np.linalg.norm(points[168] - said[:3, 3]) < 0.03  # the sellion
    assert (face.scale_source, face.is_calibrated, face.scale_disagrees) == ("assumed", True, False)
    camera_from_gaze = camera_from_head @ matrix(gaze.transform.translation, gaze.transform.rotation)
    direction = face.gaze_direction
    np.testing.assert_allclose(camera_from_gaze[:3, 2], [direction.x, direction.y, direction.z], atol=1e-6)


@pytest.mark.models
@pytest.mark.parametrize(
    "fields",
    [{"k": [0.0] * 9}, {"k": [-500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]}, {"width": 320, "height": 240}],
    ids=["K of zeros", "a negative focal length", "another size"],
)
def test_without_a_valid_calibration_nothing_is_metric(seen, fields):
    face, tf = seen(1.0, info_of(CAMERA, 1.0, **fields))
    assert (face.pose_valid, len(face.points), tf) == (False, 0, {})
    assert face.gaze_valid


@pytest.mark.models
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_tells_the_size_of_the_head(seen, encoding):
    flat = np.full((480, 640), 0.8, np.float32)
    face, _ = seen(1.0, info_of(CAMERA, 1.0), depth_message(1.0, flat, encoding))
    assert face.scale_source == "depth"
    assert face.head_pose.pose.position.z == pytest.approx(0.8, abs=0.06)


def test_a_face_that_leaves_has_no_transform_any_more(rig):
    rig.node()
    tf, images, arrays = rig.collect(TFMessage, "/tf"), rig.publisher(Image, "/image"), rig.faces()
    rig.mesher.faces = (placed(a_face()), placed(replace(a_face(), track_id=2)))
    images.publish(image_message(1.0))
    rig.until(lambda: tf, "TF")
    rig.mesher.faces = rig.mesher.faces[1:]
    images.publish(image_message(2.0))
    rig.until(lambda: len(tf) == 2, "TF")
    assert [sorted(transforms_of([message])) for message in tf] == [
        ["face_1", "face_2", "gaze_1", "gaze_2"],
        ["face_2", "gaze_2"],
    ]
    rig.mesher.faces = ()
    images.publish(image_message(3.0))
    rig.until(lambda: len(arrays) == 3, "an empty array")
    assert len(tf) == 2


def test_tf_can_be_switched_off_while_running(rig):
    from rclpy.parameter import Parameter

    node = rig.node()
    tf, images, arrays = rig.collect(TFMessage, "/tf"), rig.publisher(Image, "/image"), rig.faces()
    rig.mesher.faces = (placed(a_face()),)
    assert node.set_parameters([Parameter("tf.enabled", value=False)])[0].successful
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    assert node.set_parameters([Parameter("tf.enabled", value=True)])[0].successful
    images.publish(image_message(2.0))
    rig.until(lambda: tf, "TF")
    assert tf[0].transforms[0].header.stamp == stamp(2.0)


def test_bad_depth_is_counted_and_said_and_the_image_goes_through(rig, capfd):
    node = rig.node({"depth.enabled": True, "camera.assume_fov_deg": 60.0})
    arrays, images, depths = rig.faces(), rig.publisher(Image, "/image"), rig.publisher(Image, "/depth")
    depths.publish(depth_message(1.0, np.ones((5, 5), np.float32)))
    rig.until(lambda: node._lanes[0].ready[1].depths._messages, "depth")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    assert (rig.mesher.depths, node._lanes[0].tally.report(1.0).bad_depth) == ([None], 1)
    assert "depth skipped: depth has 5x5 px" in capfd.readouterr().err


def test_nobody_subscribes_to_depth_and_tf_unless_asked(rig):
    node = rig.node()
    assert [node.count_subscribers(topic) for topic in ("/depth", "/tf", "/tf_static")] == [0, 0, 0]


@pytest.mark.parametrize(("parameters", "focal_px"), [({}, 60.0), ({"camera.rectified": True}, 70.0)])
def test_of_rectified_images_p_counts(rig, parameters, focal_px):
    node = rig.node(parameters)
    images, infos = rig.publisher(Image, "/image"), rig.publisher(CameraInfo, "/camera_info")
    info = info_message(1.0)
    info.p = [70.0, 0.0, 30.0, 0.0, 0.0, 70.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    infos.publish(info)
    rig.until(lambda: node._lanes[0].ready[1].cameras._messages, "camera_info")
    images.publish(image_message(1.0))
    rig.until(lambda: rig.mesher.cameras, "an image")
    assert rig.mesher.cameras[0].matrix[0, 0] == focal_px


def test_every_change_of_the_calibration_is_followed(rig):
    node = rig.node()
    images, infos = rig.publisher(Image, "/image"), rig.publisher(CameraInfo, "/camera_info")
    for seconds, focal in ((1.0, 60.0), (2.0, 90.0)):
        info = info_message(seconds)
        info.k[0] = focal
        infos.publish(info)
        rig.until(lambda seconds=seconds: len(node._lanes[0].ready[1].cameras._messages) == seconds, "camera_info")
        images.publish(image_message(seconds))
        rig.until(lambda seconds=seconds: len(rig.mesher.cameras) == seconds, "an image")
    assert [camera.matrix[0, 0] for camera in rig.mesher.cameras] == [60.0, 90.0]
