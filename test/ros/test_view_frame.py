"""The frame in which viewers show faces upright."""

from unittest import mock

import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import LATCHED, image_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from facemesh_ros.ros.view_frame import ViewFrame

pytestmark = pytest.mark.ros

VIEW_OF_OPTICAL = {"forward": ((0, 0, 1), (1, 0, 0)), "right": ((1, 0, 0), (0, -1, 0)), "down": ((0, 1, 0), (0, 0, -1))}


@pytest.mark.parametrize("way", VIEW_OF_OPTICAL)
def test_a_viewer_that_comes_late_sees_upright_what_the_camera_sees(rig, way):
    rig.node({"tf.view_frame": "view"})
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    images.publish(image_message(1.0, frame_id="any_camera"))
    rig.until(lambda: arrays, "faces")
    seen = rig.collect(TFMessage, "/tf_static", LATCHED)
    rig.until(lambda: seen, "the frame")
    (transform,) = seen[0].transforms
    assert (transform.header.frame_id, transform.child_frame_id) == ("any_camera", "view")
    turn, place = transform.transform.rotation, transform.transform.translation
    assert (place.x, place.y, place.z) == (0.0, 0.0, 0.0)
    in_optical, in_view = VIEW_OF_OPTICAL[way]
    camera_from_view = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w])
    assert camera_from_view.inv().apply(in_optical) == pytest.approx(in_view)


def test_it_is_said_once_for_each_frame_that_images_come_in(rig):
    frame = ViewFrame(rig.tester)
    frame.open("view")
    frame._publisher = mock.Mock()
    for parent in ("left", "left", "", "view", "right", "left"):
        frame.publish(Header(frame_id=parent))
    sent = [call.args[0].transforms[0].header.frame_id for call in frame._publisher.publish.call_args_list]
    assert sent == ["left", "right", "left"]


def test_without_a_name_nothing_is_published(rig):
    node = rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    assert "/tf_static" not in {publisher.topic_name for publisher in node.publishers}
