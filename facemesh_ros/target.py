"""Where the target of attention is: the camera, a point, or not known."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from facemesh_ros.types import Float64


class TargetPlace(Enum):
    """What may be said of the target where it is neither the camera nor a point."""

    UNKNOWN = "unknown"
    """A point whose place is not known at present: nothing is told of attention, and the memory of it is kept."""


Target: TypeAlias = Float64 | TargetPlace | None
"""(3,) m in the camera's optical frame; None for the camera."""
