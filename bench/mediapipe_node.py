"""The peer of bench/node.py: MediaPipe's FaceMesh in a plain rclpy node, written as well as is straightforward.

    python bench/mediapipe_node.py --ros-args [-p max_faces:=1] [-p points:=478]

Typed subscription to ``image`` (rgb8 or bgr8; best effort, the newest only, no copy of rgb8), processed in its
callback by a FaceMesh in stream mode, and published on ``~/faces`` as FaceMeshArray, with landmarks as one flat float32
array. Needs an environment with mediapipe 0.10.21, rclpy, sensor_msgs, geometry_msgs, and our messages on its path.
"""

from __future__ import annotations

import contextlib
import sys
from array import array

import cv2
import mediapipe  # type: ignore[import-not-found]  # of the peer's environment, not of ours
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from facemesh_ros.msg import FaceMesh, FaceMeshArray


class MediaPipeNode(Node):
    """Images in, landmarks out."""

    def __init__(self) -> None:
        super().__init__("mediapipe_node")
        most = self.declare_parameter("max_faces", 1).value
        points = self.declare_parameter("points", 478).value
        self._graph = mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=most, refine_landmarks=points == 478)
        self._publisher = self.create_publisher(FaceMeshArray, "~/faces", 10)
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(Image, "image", self._on_image, newest)

    def _on_image(self, message: Image) -> None:
        faces = self._graph.process(rgb_of(message)).multi_face_landmarks or []
        answer = FaceMeshArray(header=message.header, image_width=message.width, image_height=message.height)
        scale = np.array([message.width, message.height, message.width], np.float32)
        for index, face in enumerate(faces):
            points = np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32) * scale
            flat = array("f")
            flat.frombytes(points.tobytes())
            answer.faces.append(FaceMesh(id=index + 1, presence=1.0, landmarks=flat))
        self._publisher.publish(answer)


def rgb_of(message: Image) -> np.ndarray:
    """Return the image, (H, W, 3) uint8 RGB, without a copy where it is that already."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    image = rows[:, : 3 * message.width].reshape(message.height, message.width, 3)
    return image if message.encoding == "rgb8" else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def main() -> int:
    """Run the node until it is interrupted."""
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(MediaPipeNode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
