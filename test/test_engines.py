import dataclasses

import pytest

from facemesh_ros.engines import EngineKey
from facemesh_ros.nvidia import Gpu

PROVIDERS = (("TensorrtExecutionProvider", {"device_id": 0, "trt_fp16_enable": False}), ("CPUExecutionProvider", {}))
KEY = EngineKey("mesh", "ab12", "fp32", PROVIDERS, 64, "1.32.0", "101303", Gpu("NVIDIA L4", (8, 9)))
OTHERS = {
    "network": "attention",
    "sha256": "cd34",
    "precision": "fp16",
    "providers": ((PROVIDERS[0][0], {**PROVIDERS[0][1], "trt_profile_min_shapes": "image:1x192x192x3"}), PROVIDERS[1]),
    "most_rows": 32,
    "onnxruntime": "1.33.0",
    "tensorrt": "101400",
    "gpu": Gpu("NVIDIA L4", (9, 0)),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def build(key):
    key.prepare()
    (key.folder / "TensorrtExecutionProvider_1.engine").write_bytes(b"engine")
    (key.folder / "TensorrtExecutionProvider_1.profile").write_bytes(b"profile")
    (key.folder / "TensorrtExecutionProvider_cache_sm89.timing").write_bytes(b"timing")


def names(key):
    return sorted(path.suffix for path in key.folder.iterdir())


def test_the_folder_is_in_the_cache_and_names_the_network(cache):
    assert cache in KEY.folder.parents
    assert KEY.folder.name.startswith("mesh-fp32-")
    assert KEY.folder == dataclasses.replace(KEY).folder


@pytest.mark.parametrize(("field", "value"), OTHERS.items(), ids=OTHERS)
def test_whatever_differs_has_an_engine_of_its_own(field, value):
    build(KEY)
    KEY.mark_built()
    other = dataclasses.replace(KEY, **{field: value})
    assert other.folder != KEY.folder
    assert KEY.is_built and not other.is_built


def test_the_table_names_every_field():
    assert set(OTHERS) == {field.name for field in dataclasses.fields(EngineKey)}


def test_an_engine_counts_once_it_is_marked_and_only_while_it_is_there():
    assert not KEY.is_built
    build(KEY)
    assert not KEY.is_built, "the build may have been interrupted"
    KEY.mark_built()
    assert KEY.is_built
    next(KEY.folder.glob("*.engine")).unlink()
    assert not KEY.is_built


def test_what_an_interrupted_build_left_is_removed_but_for_the_timings():
    build(KEY)
    KEY.prepare()
    assert names(KEY) == [".timing"]


def test_a_whole_engine_is_left_alone():
    build(KEY)
    KEY.mark_built()
    KEY.prepare()
    assert names(KEY) == [".engine", ".json", ".profile", ".timing"]


def test_a_machine_without_a_known_gpu_or_tensorrt_has_a_key_as_well():
    key = dataclasses.replace(KEY, gpu=None, tensorrt=None)
    build(key)
    key.mark_built()
    assert key.is_built
