"""Faces in space, for whoever looks: markers and a point cloud."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from rclpy.duration import Duration
from rclpy.publisher import Publisher
from std_msgs.msg import Header

from facemesh_ros.config import MarkersConfig
from facemesh_ros.ros.frames import Result
from facemesh_ros.ros.gate import Gate
from facemesh_ros.ros.markers import FaceMarkers
from facemesh_ros.ros.points import cloud_message


class Scene:
    """Publish both, of one stream; while nobody subscribes to one, it is not made."""

    def __init__(self, markers: Publisher, points: Publisher, gate: Gate) -> None:
        """Take the publishers of both; nothing of an image goes out once the ``gate`` is closed."""
        self._markers, self._points, self._gate = markers, points, gate
        self._face_markers = FaceMarkers()
        self._last_cloud: Header | None = None
        """Header of the cloud that is shown; None where none is."""

    def open(self, prefix: str) -> None:
        """Begin: the first message deletes all markers. ``prefix`` goes before the ids in texts."""
        self._face_markers.begin(prefix)

    @property
    def is_watched(self) -> bool:
        """Whether anybody subscribes, or did and is to be told that nothing is shown any more; ask inside the gate."""
        readers = self._markers.get_subscription_count() or self._points.get_subscription_count()
        return bool(readers) or self._face_markers.are_told

    def publish(self, result: Result, config: MarkersConfig, *, may_color: bool) -> None:
        """Send what is wanted of an image; ``may_color`` is false where no pixel of it may leave the node.

        In a frame without a name nothing can stand: such an image takes back all markers.

        Raises:
            GateClosedError: the stream has ended, maybe meanwhile.
        """
        with self._gate:  # the publishers may be gone with the stream
            may_mark = config.enabled and result.array.header.frame_id
            wants_markers = may_mark and self._markers.get_subscription_count()
            wants_points = self._points.get_subscription_count()
            if not wants_markers:
                self._take_markers_back()
        if wants_markers:
            self._publish_markers(result, config.surface == "image" and may_color)
        if wants_points:
            self._publish_points(result)

    def close(self, timeout_s: float) -> None:
        """Take back what is shown, and wait until readers know; the gate is closed."""
        with ExitStack() as last_words:
            last_words.callback(_say, self._points, self._take_points_back, timeout_s)
            last_words.callback(_say, self._markers, self._take_markers_back, timeout_s)

    def _publish_points(self, result: Result) -> None:
        header = result.array.header
        message = cloud_message(result.faces, header)
        with self._gate:
            if not header.frame_id:  # viewers refuse the new cloud, and would go on to show the last one
                self._take_points_back()
            self._points.publish(message)
            self._last_cloud = header if header.frame_id else None

    def _publish_markers(self, result: Result, is_colored: bool) -> None:
        message = self._face_markers.message(result, is_colored)
        if message is not None:
            with self._gate:
                self._markers.publish(message)

    def _take_markers_back(self) -> bool:
        """Delete all markers, unless none were sent; return whether any were. The next ones begin anew."""
        message = self._face_markers.farewell()
        if message is None:
            return False
        self._markers.publish(message)
        return True

    def _take_points_back(self) -> bool:
        """Empty the cloud that is shown; return whether there was one."""
        last, self._last_cloud = self._last_cloud, None
        if last is None:
            return False
        self._points.publish(cloud_message((), last))
        return True


def _say(publisher: Publisher, last_word: Callable[[], bool], timeout_s: float) -> None:
    """Say a last word, and where there was one wait until readers have it."""
    if last_word():
        publisher.wait_for_all_acked(Duration(seconds=timeout_s))
