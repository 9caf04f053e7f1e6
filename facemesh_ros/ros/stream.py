"""Images in, messages out: all that lives between activation and deactivation."""

from __future__ import annotations

import threading
import traceback

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo

from facemesh_ros.config import InputConfig
from facemesh_ros.errors import InputError
from facemesh_ros.ros.cameras import Cameras
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.frames import Frame, FrameProcessor, ImageMessage
from facemesh_ros.ros.input_watch import InputWatch
from facemesh_ros.ros.inputs import Inputs
from facemesh_ros.ros.latest import Latest
from facemesh_ros.ros.outputs import Outputs
from facemesh_ros.ros.timing import StageTimer

THROTTLE_S = 5.0
"""Between two warnings of one kind."""


class Stream:
    """Subscriptions that keep the newest image, and a thread that works on it, until :meth:`close`."""

    def __init__(
        self,
        node: LifecycleNode,
        config: InputConfig,
        processor: FrameProcessor,
        cameras: Cameras,
        timer: StageTimer,
        outputs: Outputs,
        tally: Tally,
    ) -> None:
        """Begin.

        Raises:
            ConfigError: a QoS override of the user's is no QoS.
        """
        self._logger = node.get_logger()
        self._processor = processor
        self._cameras = cameras
        self._timer = timer
        self._outputs = outputs
        self._tally = tally
        self._newest: Latest[Frame] = Latest()
        self._inputs = Inputs(node, config, self._on_image, self._on_info, self._on_mismatch)
        self._watch = InputWatch(node, self._inputs, config, lambda: cameras.paired, self._logger.warning)
        self._worker = threading.Thread(target=self._work, name="facemesh_worker", daemon=True)
        self._worker.start()

    def close(self) -> None:
        """Unsubscribe, finish the image at hand, and say that there are no faces any more."""
        self._watch.close()
        self._inputs.close()
        self._newest.close()
        self._worker.join()
        self._outputs.publish_none(self._tally.skipped)

    def _on_image(self, message: ImageMessage) -> None:
        self._watch.image_arrived()
        if self._newest.put(Frame(message, self._timer.now_s())):
            self._tally.add_dropped()

    def _on_info(self, message: CameraInfo) -> None:
        self._watch.info_arrived()
        self._cameras.put(message)

    def _on_mismatch(self, policy: str) -> None:
        self._watch.mismatched(policy)

    def _work(self) -> None:
        """Take image after image; no image ends the thread."""
        while (frame := self._newest.take()) is not None:
            self._survive(frame)

    def _survive(self, frame: Frame) -> None:
        """Work on one image; whatever is wrong with it or with us is counted and said, and the thread lives on."""
        try:
            self._process(frame)
        except InputError as error:
            self._tally.add_bad()
            self._logger.warning(f"image skipped: {error}", throttle_duration_sec=THROTTLE_S)
        except Exception:
            self._tally.add_failed()
            text = f"image skipped because of an error in this node:\n{traceback.format_exc()}"
            self._logger.error(text, throttle_duration_sec=THROTTLE_S)

    def _process(self, frame: Frame) -> None:
        result = self._processor.process(frame, self._tally.skipped)
        self._outputs.publish(result)
        self._tally.add_frame(len(result.faces), 1e3 * (self._timer.now_s() - frame.arrived_s))
