"""Where something was measured."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2

from facemesh_ros.spread import usable_cores

_PACKAGES = ("numpy", "opencv-python-headless", "opencv-python", "opencv-contrib-python", "onnxruntime")


def machine() -> dict[str, Any]:
    """Return system, processor, cores that may be used, and versions, as JSON can hold them."""
    return {
        "system": platform.platform(),
        "processor": processor(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "packages": {name: v for name in _PACKAGES if (v := _version_of(name))} | {"cv2": cv2.__version__},
    }


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
