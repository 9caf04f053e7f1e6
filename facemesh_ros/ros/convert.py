"""ROS messages to the library's values and back: the only place that knows the fields of both."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseWithCovariance
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from facemesh_ros.errors import InputError
from facemesh_ros.msg import FaceMesh, FaceMeshArray, FaceMeshTiming
from facemesh_ros.msg import Roi as RoiMessage
from facemesh_ros.picture import Interleaved, Picture
from facemesh_ros.ros.encodings import DEPTH, READERS, picture, remedy
from facemesh_ros.ros.quaternion import quaternion_xyzw
from facemesh_ros.types import Camera, Eyes, Face, Gaze, HeadPose, Mouth, Roi, UInt8


def stamp_seconds(header: Header) -> float:
    """Return the header's time in s."""
    return float(header.stamp.sec + 1e-9 * header.stamp.nanosec)


def stamp_nanoseconds(stamp: Time) -> int:
    """Return a time in ns, exactly."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def image_picture(message: Image) -> Picture:
    """Return the picture of a raw image message, which reads the message's data where it lies.

    Encodings outside :data:`facemesh_ros.ros.encodings.READERS` are left to cv_bridge where it is installed.

    Raises:
        InputError: the encoding is unknown, or the fields contradict each other.
    """
    if message.encoding not in READERS and message.encoding not in DEPTH:
        foreign = _cv_bridge()
        if foreign is not None:
            return Picture.of(foreign(message))
    layout = message.height, message.width, message.step, bool(message.is_bigendian)
    return picture(message.encoding, message.data, *layout)


def image_rgb(message: Image) -> UInt8:
    """Return the pixels of a raw image message; errors as for :func:`image_picture`.

    Returns:
        (H, W, 3) uint8 RGB, read-only; of unpadded rgb8 a view of the message's data, of all else a copy.
    """
    return image_picture(message).rgb


@cache
def _cv_bridge() -> Callable[[Image], UInt8] | None:
    """Return a decoder that asks cv_bridge, or None where it is not installed."""
    try:
        from cv_bridge import CvBridge
    except ImportError:
        return None
    bridge = CvBridge()

    def decoder(message: Image) -> UInt8:
        try:
            return np.asarray(bridge.imgmsg_to_cv2(message, "rgb8"), np.uint8)
        except (TypeError, ValueError, cv2.error) as error:  # CvBridgeError is a TypeError
            raise InputError(
                f"cv_bridge cannot read encoding {message.encoding!r} ({error}); {remedy(message.encoding)}"
            ) from error

    return decoder


class _Codec(NamedTuple):
    """How a compressed picture begins, and what stands near its end unless it was cut short."""

    start: bytes
    end: bytes


_CODECS = {"jpeg": _Codec(b"\xff\xd8\xff", b"\xff\xd9"), "png": _Codec(b"\x89PNG\r\n\x1a\n", b"IEND")}
_TAIL = 4096
"""Bytes searched for the end: some cameras pad their JPEGs."""


def compressed_picture(message: CompressedImage) -> Picture:
    """Return the picture of a compressed image message, JPEG or PNG, told by its first bytes.

    An EXIF orientation is ignored, since the camera's calibration is for the picture as it lies.

    Raises:
        InputError: another format, or data that is cut short or damaged.
    """
    payload = np.frombuffer(message.data, np.uint8)
    head, tail = payload[:8].tobytes(), payload[-_TAIL:].tobytes()
    name = next((name for name, codec in _CODECS.items() if head.startswith(codec.start)), None)
    if name is None:
        raise InputError(
            f"compressed image of format {message.format!r}, {payload.size} bytes, is neither JPEG nor PNG; "
            "publish one of these, or decompress it with image_transport's republish"
        )
    pixels = None  # OpenCV 4 paints the missing part of a JPEG grey and says nothing: hence the search for the end
    if _CODECS[name].end in tail:
        pixels = cv2.imdecode(payload, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise InputError(
            f"{name} image of {payload.size} bytes is cut short or damaged; it must be a whole file: "
            "look for loss between the camera and here"
        )
    # image_transport may compress with red and blue exchanged; "rgb8; jpeg compressed rgb8" says so.
    return Interleaved(np.asarray(pixels, np.uint8), None if "compressed rgb" in message.format else cv2.COLOR_BGR2RGB)


def compressed_rgb(message: CompressedImage) -> UInt8:
    """Return the pixels of a compressed image message, (H, W, 3) uint8 RGB; errors as :func:`compressed_picture`."""
    return compressed_picture(message).rgb


def camera_from_info(message: CameraInfo) -> Camera:
    """Return the calibration that goes with the images of this topic, binning and region of interest applied.

    Raises:
        InputError: the camera is not calibrated (K is zero), or the message is no valid calibration.
    """
    matrix = np.array(message.k, np.float64).reshape(3, 3)
    if not matrix.any():
        raise InputError(
            "camera_info is uncalibrated (K is all zeros); K must hold the focal lengths in px: calibrate the"
            " camera (camera_calibration) and give its driver the result"
        )
    roi, binning = message.roi, np.maximum([message.binning_x, message.binning_y], 1)  # 0 means 1
    full_wh = (roi.width, roi.height) if roi.width and roi.height else (message.width, message.height)
    matrix[:2, :2] /= binning[:, None]
    # Pixel centres are at integers: a binned pixel's centre lies half a binned pixel from its edge.
    matrix[:2, 2] = (matrix[:2, 2] - (roi.x_offset, roi.y_offset) + 0.5) / binning - 0.5
    model = message.distortion_model or "plumb_bob"
    return Camera.from_matrix(matrix, message.d, [int(n) for n in full_wh // binning], model)


def info_from_camera(camera: Camera) -> CameraInfo:
    """Return the message of a calibration, without binning or region of interest; its header is empty."""
    width, height = camera.size_wh
    return CameraInfo(
        width=width,
        height=height,
        distortion_model=camera.model,
        d=camera.distortion.tolist(),
        k=camera.matrix.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([camera.matrix, np.zeros((3, 1))]).ravel(),
    )


def bgr8_message(image_rgb: UInt8, header: Header) -> Image:
    """Make an image message of an (H, W, 3) uint8 RGB picture."""
    height, width = image_rgb.shape[:2]
    data = array("B", np.ascontiguousarray(image_rgb[..., ::-1]).tobytes())
    return Image(header=header, height=height, width=width, encoding="bgr8", step=3 * width, data=data)


def array_message(
    faces: Iterable[Face],
    header: Header,
    size_wh: tuple[int, int],
    timing_ms: Mapping[str, float],
    dropped: int,
) -> FaceMeshArray:
    """Make the message about one image.

    Args:
        faces: in order of track id.
        header: the image's own.
        size_wh: the image's width and height, px.
        timing_ms: by the names of FaceMeshTiming's fields, ms; what is not named is 0.
        dropped: images skipped since the node became active.
    """
    return FaceMeshArray(
        header=header,
        image_width=size_wh[0],
        image_height=size_wh[1],
        faces=[face_message(face) for face in faces],
        timing=FaceMeshTiming(**{stage: float(duration) for stage, duration in timing_ms.items()}),
        dropped=dropped,
    )


def face_message(face: Face) -> FaceMesh:
    """Make the message about one face, with the smoothed mesh."""
    message = FaceMesh(
        id=face.track_id,
        presence=face.smoothed.presence,
        roi=_roi_message(face.roi),
        landmarks=_flat(face.smoothed.points),
        pose_valid=face.pose is not None,
    )
    if face.points_m is not None:
        message.points = _flat(face.points_m)
    if face.pose is not None:
        _fill_pose(message, face.pose)
    if face.eyes is not None and face.mouth is not None:
        _fill_eyes_and_mouth(message, face.eyes, face.mouth)
    if face.gaze is not None:
        _fill_gaze(message, face.gaze)
    return message


def _fill_pose(message: FaceMesh, pose: HeadPose) -> None:
    message.head_pose = _pose_message(pose)
    message.reprojection_error = pose.error_px
    message.scale_source = pose.scale_source
    message.head_scale = float(pose.head_scale)
    message.scale_disagrees = bool(pose.scale_disagrees)
    message.is_calibrated = bool(pose.is_calibrated)


def _fill_eyes_and_mouth(message: FaceMesh, eyes: Eyes, mouth: Mouth) -> None:
    message.eyes_valid = True
    message.right_eye_openness = float(eyes.right_openness)
    message.left_eye_openness = float(eyes.left_openness)
    message.right_eye_closed = bool(eyes.right_is_closed)
    message.left_eye_closed = bool(eyes.left_is_closed)
    message.blink = bool(eyes.blink)
    message.blink_duration = float(eyes.blink_duration_s)
    message.mouth_openness = float(mouth.openness)


def _fill_gaze(message: FaceMesh, gaze: Gaze) -> None:
    message.gaze_valid = True
    direction = message.gaze_direction
    direction.x, direction.y, direction.z = gaze.direction.tolist()
    message.gaze_source = gaze.source
    message.target_valid = gaze.angle_rad is not None
    message.target_angle = 0.0 if gaze.angle_rad is None else float(gaze.angle_rad)
    message.is_looking = bool(gaze.is_looking)


def _flat(values: NDArray[np.float32]) -> array[float]:
    """Copy into the one type of which a message takes a whole block; a list would cost milliseconds."""
    return array("f", np.asarray(values, np.float32).tobytes())


def _roi_message(roi: Roi) -> RoiMessage:
    x, y = roi.center_xy.tolist()
    return RoiMessage(center_x=x, center_y=y, size=roi.size, angle=roi.angle)


def _pose_message(pose: HeadPose) -> PoseWithCovariance:
    message = PoseWithCovariance(covariance=pose.covariance.ravel())
    position, orientation = message.pose.position, message.pose.orientation
    position.x, position.y, position.z = pose.camera_from_head[:3, 3].tolist()
    turn_xyzw = quaternion_xyzw(pose.camera_from_head[:3, :3])
    orientation.x, orientation.y, orientation.z, orientation.w = turn_xyzw
    return message
