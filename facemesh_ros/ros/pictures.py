"""The images that the node publishes, each as it is and as JPEG, as far as ``privacy.mode`` lets it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from operator import attrgetter
from typing import TypeAlias

import cv2
import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from facemesh_ros.anonymous import covered, face_hulls
from facemesh_ros.config import Config
from facemesh_ros.draw import draw_faces
from facemesh_ros.ros.camera_name import CameraName
from facemesh_ros.ros.convert import bgr8_message
from facemesh_ros.ros.frames import Result
from facemesh_ros.ros.gate import Gate
from facemesh_ros.types import UInt8

DEPTH = 5
JPEG_QUALITY = 95
"""That of image_transport's plugin compressed."""


class Views:
    """What can be shown of one image, (H, W, 3) uint8 BGR each."""

    def __init__(self, result: Result) -> None:
        self._result = result

    @property
    def annotated(self) -> UInt8:
        """The faces drawn on the image."""
        return self._drawn_on(self._plain())

    @cached_property
    def anonymous(self) -> UInt8:
        """The image with every face covered that there is, or may be; made once."""
        return covered(self._plain(), face_hulls(self._result.faces, self._result.possible_rois))

    @property
    def annotated_anonymous(self) -> UInt8:
        """The faces drawn on their covers."""
        return self._drawn_on(self.anonymous)

    def _plain(self) -> UInt8:
        return np.asarray(cv2.cvtColor(self._result.image_rgb, cv2.COLOR_RGB2BGR), np.uint8)

    def _drawn_on(self, image_bgr: UInt8) -> UInt8:
        return draw_faces(image_bgr, self._result.faces, order="bgr", camera=self._result.camera)


View: TypeAlias = Callable[[Views], UInt8]
DEBUG, ANONYMOUS = "debug_image", "anonymous_image"
SHOWN: Mapping[str, Mapping[str, View]] = {
    "off": {DEBUG: attrgetter("annotated")},
    "numbers": {},
    "blur": {DEBUG: attrgetter("annotated_anonymous"), ANONYMOUS: attrgetter("anonymous")},
}
"""``privacy.mode`` → the topics of images that there are, and what is shown there."""


def limits_of_blur(mode: str, config: Config) -> str | None:
    """Say under which settings faces are covered; None where none are to be."""
    if mode != "blur":
        return None
    return (
        f"privacy.mode is blur: a face is covered once it is found, of {config.max_faces} at most (max_faces). While "
        f"some are followed, new ones are looked for every {config.detector.interval_s:g} s (detector.interval_s; 0 is "
        "every image). config/blur.yaml finds more; docs/privacy.md says what is never covered"
    )


class Pictures:
    """The publishers of images under one privacy mode, until :meth:`close`."""

    def __init__(self, node: LifecycleNode, mode: str, camera: CameraName) -> None:
        """Make them; the mode does not change any more."""
        self._topics = {PictureTopic(node, camera.output(topic)): view for topic, view in SHOWN[mode].items()}

    @property
    def are_wanted(self) -> bool:
        """Whether anybody subscribes to any."""
        return any(topic.is_wanted for topic in self._topics)

    def publish(self, result: Result, gate: Gate) -> None:
        """Send what somebody subscribes to; nothing else is made.

        Raises:
            GateClosedError: the stream whose ``gate`` it is has ended, maybe meanwhile.
        """
        views = Views(result)
        for topic, view in self._topics.items():
            with gate:  # the publishers may be gone with the stream
                is_wanted = topic.is_wanted
            if is_wanted:
                topic.publish(view(views), result.array.header, gate)

    def close(self) -> None:
        """Take the publishers back."""
        for topic in self._topics:
            topic.close()


class PictureTopic:
    """An image on a topic and its JPEG beside it, named and described as image_transport has it."""

    def __init__(self, node: LifecycleNode, topic: str) -> None:
        reliable = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._node = node
        self._raw = node.create_lifecycle_publisher(Image, topic, reliable)
        self._compressed = node.create_lifecycle_publisher(CompressedImage, compressed_topic(node, topic), reliable)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody subscribes."""
        return bool(self._raw.get_subscription_count() or self._compressed.get_subscription_count())

    def publish(self, image_bgr: UInt8, header: Header, gate: Gate) -> None:
        """Send an (H, W, 3) uint8 BGR image, in the forms that somebody subscribes to, through the stream's gate."""
        for publisher, make_message in ((self._raw, raw_message), (self._compressed, jpeg_message)):
            with gate:
                is_wanted = publisher.get_subscription_count()
            if is_wanted:
                message = make_message(image_bgr, header)
                with gate:
                    publisher.publish(message)

    def close(self) -> None:
        """Take the publishers back."""
        for publisher in (self._raw, self._compressed):
            self._node.destroy_lifecycle_publisher(publisher)


def compressed_topic(node: Node, topic: str) -> str:
    """Return where the JPEGs of an image topic go: they follow its remappings, as with image_transport."""
    return f"{node.resolve_topic_name(topic)}/compressed"


def own_topics(node: Node, cameras: Iterable[CameraName]) -> set[str]:
    """Return the fully qualified names of all topics of images that the node may publish."""
    names = [camera.output(topic) for camera in cameras for topic in (DEBUG, ANONYMOUS)]
    raw = [node.resolve_topic_name(name) for name in names]
    return {*raw, *(compressed_topic(node, topic) for topic in raw)}


def raw_message(image_bgr: UInt8, header: Header) -> Image:
    """Make an image message of an (H, W, 3) uint8 BGR picture."""
    return bgr8_message(image_bgr[..., ::-1], header)  # which turns them round again: no copy


def jpeg_message(image_bgr: UInt8, header: Header) -> CompressedImage:
    """Make a compressed image message of an (H, W, 3) uint8 BGR picture."""
    _, jpeg = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return CompressedImage(header=header, format="bgr8; jpeg compressed bgr8", data=array("B", jpeg.tobytes()))
