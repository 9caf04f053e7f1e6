"""The bridge to ROS4HRI, with stand-ins for hri_msgs, which has no wheel, and for the publishers."""

import sys
from dataclasses import dataclass, field, make_dataclass, replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import a_face, image_message, is_idle, stamp
from std_msgs.msg import String

from facemesh_ros import rep155
from facemesh_ros.ros import ros4hri
from facemesh_ros.ros.crowd import Crowd
from facemesh_ros.ros.gate import Gate, GateClosedError
from facemesh_ros.ros.ros4hri import FACES, Ros4HriBridge
from facemesh_ros.types import Gaze

pytestmark = pytest.mark.ros

PICTURE = np.full((48, 64, 3), 90, np.uint8)
FIELDS = {
    "IdsList": "header ids",
    "Gaze": "header sender receiver",
    "NormalizedPointOfInterest2D": "x y c",
    "NormalizedRegionOfInterest2D": "header xmin ymin xmax ymax c",
    "FacialLandmarks": "header landmarks height width",
}


@pytest.fixture
def hri_msgs(monkeypatch):
    """The messages' names and fields as REP 155 has them."""
    package, messages = ModuleType("hri_msgs"), ModuleType("hri_msgs.msg")
    for name, fields in FIELDS.items():
        setattr(messages, name, make_dataclass(name, fields.split()))
    package.msg = messages
    monkeypatch.setitem(sys.modules, "hri_msgs", package)
    monkeypatch.setitem(sys.modules, "hri_msgs.msg", messages)


@dataclass
class Publisher:
    topic: str
    readers: int
    sent: list[Any] = field(default_factory=list)
    waits: list[tuple[int, float]] = field(default_factory=list)
    """After how many messages, and how long, s."""
    is_there: bool = True

    def publish(self, message):
        assert self.is_there
        self.sent.append(message)

    def get_subscription_count(self):
        assert self.is_there
        return self.readers

    def wait_for_all_acked(self, timeout):
        assert self.is_there
        self.waits.append((len(self.sent), 1e-9 * timeout.nanoseconds))


class Node:
    """Keeps the publishers that there are, and those that there were."""

    def __init__(self, readers=1):
        self.readers, self.present, self.past = readers, {}, {}

    def create_publisher(self, _message_type, topic, _qos, **_events):
        assert topic not in self.present
        self.present[topic] = Publisher(topic, self.readers)
        return self.present[topic]

    def destroy_publisher(self, publisher):
        publisher.is_there = False
        self.past[publisher.topic] = self.present.pop(publisher.topic)


def header(seconds=1.0):
    return image_message(seconds).header


def opened(node, said=None, robot_is_target=True):
    bridge = Ros4HriBridge(node, [].append if said is None else said.append, Crowd())
    bridge.open(True, robot_is_target)
    return bridge


def faces(*ids):
    """Faces with a mesh of some extent."""
    return tuple(replace(a_face(), track_id=track_id, smoothed=_mesh()) for track_id in ids)


def _mesh():
    points = np.random.default_rng(0).uniform(5.0, 40.0, (468, 3)).astype(np.float32)
    return replace(a_face().mesh, points=points)


def ids(node):
    tracked = (node.past | node.present)["/humans/faces/tracked"]
    return [message.ids for message in tracked.sent]


def test_readers_are_waited_for_after_the_last_word_and_before_its_publisher_goes(hri_msgs):
    node = Node()
    bridge = opened(node)
    bridge.publish(faces(1), header(), PICTURE, Gate())
    bridge.close(timeout_s=0.25)
    assert ids(node) == [["f1"], []]
    assert node.past[f"{FACES}/tracked"].waits == [(2, 0.25)]


def test_without_hri_msgs_it_says_so_and_publishes_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "hri_msgs", None)
    node, said = Node(), []
    bridge = opened(node, said)
    bridge.publish(faces(1), header(), PICTURE, Gate())
    bridge.close(timeout_s=0.0)
    assert (node.present, node.past, bridge.is_open, len(said)) == ({}, {}, False, 1)
    assert "hri-msgs" in said[0]


