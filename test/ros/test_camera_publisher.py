"""The player's camera on real topics."""

import argparse
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from facemesh_ros.errors import InputError
from facemesh_ros.ros.camera_publisher import CameraPublisher, CameraTopics
from facemesh_ros.ros.convert import camera_from_info, compressed_rgb, image_rgb, info_from_camera
from facemesh_ros.tools import play
from facemesh_ros.types import Camera

pytestmark = pytest.mark.ros


def topics(**changes):
    standard = {
        "image": "cam/image",
        "namespace": "/",
        "frame_id": "cam_frame",
        "transport": "both",
        "reliability": "reliable",
        "jpeg_quality": 95,
    }
    return CameraTopics(**{**standard, **changes})


def info_of(size_wh):
    return info_from_camera(Camera.from_fov(size_wh, 1.0))


def picture_bgr(height=48, width=64):
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([3 * x, 4 * y, 255 - 2 * x - y]).astype(np.uint8)


@pytest.fixture
def camera():
    with CameraPublisher(topics(), info_of) as camera:
        yield camera


def collect_all(rig, camera):
    """Return the lists to which images, compressed images and camera_infos are added, all of them connected."""
    lists = [
        rig.collect(Image, "/cam/image"),
        rig.collect(CompressedImage, "/cam/image/compressed"),
        rig.collect(CameraInfo, "/cam/camera_info"),
    ]
    publishers = camera._publishers.values()
    rig.until(lambda: all(p.get_subscription_count() for p in publishers), "the subscribers of the camera")
    return lists


def test_image_compressed_image_and_calibration_bear_one_stamp_and_frame(rig, camera):
    received = collect_all(rig, camera)
    camera.prepare(picture_bgr())
    camera.publish()
    camera.publish()
    rig.until(lambda: all(len(messages) == 2 for messages in received), "two of each message")
    for first, second, third in zip(*received, strict=True):
        assert first.header == second.header == third.header
        assert first.header.frame_id == "cam_frame"
    first, second = (message.header.stamp for message in received[0])
    assert (first.sec, first.nanosec) < (second.sec, second.nanosec)


def test_the_pictures_are_those_given_and_the_calibration_fits_them(rig, camera):
    received = collect_all(rig, camera)
    pictures = [picture_bgr(), picture_bgr()[::-1], picture_bgr(24, 32)]
    for picture in pictures:
        camera.prepare(picture)
        camera.publish()
    rig.until(lambda: all(len(messages) == 3 for messages in received), "three of each message")
    for picture, image, compressed, info in zip(pictures, *received, strict=True):
        np.testing.assert_array_equal(image_rgb(image), picture[..., ::-1])
        assert abs(compressed_rgb(compressed).astype(int) - picture[..., ::-1]).mean() < 3.0
        got, sent = camera_from_info(info), Camera.from_fov((picture.shape[1], picture.shape[0]), 1.0)
        np.testing.assert_array_equal(got.matrix, sent.matrix)
        assert got.size_wh == sent.size_wh


@pytest.mark.parametrize("reliability", ["reliable", "best_effort"])
def test_the_reliability_asked_for_is_offered(rig, reliability):
    with CameraPublisher(topics(reliability=reliability, transport="raw"), info_of):
        find = lambda: rig.tester.get_publishers_info_by_topic("/cam/image")  # noqa: E731
        rig.until(find, "the publisher")
        assert find()[0].qos_profile.reliability.name.lower() == reliability


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"transport": "raw"}, ("/cam/image", "/cam/camera_info")),
        ({"transport": "compressed"}, ("/cam/image/compressed", "/cam/camera_info")),
        ({"transport": "raw", "namespace": "/robot"}, ("/robot/cam/image", "/robot/cam/camera_info")),
        ({"transport": "raw", "namespace": "/robot", "image": "/image"}, ("/image", "/camera_info")),
    ],
)
def test_topics_follow_the_image_topic_and_the_namespace(changes, names):
    with CameraPublisher(topics(**changes), info_of) as camera:
        assert camera.topic_names == names


@pytest.mark.parametrize("changes", [{"image": "no topic!"}, {"namespace": "no namespace!"}])
def test_what_is_no_ros_name_is_refused(changes):
    with pytest.raises(InputError, match="'no .*must not contain characters other than"):
        CameraPublisher(topics(**changes), info_of)


CALIBRATION = """
image_width: 64
image_height: 48
camera_matrix: {rows: 3, cols: 3, data: [70, 0, 31, 0, 71, 23, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}
"""


def run_play(folder, *options):
    """Run the subcommand in this process on one picture of 64x48 px, with a calibration of that size."""
    cv2.imwrite(str(folder / "picture.png"), picture_bgr())
    (folder / "camera.yaml").write_text(CALIBRATION)
    parser = argparse.ArgumentParser()
    play.add_parser(parser.add_subparsers())
    args = parser.parse_args(["play", str(folder), "--calibration", str(folder / "camera.yaml"), *options])
    return args.run(args)


def test_the_player_ends_after_the_last_picture_and_says_what_it_did(tmp_path, capsys):
    assert run_play(tmp_path, "--topic", "/cam/image") == 0
    assert capsys.readouterr().out.endswith("on /cam/image, /cam/camera_info\n1 images in 0.0 s\n")


def test_a_calibration_for_another_size_is_refused_with_the_size_to_play(tmp_path):
    with pytest.raises(InputError, match="calibration of 64x48 images and these are 32x24: play with --size 64x48"):
        run_play(tmp_path, "--size", "32x24")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_player_plays_its_calibration_and_ends_cleanly_on_a_signal(rig, tmp_path, number):
    cv2.imwrite(str(tmp_path / "picture.png"), picture_bgr())
    (tmp_path / "camera.yaml").write_text(CALIBRATION)
    options = ["--loop", "--topic", "/cam/image", "--calibration", str(tmp_path / "camera.yaml")]
    command = [sys.executable, "-m", "facemesh_ros.tools", "play", str(tmp_path), *options]
    player = subprocess.Popen(
        command, env=os.environ, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        images = rig.collect(Image, "/cam/image")
        infos = rig.collect(CameraInfo, "/cam/camera_info")
        rig.until(lambda: len(images) >= 3 and infos, "images of the player")
        player.send_signal(number)
        out, err = player.communicate(timeout=20)
    finally:
        player.kill()
    assert (player.returncode, err) == (0, "")
    assert "64x48 px at 30 Hz, on /cam/image, /cam/camera_info" in out
    assert infos[0].k.tolist() == [70.0, 0.0, 31.0, 0.0, 71.0, 23.0, 0.0, 0.0, 1.0]
