"""Where one frame is in another."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from geometry_msgs.msg import TransformStamped
from rig import stamp
from tf2_msgs.msg import TFMessage

from facemesh_ros.ros.frame_tree import SILENT_S, FrameTree
from facemesh_ros.ros.links import KEPT
from facemesh_ros.ros.transforms import frames_of

pytestmark = pytest.mark.ros

SECOND_NS = 10**9


def new_tree(**options):
    return FrameTree([].append, **{"is_own": lambda _: False, **options})


def link(parent, child, position_m=(0.0, 0.0, 0.0), turn=None, seconds=1.0):
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id, message.header.stamp = parent, stamp(seconds)
    place, rotation = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = position_m
    turn = Rotation.identity() if turn is None else turn
    rotation.x, rotation.y, rotation.z, rotation.w = turn.as_quat().tolist()
    return message


def tree_of(*links, fixed=()):
    tree = new_tree()
    tree.put(TFMessage(transforms=list(links)))
    tree.put_static(TFMessage(transforms=list(fixed)))
    return tree


def test_a_frame_is_at_its_own_origin_and_an_unknown_one_nowhere():
    tree = new_tree()
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


@pytest.mark.parametrize(
    ("at_s", "wanted"), [(0.5, 1.0), (1.0, 1.0), (2.4, 2.4), (3.0, 3.0), (3.9, 3.9), (4.0, 4.0), (4.9, 4.0)]
)
@pytest.mark.parametrize("is_mixed", [False, True], ids=["in order", "every second one late"])
def test_a_moving_frame_goes_evenly_between_two_transforms_and_stands_before_and_after(is_mixed, at_s, wanted):
    numbers = sorted(range(5, 21), key=lambda n: n + 2 * (n % 2)) if is_mixed else range(5, 21)
    tree = tree_of(*(link("camera", "hand", (0.2 * n, 0.0, 0.0), seconds=0.2 * n) for n in numbers))
    place = tree.position_m("camera", "hand", round(at_s * SECOND_NS))
    assert place[0] == pytest.approx(wanted)


def test_between_two_transforms_a_frame_turns_evenly_the_shorter_way():
    """Even where the second quaternion has the opposite sign: it is the same rotation."""
    turned = link("base", "neck", turn=Rotation.from_euler("z", 60, degrees=True), seconds=1.1)
    for part in "xyzw":
        setattr(turned.transform.rotation, part, -getattr(turned.transform.rotation, part))
    tree = tree_of(link("base", "neck"), turned, fixed=[link("neck", "screen", (1.0, 0.0, 0.0))])
    for share in (0.0, 0.25, 0.5, 1.0):
        angle = np.radians(60 * share)
        at_ns = SECOND_NS + round(share * 1e8)
        np.testing.assert_allclose(
            tree.position_m("base", "screen", at_ns), [np.cos(angle), np.sin(angle), 0.0], atol=1e-6
        )


def test_a_frame_that_changes_its_parent_is_not_between_the_two():
    tree = tree_of(link("left", "cup", (1.0, 0.0, 0.0)), link("right", "cup", (2.0, 0.0, 0.0), seconds=1.1))
    assert tree.position_m("left", "cup", SECOND_NS + 40_000_000)[0] == 1.0
    assert tree.position_m("right", "cup", SECOND_NS + 60_000_000)[0] == 2.0


def test_stamps_that_jump_back_begin_a_new_history():
    old = [link("camera", "hand", (9.0, 0.0, 0.0), seconds=second) for second in (10.0, 10.1)]
    tree = tree_of(*old, link("camera", "hand", (1.0, 0.0, 0.0), seconds=9.05))
    assert tree.position_m("camera", "hand", 10 * SECOND_NS)[0] == 1.0
    tree.put(TFMessage(transforms=old))
    assert tree.position_m("camera", "hand", 10 * SECOND_NS)[0] == 9.0


NAN, INF = float("nan"), float("inf")
UNSOUND = {
    "NaN in the position": {"position_m": (NAN, 0.0, 0.0)},
    "infinity": {"position_m": (0.0, INF, -INF)},
    "NaN in the quaternion": {"xyzw": (NAN, 0.0, 0.0, 1.0)},
    "no quaternion": {"xyzw": (0.0, 0.0, 0.0, 0.0)},
    "nearly none": {"xyzw": (1e-200, 0.0, 0.0, 0.0)},
    "one of length 2": {"xyzw": (0.0, 0.0, 0.0, 2.0)},
    "a frame in itself": {"parent": "screen"},
    "a parent without a name": {"parent": ""},
}


@pytest.mark.parametrize("fault", UNSOUND.values(), ids=UNSOUND)
@pytest.mark.parametrize("topic", ["tf", "tf_static"])
def test_a_transform_that_is_none_is_left_out_and_said_once(fault, topic):
    said = []
    tree = FrameTree(said.append, lambda _: False)
    bad = link(fault.get("parent", "camera"), "screen", fault.get("position_m", (1.0, 0.0, 0.0)))
    for part, value in zip("xyzw", fault.get("xyzw", (0.0, 0.0, 0.0, 1.0)), strict=True):
        setattr(bad.transform.rotation, part, value)
    message = TFMessage(transforms=[bad, link("camera", "lamp", (2.0, 0.0, 0.0))])
    for _ in range(3):
        (tree.put if topic == "tf" else tree.put_static)(message)
    assert tree.position_m("camera", "screen", SECOND_NS) is None
    assert tree.position_m("camera", "lamp", SECOND_NS)[0] == 2.0
    (warning,) = said
    assert f"/{topic} has" in warning and "'screen'" in warning


def test_a_sound_transform_outlives_one_that_is_none():
    good, bad = link("camera", "screen", (1.0, 0.0, 0.0)), link("camera", "screen", (NAN, 0.0, 0.0))
    assert tree_of(good, bad).position_m("camera", "screen", SECOND_NS)[0] == 1.0
    assert tree_of(fixed=[good, bad]).position_m("camera", "screen", SECOND_NS)[0] == 1.0


def test_a_frame_of_which_nothing_is_heard_is_forgotten_when_a_new_one_comes():
    now_s = [0.0]
    tree = new_tree(clock_s=lambda: now_s[0])
    for number in range(100):
        now_s[0] = 0.1 * number
        tree.put(TFMessage(transforms=[link("camera", "hand"), link("camera", f"guest_{number}")]))
    assert len(tree._moving) == 101
    now_s[0] += SILENT_S
    tree.put(TFMessage(transforms=[link("camera", "hand"), link("camera", "last")]))
    assert tree._moving.keys() == {"hand", "guest_99", "last"}


def test_what_the_node_publishes_itself_is_not_taken_over():
    tree = new_tree(is_own=frames_of("left_"))
    own = [link("camera", f"{kind}_left_7") for kind in ("face", "gaze", "focus")]
    others = [link("camera", child) for child in ("face_7", "face_right_7", "face_left_", "left_7")]
    tree.put(TFMessage(transforms=[*own, *others]))
    tree.put_static(TFMessage(transforms=own))
    assert tree._moving.keys() == {one.child_frame_id for one in others}
    assert tree._fixed == {}


def test_of_a_moving_frame_so_many_transforms_are_kept():
    tree = tree_of(*(link("camera", "hand", seconds=1.0 + 0.01 * n) for n in range(KEPT + 50)))
    assert len(tree._moving["hand"]._links) == KEPT
    assert tree._moving["hand"].at(SECOND_NS + 10**9) is not None


def test_a_moving_frame_that_was_not_heard_of_for_long_has_no_place_and_a_fixed_one_keeps_its_own():
    assert tree_of(link("camera", "hand")).position_m("camera", "hand", 10 * SECOND_NS) is None
    assert tree_of(fixed=[link("camera", "hand")]).position_m("camera", "hand", 10 * SECOND_NS) is not None


def test_frames_in_a_circle_end():
    tree = tree_of(link("a", "b"), link("b", "a"))
    assert tree.position_m("a", "c", SECOND_NS) is None
