"""Annotated pictures and clips, written to files and read back to be sure of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import InputError

_FORMATS = ((".mp4", "mp4v"), (".avi", "MJPG"))
"""Suffix and codec, by preference. OpenCV itself writes the second; the first needs a build with FFmpeg."""

Frame = NDArray[np.uint8]
"""(H, W, 3) uint8 BGR."""


def write_picture(image_bgr: Frame, path: Path) -> Path:
    """Write a PNG; return its path.

    Raises:
        InputError: the file cannot be written.
    """
    encoded = cv2.imencode(".png", image_bgr)[1]
    try:
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise InputError(f"the picture cannot be written to {path}: {error.strerror}; choose another --out") from error
    return path


def write_clip(frames_bgr: Sequence[Frame], rate_hz: float, path: Path) -> Path:
    """Write frames of one size as a video; return its path, whose suffix is that of a format that works here.

    Raises:
        InputError: this machine's OpenCV writes no format that it can read back, or the disk is full.
    """
    for suffix, codec in _FORMATS:
        target = path.with_suffix(suffix)
        _write(frames_bgr, rate_hz, target, codec)
        if frame_count(target) == len(frames_bgr):
            return target
        target.unlink(missing_ok=True)
    raise InputError(
        f"OpenCV {cv2.__version__} cannot write a clip to {path.parent}: see that the disk has room, or install "
        "opencv-python-headless from PyPI, which brings its own video codecs"
    )


def _write(frames_bgr: Sequence[Frame], rate_hz: float, path: Path, codec: str) -> None:
    height, width = frames_bgr[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate_hz, (width, height))
    for frame in frames_bgr:
        writer.write(frame)
    writer.release()


def frame_count(path: Path) -> int:
    """Count the frames that can be decoded; 0 for what is no video."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    return count
