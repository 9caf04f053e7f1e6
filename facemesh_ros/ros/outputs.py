"""The publishers of a camera: faces, and what there is to look at."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from facemesh_ros.config import NodeConfig
from facemesh_ros.msg import FaceMeshArray
from facemesh_ros.ros.camera_name import CameraName
from facemesh_ros.ros.crowd import Crowd
from facemesh_ros.ros.pictures import Pictures
from facemesh_ros.ros.ros4hri import Ros4HriBridge
from facemesh_ros.ros.view_frame import ViewFrame

DEPTH = 5
TF_DEPTH = 100
"""As tf2_ros has it."""


class Outputs:
    """The publishers, for as long as the node lives. Nothing goes out while the node is not active.

    What goes out through them, and until when, is the matter of each stream's
    :class:`facemesh_ros.ros.outlet.Outlet`.
    """

    def __init__(
        self,
        node: LifecycleNode,
        config: Callable[[], NodeConfig],
        camera: CameraName,
        crowd: Crowd,
        warn: Callable[[str], None],
    ) -> None:
        """Make the publishers.

        Args:
            node: whose publishers they are.
            config: is asked for what may change while the node runs.
            camera: of which they tell.
            crowd: that of the node.
            warn: is told what is wanted and cannot be had.
        """
        reliable = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self.faces = node.create_lifecycle_publisher(FaceMeshArray, camera.output("faces"), reliable)
        self.tf = node.create_lifecycle_publisher(TFMessage, "/tf", QoSProfile(depth=TF_DEPTH))
        self.view_frame = ViewFrame(node)
        self.markers = node.create_lifecycle_publisher(MarkerArray, camera.output("markers"), reliable)
        self.points = node.create_lifecycle_publisher(PointCloud2, camera.output("points"), reliable)
        self.bridge = Ros4HriBridge(node, warn, crowd, lambda: 1e-9 * node.get_clock().now().nanoseconds)
        self.pictures: Pictures | None = None
        """The publishers of images, between :meth:`open_pictures` and :meth:`close_pictures`."""
        self.camera = camera
        self.config = config
        self._node = node

    def open_pictures(self) -> None:
        """Make the publishers of images that ``privacy.mode`` lets there be, until :meth:`close_pictures`."""
        self.close_pictures()
        self.pictures = Pictures(self._node, self.config().privacy.mode, self.camera)

    def close_pictures(self) -> None:
        """Take the publishers of images back."""
        pictures, self.pictures = self.pictures, None
        if pictures is not None:
            pictures.close()
