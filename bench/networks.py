"""Time each network in each form against LiteRT and OpenVINO, one thread, one image, alternating in one run.

    python bench/networks.py [--rounds 40] [--json networks.json]

``naive`` is the conversion operator by operator; ``bound`` is the time that the network's multiplications would take at
the speed of a large matrix product on the same core. Shared machines are noisy: trust the ratios, which are medians
over rounds in which every candidate ran. Needs the installed networks, and the extras ``convert`` and ``test``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros.models import models_dir
from facemesh_ros.tools.conversion import Conversion, convert
from facemesh_ros.tools.evaluation.machine import processor
from facemesh_ros.tools.weights import Weights, read_weights

Run = Callable[[], object]
FORMS = ("naive", "gpu", "cpu")
REPEATS = 5
"""Runs of a candidate in a round; the fastest counts."""
GEMM_SIZE = 1024
NAIVE_TARGET = 0.36
"""The cpu form may take this part of the naive conversion's time on the landmark networks."""


def onnx_run(model: bytes, feeds: Mapping[str, np.ndarray]) -> Run:
    """Return a run in onnxruntime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feeds)


def litert_run(data: bytes) -> Run:
    """Return a run in LiteRT with XNNPACK on one thread, float image in, nothing copied out."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    interpreter.set_tensor(entry["index"], np.full(entry["shape"], 0.5, np.float32))
    run: Run = interpreter.invoke
    return run


def openvino_run(model: bytes, image: np.ndarray) -> Run:
    """Return a run in OpenVINO, float32, on one thread."""
    import openvino

    hints = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    core = openvino.Core()
    request = core.compile_model(core.read_model(model), "CPU", hints).create_infer_request()
    return lambda: request.infer({"image": image})


def candidates(weights: Weights) -> tuple[dict[str, Run], Conversion]:
    """Return everything that can run a network here, by name, and its cpu form."""
    forms = {form: convert(weights.data, weights.network.name, form) for form in FORMS}
    size = forms["cpu"].input_size
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    runs = {form: onnx_run(conversion.onnx, {"image": image}) for form, conversion in forms.items()}
    if weights.network.name != "attention":  # LiteRT lacks its custom operators
        runs["litert"] = litert_run(weights.data)
    if find_spec("openvino") is not None:
        runs["openvino"] = openvino_run(forms["gpu"].onnx, image)
    return runs, forms["cpu"]


def gemm_run() -> Run:
    """Return a product of two large float32 matrices on one thread."""
    shape = [GEMM_SIZE, GEMM_SIZE]
    names = {name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "abc"}
    node = onnx.helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = onnx.helper.make_graph([node], "gemm", [names["a"], names["b"]], [names["c"]])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    matrix = np.random.default_rng(0).standard_normal(shape, np.float32)
    return onnx_run(model.SerializeToString(), {"a": matrix, "b": matrix})


def fastest_ms(run: Run, repeats: int) -> float:
    """Return the shortest of some runs, ms."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def measure(runs: Mapping[str, Run], rounds: int, title: str) -> dict[str, list[float]]:
    """Return ms of each candidate in each round; all candidates run in every round, in turn."""
    for run in runs.values():
        fastest_ms(run, REPEATS)  # warm up
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in track(range(rounds), description=title):
        for name, run in runs.items():
            times[name].append(fastest_ms(run, 1 if name == "gemm" else REPEATS))
    return times


def summarise(times: Mapping[str, list[float]], macs: int) -> dict[str, Any]:
    """Return medians, the bound from the fastest product, and the ratios of the cpu form to its peers by round."""
    ms_per_mac = min(times["gemm"]) / GEMM_SIZE**3
    peers = [name for name in times if name not in ("cpu", "gemm")]
    return {
        "ms": {name: statistics.median(values) for name, values in times.items() if name != "gemm"},
        "bound_ms": macs * ms_per_mac,
        "cpu_to": {
            peer: statistics.median(a / b for a, b in zip(times["cpu"], times[peer], strict=True)) for peer in peers
        },
    }


def result_table(results: Mapping[str, dict[str, Any]]) -> Table:
    """Return the table that is printed."""
    columns = [*FORMS, "litert", "openvino"]
    table = Table(title="ms for one image, one thread (in brackets: time of the cpu form / this)")
    for heading in ("network", "MMACs", *columns, "bound"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for name, result in results.items():
        cells = [_cell(result, column) for column in columns]
        table.add_row(name, f"{result['macs'] / 1e6:.1f}", *cells, f"{result['bound_ms']:.2f}")
    return table


def _cell(result: Mapping[str, Any], column: str) -> str:
    if column not in result["ms"]:
        return "–"
    ratio = result["cpu_to"].get(column)
    return f"{result['ms'][column]:.2f}" + ("" if ratio is None else f" ({ratio:.2f})")


def misses(results: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the targets that were missed."""
    limits = {("mesh", "naive"): NAIVE_TARGET, ("attention", "naive"): NAIVE_TARGET}
    limits.update({(name, "litert"): 1.0 for name in results})
    found = []
    for (name, peer), limit in limits.items():
        ratio = results.get(name, {"cpu_to": {}})["cpu_to"].get(peer)
        if ratio is not None and ratio > limit:
            found.append(f"{name}: cpu form / {peer} is {ratio:.2f}, target {limit}")
    return found


def main() -> int:
    """Measure, print the table and the missed targets, write the JSON; exit status 1 when one was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=Path("networks.json"), help="default: %(default)s")
    args = parser.parse_args()
    gemm, results = gemm_run(), {}
    for weights in read_weights(models_dir() / "sources", allow_unknown=True):
        runs, conversion = candidates(weights)
        times = measure({**runs, "gemm": gemm}, args.rounds, weights.network.name)
        results[weights.network.name] = {"macs": conversion.macs, **summarise(times, conversion.macs)}
    versions = {name: version(name) for name in ("onnxruntime", "ai-edge-litert", "numpy")}
    report = {"machine": processor(), "versions": versions, "networks": results}
    args.json.write_text(json.dumps(report, indent=2))
    console = Console()
    console.print(result_table(results))
    missed = misses(results)
    console.print("\n".join(missed) if missed else "every target is met")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
