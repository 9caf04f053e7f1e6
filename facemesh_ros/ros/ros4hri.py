"""The bridge to ROS4HRI: faces on the topics of REP 155, where hri_msgs is installed and the bridge is wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import ModuleType
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from facemesh_ros import rep155
from facemesh_ros.picture import AnyImage, Picture
from facemesh_ros.ros.convert import bgr8_message
from facemesh_ros.ros.crowd import Crowd
from facemesh_ros.ros.gate import Gate
from facemesh_ros.ros.pulse import Pulse
from facemesh_ros.types import Face, Float32

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # its name in Humble
    from rclpy.qos_event import PublisherEventCallbacks

DEPTH = 1
FACES = "/humans/faces"
GAZING = "/humans/interactions/gazing"
PICTURES = {"cropped": Image, "aligned": Image}


def hri_messages() -> ModuleType | None:
    """Return the module hri_msgs.msg, or None where it is not installed."""
    try:
        from hri_msgs import msg
    except ImportError:
        return None
    return msg  # type: ignore[no-any-return]


class Ros4HriBridge:
    """Publishers of all faces together, and of each face for as long as it is there, from :meth:`open` to close.

    A camera has one; the list of all faces is that of the whole ``crowd``, which they share.
    """

    def __init__(
        self, node: Node, warn: Callable[[str], None], crowd: Crowd, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Publish nothing yet; ``now_s`` is the clock by which images cease."""
        self._node = node
        self._warn = warn
        self._crowd = crowd
        self._now_s = now_s
        self._pulse = Pulse()
        self._lock = threading.Lock()
        """Of what is there: faces are told of by a worker, and forgotten by who looks for silence."""
        self._messages: ModuleType | None = None
        self._tracked: Any = None
        self._gazing: Any = None
        self._prefix = ""
        self._with_pictures = True
        self._of_faces: dict[str, dict[str, Any]] = {}
        self._last: Header | None = None

    @property
    def is_open(self) -> bool:
        """Whether faces are published."""
        return self._messages is not None

    def open(self, is_wanted: bool, robot_is_target: bool, prefix: str = "", with_pictures: bool = True) -> None:
        """Begin, if the bridge is wanted and hri_msgs is there; say so if only the latter fails.

        Who looks at the target of attention gazes at the robot only where that is the target. Ids begin with
        ``prefix``, as :func:`facemesh_ros.rep155.face_id` has it. Faces have topics of pictures only ``with_pictures``.
        Where a publisher cannot be made, none is left, and the bridge stays closed.
        """
        self._prefix, self._with_pictures = prefix, with_pictures
        messages = hri_messages() if is_wanted else None
        if is_wanted and messages is None:
            self._warn(
                "rep155.enabled is true and hri_msgs is not installed: nothing is published under /humans; "
                "apt-get install ros-$ROS_DISTRO-hri-msgs"
            )
        if messages is not None:
            kinds = {f"{FACES}/tracked": "IdsList", **({GAZING: "Gaze"} if robot_is_target else {})}
            made = self._publishers({topic: getattr(messages, kind) for topic, kind in kinds.items()})
            self._tracked, self._gazing = made[f"{FACES}/tracked"], made.get(GAZING)
        self._pulse = Pulse()
        self._messages = messages

    def publish(self, faces: Iterable[Face], header: Header, image: AnyImage, gate: Gate) -> None:
        """Send the faces of one image, through the stream's gate; what nobody listens to is not made.

        Once they are forgotten meanwhile, as :meth:`forget_if_silent` has it, nothing further is said of them.

        Raises:
            GateClosedError: the stream has ended, maybe meanwhile.
        """
        with gate, self._lock:
            if self._messages is None:
                return
            self._pulse.beat(self._now_s())
            self._last = header
            present = {rep155.face_id(face.track_id, self._prefix): face for face in faces}
            for name in self._of_faces.keys() - present.keys():
                self._drop(name)
            self._tell(present, header)
            for name in present:
                if name not in self._of_faces:
                    self._of_faces[name] = self._publishers_of(name)
        picture = Picture.of(image)
        for name, face in present.items():
            self._publish_face(name, face, header, picture, gate)

    def forget_if_silent(self) -> None:
        """Say that nobody is there any more once images have ceased, as :class:`Pulse` has it; to be called on and on.

        The next image brings the faces back. While one is being told of, nothing is waited for.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._of_faces and self._pulse.has_ceased(self._now_s()):
                self._forget()
        finally:
            self._lock.release()

    def close(self, timeout_s: float) -> None:
        """Say that there is nobody any more, wait so long until readers know, and take the publishers back.

        No publisher is left, whatever is raised.
        """
        with self._lock:
            if self._messages is None:
                return
            try:
                self._take_back(timeout_s)
            finally:
                self._messages = self._last = None

    def _take_back(self, timeout_s: float) -> None:
        with ExitStack() as steps:  # the last that is added is the first that is done
            steps.callback(self._destroy, [one for one in (self._tracked, self._gazing) if one is not None])
            steps.callback(self._tracked.wait_for_all_acked, Duration(seconds=timeout_s))
            steps.callback(self._forget)

    def _forget(self) -> None:
        with ExitStack() as steps:
            for name in self._of_faces:
                steps.callback(self._drop, name)
            steps.callback(self._tell, (), Header() if self._last is None else self._last)

    def _tell(self, ids: Iterable[str], header: Header) -> None:
        messages, tracked = self._messages, self._tracked
        assert messages is not None
        self._crowd.tell(self, ids, lambda everybody: tracked.publish(messages.IdsList(header=header, ids=everybody)))

    def _publish_face(self, name: str, face: Face, header: Header, picture: Picture, gate: Gate) -> None:
        with gate, self._lock:
            messages = self._messages
            assert messages is not None
            of_face = self._of_faces.get(name, {}).items()
            wanted = [(kind, publisher) for kind, publisher in of_face if publisher.get_subscription_count()]
        points, size_wh = face.smoothed.points, picture.size_wh
        made: dict[str, Callable[[], Any]] = {
            "roi": lambda: _region(messages, points, face.smoothed.presence, size_wh, header),
            "landmarks": lambda: _landmarks(messages, points, face.smoothed.presence, size_wh, header),
            "cropped": lambda: bgr8_message(rep155.cropped(picture.rgb, points), header),
            "aligned": lambda: bgr8_message(rep155.aligned(picture.rgb, points), header),
        }
        for kind, publisher in wanted:
            message = made[kind]()
            with gate, self._lock:
                if name in self._of_faces:  # or it took so long to make that the camera counts as silent
                    publisher.publish(message)
        if face.gaze is not None and face.gaze.is_looking:
            with gate, self._lock:
                if self._gazing is not None and name in self._of_faces:
                    self._gazing.publish(messages.Gaze(header=header, sender=name, receiver=""))

    def _publishers_of(self, name: str) -> dict[str, Any]:
        assert self._messages is not None
        kinds = {
            "roi": self._messages.NormalizedRegionOfInterest2D,
            "landmarks": self._messages.FacialLandmarks,
            **(PICTURES if self._with_pictures else {}),
        }
        made = self._publishers({f"{FACES}/{name}/{kind}": message for kind, message in kinds.items()})
        return dict(zip(kinds, made.values(), strict=True))

    def _publishers(self, kinds: Mapping[str, type]) -> dict[str, Any]:
        """Return topic → publisher, all of them or none."""
        with ExitStack() as undone:
            made: dict[str, Any] = {}
            for topic, kind in kinds.items():
                made[topic] = self._publisher(kind, topic)
                undone.callback(self._node.destroy_publisher, made[topic])
            undone.pop_all()
            return made

    def _publisher(self, message_type: type, topic: str) -> Any:
        # Workers make and destroy these while the executor is at work: it must not wait for any event of theirs, as it
        # does by default, for it may find what it waits for destroyed, and ends.
        return self._node.create_publisher(
            message_type,
            topic,
            QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE),
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )

    def _drop(self, name: str) -> None:
        self._destroy(self._of_faces.pop(name).values())

    def _destroy(self, publishers: Iterable[Any]) -> None:
        """Destroy all of them, whatever is raised by one."""
        with ExitStack() as steps:
            for publisher in publishers:
                steps.callback(self._node.destroy_publisher, publisher)


def _region(messages: ModuleType, points: Float32, presence: float, size_wh: tuple[int, int], header: Header) -> Any:
    xmin, ymin, xmax, ymax = rep155.region(points, size_wh)
    kind = messages.NormalizedRegionOfInterest2D
    return kind(header=header, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, c=presence)


def _landmarks(messages: ModuleType, points: Float32, presence: float, size_wh: tuple[int, int], header: Header) -> Any:
    values = rep155.landmarks(points, presence, size_wh).tolist()
    width, height = size_wh
    kind = messages.NormalizedPointOfInterest2D
    found = [kind(x=x, y=y, c=c) for x, y, c in values]
    return messages.FacialLandmarks(header=header, landmarks=found, height=height, width=width)
