"""One camera's images in, messages out: all that lives between activation and deactivation."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image

from facemesh_ros.config import NodeConfig
from facemesh_ros.ros.frames import Frame, ImageMessage, Result
from facemesh_ros.ros.gate import GateClosedError
from facemesh_ros.ros.input_watch import InputWatch
from facemesh_ros.ros.inputs import Inputs
from facemesh_ros.ros.job import Job
from facemesh_ros.ros.lane import Lane
from facemesh_ros.ros.outlet import Outlet


class Stream:
    """Subscriptions that hand over the newest image, and what is done with it. Its threads are others'."""

    def __init__(self, lane: Lane) -> None:
        """Take a camera that is configured; nothing is subscribed to yet."""
        self._processor, self._companions = lane.ready
        self._lane = lane
        self._tally = lane.tally
        self._outlet = Outlet(lane.outputs)
        self._opened = ExitStack()
        self.images: Job[Frame] = Job(
            "image", self._process, lane.logger, self._tally.add_bad, self._tally.add_failed, lane.timer.now_s
        )
        """The work on an image."""
        self.views: Job[Result] = Job("view", self._show, lane.logger)
        """The drawing of what came of it: newer views may take the place of older ones."""

    def open(
        self,
        node: LifecycleNode,
        config: NodeConfig,
        put_image: Callable[[Frame], bool],
        put_view: Callable[[Result], object],
        no_cameras: Collection[str],
    ) -> None:
        """Subscribe.

        Args:
            node: whose subscriptions they are.
            config: the node's.
            put_image: gets each image that :attr:`images` is to work on; returns whether it replaced another.
            put_view: gets what :attr:`views` is to show, if anybody looks.
            no_cameras: as :class:`InputWatch` has it.

        Raises:
            ConfigError: a QoS override of the user's is no QoS. Whatever is raised, :meth:`abort` leaves nothing.
        """
        self._put_image, self._put_view = put_image, put_view
        lane, companions = self._lane, self._companions
        on_depth = None if companions.depths is None else self._on_depth
        self._inputs = Inputs(
            node, config.input, self._on_image, self._on_info, self._on_mismatch, on_depth, lane.camera
        )
        self._opened.callback(self._inputs.close)
        live = lambda: self._processor.config  # noqa: E731
        self._watch = InputWatch(node, self._inputs, config, companions, live, lane.logger, no_cameras)
        self._opened.callback(self._watch.close)
        self._outlet.open()

    def unsubscribe(self) -> None:
        """Let no further image in."""
        self._opened.close()

    def shut(self) -> None:
        """Let nothing further out."""
        self._outlet.shut()

    def finish(self, timeout_s: float) -> None:
        """Let nothing further out, and say that there are no faces any more; wait until readers have it."""
        self._outlet.close(self._tally.skipped, timeout_s)

    def forget(self) -> None:
        """Forget the tracks, once finished; an image that is still worked on keeps them and holds up no other."""
        if self.images.is_busy:
            self._lane.begin_anew()
        else:
            self._processor.reset()

    def abort(self) -> None:
        """Leave nothing behind, however far :meth:`open` came."""
        with ExitStack() as left:
            left.callback(self.finish, timeout_s=0.0)
            left.callback(self.unsubscribe)

    def _on_image(self, message: ImageMessage) -> None:
        self._watch.image_arrived(message)
        if self._put_image(Frame(message, self._lane.timer.now_s())):
            self._tally.add_dropped()

    def _on_info(self, message: CameraInfo) -> None:
        self._watch.info_arrived(message)
        self._companions.cameras.put(message)

    def _on_depth(self, message: Image) -> None:
        assert self._companions.depths is not None
        self._watch.depth_arrived()
        self._companions.depths.put(message)

    def _on_mismatch(self, policy: str) -> None:
        self._watch.mismatched(policy)

    def _process(self, frame: Frame) -> None:
        result = self._processor.process(frame, self._tally.skipped)
        if self._outlet.is_closed:
            return
        if result is None:
            self._tally.add_dropped()
            return
        with suppress(GateClosedError):
            self._publish(frame, result)

    def _publish(self, frame: Frame, result: Result) -> None:
        with self._lane.timer.stage("publish"):
            self._outlet.publish(result)
        disagreeing = sum(face.pose is not None and face.pose.scale_disagrees for face in result.faces)
        latency_ms = 1e3 * (self._lane.timer.now_s() - frame.arrived_s)
        self._tally.add_frame(len(result.faces), latency_ms, disagreeing, self._lane.timer.stages_ms)
        if self._outlet.is_watched:
            self._put_view(result)

    def _show(self, result: Result) -> None:
        with suppress(GateClosedError):
            self._outlet.show(result)
