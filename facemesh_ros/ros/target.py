"""What attention is measured against: the camera, or a TF frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from facemesh_ros.ros.convert import stamp_nanoseconds
from facemesh_ros.ros.frame_tree import FrameTree
from facemesh_ros.ros.throttle import Throttle
from facemesh_ros.types import Face, Float64

DEPTH = 100


@dataclass(frozen=True, eq=False)
class Aim:
    """Where the target is in one image."""

    place_m: Float64 | None
    """(3,) m in the camera's optical frame; None for the camera."""
    is_known: bool = True


CAMERA = Aim(None)
UNKNOWN = Aim(None, is_known=False)


class Target:
    """The target of attention, followed while somebody listens for it."""

    def __init__(self, frame: str, warn: Callable[[str], None]) -> None:
        """Begin with no transforms; ``warn`` is told, now and then, that the place of ``frame`` is not known.

        An empty ``frame`` is the camera.
        """
        self._frame = frame
        self._warn = warn
        self._throttle = Throttle()
        self._tree = FrameTree(warn)

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

    def aim(self, header: Header) -> Aim:
        """Return where the target is in the image of this header."""
        if not self._frame:
            return CAMERA
        place_m = self._tree.position_m(header.frame_id, self._frame, stamp_nanoseconds(header.stamp))
        if place_m is not None:
            return Aim(place_m)
        if self._throttle.is_due("unknown"):
            self._warn(
                f"/tf and /tf_static do not say where attention.target_frame {self._frame!r} is in {header.frame_id!r} "
                "at the image's time: until they do, attention is not told"
            )
        return UNKNOWN


def without_target(faces: Iterable[Face]) -> tuple[Face, ...]:
    """Return the faces with nothing said of what they look at."""
    return tuple(
        face if face.gaze is None else replace(face, gaze=replace(face.gaze, angle_rad=None, is_looking=False))
        for face in faces
    )
