#!/usr/bin/env python3
"""Read the faces of a running node: log what they do, and draw their contours into a picture.

    ros2 run facemesh_ros face_reader.py                             # or: python examples/face_reader.py
    ros2 run facemesh_ros face_reader.py --ros-args -p picture:=faces.png -p period_s:=0.5
    ros2 run facemesh_ros face_reader.py --ros-args -r __ns:=/left   # where the node is in that namespace

An example to copy from. It needs the messages alone, not the library; face_reader.cpp does the same in C++, and
docs/topology.md says which point is which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import rclpy
from geometry_msgs.msg import Pose
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from facemesh_ros.msg import FaceMesh, FaceMeshArray, FaceTopology

Points = NDArray[np.float32]
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""With the default durability a reader that comes late never gets the topology."""
INK_BGR, GROUND_BGR = (120, 220, 255), (40, 30, 20)


def points_of(face: FaceMesh) -> Points:
    """Return the mesh, (N, 3): x, y, z in px."""
    return np.asarray(face.landmarks, np.float32).reshape(-1, 3)


def named_points(topology: FaceTopology) -> Mapping[str, list[int]]:
    """Return name → indices of points: parts of the face, outlines in order, single points."""
    return {group.name: list(group.points) for group in topology.groups}


def opening(points: Points, outline: list[int]) -> float:
    """Return how far a mouth or an eye is open: gap over width, no unit.

    Args:
        points: (N, 3), px or m.
        outline: lips_inner, right_eye or left_eye: from one corner over the upper lid or lip to the other, and back.
    """
    loop = points[outline]
    half, quarter = len(loop) // 2, len(loop) // 4
    upper = loop[quarter - 1 : quarter + 2]
    lower = loop[[-i for i in range(quarter - 1, quarter + 2)]]
    gap = np.linalg.norm(upper - lower, axis=1).mean()
    return float(gap / np.linalg.norm(loop[0] - loop[half]))


def yaw_pitch_roll_deg(pose: Pose) -> tuple[float, float, float]:
    """Return how far a head is turned to the image's right, up, and clockwise; 0, 0, 0 faces the camera's plane."""
    x, y, z, w = pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w
    ahead = (1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w))  # x of the head: out of the face
    left = (2 * (x * y - z * w), 1 - 2 * (x * x + z * z))  # y of the head, in the image
    yaw, pitch = math.atan2(ahead[0], -ahead[2]), math.asin(min(max(-ahead[1], -1.0), 1.0))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(math.atan2(left[1], left[0]))


def description(face: FaceMesh, topology: FaceTopology | None) -> str:
    """Return one line about a face; what is not known is left out."""
    parts = [f"face {face.id}: presence {face.presence:.2f}"]
    if face.pose_valid:
        position = face.head_pose.pose.position
        distance_m = math.dist((0.0, 0.0, 0.0), (position.x, position.y, position.z))
        yaw, pitch, roll = yaw_pitch_roll_deg(face.head_pose.pose)
        parts.append(f"{distance_m:.2f} m away, yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} deg")
    lips = None
    if topology is not None and fits(topology, face):
        lips = named_points(topology).get("lips_inner")
    if lips is not None:
        parts.append(f"mouth {opening(points_of(face), lips):.2f}")
    if face.eyes_valid:
        parts.append(f"eyes {face.right_eye_openness:.2f} {face.left_eye_openness:.2f}")
    return ", ".join(parts)


def fits(topology: FaceTopology, face: FaceMesh) -> bool:
    """Say whether the indices are those of this mesh: another network may have other points."""
    return bool(3 * topology.num_points == len(face.landmarks))


def drawing(message: FaceMeshArray, topology: FaceTopology | None) -> NDArray[np.uint8]:
    """Return a picture of the image's size, (H, W, 3) BGR, with the contours of all faces."""
    canvas = np.full((message.image_height, message.image_width, 3), GROUND_BGR, np.uint8)
    for face in message.faces:
        if topology is None or not fits(topology, face):
            continue
        spots, edges = points_of(face)[:, :2], np.reshape([*topology.contours, *topology.irises], (-1, 2))
        cv2.polylines(canvas, list(np.rint(spots[edges]).astype(np.int32)), False, INK_BGR, 1, cv2.LINE_AA)
        x, y = spots[spots[:, 1].argmax()].tolist()
        at = (round(x), round(y) + 20)
        cv2.putText(canvas, str(face.id), at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, INK_BGR, 1, cv2.LINE_AA)
    return canvas


class FaceReader(Node):
    """Reports at the first image and then every period_s."""

    def __init__(self) -> None:
        super().__init__("face_reader")
        self._period_s = self.declare_parameter("period_s", 1.0).value
        self._picture = self.declare_parameter("picture", "").value
        self._topology: FaceTopology | None = None
        self._reported_s = -math.inf
        self.create_subscription(FaceTopology, "facemesh_node/topology", self._on_topology, LATCHED)
        self.create_subscription(FaceMeshArray, "facemesh_node/faces", self._on_faces, 5)

    def _on_topology(self, message: FaceTopology) -> None:
        self._topology = message
        self.get_logger().info(f"meshes have {message.num_points} points, {len(message.groups)} names")

    def _on_faces(self, message: FaceMeshArray) -> None:
        stamp_s = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        if 0.0 <= stamp_s - self._reported_s < self._period_s:
            return
        self._reported_s = stamp_s
        for face in message.faces:
            self.get_logger().info(description(face, self._topology))
        if self._picture:
            self._write(drawing(message, self._topology))

    def _write(self, picture: NDArray[np.uint8]) -> None:
        """Put the picture into its place when it is whole, so that nobody sees half of it."""
        path = Path(self._picture)
        part = path.with_name(f".part_{path.name}")
        cv2.imwrite(str(part), picture)
        part.replace(path)


def main() -> None:
    """Run until interrupted."""
    rclpy.init()
    try:
        rclpy.spin(FaceReader())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.utilities.try_shutdown()


if __name__ == "__main__":
    main()
