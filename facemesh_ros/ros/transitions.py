"""Steps of a lifecycle node that may fail, and what is said when they do."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, TypeAlias

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.ros.streams import StuckError

Step: TypeAlias = Callable[[Any, LifecycleState], None]


def transition(step: Step) -> Callable[[Any, LifecycleState], TransitionCallbackReturn]:
    """Make a lifecycle callback of a step that raises: rclpy itself swallows what a callback raises."""
    name = step.__name__.removeprefix("on_")

    @functools.wraps(step)
    def callback(node: Any, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            step(node, state)
        except Exception as error:
            log_failure(node.get_logger(), name, error)
            is_foreseen = isinstance(error, FaceMeshError)
            return TransitionCallbackReturn.FAILURE if is_foreseen else TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    return callback


def log_failure(logger: Any, what: str, error: Exception) -> str:
    """Log that something failed, an error that nobody has foreseen with its traceback; return it without."""
    if isinstance(error, FaceMeshError):
        said = f"cannot {what}: {error}"
        logger.error(said)
    elif isinstance(error, StuckError):
        said = f"{what}: {error}"
        logger.error(said)
    else:
        said = f"cannot {what}, because of an error in this node"
        logger.fatal(f"{said}:\n{''.join(traceback.format_exception(error))}")
        said = f"{said}, which its log has: {type(error).__name__}: {error}"
    return said
