"""The setups that bench/gpu.py measures: providers, precisions, bound buffers, CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from facemesh_ros.models import NETWORKS
from facemesh_ros.session import Session
from facemesh_ros.ways import PROVIDERS, Way, cuda_way, profile, tensorrt_options, tensorrt_way

Open = Callable[[int], Session]
"""Opens a network, prepared for batches of up to so many rows."""

TRIAL = Way("cpu", "gpu", ((PROVIDERS["cpu"], {}),), memory="cpu")
"""The CPU by way of the code that serves GPUs."""


@dataclass(frozen=True)
class Setup:
    """One way to run a network, measured beside the others."""

    name: str
    precision: str
    open: Open
    is_fixed: bool = False
    """It serves the one batch size that it is opened for."""


def plain(way: Way) -> Way:
    """Return the way without bound buffers."""
    return replace(way, memory=None, has_graphs=False)


def by(way: Way, network: str) -> Open:
    """Return what opens the network that way."""
    return lambda rows: Session.by(way, network, most_rows=rows)


def gpu_setups(network: str, engines: Path) -> list[Setup]:
    """Return all setups of this machine's GPU."""
    setups = [
        Setup("CUDA fp32, graphs", "fp32", by(cuda_way(has_graphs=True), network)),
        Setup("CUDA fp32", "fp32", by(cuda_way(has_graphs=False), network)),
        Setup("CUDA fp32, plain", "fp32", by(plain(cuda_way(has_graphs=False)), network)),
    ]
    for precision in ("fp32", "fp16"):
        name = f"TensorRT {precision}"
        graphs = tensorrt_graph(network, precision, engines)
        setups += [
            Setup(name, precision, lambda rows, p=precision: Session.on("tensorrt", network, None, p, rows)),
            Setup(f"{name}, graph", precision, graphs, is_fixed=True),
            Setup(f"{name}, plain", precision, plain_tensorrt(network, precision)),
        ]
    return setups


def plain_tensorrt(network: str, precision: str) -> Open:
    """Return what opens TensorRT's session without bound buffers, from the engine that is built by then."""

    def open_plain(_: int) -> Session:
        return Session.by(plain(Session.on("tensorrt", network, None, precision).way), network)

    return open_plain


def tensorrt_graph(network: str, precision: str, engines: Path) -> Open:
    """Return what opens a session for one batch size with a CUDA graph, which is not how the library does it."""

    def open_fixed(rows: int) -> Session:
        folder = engines / f"{network}-{precision}-{rows}"
        folder.mkdir(exist_ok=True)
        options = {**tensorrt_options(precision), **profile(NETWORKS[network].input_size, rows)}
        way = tensorrt_way({**options, "trt_cuda_graph_enable": True}).with_engines(folder)
        # Nothing is prepared: the session's one graph is captured of the first batches that come.
        return Session.by(replace(way, largest=rows), network, most_rows=0)

    return open_fixed


def trial_setups(network: str) -> list[Setup]:
    """Return setups of the CPU that go through the same code."""
    return [
        Setup("trial, graphs", "fp32", by(replace(TRIAL, has_graphs=True), network)),
        Setup("trial", "fp32", by(TRIAL, network)),
        Setup("trial, plain", "fp32", by(plain(TRIAL), network)),
        Setup("trial, fixed", "fp32", by(TRIAL, network), is_fixed=True),
    ]
