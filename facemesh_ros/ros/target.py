"""What attention is measured against: the camera, or a TF frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from facemesh_ros.errors import ConfigError
from facemesh_ros.ros.convert import stamp_nanoseconds
from facemesh_ros.ros.frame_tree import FrameTree
from facemesh_ros.ros.throttle import Throttle
from facemesh_ros.target import Target as Place
from facemesh_ros.target import TargetPlace

DEPTH = 100


class Target:
    """The target of attention, followed while somebody listens for it."""

    def __init__(self, frame: str, warn: Callable[[str], None], is_own: Callable[[str], object]) -> None:
        """Begin with no transforms.

        Args:
            frame: empty for the camera.
            warn: told, now and then, that the place of ``frame`` is not known.
            is_own: says of a frame whether the node publishes it itself.

        Raises:
            ConfigError: ``frame`` is such a one.
        """
        if is_own(frame):
            raise ConfigError(
                f"attention.target_frame is {frame!r}, a name that this node gives to its own faces, whose place it "
                "knows only afterwards; name another frame or, if another node publishes this one, set id_prefix"
            )
        self._frame = frame
        self._warn = warn
        self._throttle = Throttle()
        self._tree = FrameTree(warn, is_own)

    def listen(self, node: Node) -> list[Any]:
        """Subscribe to transforms, if they are needed; return the subscriptions, which the caller destroys."""
        if not self._frame:
            return []
        moving = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        fixed = QoSProfile(depth=DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return [
            node.create_subscription(TFMessage, "/tf", self._tree.put, moving),
            node.create_subscription(TFMessage, "/tf_static", self._tree.put_static, fixed),
        ]

    def place_m(self, header: Header) -> Place:
        """Return where the target is in the image of this header, in its frame."""
        if not self._frame:
            return None
        place_m = self._tree.position_m(header.frame_id, self._frame, stamp_nanoseconds(header.stamp))
        if place_m is not None:
            return place_m
        if self._throttle.is_due("unknown"):
            self._warn(
                f"/tf and /tf_static do not say where attention.target_frame {self._frame!r} is in {header.frame_id!r} "
                "at the image's time: until they do, attention is not told"
            )
        return TargetPlace.UNKNOWN
