"""Memory that a GPU reads by itself: pages that the system keeps in their place (CUDA calls it pinned)."""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import weakref

import numpy as np

from facemesh_ros.types import UInt8

_CUDA_RUNTIMES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0")


def host_buffer(shape: tuple[int, ...]) -> UInt8:
    """Return a uint8 array of zeros in pages of its own, locked for CUDA where CUDA is loaded in this process.

    Locked pages make uploads several times faster; where they cannot be had the array serves as well.
    """
    pages = mmap.mmap(-1, max(math.prod(shape), 1))
    array = np.frombuffer(pages, np.uint8, math.prod(shape))
    cuda = _cuda_runtime()
    if cuda is not None and array.size:
        address = ctypes.c_void_p(array.ctypes.data)
        if cuda.cudaHostRegister(address, ctypes.c_size_t(array.nbytes), ctypes.c_uint(0)) == 0:
            # All views have this array for their base. Not at exit: by then the driver may be gone.
            weakref.finalize(array, cuda.cudaHostUnregister, address).atexit = False
        else:
            cuda.cudaGetLastError()  # or the next call of anybody else would report it
    return array.reshape(shape)


def _cuda_runtime() -> ctypes.CDLL | None:
    """Return the CUDA runtime that onnxruntime has loaded, if any: another one would not know its GPU context."""
    return next(filter(None, map(_already_loaded, _CUDA_RUNTIMES)), None)


def _already_loaded(library: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(library, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
    except OSError:
        return None