@pytest.mark.parametrize("work", ["region", "landmarks", "cropped", "aligned"])
def test_what_is_still_being_made_when_the_stream_ends_goes_nowhere(hri_msgs, monkeypatch, work):
    node, gate, real = Node(), Gate(), getattr(rep155, work)
    bridge = opened(node)

    def outlives(*arguments):
        gate.close()
        bridge.close(timeout_s=0.0)
        return real(*arguments)

    monkeypatch.setattr(rep155, work, outlives)
    with pytest.raises(GateClosedError):
        bridge.publish(faces(1), header(), PICTURE, gate)
    kind = "roi" if work == "region" else work
    (publisher,) = (one for topic, one in node.past.items() if topic.endswith(kind))
    assert publisher.sent == []
    assert node.present == {}


def test_a_stream_that_has_ended_does_not_meddle_with_the_next(hri_msgs):
    node, gate = Node(), Gate()
    bridge = opened(node)
    gate.close()
    bridge.close(timeout_s=0.0)
    bridge.open(True, True)
    with pytest.raises(GateClosedError):
        bridge.publish(faces(1), header(), PICTURE, gate)
    assert node.present[f"{FACES}/tracked"].sent == []


def test_it_is_silent_where_it_is_not_wanted(hri_msgs):
    node, said = Node(), []
    bridge = Ros4HriBridge(node, said.append, Crowd())
    bridge.open(False, robot_is_target=True)
    bridge.publish(faces(1), header(), PICTURE, Gate())
    bridge.close(timeout_s=0.0)
    assert (node.present, said) == ({}, [])


def test_those_tracked_are_told_with_every_image_and_nobody_at_the_end(hri_msgs):
    node = Node()
    bridge = opened(node)
    for present in ((), (1, 2), (2,)):
        bridge.publish(faces(*present), header(), PICTURE, Gate())
    bridge.close(timeout_s=0.0)
    assert ids(node) == [[], ["f1", "f2"], ["f2"], []]


def test_every_face_has_its_topics_for_as_long_as_it_is_there(hri_msgs):
    node = Node()
    bridge = opened(node)
    bridge.publish(faces(1, 2), header(), PICTURE, Gate())
    of_first = {f"/humans/faces/f1/{kind}" for kind in ("roi", "landmarks", "cropped", "aligned")}
    assert of_first < node.present.keys()
    bridge.publish(faces(2), header(), PICTURE, Gate())
    assert not of_first & node.present.keys()
    assert "/humans/faces/f2/roi" in node.present
    bridge.close(timeout_s=0.0)
    assert node.present == {}


def test_a_faces_messages_carry_what_was_made_of_it(hri_msgs):
    node = Node()
    opened(node).publish(faces(1), header(2.0), PICTURE, Gate())
    roi, landmarks, cropped, aligned = (
        node.present[f"/humans/faces/f1/{kind}"].sent[0] for kind in ("roi", "landmarks", "cropped", "aligned")
    )
    assert 0.0 <= roi.xmin < roi.xmax <= 1.0 and 0.0 <= roi.ymin < roi.ymax <= 1.0
    assert roi.c == pytest.approx(0.9)
    assert (len(landmarks.landmarks), landmarks.width, landmarks.height) == (70, 64, 48)
    assert (cropped.width, cropped.height, cropped.encoding) == (128, 128, "bgr8")
    assert (aligned.width, aligned.height) == (128, 128)
    assert {message.header.stamp.sec for message in (roi, landmarks, cropped, aligned)} == {2}


def test_what_nobody_listens_to_is_not_made(hri_msgs, monkeypatch):
    for name in ("region", "landmarks", "cropped", "aligned"):
        monkeypatch.setattr(f"facemesh_ros.rep155.{name}", None)
    node = Node(readers=0)
    opened(node).publish(faces(1), header(), PICTURE, Gate())
    assert ids(node) == [["f1"]]


LOOKING = Gaze((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), "iris", angle_rad=0.0, is_looking=True)


def test_who_looks_at_the_camera_gazes_at_the_robot(hri_msgs):
    node = Node()
    one, other = faces(1, 2)
    opened(node).publish((replace(one, gaze=LOOKING), other), header(), PICTURE, Gate())
    (gaze,) = node.present["/humans/interactions/gazing"].sent
    assert (gaze.sender, gaze.receiver) == ("f1", "")


