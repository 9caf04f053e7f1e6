import pytest

from facemesh_ros import runtime
from facemesh_ros.errors import DeviceError, NoDeviceError
from facemesh_ros.models import find_network
from facemesh_ros.ways import PROVIDERS, Way, ways

onnxruntime = pytest.importorskip("onnxruntime")
CUDA_FAILURE = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:154 std::conditional_t<THRW, void, "
    "onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const char*, "
    "const char*, int) [with ERRTYPE = cudaError; bool THRW = true; SUCCTYPE = cudaError; std::conditional_t<THRW, "
    "void, common::Status> = void] CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; "
    "GPU=-1"
)
WRONG_OPTION = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:63 static "
    "onnxruntime::CUDAExecutionProviderInfo onnxruntime::CUDAExecutionProviderInfo::FromProviderOptions(const "
    "onnxruntime::ProviderOptions&) [ONNXRuntimeError] : 1 : FAIL : provider_options_utils.h:182 Parse Unknown "
    'provider option: "nonsense".\n'
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("no such\n  file", "no such file"),
        (CUDA_FAILURE, "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1"),
        (
            CUDA_FAILURE.replace("CUDA failure", CUDA_FAILURE.split("CUDA failure")[0] + "CUDA failure"),
            "CUDA failure 35",
        ),
        (WRONG_OPTION, 'Parse Unknown provider option: "nonsense".'),
    ],
)
def test_a_reason_is_what_onnxruntime_says_not_where_in_its_sources(text, said):
    got = runtime.reason(RuntimeError(text))
    assert said in got
    assert "\n" not in got and "onnxruntime_src" not in got


def test_a_reason_is_of_bearable_length():
    assert len(runtime.reason(RuntimeError("word " * 1000))) < 600


def test_the_cpu_is_always_usable():
    runtime.check_usable("cpu")


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_build_that_cannot_use_the_gpu_that_is_there_is_told_of(device, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(runtime, "has_gpu", lambda: True)
    with pytest.raises(DeviceError, match=f"no {PROVIDERS[device]}: install onnxruntime-gpu in its place") as caught:
        runtime.check_usable(device)
    assert not isinstance(caught.value, NoDeviceError), "auto would say nothing of it"


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
@pytest.mark.parametrize("build", ["cpu", "gpu"])
def test_a_machine_without_a_gpu_is_told_of(device, build, monkeypatch):
    providers = {"cpu": ["CPUExecutionProvider"], "gpu": list(PROVIDERS.values())}[build]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(runtime, "has_gpu", lambda: False)
    with pytest.raises(NoDeviceError, match="no NVIDIA GPU"):
        runtime.check_usable(device)


def test_tensorrt_needs_its_library(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))
    monkeypatch.setattr(runtime, "has_gpu", lambda: True)
    monkeypatch.setattr(runtime, "tensorrt_version", lambda: None)
    runtime.check_usable("cuda")
    with pytest.raises(NoDeviceError, match="libnvinfer"):
        runtime.check_usable("tensorrt")


def test_options_that_a_provider_refuses_are_an_error_not_another_provider(networks, capfd):
    odd = Way("cpu", "cpu", (("CPUExecutionProvider", {"nonsense": object}), ("NoProvider", {})))
    (plain,) = ways("cpu", "fp32", 192)
    assert runtime.load(find_network("mesh", "cpu"), plain).get_providers() == ["CPUExecutionProvider"]
    with pytest.warns(UserWarning, match="NoProvider"), pytest.raises(DeviceError):
        runtime.load(find_network("mesh", "cpu"), Way(odd.device, odd.form, odd.providers[::-1]))
    assert "Falling back" not in capfd.readouterr().out
