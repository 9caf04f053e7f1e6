"""What NVIDIA's driver and libraries say of this machine. Nothing is started on the GPU for it."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_NODES = (
    ("/dev/nvidia0",),
    ("/dev/dxg", "/usr/lib/wsl/lib/libcuda.so.1"),
    ("/dev/nvhost-gpu",),
    ("/dev/nvgpu",),
)
"""Files of a GPU, all of a row: on a desktop or server, in WSL, whose device may be another maker's, on Jetson boards
(older and newer)."""
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
"""CUdevice_attribute, CUDA driver API."""
_TENSORRT = ("libnvinfer.so.10", "libnvinfer.so.11", "libnvinfer.so.9", "libnvinfer.so.8")
"""The newest that onnxruntime is built for comes first."""


@dataclass(frozen=True)
class Gpu:
    """The GPU that CUDA calls number 0."""

    name: str
    capability: tuple[int, int]
    """Compute capability: major, minor."""


def has_gpu() -> bool:
    """Tell whether there is a GPU in the machine, be it usable or not."""
    return any(all(Path(node).exists() for node in nodes) for nodes in _NODES) or first_gpu() is not None


@lru_cache
def first_gpu() -> Gpu | None:
    """Return the first GPU that the driver shows (CUDA_VISIBLE_DEVICES counts); None without a driver or a GPU."""
    cuda = _loaded("libcuda.so.1")
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    if cuda is None or cuda.cuInit(0) != 0 or cuda.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return None
    cuda.cuDeviceGetName(name, len(name), device)
    major, minor = ctypes.c_int(), ctypes.c_int()
    cuda.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    return Gpu(name.value.decode(errors="replace"), (major.value, minor.value))


@lru_cache
def tensorrt_version() -> str | None:
    """Return the version of TensorRT, and have it loaded from its wheel if it came by pip; None where there is none."""
    for name in _TENSORRT:
        library = _loaded(name) or _loaded_from_wheel(name)
        if library is not None:
            return str(library.getInferLibVersion())
    return None


def why_not_loadable(library: Path) -> str | None:
    """Return the linker's words on a library that cannot be loaded, such as the name of one that it misses."""
    try:
        ctypes.CDLL(str(library), mode=os.RTLD_LAZY)
    except OSError as error:
        return str(error)
    return None


def _loaded(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return None


def _loaded_from_wheel(name: str) -> ctypes.CDLL | None:
    """Load TensorRT's library and its parser, which onnxruntime asks the linker for by their names alone."""
    found = find_spec("tensorrt_libs")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent
    library = _loaded(str(folder / name))
    if library is not None:
        _loaded(str(folder / name.replace("nvinfer", "nvonnxparser")))
        _loaded(str(folder / name.replace("nvinfer", "nvinfer_plugin")))
    return library
