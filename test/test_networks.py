"""Networks that several FaceMeshers share."""

import threading

import numpy as np
import pytest

from facemesh_ros import Config, FaceMesher, Networks
from facemesh_ros.errors import ConfigError, ModelError
from facemesh_ros.nvidia import first_gpu
from facemesh_ros.spread import usable_threads

onnxruntime = pytest.importorskip("onnxruntime")
CONFIG = Config.from_dotted({"device": "cpu"})


@pytest.fixture(scope="module")
def opened(networks):
    return Networks.open(CONFIG)


@pytest.fixture(scope="module")
def images(moving_face):
    return [np.ascontiguousarray(moving_face.frame_bgr(i)[..., ::-1]) for i in range(12)]


def meshes(mesher, images):
    return [[face.smoothed.points for face in mesher.process(image, i / 30)] for i, image in enumerate(images)]


def test_without_networks_the_error_names_the_remedy(tmp_path):
    with pytest.raises(ModelError, match="facemesh models install"):
        Networks.open(CONFIG, tmp_path)


def test_the_detectors_are_those_of_the_range(networks):
    assert list(Networks.open(CONFIG.with_dotted({"detector.range": "full"})).detectors) == ["full"]
    assert list(Networks.open(CONFIG).detectors) == ["short", "full"]


@pytest.mark.parametrize(("name", "value"), [("mesh.network", "mesh"), ("detector.range", "short"), ("device", "auto")])
def test_networks_of_another_configuration_are_refused(opened, name, value):
    with pytest.raises(ConfigError, match=f"{name} is '{value}' and the networks were opened for"):
        FaceMesher(CONFIG.with_dotted({name: value}), networks=opened)


@pytest.mark.parametrize("device", ["cpu", "cuda", "auto"])
def test_half_precision_is_tensorrts_alone(device):
    with pytest.raises(ConfigError, match=f"precision is fp16 and device is {device}; only TensorRT"):
        Networks.open(Config.from_dotted({"device": device, "precision": "fp16"}))


@pytest.mark.skipif(first_gpu() is not None, reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_told_of_once_and_kept(networks, caplog):
    opened = Networks.open(Config.from_dotted({"device": "tensorrt"}))
    assert opened.device == "cpu"
    assert "device is tensorrt" in opened.fallback
    assert caplog.text.count("device is tensorrt") == 1
    assert FaceMesher(Config.from_dotted({"device": "tensorrt"}), networks=opened).fallback == opened.fallback
    assert Networks.open(CONFIG).fallback is None


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="onnxruntime has CUDA")
@pytest.mark.parametrize(("has_gpu", "times"), [(True, 1), (False, 0)])
def test_auto_tells_once_of_a_gpu_that_this_onnxruntime_cannot_use(networks, caplog, monkeypatch, has_gpu, times):
    monkeypatch.setattr("facemesh_ros.runtime.has_gpu", lambda: has_gpu)
    config = Config.from_dotted({"device": "auto"})
    opened = Networks.open(config)
    mesher = FaceMesher(config, networks=opened)
    assert opened.device == mesher.device == "cpu"
    assert caplog.text.count("no CUDAExecutionProvider: install onnxruntime-gpu") == len(caplog.records) == times
    assert (mesher.fallback is not None) == has_gpu
    assert mesher.fallback is None or mesher.fallback in caplog.text


@pytest.mark.parametrize("other", [{"max_faces": 1}, {"threads": usable_threads(0)}])
def test_other_settings_may_differ(opened, other):
    assert FaceMesher(CONFIG.with_dotted(other), networks=opened).device == "cpu"


@pytest.mark.parametrize("other", [{"threads": 9}, {"intra_op_threads": 9}])
def test_networks_for_other_threads_are_refused(opened, other):
    with pytest.raises(ConfigError, match="threads is 9 and the networks were opened for"):
        FaceMesher(CONFIG.with_dotted(other), networks=opened)


def test_two_at_once_on_shared_networks_see_what_each_sees_alone(opened, images):
    streams = images, [np.ascontiguousarray(image[:, ::-1]) for image in images]
    alone = [meshes(FaceMesher(CONFIG), stream) for stream in streams]
    together = [None, None]

    def follow(which):
        together[which] = meshes(FaceMesher(CONFIG, networks=opened), streams[which])

    threads = [threading.Thread(target=follow, args=[which]) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(faces for stream in alone for faces in stream)
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
