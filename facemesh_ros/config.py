"""Every tunable, once: default, bounds, unit, description, and whether it may change while running.

``Config`` is what the library takes; ``NodeConfig`` is what the ROS node adds. Both are nested frozen dataclasses whose
leaves have dotted names (``detector.min_score``), the same in Python, in YAML and as ROS parameters.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Any, TypeVar, cast

import numpy as np

from facemesh_ros.errors import ConfigError

Value = bool | int | float | str
T = TypeVar("T", bound="Section")


@dataclass(frozen=True)
class Tunable:
    """What is known of one tunable."""

    name: str
    """Dotted."""
    default: Value
    description: str
    unit: str
    """Empty for a pure number, a word or a switch."""
    low: float | None
    high: float | None
    """Inclusive bounds of a number."""
    choices: tuple[str, ...]
    """The allowed words of a text; empty for other types."""
    live: bool
    """May change while the node is active; otherwise it is read when the networks are loaded."""

    def check(self, value: object) -> Value:
        """Return ``value`` as this tunable's type.

        Raises:
            ConfigError: wrong type, out of bounds or not among the choices.
        """
        kind = type(self.default)
        value = value.item() if isinstance(value, np.generic) else value
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise ConfigError(f"{self.name} is {value!r} ({type(value).__name__}); it must be {self.allowed()}")
        if not self._within(value):
            raise ConfigError(f"{self.name} is {value!r}; it must be {self.allowed()}")
        return value

    def _within(self, value: Value) -> bool:
        if isinstance(value, str):
            return value in self.choices
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return isinstance(value, bool) or low <= value <= high  # NaN fails both comparisons

    def allowed(self) -> str:
        """Say in words which values are allowed."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if isinstance(self.default, bool):
            return "true or false"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        unit = f" {self.unit}" if self.unit else ""
        return f"{kind} from {self.low:g} to {self.high:g}{unit}"


def _tunable(
    default: Value,
    description: str,
    *,
    bounds: tuple[float, float] | None = None,
    unit: str = "",
    choices: tuple[str, ...] = (),
    live: bool = True,
) -> Any:
    low, high = (None, None) if bounds is None else bounds
    facts = {"description": description, "unit": unit, "low": low, "high": high, "choices": choices, "live": live}
    return field(default=default, metadata=facts)


def _described(owner: type[Section], leaf: Field[Any], prefix: str) -> Tunable:
    if leaf.default is MISSING:
        raise TypeError(f"{owner.__name__}.{leaf.name} has no default")
    return Tunable(name=prefix + leaf.name, default=leaf.default, **leaf.metadata)


@dataclass(frozen=True)
class Section:
    """A group of tunables and of further sections."""

    def __post_init__(self) -> None:
        for leaf in fields(self):
            value = getattr(self, leaf.name)
            if leaf.metadata:
                object.__setattr__(self, leaf.name, _described(type(self), leaf, "").check(value))
            elif not isinstance(value, kind := cast(type[Section], leaf.default_factory)):
                got = type(value).__name__
                raise ConfigError(f"{leaf.name} is a {got}; it must be a {kind.__name__}, or use from_dotted")

    @classmethod
    def tunables(cls, prefix: str = "") -> tuple[Tunable, ...]:
        """Walk all tunables, in the order of their definition."""
        found: list[Tunable] = []
        for leaf in fields(cls):
            if leaf.metadata:
                found.append(_described(cls, leaf, prefix))
            else:
                section = cast(type[Section], leaf.default_factory)
                found.extend(section.tunables(f"{prefix}{leaf.name}."))
        return tuple(found)

    @classmethod
    def from_dotted(cls: type[T], values: Mapping[str, object]) -> T:
        """Build from dotted names; what is not named keeps its default.

        Raises:
            ConfigError: an unknown name, or a value of the wrong type or out of bounds.
        """
        return cls().with_dotted(values)

    def with_dotted(self: T, values: Mapping[str, object]) -> T:
        """Return a copy in which the named tunables are changed.

        Raises:
            ConfigError: an unknown name, or a value of the wrong type or out of bounds.
        """
        known = {tunable.name: tunable for tunable in self.tunables()}
        changed = self
        for name, value in values.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else "known names: " + ", ".join(known)
                raise ConfigError(f"{name} is no parameter; {hint}")
            changed = _with_leaf(changed, name.split("."), known[name].check(value))
        return changed

    def to_dotted(self) -> dict[str, Value]:
        """Return every tunable's value by its dotted name."""
        return {tunable.name: _leaf(self, tunable.name.split(".")) for tunable in self.tunables()}


def _with_leaf(section: T, path: list[str], value: Value) -> T:
    head, *rest = path
    return replace(section, **{head: _with_leaf(getattr(section, head), rest, value) if rest else value})


def _leaf(section: Section, path: list[str]) -> Value:
    value: Any = section
    for name in path:
        value = getattr(value, name)
    return cast(Value, value)


