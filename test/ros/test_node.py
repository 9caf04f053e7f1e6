"""The node on real topics: what comes out for what goes in."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import BEST_EFFORT, DEADLINE_S, LATCHED, RELIABLE, image_message, info_message, stamp
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import SetBool, Trigger

from facemesh_ros.msg import FaceMeshArray, FaceTopology
from facemesh_ros.ros.convert import stamp_seconds

pytestmark = pytest.mark.ros

ROUNDING_MS = 0.01
"""Far more than float32 takes from sums of stages, far less than any stage that is left out."""


def stamps(arrays):
    return [stamp_seconds(array.header) for array in arrays]


def test_an_image_gives_one_array_with_its_stamp_frame_and_size(rig):
    rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    images.publish(image_message(12.5))
    rig.until(lambda: arrays, "faces")
    (array,) = arrays
    assert (array.header.stamp, array.header.frame_id) == (stamp(12.5), "camera_optical")
    assert (array.image_width, array.image_height, array.dropped) == (64, 48, 0)
    assert [face.id for face in array.faces] == [1]


def test_timing_adds_up(rig):
    rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    timing = arrays[0].timing
    assert min(timing.queue, timing.decode, timing.mesh) > 0.0
    assert timing.build == timing.publish == 0.0
    images.publish(image_message(2.0))
    rig.until(lambda: len(arrays) == 2, "the second image")
    assert min(arrays[1].timing.build, arrays[1].timing.publish) > 0.0
    for array in arrays:
        assert_adds_up(array.timing)


def assert_adds_up(timing):
    """Hold the laws of FaceMeshTiming, each of whose fields is rounded for itself."""
    assert min(getattr(timing, stage) for stage in timing.get_fields_and_field_types()) >= 0.0
    assert timing.crop + timing.network + timing.post <= timing.mesh + ROUNDING_MS
    parts = timing.queue + timing.decode + timing.detect + timing.mesh + timing.pose
    assert parts <= timing.total + ROUNDING_MS < 1e3 * DEADLINE_S


def test_an_image_that_cannot_be_read_does_not_hide_what_the_last_message_took(rig):
    node = rig.node({"input.reliability": "reliable"})
    arrays, images = rig.faces(), rig.publisher(Image, "/image", RELIABLE)
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    images.publish(spoilt({"encoding": "bgr7"}))
    rig.until(lambda: node._lanes[0].tally.skipped, "the bad image to be counted")
    images.publish(image_message(3.0))
    rig.until(lambda: len(arrays) == 2, "faces")
    assert min(arrays[1].timing.build, arrays[1].timing.publish) > 0.0


@pytest.mark.models
def test_a_real_face_is_found_by_the_real_networks(rig, networks, face_rgb):
    from facemesh_ros.pipeline import FaceMesher

    rig.node({"input.reliability": "reliable"}, FaceMesher)
    arrays, images = rig.faces(), rig.publisher(Image, "/image", RELIABLE)
    images.publish(image_message(3.25, face_rgb))
    rig.until(lambda: arrays, "faces")
    (array,) = arrays
    assert (array.header.stamp, array.header.frame_id) == (stamp(3.25), "camera_optical")
    assert_adds_up(array.timing)
    assert min(getattr(array.timing, stage) for stage in ("detect", "crop", "network", "post", "pose")) > 0.0
    (face,) = array.faces
    points = np.array(face.landmarks).reshape(478, 3)
    assert face.presence > 0.9
    assert np.all((points[:, :2] > 0) & (points[:, :2] < (640, 480)))


def test_an_image_without_faces_gives_an_empty_array(rig):
    rig.node()
    rig.mesher.faces = ()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "an empty array")
    assert (stamps(arrays), arrays[0].faces) == ([1.0], [])


BAD_IMAGES = {
    "of zero size": {"height": 0, "width": 0, "data": []},
    "of an unknown encoding": {"encoding": "bgr7"},
    "cut short": {"data": [0] * 10},
    "with a step too small": {"step": 5},
}


def spoilt(fields):
    message = image_message(1.0)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize("fields", BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_a_bad_image_is_counted_and_said_and_the_next_one_works(rig, fields, capfd):
    node = rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    images.publish(spoilt(fields))
    rig.until(lambda: node._lanes[0].tally.skipped, "a bad image")
    images.publish(image_message(2.0))
    rig.until(lambda: arrays, "faces")
    assert (stamps(arrays), arrays[0].dropped) == ([2.0], 1)
    # Read once, at the end: what the worker writes while capfd empties its file is lost.
    assert "image skipped" in capfd.readouterr().err


def test_an_error_of_our_own_is_logged_with_its_traceback_and_the_next_image_works(rig, capfd):
    node = rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    rig.mesher.error = ZeroDivisionError("a bug")
    images.publish(image_message(1.0))
    rig.until(lambda: node._lanes[0].tally.skipped, "an image on which the node fails")
    rig.mesher.error = None
    images.publish(image_message(2.0))
    rig.until(lambda: arrays, "faces")
    assert (stamps(arrays), arrays[0].dropped) == ([2.0], 1)
    said = capfd.readouterr().err
    assert "Traceback" in said and "ZeroDivisionError: a bug" in said


def test_errors_of_two_kinds_are_both_said_and_each_once(rig, capfd):
    rig.node()
    images, tally = rig.publisher(Image, "/image", RELIABLE), rig.nodes[0]._lanes[0].tally
    bad = [{"encoding": "bgr7"}, {"encoding": "bgr7"}, {"step": 5}]
    for count, fields in enumerate(bad, start=1):
        images.publish(spoilt(fields))
        rig.until(lambda count=count: tally.skipped == count, "an image to be skipped")
    said = capfd.readouterr().err
    assert (said.count("'bgr7' cannot be read"), said.count("step is 5 bytes")) == (1, 1)


def test_images_may_change_their_size(rig):
    rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    sizes_wh = [(64, 48), (1280, 720), (33, 21), (64, 48)]
    for number, (width, height) in enumerate(sizes_wh, start=1):
        images.publish(image_message(number, np.zeros((height, width, 3), np.uint8)))
        rig.until(lambda number=number: len(arrays) == number, "faces")
    assert [(array.image_width, array.image_height) for array in arrays] == sizes_wh


def test_an_image_slightly_older_than_the_one_before_is_skipped_and_counted(rig):
    rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image", RELIABLE)
    tally = rig.nodes[0]._lanes[0].tally
    for second, frames in ((10.033, (1, 0)), (10.0329, (1, 1)), (10.066, (2, 1))):
        images.publish(image_message(second))
        rig.until(lambda frames=frames: (tally._frames, tally.skipped) == frames, "the image to be dealt with")
    rig.until(lambda: len(arrays) == 2, "two arrays")
    assert (stamps(arrays), rig.mesher.resets) == ([10.033, 10.066], 0)


def test_the_newest_image_wins_and_the_skipped_ones_are_counted(rig):
    rig.node({"qos_overrides./image.subscription.depth": 10})
    arrays, images = rig.faces(), rig.publisher(Image, "/image", RELIABLE)
    rig.mesher.may_work.clear()
    images.publish(image_message(1.0))
    rig.until(lambda: rig.mesher.stamps, "the worker")
    node = rig.nodes[0]
    for second in (2.0, 3.0, 4.0):
        images.publish(image_message(second))
    rig.until(lambda: node._lanes[0].tally.skipped == 2, "two images to be overwritten")
    rig.mesher.may_work.set()
    rig.until(lambda: len(arrays) == 2, "two arrays")
    assert stamps(arrays) == [1.0, 4.0]
    assert arrays[1].dropped == 2


def test_stamps_that_jump_back_reset_the_tracks_and_are_said_once(rig, capfd):
    rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    for number, second in enumerate((5.0, 1.0, 2.0, 0.5), start=1):
        images.publish(image_message(second))
        rig.until(lambda number=number: len(arrays) == number, "faces")
    assert rig.mesher.resets == 2
    assert capfd.readouterr().err.count("stamps jumped back") == 1


def test_the_camera_is_the_one_with_the_same_stamp(rig):
    rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    infos = rig.publisher(CameraInfo, "/camera_info")
    infos.publish(info_message(1.0))
    rig.until(lambda: rig.nodes[0]._lanes[0].ready[1].cameras._messages, "camera_info")
    for number, second in enumerate((1.0, 2.0), start=1):
        images.publish(image_message(second))
        rig.until(lambda number=number: len(arrays) == number, "faces")
    paired, unpaired = rig.mesher.cameras
    assert paired.size_wh == (64, 48)
    assert unpaired is None


def test_compressed_images_are_read_from_beside_the_remapped_topic(rig, face_rgb):
    import cv2

    rig.node({"input.transport": "compressed"}, remap=["image:=/head/image_raw"])
    arrays, images = rig.faces(), rig.publisher(CompressedImage, "/head/image_raw/compressed")
    message = CompressedImage(header=image_message(1.0).header, format="jpeg")
    message.data = cv2.imencode(".jpg", face_rgb)[1].tobytes()
    images.publish(message)
    rig.until(lambda: arrays, "faces")
    assert (arrays[0].image_width, arrays[0].image_height) == (640, 480)


def test_the_topology_is_latched_and_fits_the_network(rig):
    rig.node({"mesh.network": "mesh"})
    late = rig.collect(FaceTopology, "/facemesh_node/topology", LATCHED)
    rig.until(lambda: late, "the topology")
    assert late[0].num_points == 468
    assert np.array(late[0].triangles).reshape(-1, 3).max() == 467


def test_the_debug_image_is_drawn_only_while_somebody_looks(rig, face_rgb):
    rig.node({"input.reliability": "reliable"})
    arrays, images = rig.faces(), rig.publisher(Image, "/image", RELIABLE)
    pictures = rig.collect(Image, "/facemesh_node/debug_image")
    images.publish(image_message(1.0, face_rgb))
    rig.until(lambda: pictures, "the debug image")
    (picture,) = pictures
    assert (picture.header, picture.encoding, picture.width, picture.height) == (arrays[0].header, "bgr8", 640, 480)
    bgr = np.frombuffer(picture.data, np.uint8).reshape(480, 640, 3)
    untouched = np.all(bgr == face_rgb[..., ::-1], axis=2)
    assert 0.5 < untouched.mean() < 1.0


def enable(rig, on):
    return rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=on))


def test_enable_unsubscribes_and_subscribes(rig):
    rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    assert enable(rig, False).success
    rig.until(lambda: len(arrays) == 2, "an empty array")
    assert arrays[-1].faces == []
    rig.until(lambda: not images.get_subscription_count(), "the node to unsubscribe")
    assert enable(rig, True).success
    rig.until(images.get_subscription_count, "the node to subscribe")
    images.publish(image_message(2.0))
    rig.until(lambda: arrays[-1].faces, "faces")


def test_enable_is_refused_with_the_reason_while_inactive(rig):
    rig.node(start=False)
    answer = enable(rig, True)
    assert not answer.success
    assert "activate" in answer.message


def test_reset_tracks_resets_and_is_refused_while_unconfigured(rig):
    node = rig.node(start=False)
    assert not rig.call(Trigger, "/facemesh_node/reset_tracks", Trigger.Request()).success
    node.start()
    assert rig.call(Trigger, "/facemesh_node/reset_tracks", Trigger.Request()).success
    assert rig.mesher.resets == 1


def test_services_answer_while_images_and_camera_info_flow(rig):
    rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    infos = rig.publisher(CameraInfo, "/camera_info")
    for number in range(1, 31):
        images.publish(image_message(number))
        answer = rig.call(Trigger, "/facemesh_node/reset_tracks", Trigger.Request())
        infos.publish(info_message(number))
        assert answer.success
        rig.until(lambda number=number: arrays and stamps(arrays)[-1] == number, "faces")
    assert rig.mesher.resets == 30


def test_two_nodes_in_namespaces_of_their_own_do_not_meet(rig):
    for namespace in ("/left", "/right"):
        rig.node(remap=[f"__ns:={namespace}"])
    arrays = {side: rig.collect(FaceMeshArray, f"/{side}/facemesh_node/faces") for side in ("left", "right")}
    images = {side: rig.publisher(Image, f"/{side}/image") for side in ("left", "right")}
    images["left"].publish(image_message(1.0))
    images["right"].publish(image_message(2.0))
    rig.until(lambda: all(arrays.values()), "faces on both sides")
    assert {side: stamps(of_side) for side, of_side in arrays.items()} == {"left": [1.0], "right": [2.0]}


@pytest.mark.parametrize(
    ("choice", "offered", "used"),
    [
        ("best_effort", BEST_EFFORT, "BEST_EFFORT"),
        ("best_effort", RELIABLE, "BEST_EFFORT"),
        ("reliable", RELIABLE, "RELIABLE"),
        ("auto", BEST_EFFORT, "BEST_EFFORT"),
        ("auto", RELIABLE, "RELIABLE"),
    ],
)
def test_reliability_is_what_the_parameter_says_and_auto_what_the_publisher_offers(rig, choice, offered, used):
    rig.node({"input.reliability": choice})
    arrays = rig.faces()
    images = rig.publisher(Image, "/image", offered)
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    (subscription,) = rig.tester.get_subscriptions_info_by_topic("/image")
    assert subscription.qos_profile.reliability.name == used


def test_a_qos_override_of_the_users_wins(rig):
    rig.node({"qos_overrides./image.subscription.reliability": "reliable"})
    (subscription,) = rig.tester.get_subscriptions_info_by_topic("/image")
    assert subscription.qos_profile.reliability.name == "RELIABLE"
