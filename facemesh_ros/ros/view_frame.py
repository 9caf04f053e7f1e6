"""A frame in which viewers show what a camera sees upright, whatever the camera's own frame is called.

RViz and Foxglove take z for up; an optical frame's z is forward. The frame is a leaf of the tree, so that it is in
nobody's way.
"""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Quaternion, Transform, TransformStamped
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from facemesh_ros.ros.quaternion import quaternion_xyzw

CAMERA_FROM_VIEW = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
"""Rotation: x forward, y left, z up in the axes of an optical frame (x right, y down, z forward)."""


class ViewFrame:
    """Publish the frame once for each frame that images come in."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher: Publisher | None = None
        self._name = ""
        self._parent = ""

    def open(self, name: str) -> None:
        """Begin a stream; no frame is published where ``name`` is empty."""
        self._name, self._parent = name, ""
        if name and self._publisher is None:
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._publisher = self._node.create_publisher(TFMessage, "/tf_static", latched)

    def publish(self, header: Header) -> None:
        """Publish the frame in that of an image, unless that was done for the image before."""
        if not self._name or self._publisher is None or header.frame_id in ("", self._name, self._parent):
            return
        self._parent = header.frame_id
        turn = Quaternion(**dict(zip("xyzw", quaternion_xyzw(CAMERA_FROM_VIEW), strict=True)))
        transform = TransformStamped(header=header, child_frame_id=self._name, transform=Transform(rotation=turn))
        self._publisher.publish(TFMessage(transforms=[transform]))
