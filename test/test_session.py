import logging

import numpy as np
import pytest

from facemesh_ros.errors import DeviceError, ModelError
from facemesh_ros.models import models_dir
from facemesh_ros.session import Session

onnxruntime = pytest.importorskip("onnxruntime")
HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.mark.parametrize(
    ("name", "size", "outputs"),
    [
        ("detector_short", 128, {"regressors": (896, 16), "logits": (896,)}),
        ("detector_full", 192, {"regressors": (2304, 16), "logits": (2304,)}),
        ("mesh", 192, {"points": (468, 3), "presence_logit": ()}),
        ("attention", 192, {"points": (478, 3), "presence_logit": ()}),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_network_takes_a_batch_and_gives_its_named_outputs(networks, name, size, outputs, batch):
    session = Session.open(name, "cpu")
    assert session.input_size == size
    images = np.zeros((batch, size, size, 3), np.uint8)
    for got, shape in zip(session.run(images, *outputs), outputs.values(), strict=True):
        assert got.shape == (batch, *shape)
        assert got.dtype == np.float32


def test_the_same_image_gives_the_same_bits(networks):
    session = Session.open("mesh", "cpu")
    image = np.random.default_rng(0).integers(0, 256, (1, 192, 192, 3), np.uint8)
    first, second = (session.run(image, "points")[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_without_networks_the_error_names_the_remedy(tmp_path):
    with pytest.raises(ModelError, match="facemesh models install"):
        Session.open("mesh", "cpu", folder=tmp_path)


def test_an_altered_network_is_not_loaded(networks, tmp_path):
    for file in models_dir().iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = next(path for path in tmp_path.iterdir() if path.name.startswith("mesh") and "cpu" in path.name)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ModelError, match=damaged.name):
        Session.open("mesh", "cpu", folder=tmp_path)


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
def test_a_form_that_this_machine_does_not_use_need_not_be_whole(networks, tmp_path):
    for file in models_dir().iterdir():
        if file.is_file() and "-gpu-" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert Session.open("mesh", "auto", folder=tmp_path).device == "cpu"


def test_auto_runs_somewhere(networks):
    assert Session.open("mesh", "auto").device in ("cpu", "cuda")


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
def test_a_device_that_is_not_there_falls_back_with_a_warning(networks, caplog):
    with caplog.at_level(logging.WARNING):
        assert Session.open("mesh", "cuda").device == "cpu"
    assert "device is cuda" in caplog.text


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_required_device_that_is_not_there_is_refused_with_the_remedy(networks, device):
    with pytest.raises(DeviceError, match=f"device is {device}.*onnxruntime-gpu"):
        Session.open("mesh", device, require_device=True)