def test_who_looks_at_another_target_is_not_said_to_gaze_at_the_robot(hri_msgs):
    node = Node()
    (one,) = faces(1)
    bridge = opened(node, robot_is_target=False)
    bridge.publish((replace(one, gaze=LOOKING),), header(), PICTURE, Gate())
    assert ids(node) == [["f1"]]
    assert "/humans/interactions/gazing" not in node.present
    bridge.close(timeout_s=0.0)
    assert node.present == {}


@pytest.mark.parametrize(("target_frame", "told"), [("", True), ("screen", False)])
def test_the_node_tells_of_gazes_at_the_robot_while_the_camera_is_the_target(
    hri_msgs, rig, monkeypatch, target_frame, told
):
    made = Node()
    monkeypatch.setattr(Ros4HriBridge, "_publisher", lambda _, kind, topic: made.create_publisher(kind, topic, None))
    node = rig.node({"rep155.enabled": True, "attention.target_frame": target_frame})
    assert ("/humans/interactions/gazing" in made.present) == told
    monkeypatch.setattr(node, "destroy_publisher", made.destroy_publisher)
    node.trigger_deactivate()
    monkeypatch.undo()


def test_ids_may_have_another_prefix(hri_msgs):
    node = Node()
    bridge = Ros4HriBridge(node, [].append, Crowd())
    bridge.open(True, robot_is_target=True, prefix="left_")
    (one,) = faces(1)
    bridge.publish((replace(one, gaze=LOOKING),), header(), PICTURE, Gate())
    assert ids(node) == [["left_1"]]
    assert "/humans/faces/left_1/roi" in node.present
    assert node.present["/humans/interactions/gazing"].sent[0].sender == "left_1"


class BrokenNode(Node):
    """Makes so many publishers and no more."""

    def __init__(self, makes):
        super().__init__()
        self.makes = makes

    def create_publisher(self, *arguments, **events):
        if len(self.present) == self.makes:
            raise RuntimeError("no type support")
        return super().create_publisher(*arguments, **events)


def test_where_a_publisher_cannot_be_made_none_is_left_and_it_stays_closed(hri_msgs):
    node = BrokenNode(makes=1)
    bridge = Ros4HriBridge(node, [].append, Crowd())
    with pytest.raises(RuntimeError):
        bridge.open(True, robot_is_target=True)
    assert (node.present, bridge.is_open) == ({}, False)
    bridge.close(timeout_s=0.0)
    node.makes = 2
    bridge.open(True, robot_is_target=True)
    assert node.present.keys() == {"/humans/faces/tracked", "/humans/interactions/gazing"}


def test_where_hri_msgs_lacks_a_message_none_is_left(hri_msgs, monkeypatch):
    monkeypatch.delattr(sys.modules["hri_msgs.msg"], "Gaze")
    node = Node()
    with pytest.raises(AttributeError):
        opened(node)
    assert node.present == {}


def test_a_face_has_all_of_its_topics_or_none(hri_msgs):
    node = BrokenNode(makes=4)
    bridge = opened(node)
    with pytest.raises(RuntimeError):
        bridge.publish(faces(1), header(), PICTURE, Gate())
    assert node.present.keys() == {"/humans/faces/tracked", "/humans/interactions/gazing"}
    bridge.close(timeout_s=0.0)
    assert node.present == {}


