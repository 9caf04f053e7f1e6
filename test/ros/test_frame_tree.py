"""Where one frame is in another."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from geometry_msgs.msg import TransformStamped
from rig import stamp
from tf2_msgs.msg import TFMessage

from facemesh_ros.ros.frame_tree import FrameTree

pytestmark = pytest.mark.ros

SECOND_NS = 10**9


def link(parent, child, position_m=(0.0, 0.0, 0.0), turn=None, seconds=1.0):
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id, message.header.stamp = parent, stamp(seconds)
    place, rotation = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = position_m
    turn = Rotation.identity() if turn is None else turn
    rotation.x, rotation.y, rotation.z, rotation.w = turn.as_quat().tolist()
    return message


def tree_of(*links, fixed=()):
    tree = FrameTree()
    tree.put(TFMessage(transforms=list(links)))
    tree.put_static(TFMessage(transforms=list(fixed)))
    return tree


def test_a_frame_is_at_its_own_origin_and_an_unknown_one_nowhere():
    tree = FrameTree()
    np.testing.assert_array_equal(tree.position_m("camera", "camera", 0), [0.0, 0.0, 0.0])
    assert tree.position_m("camera", "screen", 0) is None


@pytest.mark.parametrize("seed", range(3))
def test_transforms_are_composed_up_and_down_the_tree(seed):
    random = np.random.default_rng(seed)
    turns = Rotation.random(3, random_state=seed)
    places = random.normal(size=(3, 3))
    tree = tree_of(
        link("base", "neck", places[0], turns[0]),
        link("neck", "camera", places[1], turns[1]),
        fixed=[link("base", "screen", places[2], turns[2])],
    )
    base_from_camera = turns[0] * turns[1], turns[0].apply(places[1]) + places[0]
    wanted = base_from_camera[0].inv().apply(places[2] - base_from_camera[1])
    np.testing.assert_allclose(tree.position_m("camera", "screen", SECOND_NS), wanted, atol=1e-12)
    np.testing.assert_allclose(
        tree.position_m("camera", "base", SECOND_NS), base_from_camera[0].inv().apply(-base_from_camera[1]), atol=1e-12
    )
    np.testing.assert_allclose(tree.position_m("base", "screen", SECOND_NS), places[2], atol=1e-12)


def test_frames_of_two_trees_have_no_place_in_each_other():
    tree = tree_of(link("base", "camera"), link("map", "screen"))
    assert tree.position_m("camera", "screen", SECOND_NS) is None


def test_of_a_moving_frame_the_transform_nearest_to_the_images_time_counts():
    tree = tree_of(*(link("camera", "hand", (float(n), 0.0, 0.0), seconds=n) for n in range(1, 5)))
    assert tree.position_m("camera", "hand", 2_400_000_000)[0] == 2.0


def test_a_moving_frame_that_was_not_heard_of_for_long_has_no_place_and_a_fixed_one_keeps_its_own():
    assert tree_of(link("camera", "hand")).position_m("camera", "hand", 10 * SECOND_NS) is None
    assert tree_of(fixed=[link("camera", "hand")]).position_m("camera", "hand", 10 * SECOND_NS) is not None


def test_frames_in_a_circle_end():
    tree = tree_of(link("a", "b"), link("b", "a"))
    assert tree.position_m("a", "c", SECOND_NS) is None
