"""Images in, messages out: all that lives between activation and deactivation."""

from __future__ import annotations

import threading
import traceback
from contextlib import ExitStack

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image

from facemesh_ros.config import NodeConfig
from facemesh_ros.errors import InputError
from facemesh_ros.ros.companions import Companions
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.frames import Frame, FrameProcessor, ImageMessage
from facemesh_ros.ros.input_watch import InputWatch
from facemesh_ros.ros.inputs import Inputs
from facemesh_ros.ros.latest import Latest
from facemesh_ros.ros.outputs import Outputs
from facemesh_ros.ros.throttle import Throttle
from facemesh_ros.ros.timing import StageTimer

CLOSE_S = 5.0
"""The image at hand is waited for this long; a slow computer needs 1 s for one with many faces."""


class StuckError(Exception):
    """The work on an image does not end."""


class Stream:
    """Subscriptions that keep the newest image, and a thread that works on it, until :meth:`close`."""

    def __init__(
        self,
        node: LifecycleNode,
        config: NodeConfig,
        processor: FrameProcessor,
        companions: Companions,
        timer: StageTimer,
        outputs: Outputs,
        tally: Tally,
    ) -> None:
        """Begin.

        Raises:
            ConfigError: a QoS override of the user's is no QoS. Whatever is raised, nothing is left behind.
        """
        self._logger = node.get_logger()
        self._processor = processor
        self._companions = companions
        self._timer = timer
        self._outputs = outputs
        self._tally = tally
        self._newest: Latest[Frame] = Latest()
        self._throttle = Throttle()
        self._began_s: float | None = None
        self._is_closed = False
        with ExitStack() as opened:
            self._open(node, config, opened)
            self._opened = opened.pop_all()
        self._worker = threading.Thread(target=self._work, name="facemesh_worker", daemon=True)
        self._worker.start()

    @property
    def busy_s(self) -> float:
        """How long the worker has been at work on the present image; 0 while it waits for one."""
        began_s = self._began_s
        return 0.0 if began_s is None else self._timer.now_s() - began_s

    def close(self) -> None:
        """Unsubscribe, finish the image at hand, and say that there are no faces any more.

        Raises:
            StuckError: that image is not finished after ``CLOSE_S``; what comes of it later is thrown away.
        """
        self._opened.close()
        self._newest.close()
        self._worker.join(CLOSE_S)
        self._is_closed = True
        self._outputs.publish_none(self._tally.skipped)
        if self._worker.is_alive():
            raise StuckError(f"the work on one image has taken {self.busy_s:.1f} s and does not end; it is abandoned")

    def _open(self, node: LifecycleNode, config: NodeConfig, opened: ExitStack) -> None:
        """Subscribe, and note in ``opened`` how to undo it."""
        on_depth = None if self._companions.depths is None else self._on_depth
        self._inputs = Inputs(node, config.input, self._on_image, self._on_info, self._on_mismatch, on_depth)
        opened.callback(self._inputs.close)
        live, warn = (lambda: self._processor.config), self._logger.warning
        self._watch = InputWatch(node, self._inputs, config, self._companions, live, warn)
        opened.callback(self._watch.close)
        for subscription in self._companions.target.listen(node):
            opened.callback(node.destroy_subscription, subscription)
        self._outputs.open()

    def _on_image(self, message: ImageMessage) -> None:
        self._watch.image_arrived(message)
        if self._newest.put(Frame(message, self._timer.now_s())):
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

    def _work(self) -> None:
        """Take image after image; no image ends the thread."""
        while (frame := self._newest.take()) is not None:
            self._survive(frame)

    def _survive(self, frame: Frame) -> None:
        """Work on one image; whatever is wrong with it or with us is counted and said, and the thread lives on."""
        self._began_s = self._timer.now_s()
        try:
            self._process(frame)
        except InputError as error:
            self._tally.add_bad()
            if self._is_due(error):
                self._logger.warning(f"image skipped: {error}")
        except Exception as error:
            self._tally.add_failed()
            if self._is_due(error):
                self._logger.error(f"image skipped because of an error in this node:\n{traceback.format_exc()}")
        finally:
            self._began_s = None

    def _is_due(self, error: Exception) -> bool:
        """Tell whether to speak of an error: those raised by one line of code are of one kind."""
        origin = traceback.extract_tb(error.__traceback__)[-1]
        return self._throttle.is_due((origin.filename, origin.lineno))

    def _process(self, frame: Frame) -> None:
        result = self._processor.process(frame, self._tally.skipped)
        if self._is_closed:
            return
        if result is None:
            self._tally.add_dropped()
            return
        self._outputs.publish(result)
        disagreeing = sum(face.pose is not None and face.pose.scale_disagrees for face in result.faces)
        self._tally.add_frame(len(result.faces), 1e3 * (self._timer.now_s() - frame.arrived_s), disagreeing)