@dataclass(frozen=True)
class MeshConfig(Section):
    """The landmark network."""

    network: str = _tunable(
        "attention",
        "Landmark network: attention gives 478 points with sharper eyes and lips and the irises, mesh 468 points at "
        "about two thirds of the cost, landmarker the 478-point 256x256 network of a .task bundle, if installed.",
        choices=("attention", "mesh", "landmarker"),
        live=False,
    )


@dataclass(frozen=True)
class DetectorConfig(Section):
    """The face detector."""

    range: str = _tunable(
        "auto",
        "Detector: short sees faces to about 2 m, full to about 5 m at three times the cost, auto looks with full "
        "when short has found fewer faces than wanted.",
        choices=("short", "full", "auto"),
        live=False,
    )
    min_score: float = _tunable(
        0.5,
        "A detection with a lower score is dropped; the mesh network judges the rest. (0.5 for short and 0.6 for full "
        "are usual.) A lower one finds more and costs time.",
        bounds=(0.0, 1.0),
    )
    interval_s: float = _tunable(
        0.5,
        "While faces are tracked and more are allowed, look for new ones this often; at once when a face is lost, "
        "and on every image while there is none. 0 looks on every image.",
        bounds=(0.0, 3600.0),
        unit="s",
    )


@dataclass(frozen=True)
class TrackerConfig(Section):
    """Who is who."""

    min_presence: float = _tunable(0.5, "A face whose presence falls below this is lost.", bounds=(0.0, 1.0))
    min_hits: int = _tunable(
        1,
        "A new face is published, and given its id, once it has been seen in this many images in a row; more keep "
        "short-lived mistakes out and cost their time. A face that returns is published at once.",
        bounds=(1, 1000),
    )
    reacquire_s: float = _tunable(
        2.0,
        "A face that returns within this time gets its id back, if place, size and shape are plausible. 0 gives none "
        "back.",
        bounds=(0.0, 3600.0),
        unit="s",
    )
    coast_s: float = _tunable(
        0.2,
        "So long after a face was lost, its place is kept for it, it is tried in every image where it should be by "
        "now, and faces are looked for in every image. At most reacquire_s counts.",
        bounds=(0.0, 60.0),
        unit="s",
    )


@dataclass(frozen=True)
class FilterConfig(Section):
    """The One-Euro filter of every track."""

    enabled: bool = _tunable(True, "Smooth what is published; raw meshes are always kept beside it.")
    min_cutoff_hz: float = _tunable(
        0.05, "Cut-off for a face at rest; lower is calmer.", bounds=(0.001, 1000.0), unit="Hz"
    )
    beta: float = _tunable(
        80.0, "Growth of the cut-off with speed (face sizes a second); higher lags less.", bounds=(0.0, 10000.0)
    )
    derivative_cutoff_hz: float = _tunable(1.0, "Cut-off of the speed estimate.", bounds=(0.001, 1000.0), unit="Hz")
    max_gap_s: float = _tunable(
        1.0, "A track's filter starts anew after stamps have jumped by more than this.", bounds=(0.0, 60.0), unit="s"
    )


@dataclass(frozen=True)
class Config(Section):
    """What :class:`facemesh_ros.FaceMesher` takes."""

    max_faces: int = _tunable(4, "Most faces tracked at once.", bounds=(1, 64))
    device: str = _tunable(
        "auto",
        "Where the networks run: cpu, cuda, tensorrt, or auto for cuda where it is usable and cpu elsewhere.",
        choices=("cpu", "cuda", "tensorrt", "auto"),
        live=False,
    )
    require_device: bool = _tunable(
        False, "Refuse to start where device cannot be used, rather than fall back to the CPU.", live=False
    )
    mesh: MeshConfig = field(default_factory=MeshConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)


@dataclass(frozen=True)
class InputConfig(Section):
    """The node's image topic."""

    transport: str = _tunable(
        "raw",
        "raw subscribes to image (sensor_msgs/Image), compressed to image/compressed (sensor_msgs/CompressedImage).",
        choices=("raw", "compressed"),
        live=False,
    )
    reliability: str = _tunable(
        "best_effort",
        "QoS of the image subscription: best_effort, reliable, or auto for what the publisher offers.",
        choices=("best_effort", "reliable", "auto"),
        live=False,
    )
    patience_s: float = _tunable(
        6.0,
        "After this long without an image the node says what it sees on the topics, and the remedy.",
        bounds=(0.1, 3600.0),
        unit="s",
        live=False,
    )


@dataclass(frozen=True)
class NodeConfig(Section):
    """What the ROS node takes beside :class:`Config`."""

    autostart: bool = _tunable(
        True, "Configure and activate at start; false waits for a lifecycle manager.", live=False
    )
    input: InputConfig = field(default_factory=InputConfig)
