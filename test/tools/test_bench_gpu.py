"""bench/gpu.py where there is no GPU: it runs to its end as a trial, so that it does on rented hardware."""

import json
import sys

import pytest
from PIL import Image
from test_benches import BENCH, bench, run

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.runtime import check_usable


def has_cuda():
    try:
        check_usable("cuda")
    except FaceMeshError:
        return False
    return True


@pytest.fixture
def misses(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    yield bench("gpu").misses
    for name in ("gpu_plot", "gpu_setups"):
        sys.modules.pop(name)


@pytest.mark.models
@pytest.mark.skipif(has_cuda(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_and_stops(networks, tmp_path):
    done = run("gpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "nothing to measure" in done.stdout and "--device cpu" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.models
def test_the_trial_runs_to_its_end(networks, moving_face, tmp_path):
    arguments = ("--device", "cpu", "--network", "mesh", "--seconds", "0", "--most-rows", "2", "--frames", "3")
    done = run("gpu", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert report["batch_ms"].keys() == {"1", "2"}
    setups = {"trial, graphs", "trial", "trial, plain", "trial, fixed"}
    assert report["agreement_px"].keys() == setups
    assert max(report["agreement_px"].values()) < 0.05
    assert all(row.keys() == {"CPU", *setups} for row in report["batch_ms"].values())
    assert report["end_to_end_ms"].keys() == {"CPU", "trial"}
    assert report["machine"]["is_trial"]
    assert all(name in done.stdout for name in setups)
    with Image.open(tmp_path / "gpu.png") as plot:
        assert plot.size == (900, 560)


GOOD = {
    "agreement_px": {"CUDA fp32": 0.05, "TensorRT fp16": 0.3},
    "end_to_end_ms": {"CPU": {"p50": 3.0}, "cuda fp32": {"p50": 1.0}, "tensorrt fp16": {"p50": 2.0}},
    "batch_ms": {64: {"CPU": 100.0, "CUDA fp32": 6.4, "TensorRT fp16": 7.0}},
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"agreement_px": {"CUDA fp32": 0.051}}, ["CUDA fp32: 0.051 px from the CPU, target 0.05"]),
        ({"agreement_px": {"TensorRT fp16": 0.31}}, ["TensorRT fp16: 0.310 px from the CPU, target 0.3"]),
        ({"end_to_end_ms": {"CPU": {"p50": 0.5}, "cuda fp32": {"p50": 1.1}}}, ["end to end: 1.10 ms, target 1 ms"]),
        ({"end_to_end_ms": {"CPU": {"p50": 0.5}}}, ["end to end: not measured"]),
        ({"batch_ms": {64: {"CPU": 1.0, "CUDA fp32": 7.0}}}, ["a batch of 64: 0.109 ms, target 0.1 ms"]),
        ({"batch_ms": {1: {"CUDA fp32": 1.0}}}, ["a batch of 64: not measured"]),
    ],
)
def test_what_misses_its_target_is_told(misses, change, told):
    found = misses({**GOOD, **change})
    assert len(found) == len(told)
    assert all(text in line for text, line in zip(told, found, strict=True))
