"""A listener for those who look on: the node's faces with the very images that they were found in, as they come.

Unlike the monitor, which counts, it keeps nothing: what is late or has no partner goes by.
"""

from __future__ import annotations

import itertools
import math
import posixpath
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import rclpy
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.context import Context
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image

from facemesh_ros.errors import InputError
from facemesh_ros.msg import FaceMeshArray, FaceMeshTiming
from facemesh_ros.ros.camera_name import CameraName
from facemesh_ros.ros.convert import compressed_rgb, image_rgb, stamp_seconds
from facemesh_ros.ros.frames import ImageMessage
from facemesh_ros.ros.reading import faces_of
from facemesh_ros.types import Face, UInt8

T = TypeVar("T")
Stamp = tuple[int, int]

_STAGES = tuple(FaceMeshTiming.get_fields_and_field_types())
_KEPT = 30
"""Images that wait for their faces, and faces for their image: a second at 30 Hz."""
_PARTNER_S = 1.0
"""Once no faces have met their image for so long, they are shown without."""
_ASK_S = 1.0
"""Between two questions for the node's privacy mode."""
_GRACE_S = 3.0
"""Until a node is found, its mode is taken for private for so long after the start."""
_LARGEST_LATENCY_S = 60.0
"""More is a bag that is played, or another machine's clock."""
OPEN = "off"
"""The privacy mode in which images may be shown, and that of a node that has no such parameter."""


class _Arrival(NamedTuple):
    """Faces as they came."""

    number: int
    """Of the messages so far."""
    message: FaceMeshArray
    latency_ms: float | None


@dataclass(frozen=True, eq=False)
class Sight:
    """What the node said about one image, and the image."""

    stamp_s: float
    size_wh: tuple[int, int]
    """Of the image that the faces' pixels refer to."""
    faces: tuple[Face, ...]
    image: ImageMessage | None
    """None where it did not arrive, or is not wanted."""
    latency_ms: float | None
    """From the image's stamp to the faces' arrival here; None where clocks do not agree."""
    stages_ms: Mapping[str, float]
    """Without stages whose time is no number."""
    dropped: int

    def jpeg(self) -> bytes | None:
        """Return the camera's own JPEG, where that is what it sent."""
        if not isinstance(self.image, CompressedImage):
            return None
        data = bytes(self.image.data)
        is_jpeg = data.startswith(b"\xff\xd8\xff") and "compressed rgb" not in self.image.format
        return data if is_jpeg else None

    def rgb(self) -> UInt8 | None:
        """Return the picture, (H, W, 3) uint8 RGB.

        Raises:
            InputError: it cannot be read.
        """
        if self.image is None:
            return None
        return image_rgb(self.image) if isinstance(self.image, Image) else compressed_rgb(self.image)


