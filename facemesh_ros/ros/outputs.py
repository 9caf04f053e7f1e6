"""What the node publishes: faces, the topology of their meshes, and what there is to look at."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

from facemesh_ros.config import NodeConfig
from facemesh_ros.msg import FaceMeshArray, FaceTopology
from facemesh_ros.rep155 import PREFIX
from facemesh_ros.ros.convert import array_message
from facemesh_ros.ros.frames import Result
from facemesh_ros.ros.pictures import Pictures
from facemesh_ros.ros.ros4hri import Ros4HriBridge
from facemesh_ros.ros.scene import Scene
from facemesh_ros.ros.topology import POINT_COUNTS, topology_message
from facemesh_ros.ros.transforms import FaceTransforms
from facemesh_ros.ros.view_frame import ViewFrame
from facemesh_ros.topology import face_topology

DEPTH = 5
TF_DEPTH = 100
"""As tf2_ros has it."""


class Outputs:
    """The publishers, for as long as the node lives. Only the topology goes out while the node is not active."""

    def __init__(self, node: LifecycleNode, config: Callable[[], NodeConfig]) -> None:
        """Make the publishers; ``config`` is asked for what may change while the node runs."""
        reliable = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._faces = node.create_lifecycle_publisher(FaceMeshArray, "~/faces", reliable)
        self._topology = node.create_publisher(FaceTopology, "~/topology", latched)
        self._tf = node.create_lifecycle_publisher(TFMessage, "/tf", QoSProfile(depth=TF_DEPTH))
        self._transforms = FaceTransforms()
        self._view_frame = ViewFrame(node)
        self._scene = Scene(node, reliable)
        self._bridge = Ros4HriBridge(node, node.get_logger().warning)
        self._pictures: Pictures | None = None
        self._node = node
        self._config = config
        self._last: FaceMeshArray | None = None

    def publish_topology(self, network: str) -> None:
        """Latch the connectivity of the meshes of a landmark network."""
        self._topology.publish(topology_message(face_topology(POINT_COUNTS[network])))

    def open_pictures(self) -> None:
        """Make the publishers of images that ``privacy.mode`` lets there be, until :meth:`close_pictures`."""
        self.close_pictures()
        self._pictures = Pictures(self._node, self._config().privacy.mode)

    def close_pictures(self) -> None:
        """Take the publishers of images back."""
        pictures, self._pictures = self._pictures, None
        if pictures is not None:
            pictures.close()

    def open(self) -> None:
        """Begin a stream."""
        config = self._config()
        self._bridge.open(
            config.rep155.enabled,
            not config.attention.target_frame,
            config.id_prefix,
            with_pictures=config.privacy.mode == "off",
        )
        self._view_frame.open(config.tf.view_frame)
        self._scene.open(self._prefix(config))

    def publish(self, result: Result) -> None:
        """Send the faces; draw them only if somebody looks."""
        self._faces.publish(result.array)
        self._last = result.array
        if self._config().tf.enabled and self._tf.get_subscription_count():
            self._publish_transforms(result)
        self._view_frame.publish(result.array.header)
        config = self._config()
        self._scene.publish(result, config.markers, may_color=config.privacy.mode == "off")
        self._bridge.publish(result.faces, result.array.header, result.image_rgb)
        if self._pictures is not None:
            self._pictures.publish(result)

    def _publish_transforms(self, result: Result) -> None:
        prefix = self._prefix(self._config())
        message = self._transforms.message(result.faces, result.array.header, result.target_m, prefix)
        if message is not None:
            self._tf.publish(message)

    def _prefix(self, config: NodeConfig) -> str:
        """Return what goes before the ids in names and texts."""
        return config.id_prefix or (PREFIX if self._bridge.is_open else "")

    def publish_none(self, dropped: int, timeout_s: float = 0.5) -> None:
        """Say that there are no faces any more, under the last image's header, and wait until readers have it.

        Where nothing was said of faces since the last time, there is nothing to take back.
        """
        self._bridge.close()
        self._scene.close(timeout_s)
        last, self._last = self._last, None
        if last is None:
            return
        empty = array_message((), last.header, (last.image_width, last.image_height), {}, dropped)
        self._faces.publish(empty)
        self._faces.wait_for_all_acked(Duration(seconds=timeout_s))
