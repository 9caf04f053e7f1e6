"""What the node publishes of a camera: faces, and what there is to look at."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

from facemesh_ros.config import NodeConfig
from facemesh_ros.msg import FaceMeshArray
from facemesh_ros.rep155 import PREFIX
from facemesh_ros.ros.camera_name import CameraName
from facemesh_ros.ros.convert import array_message
from facemesh_ros.ros.crowd import Crowd
from facemesh_ros.ros.frames import Result
from facemesh_ros.ros.pictures import Pictures
from facemesh_ros.ros.ros4hri import Ros4HriBridge
from facemesh_ros.ros.scene import Scene
from facemesh_ros.ros.transforms import FaceTransforms
from facemesh_ros.ros.view_frame import ViewFrame

DEPTH = 5
TF_DEPTH = 100
"""As tf2_ros has it."""


class Outputs:
    """The publishers, for as long as the node lives. Nothing goes out while the node is not active."""

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
        self._faces = node.create_lifecycle_publisher(FaceMeshArray, camera.output("faces"), reliable)
        self._tf = node.create_lifecycle_publisher(TFMessage, "/tf", QoSProfile(depth=TF_DEPTH))
        self._transforms = FaceTransforms()
        self._view_frame = ViewFrame(node)
        self._scene = Scene(node, reliable, camera)
        self._bridge = Ros4HriBridge(node, warn, crowd)
        self._pictures: Pictures | None = None
        self._node = node
        self._camera = camera
        self._config = config
        self._last: FaceMeshArray | None = None

    def open_pictures(self) -> None:
        """Make the publishers of images that ``privacy.mode`` lets there be, until :meth:`close_pictures`."""
        self.close_pictures()
        self._pictures = Pictures(self._node, self._config().privacy.mode, self._camera)

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
            self._camera.id_prefix(config.id_prefix),
            with_pictures=config.privacy.mode == "off",
        )
        self._view_frame.open(self._camera.frame(config.tf.view_frame))
        self._scene.open(self._prefix(config))

    def publish(self, result: Result) -> None:
        """Send the faces, and what takes no time to make of them."""
        self._faces.publish(result.array)
        self._last = result.array
        if self._config().tf.enabled and self._tf.get_subscription_count():
            self._publish_transforms(result)
        self._view_frame.publish(result.array.header)
        self._bridge.publish(result.faces, result.array.header, result.picture)

    @property
    def is_watched(self) -> bool:
        """Whether there is anything for :meth:`show` to do."""
        return self._scene.is_watched or (self._pictures is not None and self._pictures.are_wanted)

    def show(self, result: Result) -> None:
        """Draw the faces in space and on images, for whoever looks: it may take as long as finding them."""
        config = self._config()
        self._scene.publish(result, config.markers, may_color=config.privacy.mode == "off")
        if self._pictures is not None:
            self._pictures.publish(result)

    def _publish_transforms(self, result: Result) -> None:
        prefix = self._prefix(self._config())
        message = self._transforms.message(result.faces, result.array.header, result.target_m, prefix)
        if message is not None:
            self._tf.publish(message)

    def _prefix(self, config: NodeConfig) -> str:
        """Return what goes before the ids in names and texts."""
        return self._camera.id_prefix(config.id_prefix) or (PREFIX if self._bridge.is_open else "")

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