class Spectator:
    """A node of its own. All methods belong to one thread."""

    def __init__(self, node_name: str, image_topic: str, on_sight: Callable[[Sight], None], camera: str = "") -> None:
        """Subscribe to the faces of one of the node's cameras, by name; nothing arrives before :meth:`spin`.

        Raises:
            InputError: a name is no ROS name.
        """
        self.faces_topic = CameraName(camera).output("faces").replace("~", node_name)
        self.image_topic = image_topic
        self.bad: str | None = None
        """Why the last message could not be read."""
        self._on_sight = on_sight
        self._images: OrderedDict[Stamp, ImageMessage] = OrderedDict()
        self._held: OrderedDict[Stamp, _Arrival] = OrderedDict()
        self._arrivals = itertools.count(1)
        self._shown = 0
        """Number of the faces that were shown last: those before them are late, even where stamps jump back."""
        self._joined_at_s = 0.0
        self._image_subscription: Any = None
        self._mode: str | None = None
        self._node_is_there = False
        """The node itself publishes the faces."""
        self._publishers: set[bytes] = set()
        """Of the faces, when the mode was asked for."""
        self._asked: Any = None
        self._asked_at_s = self._started_at_s = time.monotonic()
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("facemesh_viewer", context=self._context, enable_rosout=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        try:
            self._node.create_subscription(FaceMeshArray, self.faces_topic, self._on_faces, 1)
            self._question = self._node.create_client(GetParameters, f"{node_name}/get_parameters")
            self._node.count_publishers(image_topic)
            self.image_topic = self._node.resolve_topic_name(image_topic)
        except (InvalidTopicNameException, ValueError) as error:
            self.close()
            reason = str(error).splitlines()[0].rstrip(":")
            raise InputError(f"--node {node_name!r}, --camera {camera!r}, --image {image_topic!r}: {reason}") from error

    def close(self) -> None:
        """Leave."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def spin(self, duration_s: float, with_images: bool) -> None:
        """Receive what comes next, for at most ``duration_s``; images only if they are wanted."""
        if with_images:
            self._want_images()
        elif self._image_subscription is not None:
            self._node.destroy_subscription(self._image_subscription)
            self._image_subscription = None
            self._images.clear()
        self._ask()
        self._executor.spin_once(timeout_sec=duration_s)

    @property
    def is_private(self) -> bool:
        """Whether the node wants no image shown, as its parameter ``privacy.mode`` says.

        Where there is no node, as when a bag is played, nobody has asked for it; till that is sure, and while a node is
        there that does not answer, it counts as private.
        """
        if self._mode is None:
            is_early = time.monotonic() - self._started_at_s < _GRACE_S
            return is_early or self._node_is_there or self._asked is not None
        return self._mode != OPEN

    def advice(self) -> str:
        """Say what seems to keep faces from arriving."""
        if self._node.count_publishers(self.faces_topic) == 0:
            return f"nobody publishes {self.faces_topic}: are --node and --camera the names of a node that runs?"
        if not any(
            self._node.count_publishers(topic) for topic in (self.image_topic, f"{self.image_topic}/compressed")
        ):
            return f"the node is there, but nobody publishes {self.image_topic}: is the camera running?"
        return f"{self.faces_topic} is silent: the node gets no images, or is not active"

    def _want_images(self) -> None:
        """Subscribe to what the camera offers: its images, or the compressed ones beside them."""
        raw, compressed = self.image_topic, f"{self.image_topic}/compressed"
        if raw.endswith("/compressed"):
            raw, compressed = "", raw
        wanted: tuple[type, str] | None = None
        if raw and self._node.count_publishers(raw):
            wanted = Image, raw
        elif self._node.count_publishers(compressed):
            wanted = CompressedImage, compressed
        current = self._image_subscription
        if wanted is None or (current is not None and current.topic_name == wanted[1]):
            return
        if current is not None:
            self._node.destroy_subscription(current)
        profile = QoSProfile(depth=2, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._image_subscription = self._node.create_subscription(*wanted, self._on_image, profile)

    def _ask(self) -> None:
        """Ask the node for its privacy mode, again and again: it may change, or be another node after a restart."""
        now_s = time.monotonic()
        infos = self._node.get_publishers_info_by_topic(self.faces_topic)
        publishers = {bytes(one.endpoint_gid) for one in infos}
        names = {f"{one.node_namespace.rstrip('/')}/{one.node_name}" for one in infos}
        self._node_is_there = posixpath.dirname(self._question.srv_name) in names
        if not publishers or publishers != self._publishers:  # what another node has answered does not count
            self._publishers = publishers
            self._forget_mode(now_s)
        if self._asked is not None and self._asked.done():
            answer, self._asked = self._asked.result(), None
            values = [] if answer is None else answer.values
            strings = [value.string_value for value in values if value.type == ParameterType.PARAMETER_STRING]
            self._mode = strings[0] if strings else OPEN
        elif self._asked is not None and now_s - self._asked_at_s > 3.0 * _ASK_S:
            self._forget_mode(now_s)
        if self._asked is None and now_s - self._asked_at_s > _ASK_S and self._question.service_is_ready():
            self._asked_at_s = now_s
            self._asked = self._question.call_async(GetParameters.Request(names=["privacy.mode"]))

    def _forget_mode(self, now_s: float) -> None:
        """Take the mode for unknown, as at the start."""
        if self._asked is not None:
            self._question.remove_pending_request(self._asked)
        self._asked = self._mode = None
        self._started_at_s = now_s

    def _on_faces(self, message: FaceMeshArray) -> None:
        faces = _Arrival(next(self._arrivals), message, self._latency_ms(message))
        stamp = _stamp(message)
        if self._image_subscription is None:
            self._show(faces, None)
        elif stamp in self._images:
            self._join(faces, self._images.pop(stamp))
        else:
            _keep(self._held, stamp, faces)
            if time.monotonic() - self._joined_at_s > _PARTNER_S:
                self._show(faces, None)

    def _on_image(self, message: ImageMessage) -> None:
        stamp = _stamp(message)
        faces = self._held.pop(stamp, None)
        if faces is None or faces.number < self._shown:  # the latter are of an image that was lost before stamps jumped
            _keep(self._images, stamp, message)
        else:
            self._join(faces, message)

    def _join(self, faces: _Arrival, image: ImageMessage) -> None:
        """Show faces with their image; the next ones wait for theirs."""
        self._joined_at_s = time.monotonic()
        self._show(faces, image)

    def _show(self, arrival: _Arrival, image: ImageMessage | None) -> None:
        self._shown, message = arrival.number, arrival.message
        try:
            faces = faces_of(message)
        except InputError as error:
            self.bad = f"a message on {self.faces_topic} cannot be read: {error}"
            return
        self.bad = None
        size_wh = max(1, message.image_width), max(1, message.image_height)
        stamp_s, stages_ms = stamp_seconds(message.header), _stages_ms(message.timing)
        self._on_sight(Sight(stamp_s, size_wh, faces, image, arrival.latency_ms, stages_ms, message.dropped))

    def _latency_ms(self, message: FaceMeshArray) -> float | None:
        passed_ns = (self._node.get_clock().now() - Time.from_msg(message.header.stamp)).nanoseconds
        return 1e-6 * passed_ns if 0 <= passed_ns < 1e9 * _LARGEST_LATENCY_S else None


def _stages_ms(timing: FaceMeshTiming) -> dict[str, float]:
    """Return stage → its time, ms; without those whose time is no number."""
    told = {stage: float(getattr(timing, stage)) for stage in _STAGES}
    return {stage: time_ms for stage, time_ms in told.items() if math.isfinite(time_ms)}


def _stamp(message: Any) -> Stamp:
    return message.header.stamp.sec, message.header.stamp.nanosec


def _keep(waiting: OrderedDict[Stamp, T], stamp: Stamp, value: T) -> None:
    waiting[stamp] = value
    while len(waiting) > _KEPT:
        waiting.popitem(last=False)
