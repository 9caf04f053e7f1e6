"""One image message to one array, without topics."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import FakeMesher, image_message, stamp

from facemesh_ros.config import Config
from facemesh_ros.errors import InputError
from facemesh_ros.ros.cameras import Cameras
from facemesh_ros.ros.frames import Frame, FrameProcessor
from facemesh_ros.ros.timing import StageTimer

pytestmark = pytest.mark.ros


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def timer():
    return StageTimer()


@pytest.fixture
def mesher(timer):
    return FakeMesher(Config(), timer.stage)


@pytest.fixture
def process(mesher, timer, warnings):
    """Return a processor's method that takes stamps."""
    processor = FrameProcessor(mesher, timer, Cameras(warnings.append), warnings.append)

    def at(*stamps_s):
        return [processor.process(Frame(image_message(s), timer.now_s()), dropped=0) for s in stamps_s]

    at.processor = processor
    return at


def test_the_stamp_is_the_time(process, mesher):
    process(1.0, 1.5)
    assert mesher.stamps == [1.0, 1.5]


def test_every_result_bears_its_images_header_and_the_faces(process, mesher):
    first, second = process(1.0, 2.0)
    assert [result.array.header.stamp for result in (first, second)] == [stamp(1.0), stamp(2.0)]
    assert first.faces == mesher.faces
    assert first.image_rgb.shape == (48, 64, 3)


def test_stamps_that_rise_or_stand_still_reset_nothing(process, mesher, warnings):
    process(0.0, 0.0, 1.0, 1.0, 7.0)
    assert (mesher.resets, warnings) == (0, [])


def test_a_jump_back_resets_before_the_image_is_looked_at_and_is_said_once(process, mesher, warnings):
    process(10.0, 2.0, 3.0, 1.0)
    assert mesher.resets == 2
    (warning,) = warnings
    assert "8.000 s" in warning


def test_after_a_reset_any_stamp_is_a_beginning(process, mesher, warnings):
    process(10.0)
    process.processor.reset()
    process(2.0)
    assert (mesher.resets, warnings) == (1, [])


def test_an_image_that_cannot_be_read_does_not_reach_the_library(process, mesher):
    message = image_message(1.0)
    message.encoding = "bgr7"
    with pytest.raises(InputError, match="bgr7"):
        process.processor.process(Frame(message, 0.0), dropped=0)
    assert mesher.stamps == []
