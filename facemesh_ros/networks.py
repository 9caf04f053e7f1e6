"""The networks that a configuration asks for, opened once and shared by all who look through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facemesh_ros.config import Config
from facemesh_ros.devices import first_usable
from facemesh_ros.errors import ConfigError
from facemesh_ros.search import near_and_far
from facemesh_ros.session import AT_ONCE, Session, has_engine
from facemesh_ros.spread import usable_threads
from facemesh_ros.ways import Threads

SHARED = ("mesh.network", "detector.range", "device", "require_device", "precision", "threads", "intra_op_threads")
"""The settings that decide which networks these are."""


@dataclass(frozen=True, eq=False)
class Networks:
    """A landmark network and the detectors beside it, on one device.

    They keep nothing of the images that another call could see, and may be used from several threads at once: the
    FaceMeshers of all cameras can share them. On a GPU, what these ask for at the same time is one batch.
    """

    config: Config
    """What they were opened for."""
    mesh: Session
    detectors: Mapping[str, Session]
    """By the names that views call them: short, full."""
    fallback: str | None = None
    """Why they do not run on the device asked for, or on a GPU that is there; None where they do."""

    @classmethod
    def open(cls, config: Config, folder: Path | None = None, cameras: int = 1) -> Networks:
        """Load and warm up the networks.

        Args:
            config: its ``mesh.network``, ``detector.range``, ``device``, ``require_device``, ``precision``, ``threads``
                and ``intra_op_threads`` count; on a GPU, batches are prepared for ``max_faces``.
            folder: where the networks are installed; None for :func:`facemesh_ros.models.models_dir`.
            cameras: how many will share them.

        Raises:
            ConfigError: ``precision`` is fp16 and ``device`` is not tensorrt, which alone has it.
            ModelError: a network is not installed (remedy: ``facemesh models install``), altered or unreadable.
            DeviceError: ``require_device`` is set and the device cannot be used here.
        """
        precision = config.precision
        if precision != "fp32" and config.device != "tensorrt":
            raise ConfigError(
                f"precision is {precision} and device is {config.device}; only TensorRT computes in {precision}: set "
                "device to tensorrt, or precision to fp32"
            )
        rows = {config.mesh.network: config.max_faces * cameras}
        rows.update((f"detector_{name}", AT_ONCE * cameras) for name in near_and_far(config.detector.range))

        threads = Threads(usable_threads(config.threads), config.intra_op_threads)

        def open_on(device: str) -> dict[str, Session]:
            return {name: Session.on(device, name, folder, precision, most, threads) for name, most in rows.items()}

        def has_engines() -> bool:
            return all(has_engine(name, folder, precision) for name in rows)

        choice = first_usable(config.device, config.require_device, open_on, has_engines)
        mesh, *detectors = choice.opened.values()
        by_range = {session.name.removeprefix("detector_"): session for session in detectors}
        return cls(config, mesh, by_range, choice.fallback)

    @property
    def device(self) -> str:
        """What they run on: cpu, cuda or tensorrt."""
        return self.mesh.device

    def check_fit(self, config: Config) -> None:
        """Raise ConfigError unless they are the networks that ``config`` asks for."""
        own, wanted = ({**each.to_dotted(), "threads": usable_threads(each.threads)} for each in (self.config, config))
        for name in SHARED:
            if own[name] != wanted[name]:
                raise ConfigError(
                    f"{name} is {wanted[name]!r} and the networks were opened for {own[name]!r}: open others with "
                    "Networks.open(config), or pass networks=None"
                )
