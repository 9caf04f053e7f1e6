"""The listener of the web page, among nodes that send what it listens to."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

import cv2
import rclpy
from rclpy.parameter import Parameter
from rig import DEADLINE_S, RELIABLE, a_face, image_message, stamp
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from facemesh_ros.errors import InputError
from facemesh_ros.msg import FaceMesh, FaceMeshArray
from facemesh_ros.ros import spectator as module
from facemesh_ros.ros.convert import array_message
from facemesh_ros.ros.spectator import Spectator

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("_message_support")]

NODE, IMAGE = "/facemesh_node", "/image"


def array_at(seconds):
    return array_message([a_face()], Header(stamp=stamp(seconds)), (64, 48), {"mesh": 3.5, "total": 4.5}, 7)


def compressed_at(seconds, suffix=".jpg", text="bgr8; jpeg compressed bgr8"):
    data = cv2.imencode(suffix, np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    return CompressedImage(header=Header(stamp=stamp(seconds)), format=text, data=data)


class Watch:
    """A spectator, what it has seen, and the publishers that it hears."""

    def __init__(self, rig, image=IMAGE):
        self.sights = []
        self.with_images = True
        self.spectator = Spectator(NODE, image, self.sights.append)
        self.rig = rig
        self.faces = rig.publisher(FaceMeshArray, f"{NODE}/faces", RELIABLE)
        self.until(lambda: self.spectator._node.count_publishers(f"{NODE}/faces"), "the publisher")

    def images(self, kind=Image, topic=IMAGE):
        publisher = self.rig.publisher(kind, topic, RELIABLE, connected=False)
        self.until(publisher.get_subscription_count, "the spectator's subscription")
        self.until(lambda: self.spectator._image_subscription.get_publisher_count(), "the publisher")
        return publisher

    def until(self, condition, what):
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline_s, f"waited {DEADLINE_S} s for {what}"
            self.rig.executor.spin_once(timeout_sec=0.0)
            self.spectator.spin(0.01, self.with_images)


@pytest.fixture
def watch(rig):
    watches = []

    def make(**given):
        watches.append(Watch(rig, **given))
        return watches[-1]

    yield make
    for one in watches:
        one.spectator.close()


@pytest.mark.parametrize("faces_first", [True, False])
def test_faces_meet_the_image_of_their_stamp_whichever_comes_first(watch, faces_first):
    here = watch()
    images = here.images()
    here.spectator._joined_at_s = time.monotonic() + DEADLINE_S  # images have met faces until now
    pictures = [np.full((48, 64, 3), value, np.uint8) for value in (10, 20, 30)]
    for seconds, picture in zip((1.0, 2.0, 3.0), pictures, strict=True):
        sends = [lambda at=seconds: here.faces.publish(array_at(at))]
        sends.append(lambda at=seconds, shown=picture: images.publish(image_message(at, shown)))
        first, second = sends if faces_first else reversed(sends)
        first()
        here.until(lambda: here.spectator._held if faces_first else here.spectator._images, "the first one")
        second()
        here.until(lambda at=seconds: here.sights and here.sights[-1].stamp_s == at, "a sight")
    assert len(here.sights) == 3
    for sight, seconds, picture in zip(here.sights, (1.0, 2.0, 3.0), pictures, strict=True):
        assert sight.stamp_s == seconds
        assert np.array_equal(sight.rgb(), picture)
        assert (sight.size_wh, len(sight.faces), sight.dropped, sight.stages_ms["mesh"]) == ((64, 48), 1, 7, 3.5)


def test_faces_whose_image_never_comes_are_shown_without(watch):
    here = watch()
    images = here.images()
    images.publish(image_message(99.0))
    here.faces.publish(array_at(1.0))
    here.until(lambda: here.sights, "a sight")
    assert here.sights[0].image is None and here.sights[0].rgb() is None and here.sights[0].jpeg() is None


def test_of_faces_that_were_shown_without_their_images_only_the_latest_are_shown_again_with_it(watch):
    here = watch()
    images = here.images()
    for seconds in (1.0, 2.0):
        here.faces.publish(array_at(seconds))
        here.until(lambda at=seconds: here.sights and here.sights[-1].stamp_s == at, "a sight")
    for seconds in (1.0, 2.0):
        images.publish(image_message(seconds))
        here.until(lambda at=seconds: (int(at), 0) not in here.spectator._held, "the image")
    assert [(sight.stamp_s, sight.image is None) for sight in here.sights] == [(1.0, True), (2.0, True), (2.0, False)]


def test_faces_whose_image_comes_after_that_of_later_ones_are_left_out(watch):
    here = watch()
    images = here.images()
    here.spectator._joined_at_s = time.monotonic() + DEADLINE_S
    for seconds in (1.0, 2.0):
        here.faces.publish(array_at(seconds))
        here.until(lambda at=seconds: (int(at), 0) in here.spectator._held, "the faces")
    for seconds in (2.0, 1.0):
        images.publish(image_message(seconds))
        here.until(lambda at=seconds: (int(at), 0) not in here.spectator._held, "the image")
    assert [sight.stamp_s for sight in here.sights] == [2.0]


def test_an_image_that_was_lost_before_stamps_began_again_is_shown_with_the_faces_of_then(watch):
    here = watch()
    images = here.images()
    here.spectator._joined_at_s = time.monotonic() + DEADLINE_S
    here.faces.publish(array_at(1.0))  # its image is lost
    here.until(lambda: here.spectator._held, "the faces")
    here.faces.publish(array_at(2.0))
    images.publish(image_message(2.0))
    here.until(lambda: here.sights, "a sight")
    images.publish(image_message(1.0))
    here.until(lambda: here.spectator._images, "the image")
    here.faces.publish(array_at(1.0))
    here.until(lambda: len(here.sights) == 2, "a sight")
    assert [(sight.stamp_s, sight.image is None) for sight in here.sights] == [(2.0, False), (1.0, False)]


def test_stamps_that_begin_again_are_shown_again(watch):
    here = watch()
    images = here.images()
    here.spectator._joined_at_s = time.monotonic() + DEADLINE_S
    for count, seconds in enumerate((1.0, 2.0, 1.0), start=1):
        here.faces.publish(array_at(seconds))
        here.until(lambda: here.spectator._held, "the faces")
        images.publish(image_message(seconds))
        here.until(lambda count=count: len(here.sights) == count, "a sight")
    assert [sight.stamp_s for sight in here.sights] == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_stage_whose_time_is_no_number_is_left_out_and_the_rest_is_shown(watch, bad):
    here, message = watch(), array_at(1.0)
    message.timing.mesh = bad
    here.faces.publish(message)
    here.until(lambda: here.sights, "a sight")
    assert "mesh" not in here.sights[0].stages_ms and here.sights[0].stages_ms["total"] == 4.5
    assert here.spectator.bad is None and len(here.sights[0].faces) == 1


def test_images_are_subscribed_to_only_while_they_are_wanted(watch):
    here = watch()
    images = here.images()
    here.with_images = False
    here.until(lambda: not images.get_subscription_count(), "no subscription")
    here.faces.publish(array_at(1.0))
    here.until(lambda: here.sights, "a sight")
    assert here.sights[0].image is None
    here.with_images = True
    here.until(images.get_subscription_count, "a subscription again")


@pytest.mark.parametrize("asked", [IMAGE, f"{IMAGE}/compressed"])
def test_compressed_images_are_found_where_only_those_are_published(watch, asked):
    here = watch(image=asked)
    images = here.images(CompressedImage, f"{IMAGE}/compressed")
    images.publish(compressed_at(1.0))
    here.faces.publish(array_at(1.0))
    here.until(lambda: here.sights and here.sights[-1].image is not None, "a sight with an image")
    assert here.sights[-1].jpeg() == compressed_at(1.0).data.tobytes()
    assert here.sights[-1].rgb().shape == (48, 64, 3)


@pytest.mark.parametrize(
    "message", [compressed_at(1.0, ".png", "png"), compressed_at(1.0, text="rgb8; jpeg compressed rgb8")]
)
def test_a_compressed_image_that_a_browser_would_show_wrongly_is_not_passed_on_as_it_is(watch, message):
    here = watch()
    images = here.images(CompressedImage, f"{IMAGE}/compressed")
    images.publish(message)
    here.faces.publish(array_at(1.0))
    here.until(lambda: here.sights and here.sights[-1].image is not None, "a sight with an image")
    assert here.sights[-1].jpeg() is None
    assert here.sights[-1].rgb().shape == (48, 64, 3)


def test_a_latency_between_clocks_that_differ_is_none(watch):
    here = watch()
    here.faces.publish(array_at(1.0))  # in 1970
    here.until(lambda: here.sights, "a sight")
    assert here.sights[0].latency_ms is None
    now = here.rig.tester.get_clock().now().nanoseconds
    here.faces.publish(array_at(1e-9 * now))
    here.until(lambda: len(here.sights) == 2, "a sight")
    assert 0.0 <= here.sights[1].latency_ms < 1e3 * DEADLINE_S


def test_a_message_that_cannot_be_read_is_said_until_a_good_one_comes(watch):
    here = watch()
    here.faces.publish(FaceMeshArray(faces=[FaceMesh()]))
    here.until(lambda: here.spectator.bad, "the complaint")
    assert "cannot be read" in here.spectator.bad and not here.sights
    here.faces.publish(array_at(1.0))
    here.until(lambda: here.sights, "a sight")
    assert here.spectator.bad is None


def node_with(rig, **parameters):
    node = rclpy.create_node(NODE[1:], context=rig.context)
    for name, value in parameters.items():
        node.declare_parameter(name.replace("__", "."), value)
    rig.nodes.append(node)
    node.trigger_shutdown = lambda: None
    rig.executor.add_node(node)
    return node


def test_a_node_that_wants_privacy_has_it_and_may_change_its_mind(watch, rig, monkeypatch):
    monkeypatch.setattr(module, "_ASK_S", 0.05)
    node, here = node_with(rig, privacy__mode="numbers"), watch()
    assert here.spectator.is_private  # till it is known
    here.until(lambda: here.spectator._mode == "numbers", "the answer")
    assert here.spectator.is_private
    node.set_parameters([Parameter("privacy.mode", value="off")])
    here.until(lambda: not here.spectator.is_private, "the new answer")
    node.set_parameters([Parameter("privacy.mode", value="blur")])
    here.until(lambda: here.spectator.is_private, "the newest answer")


@pytest.mark.parametrize("is_overlapping", [False, True], ids=["after a pause", "before the old one is forgotten"])
def test_after_a_restart_with_privacy_nothing_that_the_node_said_before_counts(watch, rig, monkeypatch, is_overlapping):
    """Not for a moment does the spectator take the new node for open."""
    monkeypatch.setattr(module, "_ASK_S", 0.05)
    old, here = node_with(rig, privacy__mode="off"), watch()
    here.until(lambda: not here.spectator.is_private, "the old node's answer")
    monkeypatch.setattr(module, "_ASK_S", 2.0)  # what the old one said would hold for long
    here.until(lambda: here.spectator._asked is None, "the last answer")

    def start():
        rig.publisher(FaceMeshArray, f"{NODE}/faces", RELIABLE, connected=False)
        here.until(lambda: here.spectator.is_private, "the mode to be unknown")

    def stop():
        rig.executor.remove_node(old)
        old.destroy_node()
        rig.nodes.remove(old)
        rig.tester.destroy_publisher(here.faces)
        here.until(lambda: here.spectator.is_private, "the mode to be unknown")

    for step in (start, stop) if is_overlapping else (stop, start):
        step()
    node_with(rig, privacy__mode="numbers")
    monkeypatch.setattr(module, "_ASK_S", 0.05)
    private = []
    here.until(lambda: private.append(here.spectator.is_private) or here.spectator._mode == "numbers", "the answer")
    assert all(private) and here.spectator.is_private


def test_a_node_that_answers_no_more_counts_as_private(watch, rig, monkeypatch):
    monkeypatch.setattr(module, "_ASK_S", 0.05)
    node, here = node_with(rig, privacy__mode="off"), watch()
    here.until(lambda: not here.spectator.is_private, "the answer")
    rig.executor.remove_node(node)
    here.until(lambda: here.spectator.is_private, "the answer to be forgotten")


def test_a_node_without_the_parameter_wants_no_privacy(watch, rig, monkeypatch):
    monkeypatch.setattr(module, "_ASK_S", 0.05)
    node_with(rig)
    here = watch()
    here.until(lambda: not here.spectator.is_private, "the answer")
    assert here.spectator._mode == "off"


def test_where_there_is_no_node_privacy_ends_after_some_grace(watch, monkeypatch):
    here = watch()
    assert here.spectator.is_private
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    assert not here.spectator.is_private


def test_a_node_that_publishes_faces_and_does_not_answer_counts_as_private(rig, monkeypatch):
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    namespace, name = NODE.rsplit("/", 1)
    node = rclpy.create_node(name, namespace=namespace, context=rig.context, start_parameter_services=False)
    spectator = Spectator(NODE, IMAGE, print)
    try:
        node.create_publisher(FaceMeshArray, f"{NODE}/faces", 5)
        deadline_s = time.monotonic() + DEADLINE_S
        while not spectator._node_is_there:  # names come a moment after publishers
            assert time.monotonic() < deadline_s
            spectator.spin(0.01, False)
        assert spectator.is_private
    finally:
        spectator.close()
        node.destroy_node()


def test_a_relative_image_topic_is_subscribed_to_once(watch):
    here = watch(image=IMAGE.lstrip("/"))
    here.images()
    subscription = here.spectator._image_subscription
    here.spectator.spin(0.01, True)
    assert here.spectator._image_subscription is subscription


def test_advice_names_what_is_missing(watch, rig):
    here = watch()
    assert f"nobody publishes {IMAGE}" in here.spectator.advice()
    here.images()
    assert "not active" in here.spectator.advice()
    rig.tester.destroy_publisher(here.faces)
    here.until(lambda: f"nobody publishes {NODE}/faces" in here.spectator.advice(), "the advice")


@pytest.mark.parametrize("names", [("/no name", IMAGE), (NODE, "no topic!"), (NODE, "//x")])
def test_a_name_that_is_none_is_refused(names):
    with pytest.raises(InputError, match="--node.*--camera"):
        Spectator(*names, print)


@pytest.mark.usefixtures("_message_support")
def test_it_listens_to_the_camera_that_is_named():
    spectator = Spectator("/some_node", "/image", print, "front")
    try:
        assert spectator.faces_topic == "/some_node/front/faces"
        assert spectator._question.srv_name == "/some_node/get_parameters"
    finally:
        spectator.close()
