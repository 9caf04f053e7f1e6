"""Calibrations as drivers and camera_calibration write them: in camera_info messages and in YAML files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from sensor_msgs.msg import CameraInfo

from facemesh_ros.errors import InputError
from facemesh_ros.ros.convert import camera_from_info
from facemesh_ros.types import CAMERA_MODELS, Camera

OTHER_NAMES = {"fisheye": "equidistant", "none": "plumb_bob", "": "plumb_bob"}
"""Names of distortion models that are not those of sensor_msgs → the model that is meant."""
NO_MODEL = ("none", "")
SUBSETS = {"rational_polynomial": (4, 5)}
"""How many coefficients of a simpler model a model may be given: those that follow are zero (OpenCV)."""


def camera_of_info(message: CameraInfo, is_rectified: bool = False) -> Camera:
    """Return the camera that took the images of a camera_info, whichever way its driver writes the lens.

    Args:
        message: binning and region of interest are applied.
        is_rectified: the images are rectified: P is their camera matrix, and nothing is distorted. Else K and D count.

    Raises:
        InputError: the message is no valid calibration, or describes a lens that cannot be told for sure.
    """
    return camera_from_info(_rectified(message) if is_rectified else _plain(message))


def _rectified(message: CameraInfo) -> CameraInfo:
    matrix = np.reshape(message.p, (3, 4))[:, :3]
    if not matrix.any():
        raise InputError(
            "camera.rectified is true and P of camera_info is all zeros; P must hold the focal lengths, in px, of the "
            "rectified images: calibrate the camera, or set camera.rectified to false"
        )
    return _with_lens(message, matrix.ravel().tolist(), "plumb_bob", [])


def _plain(message: CameraInfo) -> CameraInfo:
    name, given = message.distortion_model, list(message.d)
    model = OTHER_NAMES.get(name, name)
    if name in NO_MODEL and any(given):
        raise InputError(
            f"camera_info has distortion coefficients and distortion_model {name!r}; it must be one of "
            f"{', '.join(CAMERA_MODELS)}: give the driver the model that the camera was calibrated with"
        )
    coefficients = [] if name in NO_MODEL else _fitted(model, given)
    return message if (model, coefficients) == (name, given) else _with_lens(message, message.k, model, coefficients)


def _fitted(model: str, coefficients: list[float]) -> list[float]:
    """Drop or add zeros at the end, where drivers have filled the list up or cut it short."""
    counts = CAMERA_MODELS.get(model, ())
    if not counts or len(coefficients) in counts:
        return coefficients
    if len(coefficients) in SUBSETS.get(model, ()):
        return coefficients + [0.0] * (min(counts) - len(coefficients))
    if any(coefficients[max(counts) :]):
        raise InputError(
            f"camera_info has {len(coefficients)} distortion coefficients; {model} has {max(counts)} and those beyond "
            f"must be zero: give the driver the model that the camera was calibrated with, {' or '.join(CAMERA_MODELS)}"
        )
    return coefficients[: max(counts)]


def _with_lens(message: CameraInfo, matrix: Sequence[float], model: str, coefficients: list[float]) -> CameraInfo:
    return CameraInfo(
        header=message.header,
        width=message.width,
        height=message.height,
        distortion_model=model,
        d=coefficients,
        k=matrix,
        binning_x=message.binning_x,
        binning_y=message.binning_y,
        roi=message.roi,
    )


def read_calibration(path: Path) -> CameraInfo:
    """Read a calibration file.

    Returns:
        The message with an empty header.

    Raises:
        InputError: the file is missing, no such YAML, or describes no calibrated camera.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"calibration {path} cannot be read ({error.strerror}): check the name") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"calibration {path} is no YAML: {error}") from error
    try:
        message = _message(content)
        camera_of_info(message)
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise InputError(
            f"calibration {path} lacks or spoils an entry ({error}); it must have image_width, image_height, "
            "camera_matrix, distortion_model and distortion_coefficients as camera_calibration writes them"
        ) from error
    return message


def _message(content: Mapping[str, Any]) -> CameraInfo:
    matrix = _numbers(content, "camera_matrix", 9)
    identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    projection = [*matrix[:3], 0.0, *matrix[3:6], 0.0, *matrix[6:], 0.0]
    return CameraInfo(
        width=int(content["image_width"]),
        height=int(content["image_height"]),
        distortion_model=str(content["distortion_model"]),
        d=_numbers(content, "distortion_coefficients"),
        k=matrix,
        r=_numbers(content, "rectification_matrix", 9) if "rectification_matrix" in content else identity,
        p=_numbers(content, "projection_matrix", 12) if "projection_matrix" in content else projection,
    )


def _numbers(content: Mapping[str, Any], name: str, count: int | None = None) -> list[float]:
    """Return the ``data`` of an entry, row by row."""
    numbers = [float(number) for number in content[name]["data"]]
    if count is not None and len(numbers) != count:
        raise ValueError(f"{name} has {len(numbers)} numbers instead of {count}")
    return numbers
