"""Depth finds its image, and what is of no use is counted and said."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import depth_message, stamp

from facemesh_ros.errors import InputError
from facemesh_ros.ros.depths import Depths
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.encodings import decode_depth

pytestmark = pytest.mark.ros

SIZE_WH = (64, 48)
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
    got = depths.metres(depth_message(1.0, DEPTH_M, encoding), SIZE_WH)
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
    assert depths.metres(depth_message(1.0, holed, "16UC1"), SIZE_WH)[0, 0] == 0.0
    assert np.isnan(depths.metres(depth_message(1.0, holed, "32FC1"), SIZE_WH)[0, 1])


def spoilt(**fields):
    message = depth_message(1.0, DEPTH_M)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (depth_message(1.0, DEPTH_M[:24, :32]), "depth has 32x24 px and the image 64x48"),
        (spoilt(encoding="rgb8"), "'rgb8' is no depth; it must be 16UC1 or 32FC1"),
        (spoilt(step=5), "step is 5 bytes"),
        (spoilt(data=[0] * 10), "data has 10 bytes"),
    ],
)
def test_depth_of_no_use_is_counted_and_said_once_in_a_while(depths, tally, said, message, complaint):
    assert [depths.metres(message, SIZE_WH) for _ in range(3)] == [None] * 3
    assert (len(said), tally.report(1.0).new_bad_depth) == (1, 3)
    assert complaint in said[0]


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
