"""The annotated image: its names, its forms, and when it is made."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import RELIABLE, image_message, info_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from facemesh_ros.draw import draw_faces
from facemesh_ros.ros import pictures
from facemesh_ros.ros.camera_name import UNNAMED
from facemesh_ros.ros.convert import compressed_rgb, image_rgb
from facemesh_ros.ros.pictures import jpeg_message, own_topics

pytestmark = pytest.mark.ros

DEBUG = "/facemesh_node/debug_image"
COMPRESSED = f"{DEBUG}/compressed"


@pytest.fixture
def drawings(monkeypatch):
    """What was drawn: the arguments of every call, beside the image."""
    calls = []

    def counted(image, faces, **options):
        calls.append({"faces": faces, **options})
        return draw_faces(image, faces, **options)

    monkeypatch.setattr(pictures, "draw_faces", counted)
    return calls


def smooth_picture():
    """(48, 64, 3) uint8 RGB: red grows to the right, green downwards."""
    y, x = np.mgrid[:48, :64]
    return np.stack([4 * x, 5 * y, np.full_like(x, 30)], axis=2).astype(np.uint8)


def test_a_jpeg_is_the_picture_in_its_colours_and_says_so():
    rgb = smooth_picture()
    header = image_message(3.0).header
    message = jpeg_message(np.ascontiguousarray(rgb[..., ::-1]), header)
    assert (message.header, message.format) == (header, "bgr8; jpeg compressed bgr8")
    assert np.abs(compressed_rgb(message).astype(int) - rgb).mean() < 3.0


def test_raw_and_compressed_show_the_same_drawing_made_once(rig, drawings):
    rig.node({"input.reliability": "reliable"})
    arrays, images = rig.faces(), rig.publisher(Image, "/image", RELIABLE)
    raw, compressed = rig.collect(Image, DEBUG), rig.collect(CompressedImage, COMPRESSED)
    images.publish(image_message(1.0, smooth_picture()))
    rig.until(lambda: raw and compressed, "both images")
    assert raw[0].header == compressed[0].header == arrays[0].header
    assert (raw[0].encoding, raw[0].width, raw[0].height) == ("bgr8", 64, 48)
    drawn = image_rgb(raw[0])
    assert np.array_equal(drawn, draw_faces(smooth_picture(), rig.mesher.faces, order="rgb"))
    assert np.abs(compressed_rgb(compressed[0]).astype(int) - drawn).mean() < 10.0
    assert len(drawings) == 1


def test_the_compressed_image_alone_is_made_for_its_subscriber(rig, drawings):
    node = rig.node({"input.reliability": "reliable"})
    images, compressed = rig.publisher(Image, "/image", RELIABLE), rig.collect(CompressedImage, COMPRESSED)
    sent = []
    (topic,) = node._lanes[0].outputs.pictures._topics
    topic._raw.publish = sent.append
    images.publish(image_message(1.0))
    rig.until(lambda: compressed, "the compressed image")
    assert (sent, len(drawings)) == ([], 1)


def test_nothing_is_drawn_while_nobody_looks(rig, drawings):
    rig.node({"input.reliability": "reliable"})
    arrays, images = rig.faces(), rig.publisher(Image, "/image", RELIABLE)
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    images.publish(image_message(2.0))
    rig.until(lambda: len(arrays) == 2, "the image after: all of the first one's is done")
    assert drawings == []


def test_axes_are_drawn_by_the_camera_of_the_image(rig, drawings):
    rig.node({"input.reliability": "reliable"})
    images, shown = rig.publisher(Image, "/image", RELIABLE), rig.collect(Image, DEBUG)
    infos = rig.publisher(CameraInfo, "/camera_info")
    infos.publish(info_message(1.0))
    rig.until(lambda: rig.nodes[0]._lanes[0].ready[1].cameras._messages, "camera_info")
    for number, second in enumerate((1.0, 2.0), start=1):
        images.publish(image_message(second))
        rig.until(lambda number=number: len(shown) == number, "the image")
    with_info, without = drawings
    assert with_info["camera"].size_wh == (64, 48)
    assert without["camera"] is None


def test_the_compressed_image_follows_the_remapping_of_the_raw_one(rig, drawings):
    node = rig.node({"input.reliability": "reliable"}, remap=["~/debug_image:=/look"])
    images = rig.publisher(Image, "/image", RELIABLE)
    raw, compressed = rig.collect(Image, "/look"), rig.collect(CompressedImage, "/look/compressed")
    images.publish(image_message(1.0))
    rig.until(lambda: raw and compressed, "both images")
    assert {"/look", "/look/compressed"} < own_topics(node, [UNNAMED])
