"""Calibration files."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from facemesh_ros.errors import InputError
from facemesh_ros.ros.calibration import read_calibration
from facemesh_ros.ros.convert import camera_from_info, info_from_camera
from facemesh_ros.types import Camera

pytestmark = pytest.mark.ros

FILE = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [600., 0., 320., 0., 610, 240., 0., 0., 1.]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.1, 1e-2, 0.001, 0.0, 0.0]
"""
PROJECTION = "projection_matrix: {rows: 3, cols: 4, data: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}\n"


def written(tmp_path, text):
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    return path


def test_a_file_gives_its_numbers(tmp_path):
    info = read_calibration(written(tmp_path, FILE))
    assert (info.width, info.height, info.distortion_model) == (640, 480, "plumb_bob")
    assert info.k.tolist() == [600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0]
    assert list(info.d) == [-0.1, 0.01, 0.001, 0.0, 0.0]


def test_projection_and_rectification_are_those_of_a_single_camera_unless_given(tmp_path):
    info = read_calibration(written(tmp_path, FILE))
    assert info.r.tolist() == np.eye(3).ravel().tolist()
    assert info.p.reshape(3, 4)[:, :3].ravel().tolist() == info.k.tolist()
    assert read_calibration(written(tmp_path, FILE + PROJECTION)).p.tolist() == list(range(1, 13))


def test_a_camera_survives_the_way_through_its_message():
    camera = Camera.from_matrix(np.diag([500.0, 510.0, 1.0]), np.arange(8) / 100, (320, 240), "rational_polynomial")
    back = camera_from_info(info_from_camera(camera))
    assert (back.model, back.size_wh) == (camera.model, camera.size_wh)
    np.testing.assert_array_equal(back.matrix, camera.matrix)
    np.testing.assert_array_equal(back.distortion, camera.distortion)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "lacks or spoils an entry"),
        ("just words", "lacks or spoils an entry"),
        ("a: [1", "is no YAML"),
        (FILE.replace("image_width: 640\n", ""), "'image_width'"),
        (FILE.replace("0., 0., 1.]", "0., 1.]"), "camera_matrix has 8 numbers instead of 9"),
        (FILE.replace("-0.1, 1e-2,", ""), "takes 0 or 4 or 5 distortion coefficients; got 3"),
        (FILE.replace("-0.1,", "minus,"), "minus"),
        (FILE.replace("600.", "0."), "focal lengths must be positive"),
        (FILE.replace("600.", "1e300"), r"no number in it may be over 1e\+09"),
        (FILE.replace("-0.1,", "1e30,"), r"no number in it may be over 1e\+09"),
        (FILE.replace("plumb_bob", "fancy"), "'fancy'; it must be one of"),
        (FILE.replace("640", "0"), "must be positive"),
        (FILE.replace("640", "-640"), "width"),
    ],
)
def test_no_calibration_is_refused(tmp_path, text, complaint):
    with pytest.raises(InputError, match=complaint):
        read_calibration(written(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml cannot be read \(No such file"):
        read_calibration(tmp_path / "nowhere.yaml")
