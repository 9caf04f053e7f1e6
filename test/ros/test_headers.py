"""The order of images by their stamps, and what a driver has left out of their headers."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from builtin_interfaces.msg import Time
from rig import stamp
from std_msgs.msg import Header

from facemesh_ros.ros.headers import JUMP_S, STANDSTILL, Headers, Order

pytestmark = pytest.mark.ros

NEXT, LATE, ANEW = Order.NEXT, Order.LATE, Order.ANEW


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def headers(warnings):
    return Headers(warnings.append)


def orders(headers, *stamps_s, frame_id="camera_optical"):
    return [headers.order(Header(stamp=stamp(stamp_s), frame_id=frame_id)) for stamp_s in stamps_s]


@pytest.mark.parametrize(
    ("stamps_s", "expected"),
    [
        ((), []),
        ((0.0,), [NEXT]),
        ((5.0, 5.0, 6.0, 99.0), [NEXT] * 4),
        ((10.033, 10.0329, 10.066), [NEXT, LATE, NEXT]),
        ((10.0, 9.9, 9.95, 10.0), [NEXT, LATE, LATE, NEXT]),
        ((10.0, 10.0 - JUMP_S, 9.5), [NEXT, ANEW, NEXT]),
        ((10.0, 2.0, 1.5), [NEXT, ANEW, LATE]),
    ],
)
def test_an_image_a_little_older_is_late_and_one_much_older_begins_a_new_stream(headers, stamps_s, expected):
    assert orders(headers, *stamps_s) == expected


def test_an_image_is_late_by_a_hundred_nanoseconds_too(headers):
    """Near 1.8e9 s a float does not tell them apart, and TF does."""
    times = [Time(sec=1_800_000_000, nanosec=nanoseconds) for nanoseconds in (300, 200, 300, 400)]
    assert [headers.order(Header(stamp=time, frame_id="camera")) for time in times] == [NEXT, LATE, NEXT, NEXT]


def test_what_is_forgotten_is_not_looked_back_to(headers):
    orders(headers, 10.0)
    headers.forget()
    assert orders(headers, 2.0, 9.9) == [NEXT, NEXT]


@pytest.mark.parametrize(
    ("stamps_s", "said"),
    [
        ((10.0, 9.9) * 3, "two publishers"),
        ((10.0, 2.0) * 3, "jumped back by 8.000 s"),
        ((7.0,) * 3 * STANDSTILL, "keep the stamp 7.000 s"),
        ((0.0,) * 3 * STANDSTILL, "let the driver set header.stamp"),
    ],
)
def test_what_is_wrong_with_stamps_is_said_once(headers, warnings, stamps_s, said):
    orders(headers, *stamps_s)
    (warning,) = warnings
    assert said in warning


def test_stamps_that_stand_still_for_a_moment_are_not_spoken_of(headers, warnings):
    orders(headers, *(second for second in range(5) for _ in range(STANDSTILL)))
    assert warnings == []


def test_a_frame_id_that_is_missing_is_said_once(headers, warnings):
    orders(headers, 1.0, 2.0, frame_id="")
    (warning,) = warnings
    assert "empty header.frame_id" in warning and "no transforms are sent" in warning
