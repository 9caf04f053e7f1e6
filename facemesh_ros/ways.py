"""The ways in which onnxruntime can run a network on a device, the best first: providers and their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facemesh_ros.buckets import BUCKETS

_CPU = "CPUExecutionProvider"
PROVIDERS = {"cpu": _CPU, "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
"""Device → the provider that must take part."""
FORMS = {"cpu": "cpu", "cuda": "gpu", "tensorrt": "gpu"}
"""Device → the form of the graph that suits it."""
LIBRARIES = {"cuda": "libonnxruntime_providers_cuda.so", "tensorrt": "libonnxruntime_providers_tensorrt.so"}
"""Device → the provider's library, beside onnxruntime's own."""
ENGINE_ROWS = 64
"""Of TensorRT's largest batch: an engine's memory grows with it, and larger batches are cut up at no cost."""
_USUAL_ROWS = 4
"""Of the batch that TensorRT makes its engines the fastest for."""
_BUILD_S = 3600.0
"""Most that TensorRT may take to build the engines of a network: minutes, on a small board more."""
# TF32 rounds to 10 bits: a tenth of a pixel in these networks.
_CUDA_OPTIONS: Mapping[str, Any] = {"device_id": 0, "use_tf32": 0}


@dataclass(frozen=True)
class Threads:
    """How many threads of the CPU a run of a network takes."""

    rows: int = 1
    """The rows of a batch are shared out to so many: that costs no CPU time."""
    intra_op: int = 1
    """Each operator is shared out to so many, of a single row as well: faster on idle cores, for more CPU time."""


ONE_THREAD = Threads()


@dataclass(frozen=True)
class Way:
    """One way to run a network."""

    device: str
    """cpu, cuda or tensorrt."""
    form: str
    """Of the graph: cpu or gpu."""
    providers: tuple[tuple[str, Mapping[str, Any]], ...]
    memory: str | None = None
    """Where input and outputs are bound: cpu or cuda; None hands arrays over in each run."""
    has_graphs: bool = False
    """CUDA graphs are captured and replayed."""
    largest: int = BUCKETS[-1]
    """Rows of the largest batch; only where input and outputs are bound."""
    threads: Threads = ONE_THREAD
    """Of a run, where input and outputs are not bound."""
    prepare_s: float = 600.0
    """Most that opening it may take, warm-up and all: CUDA translates its kernels for a GPU newer than onnxruntime."""

    def with_engines(self, folder: Path) -> Way:
        """Return the same way of TensorRT, with its engines and timings kept in a folder."""
        (name, options), *others = self.providers
        kept = {"trt_engine_cache_path": str(folder), "trt_timing_cache_path": str(folder)}
        return replace(self, providers=((name, {**options, **kept}), *others))


def ways(device: str, precision: str, input_size: int, threads: Threads = ONE_THREAD) -> tuple[Way, ...]:
    """Return the ways to run on a device; TensorRT's do not say yet where it keeps its engines.

    Args:
        device: cpu, cuda or tensorrt.
        precision: fp32 or fp16, which TensorRT alone knows.
        input_size: px, of the network's square input.
        threads: of the CPU.
    """
    if device == "cpu":
        return (Way("cpu", FORMS["cpu"], ((_CPU, {}),), threads=threads),)
    if device == "cuda":
        return (cuda_way(has_graphs=True), cuda_way(has_graphs=False))
    options = tensorrt_options(precision)
    # Without a profile the first runs of each size build engines anew: slow, but it bears parts left to CUDA.
    return tensorrt_way({**options, **profile(input_size, ENGINE_ROWS)}), tensorrt_way(options)


def cuda_way(has_graphs: bool) -> Way:
    """Return the way by CUDA, with or without graphs; they need every operator on the GPU."""
    options = {**_CUDA_OPTIONS, "enable_cuda_graph": int(has_graphs)}
    return Way("cuda", FORMS["cuda"], ((PROVIDERS["cuda"], options), (_CPU, {})), "cuda", has_graphs)


def tensorrt_way(options: Mapping[str, Any]) -> Way:
    """Return the way by TensorRT.

    It has no graphs: batches of several sizes share one execution context, whose state a captured graph does not keep.
    """
    providers: tuple[tuple[str, Mapping[str, Any]], ...] = (
        (PROVIDERS["tensorrt"], options),
        (PROVIDERS["cuda"], _CUDA_OPTIONS),
        (_CPU, {}),
    )
    return Way("tensorrt", FORMS["tensorrt"], providers, "cuda", largest=ENGINE_ROWS, prepare_s=_BUILD_S)


def tensorrt_options(precision: str) -> dict[str, Any]:
    """Return the provider's options: engines and timings are kept, :meth:`Way.with_engines` says where."""
    return {
        "device_id": 0,
        "trt_fp16_enable": precision == "fp16",
        "trt_engine_cache_enable": True,
        "trt_timing_cache_enable": True,
    }


def profile(input_size: int, most_rows: int) -> dict[str, str]:
    """Return the options that make one engine serve batches from 1 to ``most_rows`` rows."""
    usual = min(_USUAL_ROWS, most_rows)
    rows = {"min": 1, "opt": usual, "max": most_rows}
    return {f"trt_profile_{name}_shapes": f"image:{count}x{input_size}x{input_size}x3" for name, count in rows.items()}
