"""What images leave the process under each privacy mode: asked of the graph, and read from what is published."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from held import Held
from rclpy.parameter import Parameter
from rig import RELIABLE, FakeMesher, a_face, image_message, placed
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from visualization_msgs.msg import MarkerArray

from facemesh_ros.anonymous import covered, face_hulls
from facemesh_ros.config import Config
from facemesh_ros.pipeline import FaceMesher
from facemesh_ros.ros import pictures
from facemesh_ros.ros.convert import image_rgb
from facemesh_ros.ros.pictures import limits_of_blur
from facemesh_ros.types import Mesh, Roi

pytestmark = pytest.mark.ros

NAME = "facemesh_node"
DEBUG, ANONYMOUS = f"/{NAME}/debug_image", f"/{NAME}/anonymous_image"
CAMERA = "/image"
IMAGE_TYPES = {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"}
PUBLISHED = {
    "off": [DEBUG, f"{DEBUG}/compressed"],
    "numbers": [],
    "blur": [ANONYMOUS, f"{ANONYMOUS}/compressed", DEBUG, f"{DEBUG}/compressed"],
}
every_mode = pytest.mark.parametrize("mode", PUBLISHED)


class Graph:
    """Asks the graph for all image publishers but the camera, once it knows those that the node has made so far."""

    def __init__(self, rig, node):
        self.rig, self.node, self.asked = rig, node, 0

    def images(self):
        self.asked += 1
        latest = f"/{NAME}/latest_{self.asked}"
        publisher = self.node.create_publisher(Header, latest, 1)
        self.rig.until(lambda: self.rig.tester.count_publishers(latest), "the graph to know the latest publisher")
        found = [
            topic
            for topic, types in self.rig.tester.get_topic_names_and_types()
            if IMAGE_TYPES & set(types) and topic != CAMERA and self.rig.tester.count_publishers(topic)
        ]
        self.node.destroy_publisher(publisher)
        return sorted(found)


def enable(rig, on):
    assert rig.call(SetBool, f"/{NAME}/enable", SetBool.Request(data=on)).success


@every_mode
def test_the_graph_has_the_image_publishers_of_the_mode_and_no_others_in_any_state(rig, mode):
    node = rig.node({"privacy.mode": mode, "input.reliability": "reliable"}, start=False)
    graph, expected = Graph(rig, node), PUBLISHED[mode]
    assert graph.images() == []
    node.trigger_configure()
    assert graph.images() == expected
    node.trigger_activate()
    arrays, images = rig.faces(), rig.publisher(Image, CAMERA, RELIABLE)
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    assert graph.images() == expected
    enable(rig, False)
    assert graph.images() == expected
    enable(rig, True)
    node.trigger_deactivate()
    assert graph.images() == expected
    node.trigger_cleanup()
    assert graph.images() == []


@every_mode
def test_each_camera_of_several_has_the_image_publishers_of_the_mode(rig, mode):
    names = ("front", "left")
    graph = Graph(rig, rig.node({"privacy.mode": mode, "cameras": list(names)}))
    of_modes = [topic.removeprefix(f"/{NAME}/") for topic in PUBLISHED[mode]]
    assert graph.images() == sorted(f"/{NAME}/{name}/{topic}" for name in names for topic in of_modes)


def test_the_mode_is_refused_while_configured_and_taken_after_clean_up(rig):
    node = rig.node({"privacy.mode": "off"})
    graph = Graph(rig, node)
    (refused,) = node.set_parameters([Parameter("privacy.mode", value="numbers")])
    assert not refused.successful and "privacy.mode" in refused.reason and "cleanup" in refused.reason
    assert graph.images() == PUBLISHED["off"]
    for mode in ("numbers", "blur", "numbers", "off"):
        node.trigger_deactivate()
        node.trigger_cleanup()
        (taken,) = node.set_parameters([Parameter("privacy.mode", value=mode)])
        assert taken.successful
        assert graph.images() == []
        assert node.start()
        assert graph.images() == PUBLISHED[mode]


def test_the_bare_word_off_of_a_command_line_is_off(rig):
    node = rig.node({"privacy.mode": False})
    assert node.get_parameter("privacy.mode").value == "off"
    assert Graph(rig, node).images() == PUBLISHED["off"]


def test_a_subscriber_that_stays_gets_no_image_after_the_change_to_numbers(rig):
    node = rig.node({"privacy.mode": "off", "input.reliability": "reliable"})
    arrays, images = rig.faces(), rig.publisher(Image, CAMERA, RELIABLE)
    shown = rig.collect(Image, DEBUG)
    images.publish(image_message(1.0))
    rig.until(lambda: shown, "the debug image")
    node.trigger_deactivate()
    node.trigger_cleanup()
    node.set_parameters([Parameter("privacy.mode", value="numbers")])
    node.start()
    del arrays[:], shown[:]
    rig.until(lambda: images.get_subscription_count(), "the node to subscribe")
    images.publish(image_message(2.0))
    rig.until(lambda: arrays, "faces")
    images.publish(image_message(3.0))
    rig.until(lambda: len(arrays) == 2, "the faces after: all of the image before is out")
    assert shown == []


@pytest.mark.parametrize("mode", ["numbers", "blur"])
@pytest.mark.parametrize("work", ["markers.Shape.of", "pictures.draw_faces"])
def test_what_was_begun_under_another_mode_goes_nowhere(rig, monkeypatch, mode, work):
    """It outlives clean-up and the start under the new mode."""
    monkeypatch.setattr("facemesh_ros.ros.streams.CLOSE_S", 0.0)
    metric_face = replace(placed(a_face()), points_m=np.ones((468, 3), np.float32))

    class Mesher(FakeMesher):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.faces = (metric_face,)

    node = rig.node({"privacy.mode": "off", "input.reliability": "reliable"}, Mesher)
    images, shown = rig.publisher(Image, CAMERA, RELIABLE), rig.collect(Image, DEBUG)
    rig.collect(MarkerArray, f"/{NAME}/markers")
    held, streams = Held(monkeypatch, work), node._streams
    images.publish(image_message(1.0))
    rig.until(held.has_begun, "the work")
    node.trigger_deactivate()
    (taken,) = node.set_parameters([Parameter("privacy.mode", value=mode)])
    assert taken.successful
    assert node.start()
    markers = rig.collect(MarkerArray, f"/{NAME}/markers")
    held.let_go(streams)
    rig.publisher(Image, CAMERA, RELIABLE).publish(image_message(2.0))
    rig.until(lambda: markers and (shown or mode == "numbers"), "what the new mode shows")
    assert {marker.header.stamp.sec for message in markers for marker in message.markers} == {2}
    assert [len(marker.colors) for message in markers for marker in message.markers if marker.ns == "surface"] == [0]
    assert [image.header.stamp.sec for image in shown] == ([2] if mode == "blur" else [])


def wide_face():
    """A face whose mesh fills (20, 12) to (44, 36), smoothed towards the left."""
    points = np.random.default_rng(0).uniform(0.0, 24.0, (468, 3)) + [20.0, 12.0, 0.0]
    points[:4, :2] = [[20, 12], [44, 12], [44, 36], [20, 36]]
    return replace(a_face(), mesh=Mesh(points, 0.9), smoothed=Mesh(points - [3.0, 0.0, 0.0], 0.9))


def noise(seed, hidden=None):
    """A picture of noise; where one is ``hidden`` by hulls, it alone depends on the seed."""
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    if hidden is not None:
        x0, y0, x1, y1 = hidden
        shape = picture[y0:y1, x0:x1].shape
        picture[y0:y1, x0:x1] = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return picture


@pytest.mark.parametrize("is_lost", [False, True], ids=["found", "lost"])
def test_under_blur_nothing_that_is_published_depends_on_the_face(rig, is_lost, monkeypatch):
    """Two pictures that differ where the face is: every image and every JPEG of the two is the same."""
    covers = []
    monkeypatch.setattr(pictures, "covered", lambda *arguments: covers.append(1) or covered(*arguments))
    rig.node({"privacy.mode": "blur", "input.reliability": "reliable"})
    images = rig.publisher(Image, CAMERA, RELIABLE)
    topics = [(Image, DEBUG), (Image, ANONYMOUS)]
    topics += [(CompressedImage, f"{topic}/compressed") for _, topic in topics]
    received = [rig.collect(kind, topic) for kind, topic in topics]
    if is_lost:
        rig.mesher.faces, rig.mesher.possible_rois = (), (Roi((32.0, 24.0), 24.0, 0.0),)
    else:
        rig.mesher.faces = (wide_face(),)
    for seed in (1, 2):
        images.publish(image_message(1.0 + seed, noise(seed, hidden=(20, 12, 44, 36))))
        rig.until(lambda seed=seed: all(len(messages) == seed for messages in received), "all four images")
    for one, other in received:
        assert bytes(one.data) == bytes(other.data)
    hulls = face_hulls(rig.mesher.faces, rig.mesher.possible_rois)
    anonymous = image_rgb(received[1][0])
    np.testing.assert_array_equal(anonymous, covered(noise(1, hidden=(20, 12, 44, 36)), hulls))
    assert np.array_equal(anonymous[:, :8], noise(1)[:, :8])
    assert len(covers) == 2  # one an image, for all topics


@pytest.mark.models
def test_under_blur_a_face_that_the_networks_lose_stays_covered(rig, networks, face_rgb):
    rig.node({"privacy.mode": "blur", "input.reliability": "reliable"}, FaceMesher)
    arrays, images = rig.faces(), rig.publisher(Image, CAMERA, RELIABLE)
    shown = rig.collect(Image, ANONYMOUS)
    images.publish(image_message(1.0, face_rgb))
    rig.until(lambda: shown, "the anonymous image")
    (face,) = arrays[0].faces
    x, y = np.round(np.array(face.landmarks).reshape(-1, 3)[:, :2].T).astype(int)
    masked = face_rgb.copy()
    masked[y.min() : y.max(), x.min() : x.max()] //= 8
    masked[y.min() : y.max() : 2, x.min() : x.max()] = (255, 0, 255)
    images.publish(image_message(1.1, masked))
    rig.until(lambda: len(shown) == 2, "the image without a face that is found")
    rig.until(lambda: len(arrays) == 2, "no faces")
    assert arrays[1].faces == []
    inside = image_rgb(shown[1])[y.min() : y.max(), x.min() : x.max()].astype(int)
    assert np.abs(np.diff(inside, axis=0)).max() < 12  # no stripes


def test_the_limits_of_blur_are_said_with_the_settings_that_count(rig, capfd):
    assert limits_of_blur("off", Config()) is limits_of_blur("numbers", Config()) is None
    rig.node({"privacy.mode": "blur", "max_faces": 7, "detector.interval_s": 0.25})
    said = capfd.readouterr().err
    assert "of 7 at most (max_faces)" in said and "every 0.25 s (detector.interval_s" in said
