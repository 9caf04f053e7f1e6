"""Watch the input topics, and say what is amiss and when images come, so that nobody is left with silence."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage

from facemesh_ros.config import Config, InputConfig, NodeConfig
from facemesh_ros.ros.companions import Companions
from facemesh_ros.ros.frames import ImageMessage
from facemesh_ros.ros.input_advice import ENOUGH, TRANSPORT_OF, Advice, Facts, advice
from facemesh_ros.ros.inputs import Inputs, depth_topic


class InputWatch:
    """Look at the topics every ``patience_s`` of wall-clock time and warn of what is amiss, until :meth:`close`."""

    def __init__(
        self,
        node: Node,
        inputs: Inputs,
        config: NodeConfig,
        companions: Companions,
        live: Callable[[], Config],
        logger: Any,
        no_cameras: Collection[str] = (),
    ) -> None:
        """Begin, and tell which topics.

        Args:
            node: asked for topics and their publishers.
            inputs: the subscriptions.
            config: the node's.
            companions: tell how many images have found their camera_info and depth so far, and how late these were.
            live: returns the library's present settings.
            logger: is told what is amiss.
            no_cameras: topics of images that are not to be recommended: the node's own, and those that it listens to.
        """
        self._node = node
        self._inputs = inputs
        self._window_s = config.input.patience_s
        self._is_rectified = config.camera.rectified
        self._companions = companions
        self._live = live
        self._logger = logger
        self._no_cameras = no_cameras
        self._images = 0
        self._is_distorted = False
        self._said: set[str] = set()
        self._awaits_image = True
        self._mismatch: str | None = None
        self._twin: Any = None
        self._knows_twin = False
        self._looks = 0
        self._begin_window()
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(0.5 * self._window_s, self.look, clock=clock)
        logger.info(f"listening to {_described_topics(inputs, config.input)}")

    def image_arrived(self, message: ImageMessage | None = None) -> None:
        """Count an image; the first one, also after silence that was spoken of, is told of."""
        self._images += 1
        self._mismatch = None
        if self._awaits_image and message is not None:
            self._awaits_image = False
            self._logger.info(f"images arrive on {self._inputs.topics.image}: {_described(message)}")

    def info_arrived(self, message: CameraInfo) -> None:
        """Count a camera_info."""
        self._infos += 1
        self._is_distorted = any(message.d)

    def depth_arrived(self) -> None:
        """Count a depth image."""
        self._depths += 1

    def mismatched(self, policy: str) -> None:
        """Tell at once of a publisher that cannot be heard; it stays the nearest cause until an image arrives."""
        self._mismatch = policy
        for one in advice(self._facts()):
            self._say(one)

    def look(self) -> None:
        """Look at what came; the timer calls this half-way through a window and at its end, when it is judged."""
        self._looks += 1
        if self._looks % 2:
            if self._wants_probe():
                self._start_probe()
        else:
            self._judge()
        if not self._wants_probe():
            self._stop_probe()

    def close(self) -> None:
        """Stop looking."""
        self._node.destroy_timer(self._timer)
        self._stop_probe()

    def _begin_window(self) -> None:
        self._images_before = self._images
        self._images = self._infos = self._twins = self._depths = 0
        self._paired_before = self._paired()

    def _paired(self) -> tuple[int, int]:
        """Return how many images have found their camera_info, and their depth."""
        depths = self._companions.depths
        return self._companions.cameras.paired, 0 if depths is None else depths.paired

    def _judge(self) -> None:
        if not self._node.count_publishers(self._inputs.topics.image):
            self._mismatch = None
        found = advice(self._facts())
        for one in found:
            self._say(one)
        if self._images >= ENOUGH:
            self._said &= {one.kind for one in found}
        self._knows_twin = bool(self._images and (self._twins or self._knows_twin))
        self._begin_window()

    def _say(self, found: Advice) -> None:
        if found.kind not in self._said:
            self._said.add(found.kind)
            self._awaits_image = not self._images
            if found.is_note:
                self._logger.info(found.text)
            else:
                self._logger.warning(found.text)

    def _wants_probe(self) -> bool:
        """Whether few images come, and the twin has not yet told whether that is the camera's rate."""
        return self._images < ENOUGH and not self._knows_twin and "lost" not in self._said

    def _start_probe(self) -> None:
        """Listen to the twin, if anyone offers it: a witness that the camera runs."""
        topic = self._inputs.topics.twin
        if self._twin is None and self._node.count_publishers(topic):
            qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._twin = self._node.create_subscription(self._inputs.twin_type, topic, self._on_twin, qos, raw=True)

    def _stop_probe(self) -> None:
        if self._twin is not None:
            self._node.destroy_subscription(self._twin)
            self._twin = None

    def _on_twin(self, _: bytes) -> None:
        self._twins += 1

    def _facts(self) -> Facts:
        topics = self._inputs.topics
        publishers = self._node.get_publishers_info_by_topic(topics.image)
        return Facts(
            topic=topics.image,
            topic_type=_type_name(self._inputs.message_type),
            twin_topic=topics.twin,
            window_s=self._window_s,
            camera=self._inputs.camera,
            images=self._images,
            images_before=self._images_before,
            infos=self._infos,
            twins=self._twins,
            offered_types=tuple(publisher.topic_type for publisher in publishers),
            mismatch=self._mismatch,
            is_reliable=self._inputs.is_reliable,
            offers_reliable=all(_is_reliable(publisher.qos_profile) for publisher in publishers),
            image_topics=self._image_topics(),
            domain_id=self._node.context.get_domain_id(),
            **self._facts_of_companions(),
        )

    def _facts_of_companions(self) -> dict[str, Any]:
        """Return what was seen of camera_info and depth, by the names in Facts."""
        live, (cameras, depths) = self._live(), (self._companions.cameras, self._companions.depths)
        paired, depths_paired = (now - before for now, before in zip(self._paired(), self._paired_before, strict=True))
        topic = depth_topic(self._node, self._inputs.camera)
        return {
            "info_topic": self._inputs.topics.camera_info,
            "paired": paired,
            "info_lag_s": cameras.lag_s,
            "is_distorted": self._is_distorted,
            "is_rectified": self._is_rectified,
            "wants_poses": live.pose.enabled,
            "assumes_camera": live.camera.assume_fov_deg > 0.0,
            "depth_topic": None if depths is None else topic,
            "depth_publishers": self._node.count_publishers(topic),
            "depths": self._depths,
            "depths_paired": depths_paired,
            "depth_lag_s": None if depths is None else depths.lag_s,
        }

    def _image_topics(self) -> tuple[tuple[str, str], ...]:
        """Find where images are published that may be this camera's."""
        left_out = {self._inputs.topics.image, *self._no_cameras}
        return tuple(
            (name, kind)
            for name, kinds in sorted(self._node.get_topic_names_and_types())
            for kind in kinds
            if kind in TRANSPORT_OF and name not in left_out and self._node.count_publishers(name)
        )


def _described_topics(inputs: Inputs, config: InputConfig) -> str:
    reliability = "reliable" if inputs.is_reliable else "best_effort"
    auto = " for now, as input.reliability is auto" if config.reliability == "auto" else ""
    return f"{inputs.topics.image} ({config.transport}, {reliability}{auto}) and {inputs.topics.camera_info}"


def _described(message: ImageMessage) -> str:
    if isinstance(message, CompressedImage):
        content = f"format {message.format!r}"
    else:
        content = f"{message.width}x{message.height} {message.encoding}"
    return f"{content}, frame {message.header.frame_id!r}"


def _is_reliable(profile: QoSProfile) -> bool:
    return bool(profile.reliability == ReliabilityPolicy.RELIABLE)


def _type_name(message_type: type) -> str:
    """Return a message's ROS name; its module is such as sensor_msgs.msg._image."""
    return f"{message_type.__module__.split('.')[0]}/msg/{message_type.__name__}"
