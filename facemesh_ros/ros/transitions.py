"""Steps of a lifecycle node that may fail."""

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
