"""The node ``facemesh_node``: lifecycle, parameters, services and diagnostics, wired to a stream of images."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from typing import Any

from facemesh_ros.ros.signals import StopRequest, exit_quietly

if __name__ == "__main__":
    exit_quietly()  # before the imports that take a second

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import SetBool, Trigger

from facemesh_ros.config import Config
from facemesh_ros.errors import FaceMeshError
from facemesh_ros.pipeline import FaceMesher
from facemesh_ros.ros.companions import Companions
from facemesh_ros.ros.diagnostics import PERIOD_S, Report, Tally, status
from facemesh_ros.ros.frames import FrameProcessor, MakeMesher
from facemesh_ros.ros.inputs import Topics
from facemesh_ros.ros.library_log import library_log
from facemesh_ros.ros.outputs import Outputs
from facemesh_ros.ros.params import Parameters
from facemesh_ros.ros.pictures import limits_of_blur
from facemesh_ros.ros.stream import Stream, StuckError
from facemesh_ros.ros.timing import StageTimer

NAME = "facemesh_node"
WAKE_S = 0.1
"""A signal is noticed after this long at most."""

Transition = Callable[["FaceMeshNode", LifecycleState], None]


def _transition(step: Transition) -> Callable[[FaceMeshNode, LifecycleState], TransitionCallbackReturn]:
    """Make a lifecycle callback of a step that raises: rclpy itself swallows what a callback raises."""
    name = step.__name__.removeprefix("on_")

    @functools.wraps(step)
    def callback(node: FaceMeshNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            step(node, state)
        except FaceMeshError as error:
            node.get_logger().error(f"cannot {name}: {error}")
            return TransitionCallbackReturn.FAILURE
        except StuckError as error:
            node.get_logger().error(f"{name}: {error}")
            return TransitionCallbackReturn.ERROR
        except Exception:
            node.get_logger().fatal(f"cannot {name}, because of an error in this node:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    return callback


class FaceMeshNode(LifecycleNode):
    """Publish the meshes of the faces in a stream of images."""

    def __init__(self, make_mesher: MakeMesher = FaceMesher, **options: Any) -> None:
        """Declare parameters and publishers; nothing is loaded or subscribed to yet.

        Args:
            make_mesher: loads the networks when the node is configured.
            **options: for rclpy's Node, such as parameter_overrides and context.

        Raises:
            ConfigError: a parameter was given a bad value; the message names it.
        """
        super().__init__(NAME, automatically_declare_parameters_from_overrides=True, **options)
        self._make_mesher = make_mesher
        self._processor: FrameProcessor | None = None
        self._next_id = 1
        """Of the first new face after the next configuration: ids are never used again while the node runs."""
        self._stream: Stream | None = None
        self._is_active = False
        self._is_shut_down = False
        self._tally = Tally()
        self._settings = Parameters(self, lambda: self._processor is not None, self._take_over)
        self._outputs = Outputs(self, lambda: self._settings.node_config)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(PERIOD_S, self._publish_diagnostics, clock=steady)
        self.create_service(SetBool, "~/enable", self._on_enable)
        self.create_service(Trigger, "~/reset_tracks", self._on_reset)

    @property
    def wants_autostart(self) -> bool:
        """Whether to become active without a lifecycle manager."""
        return self._settings.node_config.autostart

    @property
    def is_shut_down(self) -> bool:
        """Whether the lifecycle is at its end: there is nothing left to do."""
        return self._is_shut_down

    def start(self) -> bool:
        """Configure and activate; return whether both succeeded (the log says why not)."""
        succeeded = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == succeeded and self.trigger_activate() == succeeded)

    @_transition
    def on_configure(self, _: LifecycleState) -> None:
        """Load and warm up the networks."""
        config = self._settings.config
        self._timer = StageTimer()
        self._companions = Companions.of(self._settings.node_config, self._tally, self.get_logger().warning)
        with library_log(self.get_logger().warning, self.get_logger().error):
            mesher = self._make_mesher(config, self._timer.stage, first_id=self._next_id)
        self._processor = FrameProcessor(mesher, self._timer, self._companions, self.get_logger().warning)
        self._outputs.publish_topology(config.mesh.network)
        self._outputs.open_pictures()
        limits = limits_of_blur(self._settings.node_config.privacy.mode, config)
        if limits is not None:
            self.get_logger().warning(limits)
        self.get_logger().info(f"network {config.mesh.network} is ready on {mesher.device}")

    @_transition
    def on_activate(self, state: LifecycleState) -> None:
        """Subscribe."""
        self._tally.clear()
        self._open_stream()
        self._is_active = True
        super().on_activate(state)

    @_transition
    def on_deactivate(self, state: LifecycleState) -> None:
        """Unsubscribe and forget the tracks."""
        self._is_active = False
        self._close_stream()
        super().on_deactivate(state)

    @_transition
    def on_cleanup(self, _: LifecycleState) -> None:
        """Free the networks."""
        self._free()

    @_transition
    def on_shutdown(self, _: LifecycleState) -> None:
        """Stop from any state."""
        self._is_shut_down = True
        self._stop()

    @_transition
    def on_error(self, _: LifecycleState) -> None:
        """Go back to unconfigured after a transition went wrong."""
        self._stop()

    def destroy_node(self) -> None:
        """Stop, from whatever state, and free all."""
        try:
            self._stop()
        finally:
            super().destroy_node()

    def _stop(self) -> None:
        self._is_active = False
        try:
            self._close_stream()
        finally:
            self._free()

    def _free(self) -> None:
        self._outputs.close_pictures()
        if self._processor is not None:
            self._next_id, self._processor = self._processor.next_id, None

    def _open_stream(self) -> None:
        assert self._processor is not None
        config, companions = self._settings.node_config, self._companions
        self._stream = Stream(self, config, self._processor, companions, self._timer, self._outputs, self._tally)

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None and self._processor is not None:
            stream.close()
            self._processor.reset()

    def _take_over(self, config: Config) -> None:
        if self._processor is not None:
            self._processor.configure(config)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Subscribe or unsubscribe, without a change of the lifecycle's state."""
        if not self._is_active:
            response.message = "the node is not active: activate it first"
            return response
        try:
            if request.data and self._stream is None:
                self._open_stream()
            elif not request.data:
                self._close_stream()
        except StuckError as error:
            response.message = str(error)
            return response
        response.success = True
        response.message = "enabled" if request.data else "disabled"
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._processor is None:
            response.message = "the node is not configured: there are no tracks"
            return response
        self._processor.reset()
        response.success, response.message = True, "all tracks are forgotten"
        return response

    def _publish_diagnostics(self) -> None:
        report: Report = self._tally.report(PERIOD_S)
        device, fallback = ("none", None) if self._processor is None else self._processor.device_and_fallback
        topic = Topics.of(self, self._settings.node_config.input.transport).image
        busy_s = 0.0 if self._stream is None else self._stream.busy_s
        message = DiagnosticArray(
            status=[status(self.get_fully_qualified_name(), topic, self._state(), device, report, busy_s, fallback)]
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _state(self) -> str:
        if self._processor is None:
            return "unconfigured"
        if not self._is_active:
            return "inactive"
        return "disabled" if self._stream is None else "running"


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return 0, or 1 if it could not start."""
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # a parameter file that is missing, arguments that cannot be read
        get_logger(NAME).fatal(str(error))
        return 1
    try:
        return _run()
    except FaceMeshError as error:
        get_logger(NAME).fatal(str(error))
        return 1
    finally:
        rclpy.shutdown()


def _run() -> int:
    stop = StopRequest()  # rclpy's own handlers would close the context before the last message is out
    node = FaceMeshNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if node.wants_autostart and not node.start():
            return 1
        while not stop.was_made and not node.is_shut_down:
            executor.spin_once(timeout_sec=WAKE_S)
        is_clean = node.is_shut_down or node.trigger_shutdown() == TransitionCallbackReturn.SUCCESS
        return 0 if is_clean else 1
    finally:
        executor.shutdown()
        node.destroy_node()


if __name__ == "__main__":
    sys.exit(main())
