"""The networks that a configuration asks for, opened once and shared by all who look through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facemesh_ros.config import Config
from facemesh_ros.errors import ConfigError
from facemesh_ros.search import near_and_far
from facemesh_ros.session import Session

SHARED = ("mesh.network", "detector.range", "device", "require_device")
"""The settings that decide which networks these are."""


@dataclass(frozen=True, eq=False)
class Networks:
    """A landmark network and the detectors beside it, on one device.

    They keep nothing of the images, and may be used from several threads at once: the FaceMeshers of all cameras can
    share them.
    """

    config: Config
    """What they were opened for."""
    mesh: Session
    detectors: Mapping[str, Session]
    """By the names that views call them: short, full."""

    @classmethod
    def open(cls, config: Config, folder: Path | None = None) -> Networks:
        """Load and warm up the networks.

        Args:
            config: its ``mesh.network``, ``detector.range``, ``device`` and ``require_device`` count.
            folder: where the networks are installed; None for :func:`facemesh_ros.models.models_dir`.

        Raises:
            ModelError: a network is not installed (remedy: ``facemesh models install``), altered or unreadable.
            DeviceError: ``require_device`` is set and the device cannot be used here.
        """
        device, required = config.device, config.require_device
        mesh = Session.open(config.mesh.network, device, required, folder)
        names = dict.fromkeys(near_and_far(config.detector.range))
        return cls(config, mesh, {name: Session.open(f"detector_{name}", device, required, folder) for name in names})

    @property
    def device(self) -> str:
        """What they run on: cpu, cuda or tensorrt."""
        return self.mesh.device

    def check_fit(self, config: Config) -> None:
        """Raise ConfigError unless they are the networks that ``config`` asks for."""
        own, wanted = self.config.to_dotted(), config.to_dotted()
        for name in SHARED:
            if own[name] != wanted[name]:
                raise ConfigError(
                    f"{name} is {wanted[name]!r} and the networks were opened for {own[name]!r}: open others with "
                    "Networks.open(config), or pass networks=None"
                )
