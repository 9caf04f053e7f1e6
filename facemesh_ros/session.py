"""A network, opened and warmed up on a device: the only place that knows onnxruntime."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import DeviceError, ModelError
from facemesh_ros.models import find_network
from facemesh_ros.types import UInt8

_log = logging.getLogger(__name__)

_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
_TRIED = {"cpu": ("cpu",), "cuda": ("cuda", "cpu"), "tensorrt": ("tensorrt", "cuda", "cpu"), "auto": ("cuda", "cpu")}
"""device → what is tried in turn. ``auto`` leaves TensorRT out: its first start builds engines for minutes."""
_FORM = {"cpu": "cpu", "cuda": "gpu", "tensorrt": "gpu"}


class Session:
    """One network on one device. Use :meth:`open`."""

    def __init__(self, runtime: Any, name: str, device: str) -> None:
        """Wrap an onnxruntime session of a network in this project's form (see :mod:`facemesh_ros.models`)."""
        self._runtime = runtime
        self.name = name
        self.device = device
        """What it runs on: cpu, cuda or tensorrt."""
        image = runtime.get_inputs()[0]
        self.input_size = int(image.shape[1])
        """Side of the square input image, px."""
        self.output_shapes = {output.name: tuple(output.shape) for output in runtime.get_outputs()}
        """Output name → shape; a text stands for the batch."""

    @classmethod
    def open(cls, name: str, device: str = "auto", require_device: bool = False, folder: Path | None = None) -> Session:
        """Load an installed network and run it once.

        Args:
            name: a name of :data:`facemesh_ros.models.NETWORKS`.
            device: cpu, cuda, tensorrt or auto.
            require_device: refuse to fall back to a slower device than the one named.
            folder: where the networks are installed; None for :func:`facemesh_ros.models.models_dir`.

        Raises:
            ModelError: the network is not installed, altered or unreadable.
            DeviceError: ``require_device`` and the device is not usable here.
        """
        wanted = _TRIED[device][0]
        for candidate in _TRIED[device]:
            runtime = _load(name, candidate, folder)
            if runtime is not None:
                break
        if candidate != wanted:
            _say_fallback(device, wanted, candidate, require_device)
        session = cls(runtime, name, candidate)
        session.warm_up()
        return session

    def run(self, images: UInt8, *outputs: str) -> tuple[NDArray[np.float32], ...]:
        """Run a batch of (N, S, S, 3) uint8 RGB images; return the named outputs, each (N, …) float32."""
        return tuple(self._runtime.run(outputs, {"image": images}))

    def warm_up(self) -> None:
        """Run once on a black image, so that the first real one is not slow."""
        size = self.input_size
        self.run(np.zeros((1, size, size, 3), np.uint8), *self.output_shapes)


def _load(name: str, device: str, folder: Path | None) -> Any | None:
    """Open a network on exactly one device; None where that device is not usable here."""
    import onnxruntime

    providers = _PROVIDERS[device]
    if providers[0] not in onnxruntime.get_available_providers():
        return None
    path = find_network(name, _FORM[device], folder)
    options = onnxruntime.SessionOptions()
    # At these sizes a second thread gains nothing and spins for two or three times the CPU time.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        runtime = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # onnxruntime raises classes of its extension module, without a common public base
        if device != "cpu":
            _log.debug("%s cannot open %s: %s", device, path, error)
            return None
        raise ModelError(
            f"onnxruntime cannot open {path}: {error}; delete it and run `facemesh models install` with this version"
        ) from error
    return runtime if runtime.get_providers()[0] == providers[0] else None


def _say_fallback(device: str, wanted: str, used: str, require_device: bool) -> None:
    if require_device:
        raise DeviceError(
            f"device is {device}, but {wanted} cannot be used here and require_device forbids {used}: install "
            "onnxruntime-gpu in the place of onnxruntime, with a matching driver, or set require_device to false"
        )
    if device != "auto":
        _log.warning("device is %s, but it cannot be used here: the networks run on %s", device, used)
