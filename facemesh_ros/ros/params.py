"""The tunables of config.py as ROS parameters: declared with descriptors, checked at start, changed while running."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from facemesh_ros.config import Config, NodeConfig
from facemesh_ros.errors import ConfigError
from facemesh_ros.ros.camera_name import CameraName
from facemesh_ros.ros.inputs import OVERRIDABLE, overridable_topics, override_name
from facemesh_ros.tunables import Tunable, Value

AT_START = frozenset({"autostart", "cameras", "executor"})
"""Read once, when the process starts: read-only ever after."""
FOREIGN = frozenset({"use_sim_time", "start_type_description_service"})
"""Parameters that rclpy itself declares."""

TUNABLES: dict[str, Tunable] = {tunable.name: tunable for tunable in Config.tunables() + NodeConfig.tunables()}


def descriptor(tunable: Tunable) -> ParameterDescriptor:
    """Describe a tunable to ROS: text with the unit, range, allowed words, and when it may change."""
    unit = f" [{tunable.unit}]" if tunable.unit else ""
    constraints = [tunable.allowed()] if tunable.choices or tunable.form else []
    if not tunable.live:
        constraints.append("set before the start" if tunable.name in AT_START else "changes only while unconfigured")
    return ParameterDescriptor(
        name=tunable.name,
        type=Parameter.Type.from_parameter_value(tunable.default).value,
        description=tunable.description + unit,
        additional_constraints="; ".join(constraints),
        read_only=tunable.name in AT_START,
        **_ranges(tunable),
    )


def _ranges(tunable: Tunable) -> dict[str, list[Any]]:
    if tunable.low is None or tunable.high is None:
        return {}
    if isinstance(tunable.default, int):
        return {"integer_range": [IntegerRange(from_value=int(tunable.low), to_value=int(tunable.high), step=1)]}
    return {"floating_point_range": [FloatingPointRange(from_value=tunable.low, to_value=tunable.high)]}


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name, TUNABLES, n=1)
    return f"did you mean {close[0]}?" if close else "`ros2 param list` names all that exist"


def _override_hint(topics: Iterable[str]) -> str:
    policies = ", ".join(policy.name.lower() for policy in OVERRIDABLE)
    return f"qos_overrides.TOPIC.subscription.POLICY has POLICY out of {policies} and TOPIC out of {', '.join(topics)}"


class Parameters:
    """Hold the node's configuration, equal to its ROS parameters at all times.

    The node must be made with ``automatically_declare_parameters_from_overrides=True``: what the user gave is then seen
    before it is declared for good, so that a bad value is refused in our own words.
    """

    def __init__(self, node: Node, is_configured: Callable[[], bool], take_over: Callable[[Config], None]) -> None:
        """Declare all parameters.

        Args:
            node: whose parameters they are.
            is_configured: whether the networks are loaded, which pins the parameters that are not live.
            take_over: called with the new configuration of the library after a live change was found good, before it
                is stored; may raise ConfigError to refuse it.

        Raises:
            ConfigError: a value given at start is of the wrong type or out of bounds; the message names it.
        """
        self._node = node
        self._is_configured = is_configured
        self._take_over = take_over
        given = {tunable.name: self._declare(tunable) for tunable in TUNABLES.values()}
        self.config, self.node_config = self._changed(Config(), NodeConfig(), given)
        self._drop_unknown()
        node.add_on_set_parameters_callback(self._on_set)

    def _declare(self, tunable: Tunable) -> Value:
        """Declare one parameter; a whole number is accepted where any number is."""
        value: object = tunable.default
        if self._node.has_parameter(tunable.name):
            value = self._node.get_parameter(tunable.name).value
            self._node.undeclare_parameter(tunable.name)
        checked = tunable.check(value)
        self._node.declare_parameter(tunable.name, checked, descriptor(tunable), ignore_override=True)
        return checked

    def _drop_unknown(self) -> None:
        """Warn of parameters that nobody reads: a slip of the pen, or meant for another node by a wildcard."""
        topics = overridable_topics(self._node, map(CameraName, self.node_config.cameras))
        overrides = {override_name(topic, policy) for topic in topics for policy in OVERRIDABLE}
        given = self._node.get_parameters_by_prefix("").keys()
        for name in sorted(given - TUNABLES.keys() - FOREIGN - overrides):
            hint = _override_hint(topics) if name.startswith("qos_overrides.") else _hint(name)
            self._node.get_logger().warning(f"{name} is no parameter of this node and is ignored; {hint}")
            self._node.undeclare_parameter(name)

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        """Take over all of the changes or, with the reason, none (rclpy's callback)."""
        changes = {parameter.name: parameter.value for parameter in parameters if parameter.name in TUNABLES}
        try:
            self._change(changes)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _change(self, changes: dict[str, object]) -> None:
        config, node_config = self._changed(self.config, self.node_config, changes)
        if self._is_configured():
            self._refuse_pinned(changes)
            self._take_over(config)
        self.config, self.node_config = config, node_config

    def _refuse_pinned(self, changes: dict[str, object]) -> None:
        present = self.config.to_dotted() | self.node_config.to_dotted()
        for name, value in changes.items():
            if not TUNABLES[name].live and value != present[name]:
                raise ConfigError(
                    f"{name} is {present[name]!r} and cannot become {value!r} now: it is read when the node is "
                    f"configured; run `ros2 lifecycle set {self._node.get_fully_qualified_name()}` with deactivate and "
                    "cleanup, set it, then configure and activate"
                )

    @staticmethod
    def _changed(config: Config, node_config: NodeConfig, changes: dict[str, Any]) -> tuple[Config, NodeConfig]:
        node_names = node_config.to_dotted()
        of_node = {name: value for name, value in changes.items() if name in node_names}
        of_library = {name: value for name, value in changes.items() if name not in node_names}
        return config.with_dotted(of_library), node_config.with_dotted(of_node)
