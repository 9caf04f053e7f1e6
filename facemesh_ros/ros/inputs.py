"""The node's input topics: their names, their QoS, and the subscriptions while they are wanted."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from facemesh_ros.config import InputConfig
from facemesh_ros.errors import ConfigError
from facemesh_ros.ros.camera_name import UNNAMED, CameraName
from facemesh_ros.ros.frames import ImageMessage

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # its name in Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

MESSAGE_TYPES: dict[str, type] = {"raw": Image, "compressed": CompressedImage}
OTHER = {"raw": "compressed", "compressed": "raw"}
"""``input.transport`` → the transport that the same camera may offer as well: its twin."""
INFO_DEPTH = 10
DEPTH_DEPTH = 3
OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
"""The QoS policies that a user may override."""
_BAD_QOS = (RuntimeError, ValueError, AssertionError, AttributeError)
"""What rclpy raises where an override is an unknown word, no such number, or of another type."""


@dataclass(frozen=True)
class Topics:
    """Fully qualified names."""

    image: str
    twin: str
    camera_info: str

    @classmethod
    def of(cls, node: Node, transport: str, camera: CameraName = UNNAMED) -> Topics:
        """Apply the user's remappings; what is not remapped follows the image, as with image_transport.

        ``image:=/camera/image_raw`` gives /camera/image_raw/compressed and /camera/camera_info.
        """
        raw = node.resolve_topic_name(camera.input("image"))
        compressed = _remapped(node, camera.input("image/compressed"), f"{raw}/compressed")
        image, twin = (raw, compressed) if transport == "raw" else (compressed, raw)
        folder = posixpath.dirname(image.removesuffix("/compressed"))
        return cls(image, twin, _remapped(node, camera.input("camera_info"), posixpath.join(folder, "camera_info")))


def overridable_topics(node: Node, cameras: Iterable[CameraName] = (UNNAMED,)) -> tuple[str, ...]:
    """Return the topics, of either transport and all cameras, whose QoS a user may override."""
    names = set()
    for camera in cameras:
        of_transports = [Topics.of(node, transport, camera) for transport in MESSAGE_TYPES]
        names |= {name for topics in of_transports for name in (topics.image, topics.camera_info)}
        names.add(depth_topic(node, camera))
    return tuple(sorted(names))


def depth_topic(node: Node, camera: CameraName = UNNAMED) -> str:
    """Return the fully qualified name of the depth topic."""
    name: str = node.resolve_topic_name(camera.input("depth"))
    return name


def override_name(topic: str, policy: QoSPolicyKind) -> str:
    """Return the parameter that overrides a QoS policy of the subscription to a topic."""
    return f"qos_overrides.{topic}.subscription.{policy.name.lower()}"


def _remapped(node: Node, name: str, otherwise: str) -> str:
    resolved: str = node.resolve_topic_name(name)
    return otherwise if resolved == node.resolve_topic_name(name, only_expand=True) else resolved


@contextmanager
def _overrides(topic: str) -> Iterator[None]:
    """Turn what a bad QoS override raises inside into a ConfigError that names it."""
    try:
        yield
    except _BAD_QOS as error:
        raise ConfigError(
            f"cannot subscribe to {topic}: {error}; mend the parameters qos_overrides.{topic}.subscription.*, "
            "or remap the topic"
        ) from error


class Inputs:
    """Subscriptions to the images and to their camera_info, until :meth:`close`."""

    def __init__(
        self,
        node: Node,
        config: InputConfig,
        on_image: Callable[[ImageMessage], None],
        on_info: Callable[[CameraInfo], None],
        on_mismatch: Callable[[str], None],
        on_depth: Callable[[Image], None] | None = None,
        camera: CameraName = UNNAMED,
    ) -> None:
        """Subscribe.

        Args:
            node: whose subscriptions they are.
            config: transport and reliability; "auto" asks for reliable, and falls back where that is not offered.
            on_image: gets every image.
            on_info: gets every camera_info.
            on_mismatch: gets the name of the QoS policy for which a publisher cannot be heard.
            on_depth: gets every depth image; None subscribes to none.
            camera: whose images.

        Raises:
            ConfigError: a QoS override of the user's is no QoS.
        """
        self.camera = camera
        self._node = node
        self._transport = config.transport
        self._on_image = on_image
        self._on_mismatch = on_mismatch
        self.topics = Topics.of(node, config.transport, camera)
        self._may_fall_back = config.reliability == "auto" and not self._is_overridden(QoSPolicyKind.RELIABILITY)
        reliable = config.reliability != "best_effort"
        self._image = self._subscribe(ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT)
        self._others: list[Any] = []
        try:
            self._add(CameraInfo, self.topics.camera_info, on_info, INFO_DEPTH, ReliabilityPolicy.BEST_EFFORT)
            if on_depth is not None:
                wanted = (
                    ReliabilityPolicy.RELIABLE if config.reliability == "reliable" else ReliabilityPolicy.BEST_EFFORT
                )
                self._add(Image, depth_topic(node, camera), on_depth, DEPTH_DEPTH, wanted)
        except Exception:
            self.close()
            raise

    @property
    def message_type(self) -> type:
        """The message that the image topic carries."""
        return MESSAGE_TYPES[self._transport]

    @property
    def twin_type(self) -> type:
        """The message that its twin carries."""
        return MESSAGE_TYPES[OTHER[self._transport]]

    @property
    def is_reliable(self) -> bool:
        """Whether the images are asked for reliably, all overrides applied."""
        return bool(self._image.qos_profile.reliability == ReliabilityPolicy.RELIABLE)

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._image)
        for subscription in self._others:
            self._node.destroy_subscription(subscription)

    def _subscribe(self, reliability: ReliabilityPolicy) -> Any:
        # rclpy keeps an override's parameter from the first subscription on: it would pin the first input.reliability.
        pinned = () if self._is_overridden(QoSPolicyKind.RELIABILITY) else (QoSPolicyKind.RELIABILITY,)
        with _overrides(self.topics.image):
            return self._node.create_subscription(
                self.message_type,
                self.topics.image,
                self._on_image,
                QoSProfile(depth=1, reliability=reliability),
                event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
                qos_overriding_options=QoSOverridingOptions([kind for kind in OVERRIDABLE if kind not in pinned]),
            )

    def _add(
        self, kind: type, topic: str, callback: Callable[[Any], None], depth: int, reliability: ReliabilityPolicy
    ) -> None:
        with _overrides(topic):
            subscription = self._node.create_subscription(
                kind,
                topic,
                callback,
                QoSProfile(depth=depth, reliability=reliability),
                qos_overriding_options=QoSOverridingOptions(OVERRIDABLE),
            )
        self._others.append(subscription)

    def _is_overridden(self, policy: QoSPolicyKind) -> bool:
        return bool(self._node.has_parameter(override_name(self.topics.image, policy)))

    def _on_incompatible(self, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind).removesuffix("_QOS_POLICY").lower()
        if self._may_fall_back and policy == "reliability":
            self._may_fall_back = False
            self._node.destroy_subscription(self._image)
            self._image = self._subscribe(ReliabilityPolicy.BEST_EFFORT)
        else:
            self._on_mismatch(policy)
