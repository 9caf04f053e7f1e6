"""Several cameras in one node, over real topics: each for itself, and none at the others' cost."""

import threading
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from diagnostic_msgs.msg import DiagnosticArray
from held import Held
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rig import DEADLINE_S, LATCHED, RELIABLE, a_face, image_message, info_message, placed
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import SetBool, Trigger
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from facemesh_ros.errors import ConfigError
from facemesh_ros.msg import FaceMeshArray, FaceTopology
from facemesh_ros.ros import pictures
from facemesh_ros.ros.convert import stamp_seconds
from facemesh_ros.ros.node import FaceMeshNode
from facemesh_ros.ros.streams import CLOSE_S

pytestmark = pytest.mark.ros

NAMES = ("front", "left", "rear")
NODE = "/facemesh_node"


def stamps(arrays):
    return [stamp_seconds(array.header) for array in arrays]


class Cameras:
    """A node with cameras, what it publishes of each, and a publisher of each one's images."""

    def __init__(self, rig, names=NAMES, remap=(), **parameters):
        self.rig = rig
        depths = {f"qos_overrides./{name}/image.subscription.depth": 10 for name in names}
        settings = {name.replace("__", "."): value for name, value in parameters.items()}
        self.node = rig.node(
            {"cameras": list(names), "input.reliability": "reliable", **depths, **settings}, remap=remap
        )
        self.meshers = dict(zip(names, rig.meshers, strict=True))
        self.lanes = dict(zip(names, self.node._lanes, strict=True))
        self.arrays = {name: rig.collect(FaceMeshArray, f"{NODE}/{name}/faces") for name in names}
        self.images = {name: rig.publisher(Image, f"/{name}/image", RELIABLE) for name in names}

    def send(self, name, seconds, **changes):
        message = image_message(seconds)
        for field, value in changes.items():
            setattr(message, field, value)
        self.images[name].publish(message)

    def shows(self, name, *seconds):
        """Wait until the faces of images of these times are out, and no others."""
        self.rig.until(lambda: len(self.arrays[name]) >= len(seconds), f"faces of {name}")
        assert stamps(self.arrays[name]) == list(seconds)

    def get_stuck(self, name):
        """Have an image of one camera worked on without end."""
        self.meshers[name].may_work.clear()
        self.send(name, 0.5)
        self.rig.until(lambda: self.meshers[name].stamps, f"{name} to be worked on")


@pytest.fixture
def cameras(rig, request):
    made = Cameras(rig, **getattr(request, "param", {}))
    yield made
    for mesher in rig.meshers:
        mesher.may_work.set()


def test_each_camera_has_its_images_its_faces_and_its_tracks(cameras):
    for number, name in enumerate(NAMES, start=1):
        cameras.send(name, number)
    for number, name in enumerate(NAMES, start=1):
        cameras.shows(name, float(number))
        assert cameras.meshers[name].stamps == [float(number)]


def test_a_message_tells_of_the_message_before_it_of_the_same_camera(cameras):
    cameras.send("front", 1.0)
    cameras.shows("front", 1.0)
    cameras.send("front", 2.0)
    cameras.send("left", 2.0)
    cameras.shows("front", 1.0, 2.0)
    cameras.shows("left", 2.0)
    told = {name: [(a.timing.build > 0.0, a.timing.publish > 0.0) for a in cameras.arrays[name]] for name in NAMES}
    assert told == {"front": [(False, False), (True, True)], "left": [(False, False)], "rear": []}


def test_all_topics_of_a_camera_are_under_its_name_and_only_the_topology_is_not(cameras):
    # Of the node itself, not of the graph: there a node of the same name that was killed lives on for a while.
    published = {publisher.topic_name for publisher in cameras.node.publishers}
    of_images = {f"{topic}{form}" for topic in ("debug_image",) for form in ("", "/compressed")}
    expected = {f"{NODE}/{name}/{topic}" for name in NAMES for topic in ("faces", "markers", "points", *of_images)}
    assert {topic for topic in published if topic.startswith(NODE)} == expected | {f"{NODE}/topology"}
    subscribed = {subscription.topic_name for subscription in cameras.node.subscriptions}
    inputs = {f"/{name}/{topic}" for name in NAMES for topic in ("image", "camera_info")}
    assert inputs <= subscribed and not {"/image", "/camera_info"} & subscribed


