"""Nested frozen dataclasses whose leaves know their bounds, unit and meaning, and have dotted names."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Any, TypeVar, cast

import numpy as np

from facemesh_ros.errors import ConfigError

Value = bool | int | float | str | tuple[str, ...]
T = TypeVar("T", bound="Section")


@dataclass(frozen=True)
class Form:
    """What a text must look like."""

    pattern: str
    """Regular expression that the whole text matches."""
    words: str
    """The same, to be read."""


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
    """The allowed words of a text; empty for any, and for other types."""
    form: Form | None
    """Of a text, or of each text in a list, which are then all different; None for any, and for other types."""
    live: bool
    """May change while the node is active; otherwise it is read when the networks are loaded."""

    def check(self, value: object) -> Value:
        """Return ``value`` as this tunable's type.

        Raises:
            ConfigError: wrong type, out of bounds or not among the choices.
        """
        kind = type(self.default)
        value = value.item() if isinstance(value, np.generic) else value
        if value is False and "off" in self.choices:
            value = "off"  # YAML, and so a ROS command line, takes the bare word for false
        if kind is float and type(value) is int:
            value = float(value)
        if kind is tuple and isinstance(value, list):
            value = tuple(value)
        if type(value) is not kind:
            got = f"{value!r} ({type(value).__name__})"
            raise ConfigError(f"{self.name} is {got}; it must be {self.allowed()}{_quotes(kind, value)}")
        if not self._within(value):
            raise ConfigError(f"{self.name} is {value!r}; it must be {self.allowed()}{_quotes(kind, value)}")
        return value

    def _within(self, value: Value) -> bool:
        if isinstance(value, tuple):
            return 0 < len(value) == len(set(value)) and all(map(self._has_form, value))
        if isinstance(value, str):
            return (not self.choices or value in self.choices) and self._has_form(value)
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return isinstance(value, bool) or low <= value <= high  # NaN fails both comparisons

    def _has_form(self, text: object) -> bool:
        """Say whether something is a text of the form."""
        return isinstance(text, str) and (self.form is None or re.fullmatch(self.form.pattern, text) is not None)

    def allowed(self) -> str:
        """Say in words which values are allowed."""
        if isinstance(self.default, tuple):
            return "a list of different texts" + ("" if self.form is None else f", each {self.form.words}")
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.form is not None:
            return self.form.words
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return "any text"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        unit = f" {self.unit}" if self.unit else ""
        return f"{kind} from {self.low:g} to {self.high:g}{unit}"


def _quotes(kind: type, value: object) -> str:
    """Say, of what is no text where one is wanted, how YAML is told that it is."""
    given = value if isinstance(value, tuple) else (value,)
    if kind in (str, tuple) and any(isinstance(one, (bool, int, float)) for one in given):
        return "; in YAML, words such as on, no, y and nan, and numbers, are texts in quotes only"
    return ""


def tunable(
    default: Value,
    description: str,
    *,
    bounds: tuple[float, float] | None = None,
    unit: str = "",
    choices: tuple[str, ...] = (),
    form: Form | None = None,
    live: bool = True,
) -> Any:
    """Make the dataclass field of one tunable; the arguments are those of :class:`Tunable`."""
    low, high = (None, None) if bounds is None else bounds
    bounds_and_words = {"low": low, "high": high, "choices": choices, "form": form}
    return field(default=default, metadata={"description": description, "unit": unit, "live": live, **bounds_and_words})


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
