"""Watch the input topics, and say once what is amiss, so that nobody is left with silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from facemesh_ros.config import InputConfig
from facemesh_ros.ros.input_advice import TRANSPORT_OF, Advice, Facts, advice
from facemesh_ros.ros.inputs import Inputs


class InputWatch:
    """Look at the topics every ``patience_s`` of wall-clock time and warn of what is amiss, until :meth:`close`."""

    def __init__(
        self,
        node: Node,
        inputs: Inputs,
        config: InputConfig,
        paired: Callable[[], int],
        warn: Callable[[str], None],
    ) -> None:
        """Begin; ``paired`` tells how many images have found their camera_info so far."""
        self._node = node
        self._inputs = inputs
        self._window_s = config.patience_s
        self._paired = paired
        self._warn = warn
        self._said: set[str] = set()
        self._mismatch: str | None = None
        self._twin: Any = None
        self._looks = 0
        self._begin_window()
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(0.5 * self._window_s, self._look, clock=clock)

    def image_arrived(self) -> None:
        """Count an image."""
        self._images += 1

    def info_arrived(self) -> None:
        """Count a camera_info."""
        self._infos += 1

    def mismatched(self, policy: str) -> None:
        """Tell at once of a publisher that cannot be heard."""
        self._mismatch = policy
        self._say(advice(self._facts()))
        self._mismatch = None

    def close(self) -> None:
        """Stop looking."""
        self._node.destroy_timer(self._timer)
        self._stop_probe()

    def _begin_window(self) -> None:
        self._images = self._infos = self._twins = 0
        self._paired_before = self._paired()

    def _look(self) -> None:
        """Half-way through a window listen to the twin if there is silence; at its end judge."""
        self._looks += 1
        if self._looks % 2 == 0:
            self._say(advice(self._facts()))
            self._begin_window()
        elif not self._images and "lost" not in self._said:
            self._start_probe()
        if self._images or "lost" in self._said:
            self._stop_probe()

    def _say(self, found: Advice | None) -> None:
        if found is not None and found.kind not in self._said:
            self._said.add(found.kind)
            self._warn(found.text)

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
            images=self._images,
            infos=self._infos,
            twins=self._twins,
            paired=self._paired() - self._paired_before,
            offered_types=tuple(publisher.topic_type for publisher in publishers),
            mismatch=self._mismatch,
            is_reliable=self._inputs.is_reliable,
            image_topics=self._image_topics(),
            domain_id=self._node.context.get_domain_id(),
        )

    def _image_topics(self) -> tuple[tuple[str, str], ...]:
        """Find where images are published, this node's own pictures left out."""
        own = {self._inputs.topics.image, self._node.resolve_topic_name("~/debug_image")}
        return tuple(
            (name, kind)
            for name, kinds in sorted(self._node.get_topic_names_and_types())
            for kind in kinds
            if kind in TRANSPORT_OF and name not in own and self._node.count_publishers(name)
        )


def _type_name(message_type: type) -> str:
    """Return a message's ROS name; its module is such as sensor_msgs.msg._image."""
    return f"{message_type.__module__.split('.')[0]}/msg/{message_type.__name__}"
