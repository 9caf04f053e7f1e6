"""Two cameras, each with a node of its own, on one machine: what they share, they share in peace."""

from dataclasses import replace

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import RELIABLE, a_face, image_message, placed
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from facemesh_ros.types import Gaze

pytestmark = pytest.mark.ros

SIDES = ("left", "right")
LOOKING = Gaze((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), "iris", origin_m=(0.0, 0.0, 1.0), angle_rad=0.0, is_looking=True)


def test_the_frames_of_two_nodes_have_names_of_their_own(rig):
    images = {}
    for side in SIDES:
        rules = (f"__ns:=/{side}", f"image:=/{side}/image")
        rig.node({"id_prefix": f"{side}_", "input.reliability": "reliable"}, remap=rules)
        rig.mesher.faces = (replace(placed(a_face()), gaze=LOOKING),)
        images[side] = rig.publisher(Image, f"/{side}/image", RELIABLE)
    tf = rig.collect(TFMessage, "/tf")
    rig.until(lambda: rig.tester.count_publishers("/tf") == 2, "both nodes")
    rig.until(lambda: all(node._lanes[0].outputs.tf.get_subscription_count() for node in rig.nodes), "a reader of TF")
    for side in SIDES:
        images[side].publish(image_message(1.0, frame_id=f"{side}_optical"))
    rig.until(lambda: len(tf) == 2, "TF of both")
    parents = {one.child_frame_id: one.header.frame_id for message in tf for one in message.transforms}
    assert parents == {
        f"{kind}_{side}_1": f"{parent}{side}{suffix}"
        for side in SIDES
        for kind, parent, suffix in (("face", "", "_optical"), ("gaze", "face_", "_1"), ("focus", "gaze_", "_1"))
    }
