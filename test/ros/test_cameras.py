"""camera_info finds its image by the stamp."""

import math
import threading

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import info_message, stamp

from facemesh_ros.ros.cameras import KEPT, Cameras
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.partners import PATIENT_MISSES

pytestmark = pytest.mark.ros

SIZE_WH = (64, 48)


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def cameras(tally, warnings):
    return Cameras(False, tally, warnings.append)


def test_there_is_none_without_camera_info(cameras):
    assert cameras.camera_of(stamp(1.0), SIZE_WH) is None
    assert cameras.paired == 0


def test_only_the_very_stamp_pairs(cameras, tally):
    cameras.put(info_message(1.0))
    assert cameras.camera_of(stamp(1.0), SIZE_WH).size_wh == SIZE_WH
    assert cameras.camera_of(stamp(1.000000001), SIZE_WH) is None
    assert (cameras.paired, tally.report(1.0).calibrated) == (1, 1)


def test_the_oldest_are_forgotten(cameras):
    for second in range(KEPT + 1):
        cameras.put(info_message(second))
    assert cameras.camera_of(stamp(0), SIZE_WH) is None
    assert cameras.camera_of(stamp(1), SIZE_WH) is not None


def test_a_camera_info_that_comes_a_little_later_is_waited_for(cameras, monkeypatch):
    monkeypatch.setattr(cameras, "wait_s", 100.0)
    cameras.put(info_message(1.0))
    found = []
    thread = threading.Thread(target=lambda: found.append(cameras.camera_of(stamp(2.0), SIZE_WH)), daemon=True)
    thread.start()
    cameras.put(info_message(2.0))
    thread.join(10.0)
    assert len(found) == 1
    assert found[0] is not None


def test_who_never_finds_a_partner_does_not_wait(cameras, monkeypatch):
    cameras.put(info_message(1.0))
    monkeypatch.setattr(cameras, "wait_s", 0.0)
    for second in range(2, 2 + PATIENT_MISSES):
        cameras.camera_of(stamp(second), SIZE_WH)
    monkeypatch.setattr(cameras, "wait_s", None)  # for ever
    assert cameras.camera_of(stamp(100.0), SIZE_WH) is None


def pair_in_order_of_a_driver(cameras, monkeypatch, seconds):
    """Ask for the camera of every image before its camera_info is put; return which ones were found."""
    wait_for, found = cameras._changed.wait_for, []
    for second in seconds:

        def camera_info_comes_meanwhile(has_come, timeout_s, second=second):
            cameras.put(info_message(second))
            return wait_for(has_come, timeout_s)

        monkeypatch.setattr(cameras._changed, "wait_for", camera_info_comes_meanwhile)
        found.append(cameras.camera_of(stamp(second), SIZE_WH) is not None)
        cameras.put(info_message(second))
    return found


def test_images_from_before_the_first_camera_info_do_not_end_the_patience(cameras, monkeypatch):
    for second in range(2 * PATIENT_MISSES):
        assert cameras.camera_of(stamp(second), SIZE_WH) is None
    cameras.put(info_message(99.0))
    assert pair_in_order_of_a_driver(cameras, monkeypatch, (100.0, 101.0)) == [True, True]


def test_after_a_pause_of_camera_info_images_find_theirs_again(cameras, monkeypatch):
    for second in (1, 2, 3):
        cameras.put(info_message(second))
    monkeypatch.setattr(cameras, "wait_s", 0.0)
    for second in range(4, 4 + 2 * PATIENT_MISSES):
        cameras.camera_of(stamp(second), SIZE_WH)
    monkeypatch.setattr(cameras, "wait_s", 10.0)
    assert pair_in_order_of_a_driver(cameras, monkeypatch, (100.0, 101.0, 102.0)) == [False, True, True]


def info_with_k(focal_px):
    message = info_message(1.0)
    message.k[0] = focal_px
    return message


def info_with_d(coefficient):
    message = info_message(1.0)
    message.d[0] = coefficient
    return message


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (info_message(1.0, size_wh=(32, 24)), "camera_info is for images of 32x24 px and the image has 64x48"),
        (type(info_message(1.0))(header=info_message(1.0).header, width=64, height=48), "uncalibrated"),
        (info_with_k(math.nan), "NaN"),
        (info_with_k(-60.0), "focal lengths must be positive"),
        (info_with_k(1e200), "no number in it may be over 1e+09"),
        (info_with_d(-1e30), "no number in it may be over 1e+09"),
    ],
)
def test_a_calibration_that_cannot_be_used_is_said_once(cameras, tally, warnings, message, reason):
    cameras.put(message)
    assert [cameras.camera_of(stamp(1.0), SIZE_WH) for _ in range(3)] == [None] * 3
    assert len(warnings) == 1
    assert reason in warnings[0]
    assert tally.report(1.0).calibrated == 0


def test_rectified_images_are_those_of_p(tally, warnings):
    info = info_message(1.0)
    info.p, info.d = [70.0, 0.0, 30.0, 0.0, 0.0, 70.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0], [0.1] * 5
    for is_rectified, focal_px, coefficients in ((False, 60.0, 5), (True, 70.0, 0)):
        cameras = Cameras(is_rectified, tally, warnings.append)
        cameras.put(info)
        camera = cameras.camera_of(stamp(1.0), SIZE_WH)
        assert (camera.matrix[0, 0], camera.distortion.size) == (focal_px, coefficients)


@pytest.mark.parametrize(("lag_s", "is_found"), [(0.009, True), (0.011, False)])
def test_a_camera_info_may_come_ten_milliseconds_after_its_image(cameras, monkeypatch, lag_s, is_found):
    def comes_after_a_while(has_come, timeout_s):
        if lag_s <= timeout_s:
            cameras.put(info_message(2.0))
        return has_come()

    cameras.put(info_message(1.0))
    monkeypatch.setattr(cameras._changed, "wait_for", comes_after_a_while)
    assert (cameras.camera_of(stamp(2.0), SIZE_WH) is not None) == is_found
