"""That no two cameras of a node are one, and none speaks in another's place."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.node import Node

from facemesh_ros.errors import ConfigError
from facemesh_ros.ros.camera_name import CameraName
from facemesh_ros.ros.inputs import Topics
from facemesh_ros.ros.pictures import own_topics

PUBLISHED = ("faces", "markers", "points")
"""Of each camera, beside its images."""


def check_apart(node: Node, cameras: Iterable[CameraName], transport: str) -> None:
    """Raise ConfigError where remappings have made the topics of two cameras the same."""
    owners: dict[str, CameraName] = {}
    for camera in cameras:
        image = Topics.of(node, transport, camera).image
        published = {node.resolve_topic_name(camera.output(name)) for name in PUBLISHED} | own_topics(node, [camera])
        for topic in sorted({image, *published}):
            other = owners.setdefault(topic, camera)
            if other != camera:
                raise ConfigError(
                    f"cameras {other.text} and {camera.text} have the topic {topic} in common; each must have its own: "
                    "mend the remappings"
                )
