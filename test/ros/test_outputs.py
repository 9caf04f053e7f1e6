"""What goes out beside the faces."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import image_message
from sensor_msgs.msg import Image

from facemesh_ros.ros.convert import array_message, bgr8_message, image_rgb, stamp_seconds

pytestmark = pytest.mark.ros


def test_a_picture_survives_the_message():
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    message = bgr8_message(picture, image_message(1.0).header)
    assert (message.encoding, message.width, message.height, message.step) == ("bgr8", 6, 4, 18)
    np.testing.assert_array_equal(image_rgb(message), picture)


class Recorder:
    """A publisher that writes down what is asked of it."""

    def __init__(self):
        self.calls = []

    def publish(self, message):
        self.calls.append(message)

    def wait_for_all_acked(self, timeout):
        self.calls.append("wait")


def test_nothing_is_taken_back_where_nothing_was_said(rig):
    node = rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    node.trigger_deactivate()
    node.trigger_activate()
    rig.until(images.get_subscription_count, "the node to subscribe")
    images.publish(image_message(5.0))
    rig.until(lambda: arrays, "faces")
    assert [stamp_seconds(array.header) for array in arrays] == [5.0]


def test_faces_are_taken_back_once(rig):
    outputs, recorder = rig.node()._lanes[0].outputs, Recorder()
    outputs._faces = recorder
    outputs._last = array_message((), image_message(5.0).header, (64, 48), {}, 0)
    outputs.publish_none(dropped=3)
    outputs.publish_none(dropped=3)
    array, wait = recorder.calls
    assert (stamp_seconds(array.header), array.image_width, array.faces, array.dropped) == (5.0, 64, [], 3)
    assert wait == "wait"  # a publisher that is destroyed first cannot send again what was lost
