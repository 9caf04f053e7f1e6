"""The names and signatures that others rely on (README, docs): changing one is a breaking release."""

import dataclasses
import inspect

import pytest

import facemesh_ros
from facemesh_ros import Camera, Config, Face, FaceMesher

SIGNATURES = {
    FaceMesher: ["config", "stage", "networks", "first_id"],
    FaceMesher.process: ["self", "image_rgb", "stamp", "camera", "depth_m", "target_m"],
    FaceMesher.process_still: ["self", "image_rgb", "camera", "depth_m", "target_m"],
    FaceMesher.reset: ["self"],
    FaceMesher.configure: ["self", "config"],
    Config.from_dotted: ["values"],
    Camera.from_fov: ["size_wh", "horizontal_fov_rad"],
    Camera.from_matrix: ["matrix", "distortion", "size_wh", "model"],
}
TUNABLES = {
    "max_faces": 4,
    "mesh.network": "attention",
    "detector.range": "auto",
    "detector.min_score": 0.5,
    "detector.interval_s": 0.5,
    "tracker.min_presence": 0.5,
    "filter.enabled": True,
    "device": "auto",
    "require_device": False,
}


@pytest.mark.parametrize(("function", "names"), SIGNATURES.items(), ids=lambda x: getattr(x, "__qualname__", ""))
def test_arguments_have_their_names_and_order(function, names):
    assert list(inspect.signature(function).parameters) == names


def test_a_face_has_its_fields():
    names = [field.name for field in dataclasses.fields(Face)]
    assert names[:6] == ["track_id", "roi", "mesh", "smoothed", "pose", "points_m"]
    assert {"eyes", "mouth", "gaze"} <= set(names)


def test_every_exported_name_exists_and_is_loaded_on_first_use():
    for name in facemesh_ros.__all__:
        assert inspect.isclass(getattr(facemesh_ros, name))
    with pytest.raises(AttributeError, match="no attribute 'FaceMash'; it has Camera"):
        facemesh_ros.FaceMash  # noqa: B018


@pytest.mark.parametrize(("name", "default"), TUNABLES.items(), ids=TUNABLES)
def test_tunables_that_others_set_keep_name_and_default(name, default):
    assert Config().to_dotted()[name] == default
