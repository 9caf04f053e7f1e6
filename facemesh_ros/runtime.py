"""onnxruntime: what it can do here, its sessions and values. The only file that imports it."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from facemesh_ros.errors import DeviceError, NoDeviceError
from facemesh_ros.nvidia import has_gpu, tensorrt_version, why_not_loadable
from facemesh_ros.ways import LIBRARIES, PROVIDERS, Way

_WHERE = re.compile(r"/onnxruntime_src/\S+:\d+ .*?\)(?: \[with .*?\])? (?=\S)")
"""File, line and signature of a function in C++."""
_log = logging.getLogger(__name__)
_ERRORS_ONLY = 3
"""Log severity."""
_LONGEST_REASON = 500
"""Characters of an error of onnxruntime's that are passed on."""


def version() -> str:
    """Return onnxruntime's version."""
    import onnxruntime

    return str(onnxruntime.__version__)


def check_usable(device: str) -> None:
    """Tell whether a device (cpu, cuda or tensorrt) can be used.

    Raises:
        DeviceError: there is a GPU, and this build of onnxruntime has nothing for it.
        NoDeviceError: there is none, or no TensorRT.
    """
    import onnxruntime

    if device == "cpu":
        return
    if not has_gpu():
        raise NoDeviceError("no NVIDIA GPU is seen in this machine")
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise DeviceError(
            f"this build of onnxruntime has no {PROVIDERS[device]}: install onnxruntime-gpu in its place, by "
            "`pip uninstall onnxruntime` and then `pip install onnxruntime-gpu`"
        )
    _preload()
    if device == "tensorrt" and tensorrt_version() is None:
        raise NoDeviceError("TensorRT's library libnvinfer is not found")


def load(path: Path, way: Way) -> Any:
    """Open an ONNX file in exactly one way; return onnxruntime's session.

    Raises:
        DeviceError: it cannot be opened so; the message is onnxruntime's own, or the linker's.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = way.threads.intra_op, 1
    # Its threads would spin for tens of milliseconds after a run, the whole time between two images of a stream.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = _ERRORS_ONLY
    providers = [(name, dict(settings)) for name, settings in way.providers]
    try:
        # Without this, a provider that fails gives way to another, with no more than a word on the standard output.
        runtime = onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime raises classes of its extension module, without a common public base
        raise DeviceError(reason(error)) from error
    if runtime.get_providers()[0] != way.providers[0][0]:
        raise DeviceError(_why_missing(way.device, Path(onnxruntime.__file__).parent / "capi"))
    return runtime


def empty_value(shape: tuple[int, ...], dtype: type, memory: str) -> Any:
    """Return onnxruntime's name for an array that lies on the device: memory is cpu or cuda."""
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype, memory, 0)


def run_options(graph_id: int) -> Any:
    """Return the options of a run that captures, then replays, the CUDA graph of this number; -1 for none."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph_id))
    return options


@lru_cache
def _preload() -> None:
    """Load CUDA's libraries from their wheels, where they came by pip: the linker does not look there."""
    import onnxruntime

    preload = getattr(onnxruntime, "preload_dlls", None)  # since 1.21
    if preload is None:
        return
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # what it cannot load it prints; if it is needed, the provider will say so
        preload()
    if said.getvalue():
        _log.debug("onnxruntime.preload_dlls: %s", said.getvalue())


def _why_missing(device: str, folder: Path) -> str:
    why = why_not_loadable(folder / "libonnxruntime_providers_shared.so")
    if why is None and device in LIBRARIES:
        why = why_not_loadable(folder / LIBRARIES[device])
    return why or f"onnxruntime did not start its {device} provider; its own log on the standard error says why"


def reason(error: Exception) -> str:
    """Return an error of onnxruntime's in one line of bearable length: what it says, not where in its sources."""
    text = _WHERE.sub("", " ".join(str(error).split()))
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + " …"
