"""Messages to values and back."""

import math
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from facemesh_ros.errors import InputError
from facemesh_ros.ros import convert
from facemesh_ros.types import Camera, Eyes, Face, Gaze, HeadPose, Mesh, Mouth, Roi

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("_message_support")]

HEADER = Header(stamp=Time(sec=12, nanosec=500_000_000), frame_id="camera_optical")
K = [600.0, 0.0, 319.5, 0.0, 610.0, 239.5, 0.0, 0.0, 1.0]


def round_trip(message):
    """Send a message through the serialisation that a topic uses."""
    return deserialize_message(serialize_message(message), type(message))


def picture(height=16, width=24):
    """Return a smooth (H, W, 3) uint8 RGB picture whose channels differ."""
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([8 * x, 10 * y, 255 - 5 * x - 5 * y]).astype(np.uint8)


def a_face(track_id=7, points=478, pose=None, points_m=None):
    rng = np.random.default_rng(track_id)
    raw, smooth = (Mesh(rng.normal(300.0, 100.0, (points, 3)), presence=0.75) for _ in range(2))
    return Face(track_id, Roi((320.5, 200.25), 180.0, -0.5), raw, smooth, pose, points_m)


def array_of(*faces, **timing_ms):
    return round_trip(convert.array_message(faces, HEADER, (640, 480), timing_ms, dropped=3))


def test_an_array_without_faces_carries_the_image_and_zero_times():
    message = array_of()
    assert (message.header, message.image_width, message.image_height) == (HEADER, 640, 480)
    assert (list(message.faces), message.dropped, message.timing.total) == ([], 3, 0.0)


@pytest.mark.parametrize("points", [468, 478])
def test_landmarks_come_back_from_the_message_bit_for_bit(points):
    face = a_face(points=points)
    (message,) = array_of(face).faces
    np.testing.assert_array_equal(np.reshape(message.landmarks, (-1, 3)), face.smoothed.points)


def test_a_face_keeps_its_id_presence_and_region():
    (message,) = array_of(a_face()).faces
    assert (message.id, message.presence) == (7, 0.75)
    assert (message.roi.center_x, message.roi.center_y) == (320.5, 200.25)
    assert (message.roi.size, message.roi.angle) == (180.0, -0.5)


def test_faces_keep_their_order():
    assert [face.id for face in array_of(a_face(2), a_face(9), a_face(11)).faces] == [2, 9, 11]


def test_without_a_pose_the_message_says_so_and_metric_points_are_empty():
    (message,) = array_of(a_face()).faces
    assert not message.pose_valid
    assert len(message.points) == 0


def test_a_pose_becomes_position_and_quaternion():
    turn = math.radians(40.0)
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3] = [[1, 0, 0], [0, math.cos(turn), -math.sin(turn)], [0, math.sin(turn), math.cos(turn)]]
    camera_from_head[:3, 3] = 0.1, -0.2, 1.5
    covariance = np.arange(36.0).reshape(6, 6)
    face = a_face(pose=HeadPose(camera_from_head, 1.25, covariance), points_m=np.ones((478, 3)))
    (message,) = array_of(face).faces
    position, orientation = message.head_pose.pose.position, message.head_pose.pose.orientation
    assert (position.x, position.y, position.z) == (0.1, -0.2, 1.5)
    assert (orientation.y, orientation.z) == pytest.approx((0.0, 0.0))
    assert (orientation.w, orientation.x) == pytest.approx((math.cos(turn / 2), math.sin(turn / 2)))
    np.testing.assert_array_equal(message.head_pose.covariance, covariance.ravel())
    assert (message.pose_valid, message.reprojection_error) == (True, 1.25)
    assert list(message.points) == [1.0] * 478 * 3


def test_where_the_size_comes_from_stands_beside_the_pose():
    pose = HeadPose(np.eye(4), 1.0, np.eye(6), "depth", 1.25, scale_disagrees=True, is_calibrated=False)
    (message,) = array_of(a_face(pose=pose)).faces
    assert (message.scale_source, message.head_scale) == ("depth", 1.25)
    assert (message.scale_disagrees, message.is_calibrated) == (True, False)


def test_without_eyes_and_gaze_the_message_says_so():
    (message,) = array_of(a_face()).faces
    assert (message.eyes_valid, message.gaze_valid, message.target_valid, message.is_looking) == (False,) * 4
    assert (message.scale_source, message.is_calibrated, message.gaze_source) == ("", False, "")


