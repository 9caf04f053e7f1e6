"""Depth finds its image, and what is of no use is counted and said."""

from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import depth_message, image_message, stamp

from facemesh_ros.config import NodeConfig
from facemesh_ros.errors import InputError
from facemesh_ros.ros.companions import Companions
from facemesh_ros.ros.depths import Depths
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.encodings import decode_depth
from facemesh_ros.ros.target import Target
from facemesh_ros.ros.transforms import frames_of

pytestmark = pytest.mark.ros

SIZE_WH = (64, 48)
IMAGE = image_message(1.0).header
DEPTH_M = np.linspace(0.5, 3.0, 64 * 48, dtype=np.float32).reshape(48, 64)


@pytest.fixture
def said():
    return []


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def depths(tally, said):
    return Depths(0.0, tally, said.append)


@pytest.mark.parametrize(("encoding", "error_m"), [("16UC1", 0.000502), ("32FC1", 0.0)])
def test_depth_comes_over_in_metres(depths, encoding, error_m):
    got = depths.metres(depth_message(1.0, DEPTH_M, encoding), IMAGE, SIZE_WH)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, DEPTH_M, rtol=0, atol=error_m)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_the_byte_order_and_padded_rows_count(depths, encoding):
    kind = {"16UC1": ">u2", "32FC1": ">f4"}[encoding]
    values = (DEPTH_M * (1000 if encoding == "16UC1" else 1)).astype(kind)
    padded = np.concatenate([values, values[:, :3]], axis=1).astype(kind)
    got = decode_depth(encoding, padded.tobytes(), 48, 64, padded.strides[0], is_bigendian=True)
    np.testing.assert_allclose(got, DEPTH_M, atol=0.0011)


def test_holes_stay_holes(depths):
    holed = DEPTH_M.copy()
    holed[0, 0], holed[0, 1] = 0.0, np.nan
    assert depths.metres(depth_message(1.0, holed, "16UC1"), IMAGE, SIZE_WH)[0, 0] == 0.0
    assert np.isnan(depths.metres(depth_message(1.0, holed, "32FC1"), IMAGE, SIZE_WH)[0, 1])


def spoilt(**fields):
    message = depth_message(1.0, DEPTH_M)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (depth_message(1.0, DEPTH_M[:24, :32]), "depth has 32x24 px and the image 64x48"),
        (depth_message(1.0, DEPTH_M, frame_id="infra_optical"), "in the frame 'infra_optical' and the image"),
        (spoilt(encoding="rgb8"), "'rgb8' is no depth; it must be 16UC1 or 32FC1"),
        (spoilt(step=5), "step is 5 bytes"),
        (spoilt(data=[0] * 10), "data has 10 bytes"),
    ],
)
def test_depth_of_no_use_is_counted_and_said_once_in_a_while(depths, tally, said, message, complaint):
    assert [depths.metres(message, IMAGE, SIZE_WH) for _ in range(3)] == [None] * 3
    report = tally.report(1.0)
    assert (len(said), report.new_bad_depth, report.depth) == (1, 3, 0)
    assert complaint in said[0]


@pytest.mark.parametrize(
    ("depth_frame", "image_frame"), [("a", "a"), ("/a", "a"), ("", "a"), ("a", ""), ("", "")], ids=repr
)
def test_depth_of_the_images_frame_or_where_one_is_not_named_is_used(depths, tally, depth_frame, image_frame):
    image = image_message(1.0, frame_id=image_frame).header
    assert depths.metres(depth_message(1.0, DEPTH_M, frame_id=depth_frame), image, SIZE_WH) is not None
    report = tally.report(1.0)
    assert (report.depth, report.bad_depth) == (1, 0)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_the_byte_order_of_the_message_counts(depths, encoding):
    message = depth_message(1.0, DEPTH_M, encoding)
    swapped = np.frombuffer(message.data, {"16UC1": "<u2", "32FC1": "<f4"}[encoding]).byteswap()
    message.data, message.is_bigendian = array("B", swapped.tobytes()), 1
    np.testing.assert_allclose(depths.metres(message, IMAGE, SIZE_WH), DEPTH_M, atol=0.000502)


@pytest.mark.parametrize(("lag_s", "is_found"), [(0.029, True), (0.031, False)])
def test_depth_may_come_thirty_milliseconds_after_its_image(depths, monkeypatch, lag_s, is_found):
    def comes_after_a_while(has_come, timeout_s):
        if lag_s <= timeout_s:
            depths.put(depth_message(2.0, DEPTH_M))
        return has_come()

    depths.put(depth_message(1.0, DEPTH_M))
    monkeypatch.setattr(depths._changed, "wait_for", comes_after_a_while)
    assert (depths.partner_of(stamp(2.0)) is not None) == is_found


def test_an_image_for_which_no_depth_came_is_counted(depths, tally):
    depths.partner_of(stamp(1.0))
    assert (tally.report(1.0).new_no_depth, tally.report(1.0).new_no_depth) == (1, 0)


def test_the_tolerance_is_that_of_the_parameter():
    config = NodeConfig.from_dotted({"depth.enabled": True, "depth.tolerance_s": 0.02})
    depths = Companions.of(config, Tally(), print, Target("", print, frames_of(""))).depths
    depths.put(depth_message(1.0, DEPTH_M))
    assert depths.partner_of(stamp(0.985)) is not None
    assert depths.partner_of(stamp(0.975)) is None


def test_nobody_asks_for_depth_that_is_not_subscribed_to():
    assert Companions.of(NodeConfig(), Tally(), print, Target("", print, frames_of(""))).depths is None


def test_an_empty_depth_is_refused():
    with pytest.raises(InputError, match="must be positive"):
        decode_depth("16UC1", b"", 0, 0, 0)


def test_only_the_very_stamp_pairs_unless_there_is_a_tolerance(depths, tally, said):
    depths.wait_s = 0.0
    depths.put(depth_message(1.0, DEPTH_M))
    assert depths.partner_of(stamp(1.0)) is not None
    assert depths.partner_of(stamp(1.01)) is None


def test_with_a_tolerance_the_nearest_pairs(tally, said):
    depths = Depths(0.02, tally, said.append)
    depths.wait_s = 0.0
    for seconds in (1.0, 1.03, 1.06):
        depths.put(depth_message(seconds, DEPTH_M))
    assert depths.partner_of(stamp(1.04)).header.stamp == stamp(1.03)
    assert depths.partner_of(stamp(1.09)) is None
