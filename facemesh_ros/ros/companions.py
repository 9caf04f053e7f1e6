"""What an image needs beside itself: the calibration, the depth, and the place of the target of attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from facemesh_ros.config import NodeConfig
from facemesh_ros.ros.cameras import Cameras
from facemesh_ros.ros.depths import Depths
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.target import Target


@dataclass(frozen=True)
class Companions:
    """Where each is taken from."""

    cameras: Cameras
    depths: Depths | None
    """None where depth is not subscribed to."""
    target: Target

    @classmethod
    def of(cls, config: NodeConfig, tally: Tally, warn: Callable[[str], None], target: Target) -> Companions:
        """Make empty ones of a camera; the target is that of all cameras."""
        return cls(
            Cameras(config.camera.rectified, tally, warn),
            Depths(config.depth.tolerance_s, tally, warn) if config.depth.enabled else None,
            target,
        )