def test_the_networks_are_opened_once_for_all(rig):
    opened = []
    options = {"context": rig.context, "parameter_overrides": [Parameter("cameras", value=list(NAMES))]}
    node = FaceMeshNode(lambda *asked: opened.append(asked) or rig.make_mesher, **options)
    rig.nodes.append(node)
    assert node.start()
    ((_, cameras),) = opened
    assert (cameras, len(rig.meshers)) == (3, 3)


@pytest.mark.models
def test_the_faces_of_two_cameras_are_found_by_the_same_networks(rig, networks, face_rgb):
    names = ("front", "left")
    options = {
        "context": rig.context,
        "parameter_overrides": [
            Parameter("cameras", value=list(names)),
            Parameter("input.reliability", value="reliable"),
        ],
    }
    node = FaceMeshNode(**options)
    rig.nodes.append(node)
    rig.executor.add_node(node)
    assert node.start()
    arrays = {name: rig.collect(FaceMeshArray, f"{NODE}/{name}/faces") for name in names}
    images = {name: rig.publisher(Image, f"/{name}/image", RELIABLE) for name in names}
    images["front"].publish(image_message(1.0, face_rgb))
    images["left"].publish(image_message(1.0, face_rgb))
    rig.until(lambda: all(arrays.values()), "faces of both")
    (front,), (left,) = (arrays[name][0].faces for name in names)
    assert front.id == left.id == 1
    assert front.landmarks == left.landmarks


def test_the_topology_is_there_once(cameras, rig):
    assert len(rig.tester.get_publishers_info_by_topic(f"{NODE}/topology")) == 1
    late = rig.collect(FaceTopology, f"{NODE}/topology", LATCHED)
    rig.until(lambda: late, "the topology")


@pytest.mark.parametrize(
    ("cameras", "prefix"),
    [({"tf__view_frame": "view"}, ""), ({"id_prefix": "robot_", "tf__view_frame": "view"}, "robot_")],
    indirect=["cameras"],
)
def test_the_frames_of_each_camera_have_names_of_their_own(cameras, rig, prefix):
    fixed_qos = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    tf, fixed = rig.collect(TFMessage, "/tf"), rig.collect(TFMessage, "/tf_static", fixed_qos)
    rig.until(lambda: all(lane.outputs.tf.get_subscription_count() for lane in cameras.node._lanes), "a reader of TF")
    for name in NAMES:
        cameras.meshers[name].faces = (placed(a_face()),)
        cameras.images[name].publish(image_message(1.0, frame_id=f"{name}_optical"))
    rig.until(lambda: len(tf) == len(fixed) == 3, "TF of all")
    parents = {one.child_frame_id: one.header.frame_id for message in tf + fixed for one in message.transforms}
    faces = {f"face_{prefix}{name}_1": f"{name}_optical" for name in NAMES}
    gazes = {f"gaze_{prefix}{name}_1": f"face_{prefix}{name}_1" for name in NAMES}
    assert parents == faces | gazes | {f"view_{name}": f"{name}_optical" for name in NAMES}


def test_a_target_that_is_a_face_of_any_camera_of_the_node_is_refused(rig, capfd):
    node = rig.node({"cameras": list(NAMES), "attention.target_frame": "face_left_3"}, start=False)
    assert not node.start()
    assert "attention.target_frame is 'face_left_3'" in capfd.readouterr().err


