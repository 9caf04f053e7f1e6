"""What the driver says; the driver is one that answers as CUDA's manual has it."""

import ctypes.util

import pytest

from facemesh_ros import nvidia
from facemesh_ros.nvidia import Gpu, first_gpu, has_gpu, tensorrt_version, why_not_loadable


class Driver:
    def __init__(self, initialised=0, devices=1):
        self.initialised, self.devices = initialised, devices

    def cuInit(self, flags):  # noqa: N802
        assert flags == 0
        return self.initialised

    def cuDeviceGet(self, device, ordinal):  # noqa: N802
        device._obj.value = ordinal
        return 0 if ordinal < self.devices else 101  # CUDA_ERROR_INVALID_DEVICE

    def cuDeviceGetName(self, name, length, device):  # noqa: N802
        name.value = b"NVIDIA L4"
        assert length > len(name.value)
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):  # noqa: N802
        value._obj.value = {75: 8, 76: 9}[attribute]
        return 0


@pytest.fixture
def machine(monkeypatch):
    """Make a machine with these libraries and device files."""

    def make(libraries=(), nodes=()):
        libraries = dict(libraries)
        monkeypatch.setattr(nvidia, "_loaded", libraries.get)
        monkeypatch.setattr(nvidia, "_NODES", [tuple(map(str, row)) for row in nodes])
        first_gpu.cache_clear(), tensorrt_version.cache_clear()

    yield make
    first_gpu.cache_clear(), tensorrt_version.cache_clear()


def test_without_a_driver_there_is_no_gpu(machine):
    machine()
    assert first_gpu() is None
    assert not has_gpu()


@pytest.mark.parametrize("driver", [Driver(initialised=100), Driver(devices=0)])
def test_a_driver_without_a_gpu_has_none(machine, driver):
    machine({"libcuda.so.1": driver})
    assert first_gpu() is None
    assert not has_gpu()


def test_the_driver_tells_the_name_and_the_capability(machine):
    machine({"libcuda.so.1": Driver()})
    assert first_gpu() == Gpu("NVIDIA L4", (8, 9))
    assert has_gpu()


def test_a_gpu_whose_driver_fails_is_there_all_the_same(machine, tmp_path):
    machine({"libcuda.so.1": Driver(initialised=803)}, [[tmp_path / "none"], [tmp_path]])
    assert first_gpu() is None
    assert has_gpu()


def test_a_device_without_its_driver_is_no_gpu(machine, tmp_path):
    machine(nodes=[[tmp_path, tmp_path / "libcuda.so.1"]])
    assert not has_gpu()
    (tmp_path / "libcuda.so.1").touch()
    assert has_gpu()


def test_tensorrts_version_is_its_librarys(machine):
    machine()
    assert tensorrt_version() is None

    class Library:
        def getInferLibVersion(self):  # noqa: N802
            return 101303

    machine({"libnvinfer.so.10": Library()})
    assert tensorrt_version() == "101303"


def test_the_linker_says_why_a_library_cannot_be_loaded(tmp_path):
    assert "libnone.so" in why_not_loadable(tmp_path / "libnone.so")
    assert why_not_loadable(ctypes.util.find_library("c") or "libc.so.6") is None