@pytest.mark.parametrize("step", ["publish", "wait_for_all_acked"])
def test_no_publisher_is_left_whatever_becomes_of_the_last_word(hri_msgs, step):
    node = Node()
    bridge = opened(node)
    bridge.publish(faces(1, 2), header(), PICTURE, Gate())
    setattr(node.present[f"{FACES}/tracked"], step, lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bridge.close(timeout_s=0.0)
    assert (node.present, bridge.is_open) == ({}, False)
    bridge.open(True, robot_is_target=True)
    bridge.publish(faces(3), header(), PICTURE, Gate())
    assert ids(node) == [["f3"]]


def test_no_publisher_is_left_that_can_be_taken_back(hri_msgs, monkeypatch):
    node = Node()
    bridge = opened(node)
    bridge.publish(faces(1, 2), header(), PICTURE, Gate())
    stays, real = f"{FACES}/f1/landmarks", node.destroy_publisher
    monkeypatch.setattr(node, "destroy_publisher", lambda one: 1 / 0 if one.topic == stays else real(one))
    with pytest.raises(ZeroDivisionError):
        bridge.close(timeout_s=0.0)
    assert (list(node.present), bridge.is_open) == ([stays], False)


def test_it_can_be_opened_again(hri_msgs):
    node = Node()
    bridge = opened(node)
    bridge.close(timeout_s=0.0)
    bridge.open(True, robot_is_target=True)
    bridge.publish(faces(3), header(), PICTURE, Gate())
    assert ids(node) == [["f3"]]


@pytest.mark.parametrize(("id_prefix", "first_id"), [("", "f1"), ("left_", "left_1")])
def test_in_the_node_tf_bears_the_ids_of_rep_155(hri_msgs, rig, monkeypatch, id_prefix, first_id):
    from rig import placed
    from sensor_msgs.msg import Image
    from tf2_msgs.msg import TFMessage

    made = Node()
    monkeypatch.setattr(Ros4HriBridge, "_publisher", lambda _, kind, topic: made.create_publisher(kind, topic, None))
    node = rig.node({"rep155.enabled": True, "id_prefix": id_prefix})
    tf, images = rig.collect(TFMessage, "/tf"), rig.publisher(Image, "/image")
    rig.mesher.faces = tuple(map(placed, faces(1)))
    images.publish(image_message(1.0))
    rig.until(lambda: tf, "TF")
    assert [one.child_frame_id for one in tf[0].transforms] == [f"face_{first_id}", f"gaze_{first_id}"]
    monkeypatch.setattr(node, "destroy_publisher", made.destroy_publisher)
    node.trigger_deactivate()
    assert ids(made) == [[first_id], []]
    last = made.past["/humans/faces/tracked"].sent[-1]
    assert (last.header.stamp.sec, last.header.frame_id) == (1, "camera_optical")
    monkeypatch.undo()


@pytest.mark.parametrize(("id_prefix", "child"), [("", "face_1"), ("left_", "face_left_1")])
def test_without_hri_msgs_tf_bears_the_ids_of_the_messages_with_their_prefix(rig, monkeypatch, id_prefix, child):
    from rig import placed
    from sensor_msgs.msg import Image
    from tf2_msgs.msg import TFMessage

    monkeypatch.setitem(sys.modules, "hri_msgs", None)
    rig.node({"rep155.enabled": True, "id_prefix": id_prefix})
    tf, images = rig.collect(TFMessage, "/tf"), rig.publisher(Image, "/image")
    rig.mesher.faces = tuple(map(placed, faces(1)))
    images.publish(image_message(1.0))
    rig.until(lambda: tf, "TF")
    assert tf[0].transforms[0].child_frame_id == child


def test_without_pictures_no_face_has_a_topic_of_one(hri_msgs):
    node = Node()
    bridge = Ros4HriBridge(node, [].append, Crowd())
    bridge.open(True, robot_is_target=True, with_pictures=False)
    bridge.publish(faces(1), header(), PICTURE, Gate())
    of_face = {topic.rpartition("/")[2] for topic in node.present if "/f1/" in topic}
    assert of_face == {"roi", "landmarks"}
    assert all(node.present[f"/humans/faces/f1/{kind}"].sent for kind in of_face)


@pytest.mark.parametrize(("mode", "told"), [("off", True), ("numbers", False), ("blur", False)])
def test_the_node_gives_pictures_of_faces_to_the_bridge_only_where_images_go_out_as_they_are(
    hri_msgs, rig, monkeypatch, mode, told
):
    from sensor_msgs.msg import Image

    made = Node()
    monkeypatch.setattr(Ros4HriBridge, "_publisher", lambda _, kind, topic: made.create_publisher(kind, topic, None))
    node = rig.node({"rep155.enabled": True, "privacy.mode": mode})
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    rig.mesher.faces = faces(1)
    images.publish(image_message(1.0))
    rig.until(lambda: "/humans/faces/f1/roi" in made.present and arrays, "the face's topics")
    monkeypatch.setattr(node, "destroy_publisher", made.destroy_publisher)
    node.trigger_deactivate()
    assert {f"/humans/faces/f1/{kind}" in made.past for kind in ("cropped", "aligned")} == {told}
    monkeypatch.undo()


def test_the_list_of_each_camera_holds_the_faces_of_all(hri_msgs):
    crowd, sides = Crowd(), ("left", "right")
    nodes = {side: Node() for side in sides}
    bridges = {side: Ros4HriBridge(nodes[side], [].append, crowd) for side in sides}
    for side in sides:
        bridges[side].open(True, robot_is_target=True, prefix=f"{side}_")
    bridges["left"].publish(faces(1, 2), header(), PICTURE, Gate())
    bridges["right"].publish(faces(1), header(), PICTURE, Gate())
    bridges["left"].publish(faces(2), header(), PICTURE, Gate())
    bridges["left"].close(timeout_s=0.0)
    bridges["right"].close(timeout_s=0.0)
    assert ids(nodes["left"]) == [["left_1", "left_2"], ["left_2", "right_1"], ["right_1"]]
    assert ids(nodes["right"]) == [["left_1", "left_2", "right_1"], []]


def test_the_executor_waits_for_nothing_that_the_bridge_makes(rig, monkeypatch):
    """A worker may destroy at any time what is a face's, and what an executor waits for must not be."""
    monkeypatch.setattr(ros4hri, "hri_messages", lambda: SimpleNamespace(**dict.fromkeys(FIELDS, String)))
    before, waited_for = set(rig.tester.publishers), set(rig.tester.waitables)
    bridge = Ros4HriBridge(rig.tester, [].append, Crowd())
    bridge.open(True, robot_is_target=True)
    bridge._publishers_of("f1")
    made = {publisher.topic_name for publisher in set(rig.tester.publishers) - before}
    of_face = {f"/humans/faces/f1/{kind}" for kind in ("roi", "landmarks", "cropped", "aligned")}
    assert made == {"/humans/faces/tracked", "/humans/interactions/gazing", *of_face}
    assert set(rig.tester.waitables) == waited_for


SIDES = ("left", "right")


class Sides:
    """Two cameras of one node, and the clock by which they fall silent."""

    def __init__(self):
        self.now_s, crowd = 100.0, Crowd()
        self.nodes = {side: Node() for side in SIDES}
        self.bridges = {side: Ros4HriBridge(self.nodes[side], [].append, crowd, lambda: self.now_s) for side in SIDES}
        for side in SIDES:
            self.bridges[side].open(True, robot_is_target=True, prefix=f"{side}_")

    def see(self, side, *of):
        self.bridges[side].publish(faces(*of), header(self.now_s), PICTURE, Gate())

    def pass_by(self, seconds):
        self.now_s += seconds
        for bridge in self.bridges.values():
            bridge.forget_if_silent()

    def topics_of_faces(self, side):
        return {topic.split("/")[3] for topic in self.nodes[side].present if topic.count("/") == 4}


def test_a_camera_that_falls_silent_takes_its_faces_with_it_and_may_bring_them_back(hri_msgs):
    sides = Sides()
    for _ in range(12):
        sides.see("right", 1)
        if sides.now_s < 101.0:
            sides.see("left", 1)
        sides.pass_by(0.25)
    assert sides.topics_of_faces("left") == set() and sides.topics_of_faces("right") == {"right_1"}
    of_left, of_right = ids(sides.nodes["left"]), ids(sides.nodes["right"])
    assert of_left == [["right_1", "left_1"]] * 4 + [["right_1"]]
    assert of_right == [["right_1"], *[["right_1", "left_1"]] * 7, *[["right_1"]] * 4]
    sides.see("left", 1)
    assert ids(sides.nodes["left"])[-1] == ["right_1", "left_1"]
    assert sides.topics_of_faces("left") == {"left_1"}


@pytest.mark.parametrize("interval_s", [1 / 30, 0.5, 1.0, 2.0])
def test_a_slow_camera_is_not_silent(hri_msgs, interval_s):
    sides = Sides()
    for _ in range(8):
        sides.see("left", 1)
        sides.pass_by(0.5 * interval_s)
        sides.pass_by(0.5 * interval_s)
    assert ids(sides.nodes["left"]) == [["left_1"]] * 8


def test_silence_after_nobody_was_there_is_not_spoken_of(hri_msgs):
    sides = Sides()
    sides.see("left")
    sides.pass_by(100.0)
    assert ids(sides.nodes["left"]) == [[]]


def test_faces_are_taken_back_of_an_only_camera_too_and_once(hri_msgs):
    sides = Sides()
    sides.see("left", 1)
    for _ in range(3):
        sides.pass_by(100.0)
    assert ids(sides.nodes["left"]) == [["left_1"], []]
    sides.bridges["left"].close(timeout_s=0.0)
    sides.pass_by(100.0)
    assert sides.nodes["left"].present == {}


def test_once_faces_are_forgotten_nothing_further_is_said_of_any(hri_msgs, monkeypatch):
    """Of two that look at the robot, the first takes so long to tell of that the camera counts as silent."""
    sides, real = Sides(), rep155.region
    two = [replace(face, gaze=LOOKING) for face in faces(1, 2)]

    def slow(*arguments):
        sides.pass_by(100.0)
        return real(*arguments)

    monkeypatch.setattr(rep155, "region", slow)
    sides.bridges["left"].publish(two, header(), PICTURE, Gate())
    node = sides.nodes["left"]
    assert ids(node)[-1] == [] and sides.topics_of_faces("left") == set()
    of_faces = [topic for topic in node.past if topic.startswith(f"{FACES}/left_")]
    assert len(of_faces) == 8 and not any(node.past[topic].sent for topic in of_faces)
    assert node.present[ros4hri.GAZING].sent == []


def test_a_picture_that_takes_long_to_make_may_come_too_late(hri_msgs, monkeypatch):
    sides, real = Sides(), rep155.cropped

    def slow(*arguments):
        sides.pass_by(100.0)
        return real(*arguments)

    monkeypatch.setattr(rep155, "cropped", slow)
    sides.see("left", 1)
    assert sides.topics_of_faces("left") == set() and ids(sides.nodes["left"])[-1] == []
    past = {topic.rpartition("/")[2]: publisher.sent for topic, publisher in sides.nodes["left"].past.items()}
    assert past["roi"] and not past["cropped"] and not past["aligned"]
    sides.see("left", 1, 2)
    sides.pass_by(100.0)
    assert sides.topics_of_faces("left") == set()


def test_who_looks_for_silence_does_not_wait_for_an_image_that_is_being_told_of(hri_msgs):
    sides = Sides()
    sides.see("left", 1)
    with sides.bridges["left"]._lock:
        sides.pass_by(100.0)
    assert sides.topics_of_faces("left") == {"left_1"}


def test_the_node_forgets_a_silent_camera_by_its_own_clock(hri_msgs, rig, monkeypatch):
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import Image

    made = Node()
    monkeypatch.setattr(Ros4HriBridge, "_publisher", lambda _, kind, topic: made.create_publisher(kind, topic, None))
    node = rig.node({"rep155.enabled": True, "use_sim_time": True})
    monkeypatch.setattr(node, "destroy_publisher", made.destroy_publisher)
    clock, images = rig.publisher(Clock, "/clock"), rig.publisher(Image, "/image")

    def set_clock(seconds):
        clock.publish(Clock(clock=stamp(seconds)))
        rig.until(lambda: node.get_clock().now().nanoseconds == 1e9 * seconds, "the time")

    set_clock(50.0)
    rig.mesher.faces = faces(1)
    images.publish(image_message(1.0))
    rig.until(lambda: "/humans/faces/f1/aligned" in made.present and is_idle(node), "the face's topics")
    set_clock(53.0)
    node._on_period()
    assert ids(made) == [["f1"]]
    set_clock(53.5)
    node._on_period()
    assert ids(made) == [["f1"], []]
    assert "/humans/faces/f1/aligned" in made.past
    node.trigger_deactivate()
    monkeypatch.undo()