def test_markers_and_points_are_under_the_cameras_name(cameras, rig):
    face = placed(a_face())
    shown = {
        (name, kind): rig.collect(message, f"{NODE}/{name}/{kind}")
        for name in NAMES
        for kind, message in (("markers", MarkerArray), ("points", PointCloud2))
    }
    outputs = [lane.outputs for lane in cameras.node._lanes]
    rig.until(lambda: all(p.get_subscription_count() for one in outputs for p in (one.markers, one.points)), "viewers")
    cameras.meshers["left"].faces = (replace(face, points_m=np.ones((468, 3), np.float32)),)
    cameras.send("left", 1.0)
    rig.until(lambda: shown["left", "markers"] and shown["left", "points"], "what there is to see")
    assert [name for (name, _), messages in shown.items() if messages] == ["left", "left"]
    texts = {marker.text for marker in shown["left", "markers"][0].markers if marker.ns == "id"}
    assert texts == {"left_1"}


def test_the_calibration_of_a_camera_is_its_own(cameras, rig):
    infos = rig.publisher(CameraInfo, "/left/camera_info")
    infos.publish(info_message(1.0))
    rig.until(lambda: cameras.lanes["left"].ready[1].cameras._messages, "camera_info")
    for name in NAMES:
        cameras.send(name, 1.0)
        cameras.shows(name, 1.0)
    assert [cameras.meshers[name].cameras[0] is not None for name in NAMES] == [False, True, False]


def test_tracks_are_forgotten_of_one_camera_or_of_all(cameras, rig):
    assert rig.call(Trigger, f"{NODE}/left/reset_tracks", Trigger.Request()).success
    assert [cameras.meshers[name].resets for name in NAMES] == [0, 1, 0]
    assert rig.call(Trigger, f"{NODE}/reset_tracks", Trigger.Request()).success
    assert [cameras.meshers[name].resets for name in NAMES] == [1, 2, 1]


def test_enable_pauses_all_and_each_says_that_there_are_no_faces_any_more(cameras, rig):
    for name in NAMES:
        cameras.send(name, 1.0)
        cameras.shows(name, 1.0)
    assert rig.call(SetBool, f"{NODE}/enable", SetBool.Request(data=False)).success
    for name in NAMES:
        rig.until(lambda name=name: len(cameras.arrays[name]) == 2, "an empty array")
        assert [len(array.faces) for array in cameras.arrays[name]] == [1, 0]
    assert [cameras.meshers[name].resets for name in NAMES] == [1, 1, 1]
    assert rig.call(SetBool, f"{NODE}/enable", SetBool.Request(data=True)).success
    for name in NAMES:
        rig.until(cameras.images[name].get_subscription_count, "the node to subscribe")


def test_ids_of_each_camera_go_on_after_a_clean_up(cameras, rig):
    for number, name in enumerate(NAMES, start=5):
        cameras.meshers[name].next_id = number
    cameras.node.trigger_deactivate()
    cameras.node.trigger_cleanup()
    assert cameras.node.start()
    assert [mesher.first_id for mesher in rig.meshers[3:]] == [5, 6, 7]


def test_live_settings_reach_all_cameras(cameras):
    (taken,) = cameras.node.set_parameters([Parameter("max_faces", value=9)])
    assert taken.successful
    assert {cameras.meshers[name].config.max_faces for name in NAMES} == {9}


def test_each_camera_reports_its_own_counts(cameras, rig):
    heard = rig.collect(DiagnosticArray, "/diagnostics")
    cameras.meshers["front"].may_work.clear()
    cameras.send("front", 1.0)
    rig.until(lambda: cameras.meshers["front"].stamps, "front to be worked on")
    for count, second in enumerate((2.0, 3.0, 4.0)):
        cameras.send("front", second)
        rig.until(lambda count=count: cameras.lanes["front"].tally.skipped == count, "the image to replace another")
    cameras.meshers["front"].may_work.set()
    cameras.shows("front", 1.0, 4.0)
    cameras.send("left", 1.0, encoding="bgr7")
    rig.until(lambda: cameras.lanes["left"].tally.skipped, "a bad image")

    def told():
        values = [{pair.key: pair.value for pair in status.values} for status in heard[-1].status] if heard else []
        return [(one["frames"], one["dropped"], one["bad"]) for one in values]

    rig.until(lambda: told() == [("2", "2", "0"), ("0", "0", "1"), ("0", "0", "0")], "the counts")
    assert [status.name for status in heard[-1].status] == [f"{NODE}: {name}: face meshes" for name in NAMES]
    assert [status.hardware_id for status in heard[-1].status] == [f"/{name}/image" for name in NAMES]