def test_eyes_and_mouth_go_to_the_fields_of_their_names():
    eyes = Eyes(0.25, 0.5, right_is_closed=False, left_is_closed=True, blink=True, blink_duration_s=0.125)
    (message,) = array_of(replace(a_face(), eyes=eyes, mouth=Mouth(0.75))).faces
    assert (message.eyes_valid, message.right_eye_openness, message.left_eye_openness) == (True, 0.25, 0.5)
    assert (message.right_eye_closed, message.left_eye_closed) == (False, True)
    assert (message.blink, message.blink_duration, message.mouth_openness) == (True, 0.125, 0.75)


@pytest.mark.parametrize(("angle_rad", "angle", "valid"), [(None, 0.0, False), (0.5, 0.5, True), (0.0, 0.0, True)])
def test_the_gaze_goes_over_whole_and_an_unknown_target_is_told(angle_rad, angle, valid):
    gaze = Gaze((0.6, 0.0, -0.8), (1.0, 0.0, 0.0), "iris", angle_rad=angle_rad, is_looking=valid)
    (message,) = array_of(replace(a_face(), gaze=gaze)).faces
    direction = message.gaze_direction
    assert (message.gaze_valid, message.gaze_source) == (True, "iris")
    assert (direction.x, direction.y, direction.z) == (0.6, 0.0, -0.8)
    assert (message.target_valid, message.target_angle, message.is_looking) == (valid, angle, valid)


def test_times_go_to_the_fields_of_their_names():
    timing = array_of(queue=0.5, decode=1, detect=2.0, mesh=3.0, pose=4.0, total=10.5).timing
    got = (timing.queue, timing.decode, timing.detect, timing.mesh, timing.pose, timing.total)
    assert got == (0.5, 1.0, 2.0, 3.0, 4.0, 10.5)


def test_a_stamp_is_seconds():
    assert convert.stamp_seconds(HEADER) == 12.5


def image(encoding="rgb8", rows=None, **fields):
    rows = picture() if rows is None else rows
    layout = {"height": 16, "width": 24, "step": rows[0].nbytes, **fields}
    message = Image(header=HEADER, encoding=encoding, **layout)
    message.data.frombytes(rows.tobytes())
    return round_trip(message)


def test_a_raw_image_gives_its_picture():
    np.testing.assert_array_equal(convert.image_rgb(image("rgb8")), picture())
    np.testing.assert_array_equal(convert.image_rgb(image("bgr8", picture()[..., ::-1])), picture())


def test_the_byte_order_of_the_message_counts():
    wide = (picture() * 257.0).clip(100) - 100  # so that the two bytes of a sample differ
    got = convert.image_rgb(image("rgb16", wide.astype(">u2"), is_bigendian=1))
    np.testing.assert_array_equal(got, picture())


def test_rgb8_is_not_copied():
    message = image("rgb8")
    assert np.shares_memory(convert.image_rgb(message), np.frombuffer(message.data, np.uint8))


@pytest.fixture
def cv_bridge(monkeypatch):
    """Stand in for cv_bridge: reads anything but "odder8", on which it fails as cv_bridge does."""

    def imgmsg_to_cv2(message, desired_encoding):
        if message.encoding == "odder8":
            raise TypeError(f"[{message.encoding}] is not a color format")
        assert desired_encoding == "rgb8"
        return picture()

    module = ModuleType("cv_bridge")
    module.CvBridge = lambda: SimpleNamespace(imgmsg_to_cv2=imgmsg_to_cv2)
    monkeypatch.setitem(sys.modules, "cv_bridge", module)
    convert._cv_bridge.cache_clear()
    yield
    convert._cv_bridge.cache_clear()


def test_cv_bridge_reads_what_the_table_lacks(cv_bridge):
    np.testing.assert_array_equal(convert.image_rgb(image("odd8")), picture())


def test_what_cv_bridge_cannot_read_either_is_refused_with_the_encodings(cv_bridge):
    with pytest.raises(InputError, match="cv_bridge cannot read encoding 'odder8'.*rgb8, bgr8, mono8"):
        convert.image_rgb(image("odder8"))


def test_depth_is_refused_although_cv_bridge_is_there(cv_bridge):
    with pytest.raises(InputError, match="depth"):
        convert.image_rgb(image("16UC1"))


