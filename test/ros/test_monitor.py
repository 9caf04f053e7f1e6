"""The listener of the demo, among nodes that send what it listens to."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rclpy.serialization import deserialize_message, serialize_message
from rig import DEADLINE_S, RELIABLE, image_message, stamp
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from facemesh_ros.msg import FaceMeshArray
from facemesh_ros.ros import monitor as module
from facemesh_ros.ros.convert import array_message, info_from_camera
from facemesh_ros.ros.monitor import STAGES, Monitor, Sighting
from facemesh_ros.types import Camera, Face, Mesh, Roi

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("_message_support")]

SIZE_WH = (64, 48)


def face(track_id=1, points=478):
    raw = np.random.default_rng(track_id).normal(30.0, 5.0, (points, 3))
    return Face(track_id, Roi((31.0, 22.5), 40.0, 0.25), Mesh(raw, 0.75), Mesh(raw + 1.0, 0.75))


def array_at(seconds, faces=(), dropped=0):
    header = Header(stamp=stamp(seconds), frame_id="camera_optical")
    return array_message(faces, header, SIZE_WH, {"mesh": 3.5}, dropped)


def sent(message):
    return deserialize_message(serialize_message(message), type(message))


@pytest.fixture
def listen(rig):
    """Make a monitor that is connected to publishers of faces and images."""
    monitors = []

    def make(sightings_wanted=10):
        monitor = Monitor("/faces", "/image", sightings_wanted)
        monitors.append(monitor)
        faces, images = rig.publisher(FaceMeshArray, "/faces", RELIABLE), rig.publisher(Image, "/image", RELIABLE)
        spin_until(monitor, monitor._image_subscription.get_publisher_count)  # best effort: or the first are lost
        return monitor, faces, images

    yield make
    for monitor in monitors:
        monitor.close()


def spin_until(monitor, condition):
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        monitor.spin(0.02)


def test_each_message_is_a_sample(listen):
    monitor, faces, _ = listen()
    faces.publish(array_at(1.0, (face(), face(2)), dropped=5))
    faces.publish(array_at(2.0))
    spin_until(monitor, lambda: len(monitor.samples) == 2)
    first, second = monitor.samples
    assert (first.presences, second.presences) == ((0.75, 0.75), ())
    assert first.dropped == 5
    assert set(first.stage_ms) == set(STAGES)
    assert first.stage_ms["mesh"] == 3.5
    assert first.arrived_s <= second.arrived_s


def test_latency_counts_from_the_images_stamp(rig, listen):
    monitor, faces, _ = listen()
    now = rig.tester.get_clock().now()
    message = array_at(0.0)
    message.header.stamp = now.to_msg()
    faces.publish(message)
    spin_until(monitor, lambda: monitor.samples)
    elapsed_ms = 1e-6 * (rig.tester.get_clock().now() - now).nanoseconds
    assert 0.0 < monitor.samples[0].latency_ms <= elapsed_ms


def test_faces_are_paired_with_the_image_of_their_stamp(listen):
    monitor, faces, images = listen()
    for second in (1, 2, 3):
        images.publish(image_message(second, np.full((48, 64, 3), 10 * second, np.uint8)))
    spin_until(monitor, lambda: len(monitor._images) == 3)
    faces.publish(array_at(2.0, (face(),)))
    faces.publish(array_at(2.5, (face(),)))  # has no image
    spin_until(monitor, lambda: len(monitor.samples) == 2)
    (sighting,) = monitor.sightings
    assert (sighting.image_rgb == 20).all()
    assert sighting.image_rgb.shape == (48, 64, 3)
    assert (sighting.stamp_s, len(sighting.faces)) == (2.0, 1)


def test_faces_may_come_before_their_image(listen):
    monitor, faces, images = listen()
    faces.publish(array_at(1.0, (face(),)))
    spin_until(monitor, lambda: monitor.samples)
    assert not monitor.sightings
    images.publish(image_message(1.0))
    spin_until(monitor, lambda: len(monitor.sightings) == 1)


def test_once_enough_is_seen_images_are_no_longer_subscribed_to(rig, listen):
    monitor, faces, images = listen(sightings_wanted=1)
    images.publish(image_message(1.0))
    images.publish(image_message(2.0))
    spin_until(monitor, lambda: len(monitor._images) == 2)
    faces.publish(array_at(1.0))
    faces.publish(array_at(2.0))
    spin_until(monitor, lambda: len(monitor.samples) == 2)
    assert len(monitor.sightings) == 1
    rig.until(lambda: images.get_subscription_count() == 0, "the end of the subscription")


def test_a_sighting_has_the_camera_of_the_calibration_beside_the_images(rig, listen):
    monitor, faces, images = listen()
    infos = rig.publisher(CameraInfo, "/camera_info", RELIABLE)
    spin_until(monitor, monitor._info_subscription.get_publisher_count)
    camera = Camera.from_fov(SIZE_WH, 1.0)
    infos.publish(info_from_camera(camera))
    spin_until(monitor, lambda: monitor._info is not None)
    images.publish(image_message(1.0, np.zeros((48, 64, 3), np.uint8)))
    images.publish(image_message(2.0, np.zeros((64, 48, 3), np.uint8)))  # another size
    spin_until(monitor, lambda: len(monitor._images) == 2)
    faces.publish(array_at(1.0))
    faces.publish(array_at(2.0))
    spin_until(monitor, lambda: len(monitor.sightings) == 2)
    calibrated, other = monitor.sightings
    assert np.allclose(calibrated.camera.matrix, camera.matrix)
    assert other.camera is None


def test_a_bad_calibration_is_no_camera():
    picture = np.zeros((48, 64, 3), np.uint8)
    assert Sighting(picture, (), 0.0, CameraInfo(width=64, height=48)).camera is None


def test_images_that_no_faces_come_for_are_forgotten(listen, monkeypatch):
    monkeypatch.setattr(module, "_MOST_WAITING", 2)  # the subscription's depth stays: all three arrive
    monitor, _, images = listen()
    for second in (1, 2, 3):
        images.publish(image_message(second))
    spin_until(monitor, lambda: (3, 0) in monitor._images)
    assert set(monitor._images) == {(2, 0), (3, 0)}


def test_sightings_end_where_memory_would_run_out(listen, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 3 * 64 * 48)
    monitor, faces, images = listen()
    for second in (1, 2):
        images.publish(image_message(second))
    spin_until(monitor, lambda: len(monitor._images) == 2)
    for second in (1, 2):
        faces.publish(array_at(second))
    spin_until(monitor, lambda: len(monitor.samples) == 2)
    assert len(monitor.sightings) == 1
