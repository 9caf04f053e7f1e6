"""A node's topics as the source of the web page, from messages to what browsers get."""

import asyncio
import json
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import a_face, image_message, stamp
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from facemesh_ros.ros.spectator import Sight
from facemesh_ros.tools.viewer import ros_feed
from facemesh_ros.tools.viewer.hub import Hub
from facemesh_ros.tools.viewer.ros_feed import RosFeed, picture_of
from facemesh_ros.tools.viewer.wire import LONGEST_VIDEO_SIDE_PX, frame_parts, jpeg_size_wh

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("_message_support")]


def sight(image):
    return Sight(1.0, (64, 48), (a_face(),), image, 5.0, {"mesh": 3.0}, 2)


def jpeg_message(size_wh, data=None):
    jpeg = cv2.imencode(".jpg", np.zeros((size_wh[1], size_wh[0], 3), np.uint8))[1].tobytes() if data is None else data
    return CompressedImage(header=Header(stamp=stamp(1.0)), format="bgr8; jpeg compressed bgr8", data=jpeg)


def test_a_raw_image_becomes_a_jpeg_of_its_colours():
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    shown = cv2.imdecode(np.frombuffer(picture_of(sight(image_message(1.0, red))), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(shown.astype(int)[..., ::-1] - red).max() < 10


def test_the_cameras_own_jpeg_is_passed_on_untouched_unless_it_is_larger_than_a_page():
    small, large = jpeg_message((64, 48)), jpeg_message((2 * LONGEST_VIDEO_SIDE_PX, 480))
    assert picture_of(sight(small)) == small.data.tobytes()
    assert jpeg_size_wh(picture_of(sight(large))) == (LONGEST_VIDEO_SIDE_PX, 240)


@pytest.mark.parametrize("image", [None, jpeg_message((1, 1), b"no picture"), jpeg_message((1, 1), b"\xff\xd8\xff")])
def test_without_a_readable_image_there_is_no_video(image):
    assert picture_of(sight(image)) == b""


def with_feed(scenario, with_video=True):
    async def work():
        hub, feed = Hub("node", with_video), RosFeed("/facemesh_node", "/image")
        try:
            await asyncio.to_thread(scenario, hub, feed)
        finally:
            await asyncio.to_thread(feed.close)

    asyncio.run(asyncio.wait_for(work(), 30.0))


def sent(hub):
    assert hub._newest is not None
    return frame_parts(hub._newest[1])


@pytest.mark.parametrize(("with_video", "mode", "shown"), [(True, "off", 1), (True, "numbers", 0), (False, "off", 0)])
def test_a_picture_is_made_and_sent_only_where_the_node_and_the_user_allow_it(with_video, mode, shown, monkeypatch):
    if not shown:
        monkeypatch.setattr(ros_feed, "picture_of", None)

    def scenario(hub, feed):
        hub.watched.set()
        hub.close()  # nobody takes it away
        feed._hub = hub
        feed._spectator._mode = mode
        feed._on_sight(sight(image_message(1.0)))
        numbers, floats, jpeg = sent(hub)
        assert bool(jpeg) == bool(shown)
        assert (numbers["dropped"], numbers["stages_ms"], len(floats)) == (2, {"mesh": 3.0}, 3 * 468)

    with_feed(scenario, with_video)


def test_before_the_node_has_answered_a_page_is_private_and_told_what_is_missing():
    def scenario(hub, feed):
        work, feed._run = feed._run, lambda _: None
        feed.start(hub)
        assert json.loads(hub.status())["private"]  # from the first moment
        feed._run = work
        feed.start(hub)
        assert json.loads(hub.status())["private"]
        deadline_s = time.monotonic() + 20.0
        while hub.problem is None:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)
        assert "nobody publishes /facemesh_node/faces" in hub.problem

    with_feed(scenario)


def test_a_failure_that_comes_with_every_message_is_logged_once_and_told_until_it_ends(caplog):
    def scenario(hub, feed):
        spins = []

        def spin(*_):
            spins.append(1)
            if len(spins) < 6:
                raise ValueError("no such number")

        feed._spectator.spin = spin
        feed.start(hub)
        deadline_s = time.monotonic() + 20.0
        while len(spins) < 5:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)
        assert "ValueError" in hub.problem
        while "ValueError" in hub.problem:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)
        assert [record.message for record in caplog.records] == ["a message of the node could not be shown"]

    with_feed(scenario)
