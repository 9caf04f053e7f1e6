"""Calibration files as camera_calibration writes them and camera drivers read them (YAML)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from sensor_msgs.msg import CameraInfo

from facemesh_ros.errors import InputError
from facemesh_ros.ros.convert import camera_from_info


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
        camera_from_info(message)
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