RUBBISH = {
    "of zero size": {"height": 0, "width": 0, "data": []},
    "of an unknown encoding": {"encoding": "bgr7"},
    "cut short": {"data": [0] * 10},
}


@pytest.mark.parametrize("changes", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_from_one_camera_is_its_own_matter(cameras, rig, changes, capfd):
    cameras.send("left", 1.0, **changes)
    for second in (1.0, 2.0):
        cameras.send("front", second)
        rig.until(lambda second=second: stamps(cameras.arrays["front"])[-1:] == [second], "faces of front")
    cameras.send("left", 2.0)
    cameras.shows("left", 2.0)
    assert (cameras.arrays["left"][0].dropped, cameras.arrays["front"][-1].dropped) == (1, 0)
    assert "facemesh_node.left" in capfd.readouterr().err


def test_an_error_with_one_camera_is_its_own_matter(cameras, rig):
    cameras.meshers["left"].error = ZeroDivisionError("a bug")
    cameras.send("left", 1.0)
    rig.until(lambda: cameras.lanes["left"].tally.skipped, "the image to fail")
    cameras.send("front", 1.0)
    cameras.shows("front", 1.0)
    assert cameras.lanes["front"].tally.skipped == 0


def test_a_camera_may_change_its_size_and_lose_its_calibration(cameras, rig):
    infos = rig.publisher(CameraInfo, "/left/camera_info")
    infos.publish(info_message(1.0))
    rig.until(lambda: cameras.lanes["left"].ready[1].cameras._messages, "camera_info")
    cameras.send("left", 1.0)
    cameras.shows("left", 1.0)
    cameras.images["left"].publish(image_message(2.0, np.zeros((120, 160, 3), np.uint8)))
    cameras.send("front", 2.0)
    cameras.shows("left", 1.0, 2.0)
    cameras.shows("front", 2.0)
    assert [camera is None for camera in cameras.meshers["left"].cameras] == [False, True]
    sizes = [(array.image_width, array.image_height) for array in (*cameras.arrays["left"], *cameras.arrays["front"])]
    assert sizes == [(64, 48), (160, 120), (64, 48)]


def test_a_camera_whose_publisher_goes_hurts_nobody_and_may_come_back(cameras, rig):
    cameras.send("left", 1.0)
    cameras.shows("left", 1.0)
    rig.tester.destroy_publisher(cameras.images["left"])
    for second in (1.0, 2.0, 3.0):
        cameras.send("front", second)
        rig.until(lambda second=second: stamps(cameras.arrays["front"])[-1:] == [second], "faces of front")
    cameras.images["left"] = rig.publisher(Image, "/left/image", RELIABLE)
    cameras.send("left", 4.0)
    cameras.shows("left", 1.0, 4.0)


@pytest.mark.parametrize("cameras", [{"workers": 1}], indirect=True)
def test_a_camera_that_is_stuck_holds_up_neither_the_others_nor_services_and_settings(cameras, rig, monkeypatch):
    monkeypatch.setattr("facemesh_ros.ros.streams.STUCK_S", 0.0)
    cameras.get_stuck("left")
    cameras.send("front", 1.0)
    cameras.shows("front", 1.0)
    assert rig.call(Trigger, f"{NODE}/reset_tracks", Trigger.Request()).success
    assert cameras.node.set_parameters([Parameter("max_faces", value=9)])[0].successful
    assert [cameras.meshers[name].resets for name in NAMES] == [1, 0, 1]
    cameras.meshers["left"].may_work.set()
    cameras.shows("left", 0.5)
    rig.until(lambda: cameras.meshers["left"].resets, "what was asked for meanwhile")
    assert cameras.meshers["left"].config.max_faces == 9


def test_deactivation_names_the_camera_that_is_stuck_and_the_others_end_well(cameras, rig, monkeypatch, capfd):
    monkeypatch.setattr("facemesh_ros.ros.streams.CLOSE_S", 0.0)
    cameras.send("front", 1.0)
    cameras.shows("front", 1.0)
    cameras.get_stuck("left")
    assert cameras.node.trigger_deactivate() == TransitionCallbackReturn.ERROR
    said = capfd.readouterr().err
    assert "left: the work on one image has taken" in said and "front: the work" not in said
    rig.until(lambda: len(cameras.arrays["front"]) == 2, "an empty array")
    assert cameras.arrays["front"][1].faces == []
    assert [cameras.meshers[name].resets for name in NAMES] == [1, 0, 1]
    assert cameras.arrays["left"] == []


def test_the_newest_image_of_each_camera_wins(cameras, rig):
    for mesher in cameras.meshers.values():
        mesher.may_work.clear()
    for name in ("front", "left"):
        cameras.send(name, 1.0)
        rig.until(lambda name=name: cameras.meshers[name].stamps, "the camera to be worked on")
    for count, second in enumerate((2.0, 3.0)):
        for name in NAMES:
            cameras.send(name, second)
            rig.until(lambda name=name, n=count: cameras.lanes[name].tally.skipped == n, "the image to arrive")
    for mesher in cameras.meshers.values():
        mesher.may_work.set()
    cameras.shows("front", 1.0, 3.0)
    cameras.shows("left", 1.0, 3.0)
    rig.until(lambda: stamps(cameras.arrays["rear"])[-1:] == [3.0], "faces of rear")


def test_a_qos_override_is_for_the_topic_of_its_camera(rig):
    rig.node({"cameras": list(NAMES), "qos_overrides./left/image.subscription.reliability": "reliable"})
    asked = {
        name: rig.tester.get_subscriptions_info_by_topic(f"/{name}/image")[0].qos_profile.reliability.name
        for name in NAMES
    }
    assert asked == {"front": "BEST_EFFORT", "left": "RELIABLE", "rear": "BEST_EFFORT"}


def test_an_override_for_a_topic_of_no_camera_is_said(rig, capfd):
    rig.node({"cameras": list(NAMES), "qos_overrides./image.subscription.depth": 2})
    said = capfd.readouterr().err
    assert "qos_overrides./image.subscription.depth is no parameter" in said and "/left/image" in said


@pytest.mark.parametrize(
    ("rules", "common", "to_mend"),
    [
        (("front/image:=/cam", "left/image:=/cam"), "/cam", "left/image"),
        (("front/image:=/rig/one", "left/image:=/rig/two"), "/rig/camera_info", "left/camera_info"),
        (("front/camera_info:=/info", "left/camera_info:=/info"), "/info", "left/camera_info"),
        (("left/camera_info:=/front/camera_info",), "/front/camera_info", "left/camera_info"),
        (("front/depth:=/depth", "left/depth:=/depth"), "/depth", "left/depth"),
        (("~/front/faces:=/faces", "~/left/faces:=/faces"), "/faces", "~/left/faces"),
        (("~/left/debug_image:=/facemesh_node/front/debug_image",), "/facemesh_node/front/debug_image", "~/left/debug"),
    ],
)
def test_cameras_that_remappings_have_made_one_are_refused(rig, capfd, rules, common, to_mend):
    node = rig.node({"cameras": list(NAMES), "depth.enabled": True}, remap=rules, start=False)
    assert not node.start()
    said = capfd.readouterr().err
    assert f"cameras front and left have the topic {common} in common" in said and f"-r '{to_mend}" in said


@pytest.mark.parametrize(
    "rules",
    [
        ("front/image:=/rig/one", "left/image:=/rig/two", "left/camera_info:=/rig/info_2"),
        ("front/depth:=/depth", "left/depth:=/depth"),
    ],
    ids=["each with its calibration", "depth that nobody listens to"],
)
def test_cameras_that_share_nothing_which_they_use_are_taken(rig, rules):
    assert rig.node({"cameras": list(NAMES)}, remap=rules, start=False).start()


def test_what_is_not_remapped_follows_the_cameras_image(rig):
    rig.node({"cameras": list(NAMES)}, remap=["left/image:=/robot/left/image_raw"])
    for topic in ("/robot/left/image_raw", "/robot/left/camera_info", "/front/image", "/front/camera_info"):
        rig.until(lambda topic=topic: rig.tester.count_subscribers(topic), f"a subscriber on {topic}")


def test_a_camera_without_images_is_named_with_its_remapping(rig, capfd):
    rig.publisher(Image, "/somewhere/image_raw", connected=False)
    rig.node({"cameras": list(NAMES), "input.patience_s": 0.1})
    said = []

    def told():
        said.append(capfd.readouterr().err)
        return "-r left/image:=/somewhere/image_raw" in "".join(said)

    rig.until(told, "the advice")
    assert "facemesh_node.left" in "".join(said)


def test_another_cameras_images_are_not_recommended(rig, capfd):
    rig.publisher(Image, "/front/image", connected=False)
    rig.node({"cameras": list(NAMES), "input.patience_s": 0.1})
    said = []

    def told():
        said.append(capfd.readouterr().err)
        return "nothing publishes on /left/image" in "".join(said)

    rig.until(told, "the advice")
    assert "left/image:=" not in "".join(said)


@pytest.mark.parametrize("names", [["front", "front"], ["1st"]])
def test_bad_names_stop_the_start_and_are_named(rig, names):
    with pytest.raises(ConfigError, match="cameras is"):
        rig.node({"cameras": names}, start=False)


def test_the_cameras_do_not_change_while_the_node_lives(cameras):
    (refused,) = cameras.node.set_parameters([Parameter("cameras", value=["one"])])
    assert not refused.successful


def test_pictures_that_take_long_hold_up_no_faces_and_the_newest_is_shown(cameras, rig, monkeypatch):
    drawn, may_draw, draw = threading.Event(), threading.Event(), pictures.draw_faces

    def slow(*arguments, **options):
        drawn.set()
        assert may_draw.wait(DEADLINE_S)
        return draw(*arguments, **options)

    monkeypatch.setattr(pictures, "draw_faces", slow)
    shown = rig.collect(Image, f"{NODE}/front/debug_image")
    for second in (1.0, 2.0, 3.0):
        cameras.send("front", second)
        rig.until(lambda second=second: stamps(cameras.arrays["front"])[-1:] == [second], "faces")
        rig.until(drawn.is_set, "the first picture")
    may_draw.set()
    rig.until(lambda: stamps(shown)[-1:] == [3.0], "the newest picture")
    assert stamps(shown)[0] == 1.0 and stamps(shown) == sorted(stamps(shown))


def test_a_camera_whose_picture_does_not_end_is_named_and_the_others_end_well(cameras, rig, monkeypatch, capfd):
    monkeypatch.setattr("facemesh_ros.ros.streams.CLOSE_S", 0.0)
    shown, held, streams = (
        rig.collect(Image, f"{NODE}/left/debug_image"),
        Held(monkeypatch, "pictures.draw_faces"),
        cameras.node._streams,
    )
    for name in ("front", "left"):
        cameras.send(name, 1.0)
        cameras.shows(name, 1.0)
    rig.until(held.has_begun, "the picture to be drawn")
    assert cameras.node.trigger_deactivate() == TransitionCallbackReturn.ERROR
    said = capfd.readouterr().err
    assert "left: the drawing of one image has taken" in said and "front: the drawing" not in said
    held.let_go(streams)
    for name in ("front", "left"):
        rig.until(lambda name=name: len(cameras.arrays[name]) == 2, "an empty array")
        assert cameras.arrays[name][1].faces == []
    assert shown == []
    assert [cameras.meshers[name].resets for name in NAMES] == [1, 1, 1]


@pytest.mark.parametrize(
    "step", ["stream.Stream.unsubscribe", "stream.Stream.finish", "outlet.Outlet._take_faces_back"]
)
def test_every_camera_has_its_last_word_whatever_is_raised_by_another(cameras, rig, monkeypatch, capfd, step):
    module, kind, name = step.split(".")
    owner = getattr(import_module(f"facemesh_ros.ros.{module}"), kind)
    real, failed = getattr(owner, name), []

    def fails_once(self, *arguments, **options):
        if not failed:
            failed.append(self)
            raise ZeroDivisionError("a bug")
        return real(self, *arguments, **options)

    for camera in NAMES:
        cameras.send(camera, 1.0)
        cameras.shows(camera, 1.0)
    monkeypatch.setattr(owner, name, fails_once)
    assert cameras.node.trigger_deactivate() == TransitionCallbackReturn.ERROR
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err
    told = NAMES if name == "unsubscribe" else NAMES[:-1]  # the last camera's word is the first
    for camera in told:
        rig.until(lambda camera=camera: len(cameras.arrays[camera]) == 2, "an empty array")
        assert cameras.arrays[camera][1].faces == []
    assert [cameras.meshers[camera].resets for camera in NAMES] == [1, 1, 1]


def test_an_image_and_a_picture_that_do_not_end_are_waited_for_together(cameras, rig, monkeypatch):
    """By a clock that only waiting moves."""
    rig.collect(Image, f"{NODE}/front/debug_image")
    held, streams = Held(monkeypatch, "pictures.draw_faces"), cameras.node._streams
    cameras.send("front", 1.0)
    rig.until(held.has_begun, "the picture to be drawn")
    cameras.get_stuck("left")
    clock_s, were_closed = [100.0], []

    def join(timeout_s):
        clock_s[0] += timeout_s
        were_closed.extend(stream._outlet.is_closed for stream in streams._streams)

    threads = [*streams._images._threads, *streams._views._threads]
    for thread in threads:
        monkeypatch.setattr(thread, "join", join)
    monkeypatch.setattr("facemesh_ros.ros.workers.time", SimpleNamespace(monotonic=lambda: clock_s[0]))
    assert cameras.node.trigger_deactivate() == TransitionCallbackReturn.ERROR
    monkeypatch.undo()
    assert clock_s[0] == 100.0 + CLOSE_S and were_closed == [False] * len(NAMES) * len(threads)
    cameras.meshers["left"].may_work.set()
    held.let_go(streams)


def test_no_camera_lets_anything_out_while_readers_of_anothers_last_word_are_waited_for(cameras, rig, monkeypatch):
    outlets, were_closed = [stream._outlet for stream in cameras.node._streams._streams], []

    def wait(_):
        were_closed.append([outlet.is_closed for outlet in outlets])

    for name in NAMES:
        cameras.send(name, 1.0)
        cameras.shows(name, 1.0)
        monkeypatch.setattr(cameras.lanes[name].outputs.faces, "wait_for_all_acked", wait)
    assert cameras.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert were_closed == [[True] * len(NAMES)] * len(NAMES)


def test_the_view_at_hand_goes_out_before_the_word_that_there_are_no_faces_any_more(cameras, rig, monkeypatch):
    order, drawing, may_draw, draw = [], threading.Event(), threading.Event(), pictures.draw_faces

    def slow(*arguments, **options):
        drawing.set()
        assert may_draw.wait(DEADLINE_S)
        return draw(*arguments, **options)

    monkeypatch.setattr(pictures, "draw_faces", slow)
    rig.collect(Image, f"{NODE}/front/debug_image")
    outputs, views = cameras.lanes["front"].outputs, cameras.node._streams._views
    (topic,), join = outputs.pictures._topics, views.join
    outputs.faces.publish = lambda message: order.append(f"{len(message.faces)} faces")
    topic._raw.publish = lambda _: order.append("picture")
    views.join = lambda ends_s: (may_draw.set(), join(ends_s))[1]
    cameras.send("front", 1.0)
    rig.until(drawing.is_set, "the picture to be drawn")
    assert cameras.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert order == ["1 faces", "picture", "0 faces"]
