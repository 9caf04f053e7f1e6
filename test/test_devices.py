"""Which device is taken, with openers that work or fail as they are told."""

import itertools
import logging

import pytest

from facemesh_ros.devices import first_usable
from facemesh_ros.errors import DeviceError, ModelError, NoDeviceError, StuckDeviceError

BROKEN, MISSING = DeviceError("libcudnn.so.9: cannot open"), NoDeviceError("no GPU")
HANGING = StuckDeviceError("a run has not ended")


def choose(device, failures=None, required=False, has_engines=False):
    """Return the choice, and what was tried."""
    tried = []

    def open_on(candidate):
        tried.append(candidate)
        if candidate in (failures or {}):
            raise failures[candidate]
        return f"opened on {candidate}"

    return first_usable(device, required, open_on, lambda: has_engines), tried


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("device", ["cpu", "cuda", "tensorrt"])
def test_a_device_that_works_is_taken_without_a_word_and_nothing_else_is_tried(device, required, caplog):
    choice, tried = choose(device, required=required)
    assert (choice.opened, choice.device, choice.fallback) == (f"opened on {device}", device, None)
    assert tried == [device]
    assert not caplog.records


@pytest.mark.parametrize("error", [BROKEN, MISSING])
@pytest.mark.parametrize(
    ("device", "broken", "used"),
    [("cuda", ["cuda"], "cpu"), ("tensorrt", ["tensorrt"], "cuda"), ("tensorrt", ["tensorrt", "cuda"], "cpu")],
)
def test_a_named_device_that_fails_falls_back_with_a_warning_that_says_why(device, broken, used, error, caplog):
    with caplog.at_level(logging.WARNING):
        choice, _ = choose(device, dict.fromkeys(broken, error))
    assert choice.device == used
    assert choice.fallback in caplog.text
    for word in (f"device is {device}", str(error), f"run on {used}", "docs/gpu.md", f"set device to {used}", *broken):
        assert word in choice.fallback


@pytest.mark.parametrize("error", [BROKEN, MISSING])
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_required_device_that_fails_is_refused_with_the_remedy_and_nothing_else_is_tried(device, error):
    with pytest.raises(DeviceError, match=f"device is {device}.*require_device.*{error}.*onnxruntime-gpu"):
        choose(device, {device: error}, required=True)


@pytest.mark.parametrize(
    ("device", "hanging", "has_engines"),
    [("tensorrt", "tensorrt", False), ("cuda", "cuda", False), ("auto", "tensorrt", True), ("auto", "cuda", False)],
)
def test_after_a_gpu_that_hangs_only_the_cpu_is_tried_and_that_is_said(device, hanging, has_engines, caplog):
    choice, tried = choose(device, dict.fromkeys(["tensorrt", "cuda"], HANGING), has_engines=has_engines)
    assert tried == [hanging, "cpu"]
    assert choice.device == "cpu"
    assert choice.fallback in caplog.text
    for word in (f"device is {device}", f"{hanging} cannot be used here ({HANGING})", "run on cpu"):
        assert word in choice.fallback


@pytest.mark.parametrize("device", ["tensorrt", "auto"])
def test_a_required_device_that_hangs_is_refused_without_another_try_on_it(device):
    tried = []

    def open_on(candidate):
        tried.append(candidate)
        raise HANGING

    with pytest.raises(DeviceError, match=f"device is {device}.*tensorrt cannot be used here .{HANGING}"):
        first_usable(device, True, open_on, lambda: True)
    assert tried == ["tensorrt"]


def test_auto_takes_tensorrt_where_its_engines_are_built_and_does_not_build_them():
    assert choose("auto", has_engines=True)[0].device == "tensorrt"
    choice, tried = choose("auto", has_engines=False)
    assert choice.device == "cuda"
    assert "tensorrt" not in tried


def test_auto_says_nothing_of_a_gpu_that_is_missing(caplog):
    choice, _ = choose("auto", {"cuda": MISSING})
    assert (choice.device, choice.fallback) == ("cpu", None)
    assert not caplog.records


def test_auto_warns_of_a_gpu_that_is_there_and_fails(caplog):
    choice, _ = choose("auto", {"cuda": BROKEN})
    assert choice.device == "cpu"
    assert str(BROKEN) in choice.fallback
    assert choice.fallback in caplog.text


def test_auto_warns_of_built_engines_that_cannot_be_used():
    choice, _ = choose("auto", {"tensorrt": BROKEN}, has_engines=True)
    assert choice.device == "cuda"
    assert "tensorrt cannot be used here" in choice.fallback


@pytest.mark.parametrize(("failures", "used"), [({}, "tensorrt"), ({"tensorrt": BROKEN}, "cuda")])
def test_auto_with_a_required_device_takes_any_gpu(failures, used):
    assert choose("auto", failures, required=True, has_engines=True)[0].device == used


def test_auto_with_a_required_device_refuses_the_cpu():
    with pytest.raises(DeviceError, match=f"device is auto.*{MISSING}"):
        choose("auto", {"cuda": MISSING}, required=True)


@pytest.mark.parametrize(
    ("device", "has_engines"), list(itertools.product(["cpu", "cuda", "tensorrt", "auto"], [False, True]))
)
def test_an_error_that_is_not_the_devices_is_not_swallowed(device, has_engines):
    with pytest.raises(ModelError, match="not installed"):
        choose(device, dict.fromkeys(["tensorrt", "cuda", "cpu"], ModelError("not installed")), has_engines=has_engines)
