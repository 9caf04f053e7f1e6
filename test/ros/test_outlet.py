"""What goes out of a stream, and that it ends with the last word."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

import time
from dataclasses import replace

import numpy as np
from held import Held
from rig import RELIABLE, a_face, image_message, placed
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_srvs.srv import SetBool
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from facemesh_ros.msg import FaceMeshArray
from facemesh_ros.picture import Picture
from facemesh_ros.ros.convert import array_message, stamp_seconds
from facemesh_ros.ros.frames import Result
from facemesh_ros.ros.gate import GateClosedError
from facemesh_ros.ros.outlet import Outlet

pytestmark = pytest.mark.ros

NODE = "/facemesh_node"
MADE = {
    "faces": ("frames.array_message", FaceMeshArray, f"{NODE}/faces", "off"),
    "TF": ("transforms.FaceTransforms.message", TFMessage, "/tf", "off"),
    "markers": ("markers.Shape.of", MarkerArray, f"{NODE}/markers", "off"),
    "points": ("scene.cloud_message", PointCloud2, f"{NODE}/points", "off"),
    "drawing": ("pictures.draw_faces", Image, f"{NODE}/debug_image", "off"),
    "image message": ("pictures.raw_message", Image, f"{NODE}/debug_image", "off"),
    "JPEG": ("pictures.jpeg_message", CompressedImage, f"{NODE}/debug_image/compressed", "off"),
    "covers": ("pictures.covered", Image, f"{NODE}/anonymous_image", "blur"),
    "drawing on covers": ("pictures.draw_faces", CompressedImage, f"{NODE}/debug_image/compressed", "blur"),
}
"""What takes its time, and where and under which privacy.mode it is to be seen."""


def a_metric_face():
    return replace(placed(a_face()), points_m=np.ones((468, 3), np.float32))


def recorded(node, topics):
    """Return a list to which each topic is added that the node publishes on from now on."""
    sent = []
    for publisher in node.publishers:
        if publisher.topic_name in topics:
            publish = publisher.publish
            publisher.publish = lambda message, one=publisher, real=publish: (
                sent.append(one.topic_name),
                real(message),
            )
    return sent


def stamp_of(message):
    one = next(iter(getattr(message, "markers", getattr(message, "transforms", ()))), message)
    return stamp_seconds(one.header)


def enable(rig, on):
    return rig.call(SetBool, f"{NODE}/enable", SetBool.Request(data=on))


@pytest.mark.parametrize(("work", "kind", "topic", "mode"), MADE.values(), ids=MADE)
def test_what_is_still_being_made_when_disabling_is_answered_goes_nowhere(rig, monkeypatch, work, kind, topic, mode):
    monkeypatch.setattr("facemesh_ros.ros.streams.CLOSE_S", 0.0)
    node = rig.node({"privacy.mode": mode, "input.reliability": "reliable"})
    rig.mesher.faces = (a_metric_face(),)
    received, images = rig.collect(kind, topic), rig.publisher(Image, "/image", RELIABLE)
    held, streams = Held(monkeypatch, work), node._streams
    images.publish(image_message(1.0))
    rig.until(held.has_begun, "the work")
    answer = enable(rig, False)
    assert not answer.success and "one image has taken" in answer.message and "does not end" in answer.message
    sent = recorded(node, {one[2] for one in MADE.values()})
    held.let_go(streams)
    assert sent == []
    assert enable(rig, True).success
    rig.mesher.faces = (a_metric_face(),)
    rig.publisher(Image, "/image", RELIABLE).publish(image_message(2.0))
    rig.until(lambda: received, "what the next stream sends")
    assert [stamp_of(message) for message in received] == [2.0]


def test_nothing_is_taken_back_where_nothing_was_said(rig):
    node = rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    node.trigger_deactivate()
    node.trigger_activate()
    rig.until(images.get_subscription_count, "the node to subscribe")
    images.publish(image_message(5.0))
    rig.until(lambda: arrays, "faces")
    assert [stamp_seconds(array.header) for array in arrays] == [5.0]


class Recorder:
    """A publisher that writes down what is asked of it."""

    def __init__(self):
        self.calls = []

    def publish(self, message):
        self.calls.append(message)

    def wait_for_all_acked(self, timeout):
        self.calls.append("wait")

    def get_subscription_count(self):
        return 1


class Broken:
    """One that cannot publish."""

    def publish(self, message):
        raise ZeroDivisionError("a bug")


@pytest.fixture
def outlet(rig):
    """An outlet that has told of faces, markers and points; all publishers write down what they get."""
    outputs = rig.node(start=False)._lanes[0].outputs
    outputs.faces, outputs.markers, outputs.points = Recorder(), Recorder(), Recorder()
    made = Outlet(outputs)
    made._last = array_message((), image_message(5.0).header, (64, 48), {}, 0)
    made._scene._face_markers._last = made._scene._last_cloud = made._last.header
    return made


def test_all_is_taken_back_once(outlet):
    outlet.close(dropped=3, timeout_s=0.5)
    outlet.close(dropped=3, timeout_s=0.5)
    outputs = outlet._outputs
    array, wait = outputs.faces.calls
    assert (stamp_seconds(array.header), array.image_width, array.faces, array.dropped) == (5.0, 64, [], 3)
    assert wait == "wait"  # a publisher that is destroyed first cannot send again what was lost
    assert [recorder.calls[1:] for recorder in (outputs.markers, outputs.points)] == [["wait"], ["wait"]]


@pytest.mark.parametrize(("shown", "waits"), [(False, ["faces"]), (True, ["markers", "points", "faces"])])
def test_readers_that_do_not_acknowledge_are_waited_for_no_longer_than_said(outlet, monkeypatch, shown, waits):
    clock_s, waited, outputs = [100.0], [], outlet._outputs
    monkeypatch.setattr(time, "monotonic", lambda: clock_s[0])
    for name in ("faces", "markers", "points"):

        def wait(timeout, name=name):
            waited.append(name)
            clock_s[0] += 1e-9 * timeout.nanoseconds

        getattr(outputs, name).wait_for_all_acked = wait
    if not shown:
        outlet._scene._face_markers._last = outlet._scene._last_cloud = None
    outlet.close(dropped=0, timeout_s=0.6)
    monkeypatch.undo()
    assert waited == waits
    assert clock_s[0] == pytest.approx(100.6)


def test_nothing_passes_once_it_is_closed(outlet):
    outlet.close(dropped=0, timeout_s=0.5)
    before = len(outlet._outputs.faces.calls)
    result = Result(outlet._outputs.faces.calls[0], Picture.of(np.zeros((48, 64, 3), np.uint8)), ())
    for way_out in (outlet.publish, outlet.show, lambda _: outlet.is_watched):
        with pytest.raises(GateClosedError):
            way_out(result)
    assert len(outlet._outputs.faces.calls) == before


def test_publishers_are_asked_for_readers_only_while_they_are_sure_to_be_there(outlet, monkeypatch):
    """So work that outlives its stream meets the gate, and no publisher that is gone."""
    outputs, asked = outlet._outputs, []
    outputs.tf = Recorder()

    def get_subscription_count(_):
        asked.append(outlet._gate._inside)
        return 1

    monkeypatch.setattr(Recorder, "get_subscription_count", get_subscription_count)
    array = array_message((), image_message(6.0).header, (64, 48), {}, 0)
    result = Result(array, Picture.of(np.zeros((48, 64, 3), np.uint8)), ())
    outlet.publish(result)
    assert asked == [1]
    assert outlet.is_watched
    outlet.show(result)
    assert asked == [1, 1, 1, 1]


@pytest.mark.parametrize("broken", ["faces", "markers", "points", "bridge"])
def test_each_last_word_is_said_whatever_becomes_of_the_others(outlet, monkeypatch, broken):
    outputs = outlet._outputs
    words = {name: getattr(outputs, name).calls for name in ("faces", "markers", "points") if name != broken}
    if broken == "bridge":
        monkeypatch.setattr(outputs.bridge, "close", lambda _: 1 / 0)
    elif broken == "faces":
        outputs.faces = Broken()
    else:
        setattr(outlet._scene, f"_{broken}", Broken())
    with pytest.raises(ZeroDivisionError):
        outlet.close(dropped=0, timeout_s=0.5)
    assert [len(calls) for calls in words.values()] == [2] * len(words)
