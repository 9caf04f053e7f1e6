"""All that belongs to one camera of the node, for as long as the node lives."""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from facemesh_ros.config import Config, NodeConfig
from facemesh_ros.ros.camera_name import CameraName
from facemesh_ros.ros.companions import Companions
from facemesh_ros.ros.crowd import Crowd
from facemesh_ros.ros.diagnostics import PERIOD_S, Tally, status
from facemesh_ros.ros.frames import FrameProcessor, MakeMesher
from facemesh_ros.ros.inputs import Topics
from facemesh_ros.ros.outputs import Outputs
from facemesh_ros.ros.target import Target
from facemesh_ros.ros.timing import StageTimer


class Lane:
    """A camera: its names, its counts, its publishers and, from :meth:`configure` to :meth:`free`, its tracks."""

    def __init__(self, node: LifecycleNode, camera: CameraName, config: Callable[[], NodeConfig], crowd: Crowd) -> None:
        """Make the publishers; ``config`` is asked for what may change while the node runs."""
        self.camera = camera
        self.logger = camera.logger(node.get_logger())
        self.tally = Tally()
        self.timer = StageTimer()
        self.outputs = Outputs(node, config, camera, crowd, self.logger.warning)
        self._node = node
        self._config = config
        self._processor: FrameProcessor | None = None
        self._next_id = 1
        """Of the first new face after the next configuration: ids are never used again while the node runs."""

    @property
    def processor(self) -> FrameProcessor | None:
        """What finds the faces; None while the camera is not configured."""
        return self._processor

    @property
    def ready(self) -> tuple[FrameProcessor, Companions]:
        """What finds the faces and what it needs beside the images, of a camera that is configured."""
        assert self._processor is not None
        return self._processor, self._companions

    def configure(self, config: Config, make_mesher: MakeMesher, target: Target) -> None:
        """Make what finds the faces, and the publishers of images."""
        self._companions = Companions.of(self._config(), self.tally, self.logger.warning, target)
        self._make_mesher = make_mesher
        self._begin(config)
        self.outputs.open_pictures()

    def begin_anew(self) -> None:
        """Leave the tracks to work that does not end and is not waited for any more; what comes next has its own.

        Nothing may go out any more of that work, or its ids would be used again.
        """
        left = self.ready[0]
        self._next_id = left.next_id
        self._begin(left.config)

    def free(self) -> None:
        """Give up what :meth:`configure` made."""
        self.outputs.close_pictures()
        if self._processor is not None:
            self._next_id, self._processor = self._processor.next_id, None

    def _begin(self, config: Config) -> None:
        self.timer = StageTimer()
        mesher = self._make_mesher(config, self.timer.stage, first_id=self._next_id)
        self._processor = FrameProcessor(mesher, self.timer, self._companions, self.logger.warning)

    def status(self, state: str, busy_s: float) -> DiagnosticStatus:
        """Sum up the last period of :data:`facemesh_ros.ros.diagnostics.PERIOD_S`."""
        on = self._processor
        device, fallback = ("none", None) if on is None else (on.device, on.fallback)
        topic = Topics.of(self._node, self._config().input.transport, self.camera).image
        name = f"{self._node.get_fully_qualified_name()}: {self.camera.title('face meshes')}"
        return status(name, topic, state, device, self.tally.report(PERIOD_S), busy_s, fallback)