def test_without_cv_bridge_an_unknown_encoding_is_refused_with_the_encodings(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    convert._cv_bridge.cache_clear()
    with pytest.raises(InputError, match="'odd8' cannot be read.*rgb8, bgr8, mono8.*or install cv_bridge"):
        convert.image_rgb(image("odd8"))
    convert._cv_bridge.cache_clear()


def compressed(extension, bgr=None, format_name=None, cut=0, extra=b""):
    bgr = picture()[..., ::-1] if bgr is None else bgr
    data = cv2.imencode(extension, bgr)[1].tobytes()
    message = CompressedImage(header=HEADER, format=extension[1:] if format_name is None else format_name)
    message.data.frombytes(data[: len(data) - cut] + extra)
    return message


def read(message):
    return convert.compressed_rgb(round_trip(message))


@pytest.mark.parametrize("format_name", ["jpeg", "jpg", "", "bgr8; jpeg compressed bgr8", "rgb8; jpeg compressed bgr8"])
def test_a_jpeg_gives_its_picture(format_name):
    got = read(compressed(".jpg", format_name=format_name))
    np.testing.assert_allclose(got.astype(int), picture(), atol=12)


@pytest.mark.parametrize("format_name", ["png", "bgr8; png compressed bgr8"])
def test_a_png_gives_its_picture_exactly(format_name):
    got = read(compressed(".png", format_name=format_name))
    np.testing.assert_array_equal(got, picture())


def test_a_grey_png_gives_equal_channels():
    grey = picture()[..., 0]
    np.testing.assert_array_equal(read(compressed(".png", bgr=grey)), np.dstack([grey] * 3))


def test_a_picture_compressed_with_red_and_blue_exchanged_is_put_right():
    message = compressed(".png", bgr=picture(), format_name="rgb8; png compressed rgb8")
    np.testing.assert_array_equal(read(message), picture())


def test_padding_after_the_end_of_a_jpeg_is_allowed():
    got = read(compressed(".jpg", extra=bytes(1000)))
    assert got.shape == picture().shape


def test_an_exif_orientation_does_not_turn_the_picture():
    quarter_turn = bytes.fromhex("ffe10022457869660000 4d4d002a00000008 0001 0112 0003 00000001 0006 0000 00000000")
    message = compressed(".jpg")
    data = message.data.tobytes()
    message.data = type(message.data)("B", data[:2] + quarter_turn + data[2:])
    assert read(message).shape == picture().shape


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (compressed(".jpg", cut=2), "jpeg image of .* is cut short or damaged"),
        (compressed(".jpg", cut=200), "jpeg image of .* is cut short or damaged"),
        (compressed(".png", cut=12), "png image of .* is cut short or damaged"),
        (CompressedImage(format="jpeg"), "format 'jpeg', 0 bytes, is neither JPEG nor PNG"),
        (CompressedImage(format="jpeg", data=b"\xff\xd8\xff nothing \xff\xd9"), "cut short or damaged"),
        (compressed(".bmp"), "format 'bmp', .* is neither JPEG nor PNG"),
        (CompressedImage(format="h264", data=b"\0\0\0\1abc"), "format 'h264', .* is neither JPEG nor PNG"),
    ],
)
def test_what_is_no_whole_jpeg_or_png_is_refused(message, complaint, capfd):
    with pytest.raises(InputError, match=complaint):
        read(message)


def info(**fields):
    return round_trip(CameraInfo(**{"width": 640, "height": 480, "k": K, **fields}))


def test_a_calibration_comes_over_whole():
    distortion = [0.1, -0.2, 0.001, 0.002, 0.05]
    camera = convert.camera_from_info(info(d=distortion, distortion_model="plumb_bob"))
    assert (camera.size_wh, camera.model, camera.distortion.tolist()) == ((640, 480), "plumb_bob", distortion)
    np.testing.assert_array_equal(camera.matrix, np.reshape(K, (3, 3)))


def test_a_calibration_without_a_model_has_no_distortion():
    camera = convert.camera_from_info(info())
    assert (camera.model, camera.distortion.size) == ("plumb_bob", 0)


def test_a_cropped_and_binned_image_keeps_the_rays_of_its_pixels():
    roi = RegionOfInterest(x_offset=100, y_offset=40, width=320, height=240)
    camera = convert.camera_from_info(info(roi=roi, binning_x=2, binning_y=4))
    assert camera.size_wh == (160, 60)
    whole = Camera.from_matrix(np.reshape(K, (3, 3)), None, (640, 480))
    column, row = 30, 10  # covers columns 160, 161 and rows 80..83 of the whole image
    ray = np.linalg.solve(camera.matrix, [column, row, 1.0])
    np.testing.assert_allclose(ray, np.linalg.solve(whole.matrix, [160.5, 81.5, 1.0]))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"k": [0.0] * 9}, "uncalibrated"),
        ({"width": 0}, "width and height must be positive"),
        ({"distortion_model": "thin_prism"}, "'thin_prism'; it must be one of"),
        ({"distortion_model": "plumb_bob", "d": [0.1] * 3}, "got 3"),
        ({"k": [math.nan] * 9}, "NaN"),
        ({"d": [math.inf] * 5}, "NaN or infinity"),
    ],
)
def test_no_valid_calibration_is_refused(fields, complaint):
    with pytest.raises(InputError, match=complaint):
        convert.camera_from_info(info(**fields))
