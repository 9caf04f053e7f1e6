"""Calibrations in messages and files."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from sensor_msgs.msg import CameraInfo, RegionOfInterest

from facemesh_ros.errors import InputError
from facemesh_ros.ros.calibration import camera_of_info, read_calibration
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


K = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
P = [420.0, 0.0, 310.0, -50.0, 0.0, 430.0, 235.0, 0.0, 0.0, 0.0, 1.0, 0.0]
FIVE, EIGHT = [0.1, -0.2, 0.001, 0.002, 0.05], [0.1, -0.2, 0.001, 0.002, 0.05, 0.01, 0.02, 0.03]


def info(model="plumb_bob", d=(), **fields):
    return CameraInfo(width=640, height=480, **{"k": K, "p": P, "distortion_model": model, "d": list(d), **fields})


LENSES = {
    "as it is": ("plumb_bob", FIVE, "plumb_bob", FIVE),
    "none, by leaving it out": ("", [], "plumb_bob", []),
    "none, in zeros": ("", [0.0] * 5, "plumb_bob", []),
    "none, by name": ("none", [], "plumb_bob", []),
    "none, by name and in zeros": ("none", [0.0] * 8, "plumb_bob", []),
    "fisheye": ("fisheye", FIVE[:4], "equidistant", FIVE[:4]),
    "fisheye, filled up": ("fisheye", [*FIVE[:4], 0.0], "equidistant", FIVE[:4]),
    "plumb_bob, filled up": ("plumb_bob", [*FIVE, 0.0, 0.0, 0.0], "plumb_bob", FIVE),
    "plumb_bob of zeros, filled up": ("plumb_bob", [0.0] * 12, "plumb_bob", [0.0] * 5),
    "rational, cut short": ("rational_polynomial", FIVE, "rational_polynomial", [*FIVE, 0.0, 0.0, 0.0]),
    "rational, filled up": ("rational_polynomial", [*EIGHT, *[0.0] * 7], "rational_polynomial", [*EIGHT, *[0.0] * 6]),
}


@pytest.mark.parametrize(("model", "given", "meant", "coefficients"), LENSES.values(), ids=LENSES.keys())
def test_a_lens_is_understood_whichever_way_drivers_write_it(model, given, meant, coefficients):
    camera = camera_of_info(info(model, given))
    assert (camera.model, camera.distortion.tolist()) == (meant, coefficients)
    assert camera.matrix.ravel().tolist() == K


UNCLEAR = {
    "distortion without a model": ("", FIVE, "distortion_model ''; it must be one of plumb_bob, rational_polynomial"),
    "distortion and none": ("none", FIVE, "distortion_model 'none'"),
    "more than the model has": ("plumb_bob", EIGHT, "has 8 distortion coefficients; plumb_bob has 5 and those beyond"),
    "fewer than mean anything": ("rational_polynomial", FIVE[:3], "got 3"),
    "a fisheye of five": ("fisheye", FIVE, "equidistant has 4"),
    "an unknown model": ("thin_prism", FIVE, "'thin_prism'; it must be one of"),
}


@pytest.mark.parametrize(("model", "given", "complaint"), UNCLEAR.values(), ids=UNCLEAR.keys())
def test_a_lens_that_cannot_be_told_for_sure_is_refused(model, given, complaint):
    with pytest.raises(InputError, match=complaint):
        camera_of_info(info(model, given))


def test_of_rectified_images_p_is_the_camera_matrix_and_nothing_is_distorted():
    camera = camera_of_info(info(d=FIVE), is_rectified=True)
    assert camera.matrix.tolist() == np.reshape(P, (3, 4))[:, :3].tolist()
    assert camera.distortion.size == 0


def test_of_rectified_images_neither_k_nor_the_lens_need_be_known():
    assert camera_of_info(info("fancy", EIGHT, k=[0.0] * 9), is_rectified=True).size_wh == (640, 480)


def test_binning_and_region_of_interest_count_alike_for_rectified_images():
    fields = {"binning_x": 2, "binning_y": 4, "roi": RegionOfInterest(x_offset=100, y_offset=40, width=320, height=240)}
    raw, rectified = camera_of_info(info(k=np.reshape(P, (3, 4))[:, :3].ravel(), **fields)), info(d=FIVE, **fields)
    got = camera_of_info(rectified, is_rectified=True)
    assert (got.size_wh, got.matrix.tolist()) == (raw.size_wh, raw.matrix.tolist())


def test_rectified_images_without_p_are_refused():
    with pytest.raises(InputError, match="camera.rectified is true and P of camera_info is all zeros"):
        camera_of_info(info(p=[0.0] * 12), is_rectified=True)
