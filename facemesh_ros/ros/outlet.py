"""What goes out of one stream of a camera's images: faces, and what there is to look at."""

from __future__ import annotations

import time
from contextlib import ExitStack

from rclpy.duration import Duration

from facemesh_ros.config import NodeConfig
from facemesh_ros.msg import FaceMeshArray
from facemesh_ros.rep155 import PREFIX
from facemesh_ros.ros.convert import array_message
from facemesh_ros.ros.frames import Result
from facemesh_ros.ros.gate import Gate
from facemesh_ros.ros.outputs import Outputs
from facemesh_ros.ros.scene import Scene
from facemesh_ros.ros.transforms import FaceTransforms

LAST_WORDS = 4
"""Whose readers are waited for, one after the other: those of REP 155, markers, points and faces."""


class Outlet:
    """The way out, from :meth:`open` to :meth:`close`: of what is still being made then, nothing gets through.

    Each stream has its own, with all that is remembered of what was sent. So work that outlives its stream meets a
    gate that is closed, and touches nothing of the next one's.
    """

    def __init__(self, outputs: Outputs) -> None:
        """Take the publishers of a camera that is configured."""
        self._outputs = outputs
        self._config = outputs.config
        self._gate = Gate()
        self._scene = Scene(outputs.markers, outputs.points, self._gate)
        self._pictures = outputs.pictures
        self._transforms = FaceTransforms()
        self._last: FaceMeshArray | None = None

    def open(self) -> None:
        """Begin. Whatever is raised, :meth:`close` leaves nothing."""
        config, camera = self._config(), self._outputs.camera
        self._outputs.bridge.open(
            config.rep155.enabled,
            not config.attention.target_frame,
            camera.id_prefix(config.id_prefix),
            with_pictures=config.privacy.mode == "off",
        )
        self._outputs.view_frame.open(camera.frame(config.tf.view_frame))
        self._scene.open(self._prefix(config))

    @property
    def is_closed(self) -> bool:
        """Whether nothing goes out any more."""
        return self._gate.is_closed

    def publish(self, result: Result) -> None:
        """Send the faces, and what takes no time to make of them.

        Raises:
            GateClosedError: the stream has ended, maybe meanwhile.
        """
        header = result.array.header
        with self._gate:
            self._outputs.faces.publish(result.array)
            self._last = result.array
            wants_tf = self._config().tf.enabled and self._outputs.tf.get_subscription_count()
        if wants_tf:
            self._publish_transforms(result)
        with self._gate:
            self._outputs.view_frame.publish(header)
        self._outputs.bridge.publish(result.faces, header, result.picture, self._gate)

    @property
    def is_watched(self) -> bool:
        """Whether there is anything for :meth:`show` to do.

        Raises:
            GateClosedError: the stream has ended.
        """
        with self._gate:
            return self._scene.is_watched or (self._pictures is not None and self._pictures.are_wanted)

    def show(self, result: Result) -> None:
        """Draw the faces in space and on images, for whoever looks: it may take as long as finding them.

        Raises:
            GateClosedError: the stream has ended, maybe meanwhile.
        """
        config = self._config()
        self._scene.publish(result, config.markers, may_color=config.privacy.mode == "off")
        if self._pictures is not None:
            self._pictures.publish(result, self._gate)

    def shut(self) -> None:
        """Let nothing further out; what can be taken back :meth:`close` takes back."""
        self._gate.close()

    def close(self, dropped: int, timeout_s: float) -> None:
        """Let nothing further out; then say that there are no faces any more, and wait until readers have it.

        Where nothing was said of faces there is nothing to take back. Each last word is said, even where another fails.

        Args:
            dropped: how many images were skipped.
            timeout_s: for the readers of all together.
        """
        ends_s = time.monotonic() + timeout_s
        self.shut()
        with ExitStack() as last_words:
            last_words.callback(self._take_faces_back, dropped, ends_s)
            last_words.callback(self._scene.close, timeout_s / LAST_WORDS)
            last_words.callback(self._outputs.bridge.close, timeout_s / LAST_WORDS)

    def _publish_transforms(self, result: Result) -> None:
        prefix = self._prefix(self._config())
        message = self._transforms.message(result.faces, result.array.header, result.target_m, prefix)
        if message is not None:
            with self._gate:
                self._outputs.tf.publish(message)

    def _prefix(self, config: NodeConfig) -> str:
        """Return what goes before the ids in names and texts."""
        return self._outputs.camera.id_prefix(config.id_prefix) or (PREFIX if self._outputs.bridge.is_open else "")

    def _take_faces_back(self, dropped: int, ends_s: float) -> None:
        """Send an array without faces, under the last image's header; its readers have until ``ends_s`` to get it."""
        last, self._last = self._last, None
        if last is None:
            return
        empty = array_message((), last.header, (last.image_width, last.image_height), {}, dropped)
        self._outputs.faces.publish(empty)
        self._outputs.faces.wait_for_all_acked(Duration(seconds=max(ends_s - time.monotonic(), 0.0)))
