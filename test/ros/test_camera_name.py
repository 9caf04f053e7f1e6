"""What the things of a camera are called."""

import pytest

from facemesh_ros.config import NodeConfig
from facemesh_ros.errors import ConfigError
from facemesh_ros.ros.camera_name import UNNAMED, CameraName


def all_names(camera):
    return (
        camera.input("image"),
        camera.output("faces"),
        camera.id_prefix("r_"),
        camera.frame("view"),
        camera.title("x"),
    )


def test_without_a_name_all_is_called_as_with_one_camera():
    assert all_names(UNNAMED) == ("image", "~/faces", "r_", "view", "x")


def test_the_name_is_in_all_that_is_the_cameras():
    assert all_names(CameraName("front")) == ("front/image", "~/front/faces", "r_front_", "view_front", "front: x")


def test_where_there_is_no_frame_no_camera_has_one():
    assert CameraName("front").frame("") == ""


@pytest.mark.parametrize("cameras", [[""], ["front"], ["front", "left"], ["a1", "a_1", "A1"], ["", "x" * 32]])
def test_names_that_ros_takes_are_taken(cameras):
    assert NodeConfig.from_dotted({"cameras": cameras}).cameras == tuple(cameras)


@pytest.mark.parametrize(
    "cameras",
    [
        [],
        ["front", "front"],
        ["1st"],
        ["_a"],
        ["a_"],
        ["a__b"],
        ["a b"],
        ["a/b"],
        ["x" * 33],
        [1],
        "front",
        None,
        ["~"],
    ],
)
def test_other_names_are_refused_with_what_is_allowed(cameras):
    with pytest.raises(ConfigError, match="cameras is .*; it must be a list of different texts, each empty, or up to"):
        NodeConfig.from_dotted({"cameras": cameras})
