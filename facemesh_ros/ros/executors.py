"""Which of rclpy's executors runs the node."""

from __future__ import annotations

from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.utilities import get_rmw_implementation_identifier

from facemesh_ros.errors import ConfigError

TRIED_WITH = "rmw_fastrtps_cpp"
"""The middleware with which the node's tests have passed on rclpy's experimental EventsExecutor."""


def make_executor(choice: str) -> Any:
    """Return an executor, to be spun by one thread.

    Args:
        choice: the parameter ``executor``; auto takes the EventsExecutor where it is known to work: an image with its
            camera_info costs half as much there (``bench/executor.py``).

    Raises:
        ConfigError: ``choice`` is events, which this rclpy lacks.
    """
    events = _events_executor()
    if choice == "events" and events is None:
        raise ConfigError(
            "executor is events, and this rclpy has no EventsExecutor (Jazzy's has it of late): set executor to auto"
        )
    if choice == "auto" and get_rmw_implementation_identifier() != TRIED_WITH:
        events = None
    return SingleThreadedExecutor() if events is None or choice == "single_threaded" else events()


def _events_executor() -> Any:
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        return None
    return EventsExecutor
