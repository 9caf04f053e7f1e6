"""What goes out beside the faces."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import image_message

from facemesh_ros.ros.convert import bgr8_message, image_rgb

pytestmark = pytest.mark.ros


def test_a_picture_survives_the_message():
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    message = bgr8_message(picture, image_message(1.0).header)
    assert (message.encoding, message.width, message.height, message.step) == ("bgr8", 6, 4, 18)
    np.testing.assert_array_equal(image_rgb(message), picture)
