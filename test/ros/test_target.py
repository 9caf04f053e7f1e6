"""The target of attention, from real /tf and /tf_static to the focus of a gaze."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from geometry_msgs.msg import TransformStamped
from rig import LATCHED, RELIABLE, a_face, image_message, placed
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from facemesh_ros.errors import ConfigError
from facemesh_ros.ros.target import Target
from facemesh_ros.ros.transforms import frames_of
from facemesh_ros.target import TargetPlace
from facemesh_ros.types import Gaze

pytestmark = pytest.mark.ros

FRONTAL = Rotation.from_matrix([[0, 1, 0], [0, 0, -1], [-1, 0, 0]])
AT_M = np.array([0.0, 0.0, 1.0])
LOOKING = Gaze((0.6, 0.0, -0.8), (0.8, 0.6, 0.0), "iris", origin_m=AT_M, angle_rad=0.0, is_looking=True)


def in_camera(child, x_m, seconds=1.0):
    """Return the transform of a frame so far to the right of the camera."""
    message = TransformStamped(child_frame_id=child)
    message.header = image_message(seconds).header
    message.transform.translation.x = x_m
    return message


def tf_of(*transforms):
    return TFMessage(transforms=list(transforms))


@pytest.fixture
def watching(rig):
    """A node that looks for a screen, with a face that looks aside; its images, its TF, and where /tf goes in."""
    node = rig.node({"attention.target_frame": "screen", "input.reliability": "reliable"})
    rig.mesher.faces = (replace(placed(a_face(), AT_M, FRONTAL), gaze=LOOKING),)
    return node, rig.publisher(Image, "/image", RELIABLE), rig.collect(TFMessage, "/tf")


def children(messages):
    """Return the transforms of messages, by the names of their frames."""
    return {one.child_frame_id: one for message in messages for one in message.transforms}


def focus_m(messages):
    """Return where the focus is in the camera's frame, along the chain of transforms, (3,) m."""
    camera_from_focus = np.eye(4)
    by_child = children(messages)
    for child in ("face_1", "gaze_1", "focus_1"):
        place, turn = by_child[child].transform.translation, by_child[child].transform.rotation
        parent_from_child = np.eye(4)
        parent_from_child[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
        parent_from_child[:3, 3] = place.x, place.y, place.z
        camera_from_focus = camera_from_focus @ parent_from_child
    return camera_from_focus[:3, 3]


def test_a_target_that_was_fixed_before_the_node_came_is_known_to_it(rig):
    rig.publisher(TFMessage, "/tf_static", LATCHED, connected=False).publish(tf_of(in_camera("screen", 0.5)))
    node = rig.node({"attention.target_frame": "screen", "input.reliability": "reliable"})
    rig.until(lambda: node._lanes[0].ready[1].target._tree._fixed, "the transform")
    images, arrays = rig.publisher(Image, "/image", RELIABLE), rig.faces()
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    np.testing.assert_allclose(rig.mesher.targets, [[0.5, 0.0, 0.0]])


def test_a_moving_target_is_where_it_is_at_the_images_time_and_the_focus_lies_beside_it(rig, watching):
    node, images, tf = watching
    moving = rig.publisher(TFMessage, "/tf", RELIABLE)
    moving.publish(tf_of(in_camera("screen", 0.3, seconds=1.0), in_camera("screen", 0.5, seconds=1.1)))
    tree = node._lanes[0].ready[1].target._tree
    rig.until(lambda: "screen" in tree._moving and len(tree._moving["screen"]._links) == 2, "the transforms")
    images.publish(image_message(1.05))
    rig.until(lambda: "focus_1" in children(tf), "TF of the face")
    target_m = np.array([0.4, 0.0, 0.0])
    np.testing.assert_allclose(rig.mesher.targets, [target_m])
    along = LOOKING.direction @ (target_m - AT_M)
    np.testing.assert_allclose(focus_m(tf), AT_M + along * LOOKING.direction, atol=1e-9)


def test_while_the_target_frame_is_not_known_attention_is_not_told(rig, capfd):
    rig.node({"attention.target_frame": "screen"})
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    assert rig.mesher.targets == [TargetPlace.UNKNOWN]
    assert "attention.target_frame 'screen'" in capfd.readouterr().err


def test_a_transform_that_is_none_stops_no_image(rig, capfd):
    node = rig.node({"attention.target_frame": "screen"})
    arrays, images, moving = rig.faces(), rig.publisher(Image, "/image"), rig.publisher(TFMessage, "/tf", RELIABLE)
    moving.publish(tf_of(in_camera("screen", float("nan")), in_camera("lamp", 1.0)))
    rig.until(lambda: node._lanes[0].ready[1].target._tree._moving, "the transforms")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    assert rig.mesher.targets == [TargetPlace.UNKNOWN]
    assert "a transform of 'screen' in 'camera_optical' that is none" in capfd.readouterr().err


def test_the_nodes_own_frames_do_not_come_in_again(rig, watching):
    node, images, tf = watching
    images.publish(image_message(1.0))
    rig.until(lambda: tf, "TF of the face")
    rig.publisher(TFMessage, "/tf", RELIABLE).publish(tf_of(in_camera("screen", 0.3)))
    tree = node._lanes[0].ready[1].target._tree
    rig.until(lambda: tree._moving, "a transform")
    assert tree._moving.keys() == {"screen"}


@pytest.mark.parametrize("stop", ["deactivate", "disable"])
def test_who_does_not_look_at_images_does_not_listen_to_tf(rig, stop):
    from std_srvs.srv import SetBool

    node = rig.node({"attention.target_frame": "screen"})
    topics = ("/tf", "/tf_static")
    rig.until(lambda: all(map(rig.tester.count_subscribers, topics)), "the node to listen")
    if stop == "deactivate":
        node.trigger_deactivate()
    else:
        rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=False))
    assert [one.topic_name for one in node.subscriptions if one.topic_name in topics] == []
    rig.until(lambda: not any(map(rig.tester.count_subscribers, topics)), "the subscriptions to go")


def test_without_a_frame_the_target_is_the_camera():
    assert Target("", print, frames_of("")).place_m(image_message(1.0).header) is None


def test_a_frame_of_which_nothing_is_heard_is_unknown_and_said_now_and_then():
    said = []
    target = Target("screen", said.append, frames_of(""))
    for seconds in (1.0, 2.0):
        assert target.place_m(image_message(seconds).header) is TargetPlace.UNKNOWN
    (warning,) = said
    assert "'screen' is in 'camera_optical'" in warning


def test_a_frame_that_the_node_publishes_itself_is_refused(rig, capfd):
    with pytest.raises(ConfigError, match="name another frame"):
        Target("gaze_left_7", print, frames_of("left_"))
    Target("gaze_7", print, frames_of("left_"))
    node = rig.node({"attention.target_frame": "face_f1"}, start=False)
    assert not node.start()
    assert "attention.target_frame is 'face_f1'" in capfd.readouterr().err
