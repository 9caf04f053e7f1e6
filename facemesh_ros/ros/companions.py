"""What an image needs beside itself: the calibration, the depth, and the place of the target of attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from facemesh_ros.config import NodeConfig
from facemesh_ros.ros.cameras import Cameras
from facemesh_ros.ros.depths import Depths
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.target import Target
from facemesh_ros.ros.transforms import frames_of


@dataclass(frozen=True)
class Companions:
    """Where each is taken from."""

    cameras: Cameras
    depths: Depths | None
    """None where depth is not subscribed to."""
    target: Target

    @classmethod
    def of(cls, config: NodeConfig, tally: Tally, warn: Callable[[str], None]) -> Companions:
        """Make empty ones.

        Raises:
            ConfigError: the target of attention is one of the node's own frames.
        """
        return cls(
            Cameras(config.camera.rectified, tally, warn),
            Depths(config.depth.tolerance_s, tally, warn) if config.depth.enabled else None,
            Target(config.attention.target_frame, warn, frames_of(config.id_prefix)),
        )
