"""Which device to run on: the one asked for, else the next best, and never silently."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from facemesh_ros.errors import DeviceError, NoDeviceError, StuckDeviceError

T = TypeVar("T")
_log = logging.getLogger(__name__)

_TRIED = {
    "cpu": ("cpu",),
    "cuda": ("cuda", "cpu"),
    "tensorrt": ("tensorrt", "cuda", "cpu"),
    "auto": ("tensorrt", "cuda", "cpu"),
}
"""device → what is tried in turn."""
_REMEDY = "docs/gpu.md says what a GPU needs (onnxruntime-gpu in the place of onnxruntime, driver, libraries)"


@dataclass(frozen=True)
class Choice(Generic[T]):
    """What was opened, and where."""

    opened: T
    device: str
    """cpu, cuda or tensorrt."""
    fallback: str | None
    """Why it is not the device that was asked for, or the best there is; None where it is."""


def first_usable(
    device: str, require_device: bool, open_on: Callable[[str], T], has_engines: Callable[[], bool]
) -> Choice[T]:
    """Open on the device asked for, else on the next best with a warning.

    ``auto`` takes TensorRT only where its engines are built, for that takes minutes; it warns of a GPU that is there
    and cannot be used, be it for want of software, not of one that is missing. Where a GPU hangs, only the CPU is tried
    after it: the GPU would hang by other means as well, for as long.

    Args:
        device: cpu, cuda, tensorrt or auto.
        require_device: refuse to fall back; with ``auto``, to the CPU.
        open_on: opens on a device, or raises DeviceError; NoDeviceError where there is no such device.
        has_engines: tells whether TensorRT's engines are built.

    Raises:
        DeviceError: ``require_device``, and no device that it allows can be used.
    """
    failures: dict[str, DeviceError] = {}
    for candidate in _TRIED[device]:
        if device == "auto" and candidate == "tensorrt" and not has_engines():
            continue
        if candidate != "cpu" and any(isinstance(error, StuckDeviceError) for error in failures.values()):
            continue
        if require_device and candidate not in _allowed(device):
            raise DeviceError(
                f"device is {device} and require_device is set, but {_said(failures)}: {_REMEDY}; or set "
                "require_device to false"
            )
        try:
            opened = open_on(candidate)
        except DeviceError as error:
            if candidate == "cpu":
                raise
            failures[candidate] = error
            continue
        return Choice(opened, candidate, _fallback(device, candidate, failures))
    raise AssertionError("the CPU is always the last that is tried")


def _allowed(device: str) -> tuple[str, ...]:
    return ("tensorrt", "cuda") if device == "auto" else (device,)


def _fallback(device: str, used: str, failures: dict[str, DeviceError]) -> str | None:
    told = failures
    if device == "auto":
        told = {name: error for name, error in failures.items() if not isinstance(error, NoDeviceError)}
    if not told:
        return None
    text = (
        f"device is {device}, but {_said(told)}: the networks run on {used}; {_REMEDY}; if that is as it should "
        f"be, set device to {used}"
    )
    _log.warning("%s", text)
    return text


def _said(failures: dict[str, DeviceError]) -> str:
    return " and ".join(f"{name} cannot be used here ({error})" for name, error in failures.items())
