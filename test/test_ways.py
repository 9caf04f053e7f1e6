"""What onnxruntime is told, as far as it can be known without a GPU: the names that its documentation gives."""

from pathlib import Path

import pytest

from facemesh_ros.buckets import BUCKETS
from facemesh_ros.models import FORMS as INSTALLED_FORMS
from facemesh_ros.ways import ENGINE_ROWS, PROVIDERS, ways

ENGINES = Path("/engines")


def every_way(device, precision="fp32"):
    return ways(device, precision, 192)


@pytest.mark.parametrize("device", PROVIDERS)
def test_the_first_provider_is_the_devices_and_the_last_one_the_cpu(device):
    for way in every_way(device):
        assert way.device == device
        assert way.form in INSTALLED_FORMS
        assert way.providers[0][0] == PROVIDERS[device]
        assert way.providers[-1] == ("CPUExecutionProvider", {})


def test_the_cpu_takes_batches_as_they_come():
    (way,) = every_way("cpu")
    assert way.memory is None


def test_cuda_goes_without_graphs_where_it_cannot_go_with_them():
    options = [way.providers[0][1] for way in every_way("cuda")]
    assert [entry["enable_cuda_graph"] for entry in options] == [1, 0]
    assert [way.has_graphs for way in every_way("cuda")] == [True, False]
    assert all(entry["use_tf32"] == 0 for entry in options)
    assert {way.memory for way in every_way("cuda")} == {"cuda"}


@pytest.mark.parametrize(("precision", "is_half"), [("fp32", False), ("fp16", True)])
def test_tensorrt_keeps_its_engines_and_has_the_precision_asked_for(precision, is_half):
    for way in every_way("tensorrt", precision):
        name, options = way.providers[0]
        assert name == "TensorrtExecutionProvider"
        assert options["trt_fp16_enable"] is is_half
        assert options["trt_engine_cache_enable"] is options["trt_timing_cache_enable"] is True
        assert not [option for option in options if "path" in option]
        (kept_name, kept), *others = way.with_engines(ENGINES).providers
        assert (kept_name, *others) == (name, *way.providers[1:])
        assert kept == {**options, "trt_engine_cache_path": str(ENGINES), "trt_timing_cache_path": str(ENGINES)}


def test_the_engines_profile_covers_every_bucket_that_is_run():
    with_profile, without = every_way("tensorrt")
    options = with_profile.providers[0][1]
    assert options["trt_profile_min_shapes"] == "image:1x192x192x3"
    assert options["trt_profile_max_shapes"] == f"image:{ENGINE_ROWS}x192x192x3"
    assert options["trt_profile_opt_shapes"] == "image:4x192x192x3"
    assert with_profile.largest == without.largest == ENGINE_ROWS
    assert ENGINE_ROWS in BUCKETS
    assert not [name for name in without.providers[0][1] if "profile" in name]


def test_tensorrt_has_no_graphs_for_its_batches_share_one_context():
    assert not any(way.has_graphs for way in every_way("tensorrt"))
