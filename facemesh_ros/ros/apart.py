"""That no two cameras of a node are one, and none speaks in another's place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rclpy.node import Node

from facemesh_ros.config import NodeConfig
from facemesh_ros.errors import ConfigError
from facemesh_ros.ros.camera_name import CameraName
from facemesh_ros.ros.inputs import Topics, depth_topic
from facemesh_ros.ros.pictures import ANONYMOUS, DEBUG, compressed_topic

PICTURES = (DEBUG, ANONYMOUS)
PUBLISHED = ("faces", "markers", "points", *PICTURES)
"""Of each camera."""


def check_apart(node: Node, cameras: Iterable[CameraName], config: NodeConfig) -> None:
    """Raise ConfigError where remappings have made the topics of two cameras the same.

    Nor may two share a calibration or depth: each is that of one camera, and with equal stamps the other would take it.
    """
    owners: dict[str, CameraName] = {}
    for camera in cameras:
        for topic, name in _topics(node, camera, config):
            other = owners.setdefault(topic, camera)
            if other != camera:
                raise ConfigError(
                    f"cameras {other.text} and {camera.text} have the topic {topic} in common; each must have its own: "
                    f"mend the remappings, as in -r '{name}:=/another'"
                )


def _topics(node: Node, camera: CameraName, config: NodeConfig) -> Iterator[tuple[str, str]]:
    """Give the topics of a camera, fully qualified, and the name by which each is remapped; its inputs first."""
    heard = Topics.of(node, config.input.transport, camera)
    yield heard.image, camera.input("image")
    yield heard.camera_info, camera.input("camera_info")
    if config.depth.enabled:
        yield depth_topic(node, camera), camera.input("depth")
    for name in map(camera.output, PUBLISHED):
        yield node.resolve_topic_name(name), name
    for name in map(camera.output, PICTURES):
        yield compressed_topic(node, name), name
