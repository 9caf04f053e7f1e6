"""The node ``facemesh_node``: lifecycle, parameters, services and diagnostics, wired to the cameras' streams."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from facemesh_ros.ros.signals import StopRequest, exit_quietly

if __name__ == "__main__":
    exit_quietly()  # before the imports that take a second

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import SetBool, Trigger

from facemesh_ros.config import Config
from facemesh_ros.errors import ConfigError, FaceMeshError
from facemesh_ros.networks import Networks
from facemesh_ros.pipeline import FaceMesher
from facemesh_ros.ros.apart import check_apart
from facemesh_ros.ros.camera_name import CameraName
from facemesh_ros.ros.crowd import Crowd
from facemesh_ros.ros.diagnostics import PERIOD_S
from facemesh_ros.ros.executors import make_executor
from facemesh_ros.ros.frames import MakeMesher
from facemesh_ros.ros.lane import Lane
from facemesh_ros.ros.library_log import library_log
from facemesh_ros.ros.params import Parameters
from facemesh_ros.ros.pictures import limits_of_blur
from facemesh_ros.ros.streams import Streams
from facemesh_ros.ros.target import Target
from facemesh_ros.ros.topology import TopologyTopic
from facemesh_ros.ros.transforms import frames_of
from facemesh_ros.ros.transitions import log_failure, transition

NAME = "facemesh_node"
RESET = "reset_tracks"
UNTYPED = "PARAMETER_NOT_SET"
"""What rclpy says of a list without anything in it: it cannot tell its type."""
WAKE_S = 0.1
"""A signal is noticed after this long at most."""


def shared_networks(config: Config, cameras: int) -> MakeMesher:
    """Open the networks, once; return what makes the FaceMesher of each of so many cameras with them."""
    return functools.partial(FaceMesher, networks=Networks.open(config, cameras=cameras))


class FaceMeshNode(LifecycleNode):
    """Publish the meshes of the faces in the streams of images of one camera or several."""

    def __init__(self, open_networks: Callable[[Config, int], MakeMesher] = shared_networks, **options: Any) -> None:
        """Declare parameters and publishers; nothing is loaded or subscribed to yet.

        Args:
            open_networks: loads the networks for so many cameras when the node is configured, and returns what makes a
                mesher of them.
            **options: for rclpy's Node, such as parameter_overrides and context.

        Raises:
            ConfigError: a parameter was given a bad value; the message names it.
        """
        try:
            super().__init__(NAME, automatically_declare_parameters_from_overrides=True, **options)
        except ValueError as error:
            if UNTYPED not in str(error):
                raise
            raise ConfigError(
                f"{error}: leave out parameters that are empty lists; [''] is the default of cameras"
            ) from error
        self._open_networks = open_networks
        self._streams: Streams | None = None
        self._is_active = False
        self._is_shut_down = False
        self._settings = Parameters(self, lambda: self._is_configured, self._take_over)
        cameras, crowd = map(CameraName, self._settings.node_config.cameras), Crowd()
        self._lanes = tuple(Lane(self, camera, lambda: self._settings.node_config, crowd) for camera in cameras)
        self._topology = TopologyTopic(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(PERIOD_S, self._on_period, clock=steady)
        self.create_service(SetBool, "~/enable", self._on_enable)
        for name, lanes in self._resettable().items():
            self.create_service(Trigger, name, functools.partial(self._on_reset, lanes))

    @property
    def wants_autostart(self) -> bool:
        """Whether to become active without a lifecycle manager."""
        return self._settings.node_config.autostart

    @property
    def executor_choice(self) -> str:
        """By which executor to be run, as :func:`facemesh_ros.ros.executors.make_executor` has it."""
        return self._settings.node_config.executor

    @property
    def is_shut_down(self) -> bool:
        """Whether the lifecycle is at its end: there is nothing left to do."""
        return self._is_shut_down

    def start(self) -> bool:
        """Configure and activate; return whether both succeeded (the log says why not)."""
        succeeded = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == succeeded and self.trigger_activate() == succeeded)

    @transition
    def on_configure(self, _: LifecycleState) -> None:
        """Load and warm up the networks."""
        config, node_config = self._settings.config, self._settings.node_config
        check_apart(self, [lane.camera for lane in self._lanes], node_config)
        prefixes = [lane.camera.id_prefix(node_config.id_prefix) for lane in self._lanes]
        warn = self.get_logger().warning
        self._target = Target(node_config.attention.target_frame, warn, frames_of(*prefixes))
        try:
            with library_log(warn, self.get_logger().error):
                make_mesher = self._open_networks(config, len(self._lanes))
                for lane in self._lanes:
                    lane.configure(config, make_mesher, self._target)
        except Exception:
            self._free()
            raise
        self._topology.publish(config.mesh.network)
        limits = limits_of_blur(node_config.privacy.mode, config)
        if limits is not None:
            warn(limits)
        self.get_logger().info(f"network {config.mesh.network} is ready on {self._lanes[0].ready[0].device}")

    @transition
    def on_activate(self, state: LifecycleState) -> None:
        """Subscribe."""
        for lane in self._lanes:
            lane.tally.clear()
        self._open_streams()
        self._is_active = True
        super().on_activate(state)

    @transition
    def on_deactivate(self, state: LifecycleState) -> None:
        """Unsubscribe and forget the tracks."""
        self._is_active = False
        self._close_streams()
        super().on_deactivate(state)

    @transition
    def on_cleanup(self, _: LifecycleState) -> None:
        """Free the networks."""
        self._free()

    @transition
    def on_shutdown(self, _: LifecycleState) -> None:
        """Stop from any state."""
        self._is_shut_down = True
        self._stop()

    @transition
    def on_error(self, _: LifecycleState) -> None:
        """Go back to unconfigured after a transition went wrong."""
        self._stop()

    def destroy_node(self) -> None:
        """Stop, from whatever state, and free all."""
        try:
            self._stop()
        finally:
            super().destroy_node()

    @property
    def _is_configured(self) -> bool:
        return any(lane.processor is not None for lane in self._lanes)

    def _stop(self) -> None:
        self._is_active = False
        try:
            self._close_streams()
        finally:
            self._free()

    def _free(self) -> None:
        for lane in self._lanes:
            lane.free()

    def _open_streams(self) -> None:
        self._streams = Streams(self, self._lanes, self._settings.node_config, self._target)

    def _close_streams(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams.close()

    def _take_over(self, config: Config) -> None:
        for lane in self._lanes:
            lane.ready[0].configure(config)

    def _resettable(self) -> dict[str, Sequence[Lane]]:
        """Return the services that forget tracks, and the cameras whose."""
        return {lane.camera.output(RESET): [lane] for lane in self._lanes} | {f"~/{RESET}": self._lanes}

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Subscribe or unsubscribe, without a change of the lifecycle's state; what fails can be tried again."""
        if not self._is_active:
            response.message = "the node is not active: activate it first"
            return response
        try:
            if request.data and self._streams is None:
                self._open_streams()
            elif not request.data:
                self._close_streams()
        except Exception as error:  # it would stop the executor
            response.message = log_failure(self.get_logger(), "enable" if request.data else "disable", error)
            return response
        response.success = True
        response.message = "enabled" if request.data else "disabled"
        return response

    def _on_reset(self, lanes: Sequence[Lane], _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self._is_configured:
            response.message = "the node is not configured: there are no tracks"
            return response
        for lane in lanes:
            lane.ready[0].reset()
        response.success, response.message = True, "all tracks are forgotten"
        return response

    def _on_period(self) -> None:
        """Publish the diagnostics, and see that no camera holds up the others, or tells of faces for ever."""
        busy_s = [0.0] * len(self._lanes) if self._streams is None else self._streams.busy_s
        state = self._state()
        message = DiagnosticArray(
            status=[lane.status(state, of_lane_s) for lane, of_lane_s in zip(self._lanes, busy_s, strict=True)]
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)
        for lane in self._lanes:
            lane.outputs.bridge.forget_if_silent()
        if self._streams is not None:
            self._streams.relieve()

    def _state(self) -> str:
        if not self._is_configured:
            return "unconfigured"
        if not self._is_active:
            return "inactive"
        return "disabled" if self._streams is None else "running"


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
    executor = make_executor(node.executor_choice)
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
