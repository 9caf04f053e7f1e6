"""The pixel formats of sensor_msgs/Image, each with the function that turns its bytes into an RGB picture.

Free of ROS: a decoder takes the fields of the message. Names follow sensor_msgs/image_encodings.hpp; what
that leaves open is decided here:

- The abstract ``8UC1``, ``8UC3`` and ``8UC4`` are read as grey, BGR and BGRA: OpenCV's order, which is what
  a driver that publishes a plain ``cv::Mat`` sends. ``16UC1`` and ``32FC1`` are depth (REP 118), not
  pictures, and are refused.
- YUV is ITU-R BT.601 in the range 16..235, as cv_bridge reads it. The chroma rows of ``nv12`` and ``nv21``
  follow the luma rows at the same ``step``; ``height`` counts luma rows only.
- 16-bit samples are divided by 257 and rounded, so that full scale stays full scale (65535 becomes 255).
- A Bayer name gives the colours of the top-left 2 by 2 pixels, row by row (``bayer_rggb8``: red, green,
  green, blue). OpenCV's constants name the block one pixel further right and down: BayerBG for ``rggb``.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from facemesh_ros.errors import InputError
from facemesh_ros.types import Float32, UInt8

Data: TypeAlias = "bytes | bytearray | memoryview | array[int]"
"""What holds the bytes of a message: ``array.array("B")`` in rclpy, anything with a buffer elsewhere."""

Decoder = Callable[[Data, int, int, int, bool], UInt8]
"""(data, height, width, step, is_bigendian) to a C-ordered (height, width, 3) uint8 RGB picture."""


def decode(encoding: str, data: Data, height: int, width: int, step: int, is_bigendian: bool = False) -> UInt8:
    """Turn the bytes of an image into an RGB picture.

    Args:
        encoding: one of :data:`DECODERS`.
        data: the rows, one after another.
        height: px.
        width: px.
        step: bytes from the start of a row to the start of the next one.
        is_bigendian: the byte order of 16-bit samples; meaningless for others.

    Returns:
        (height, width, 3) uint8 RGB, C-ordered, read-only. Unpadded ``rgb8`` is a view of ``data``, all else
        a copy.

    Raises:
        InputError: an unknown encoding, an empty picture, a step or data too short, or a size that the
            encoding cannot have.
    """
    if encoding not in DECODERS:
        raise InputError(f"encoding {encoding!r} cannot be read; {remedy(encoding)}")
    try:
        if height <= 0 or width <= 0:
            raise InputError("width and height must be positive: check the driver's settings")
        rgb = DECODERS[encoding](data, height, width, step, is_bigendian)
    except InputError as error:
        raise InputError(f"{encoding} image of {width}x{height} px: {error}") from None
    rgb.flags.writeable = False
    return rgb


def decode_depth(encoding: str, data: Data, height: int, width: int, step: int, is_bigendian: bool = False) -> Float32:
    """Turn the bytes of a depth image (REP 118) into metres; the arguments are those of :func:`decode`.

    Returns:
        (height, width) float32, m, along the optical axis; 0 and NaN are holes.

    Raises:
        InputError: the encoding is no depth, the picture is empty, a step or data is too short.
    """
    if encoding not in DEPTH:
        raise InputError(f"encoding {encoding!r} is no depth; it must be {' or '.join(DEPTH)}: remap depth")
    try:
        if height <= 0 or width <= 0:
            raise InputError("width and height must be positive: check the driver's settings")
        kind, unit_m = DEPTH[encoding]
        rows = _rows(data, height, width * np.dtype(kind).itemsize, step)
        values = np.ascontiguousarray(rows).view(np.dtype(kind).newbyteorder(">" if is_bigendian else "<"))
        return np.asarray(np.multiply(values, np.float32(unit_m), dtype=np.float32))
    except InputError as error:
        raise InputError(f"{encoding} depth of {width}x{height} px: {error}") from None


def remedy(encoding: str) -> str:
    """Say what to do about an encoding that is not in :data:`DECODERS`."""
    if encoding in DEPTH:
        return "it is depth (REP 118): remap `image` to the camera's colour or infrared (mono8, mono16) topic"
    return f"set the camera's driver to one of {', '.join(DECODERS)}, or install cv_bridge for further ones"


DEPTH = {"16UC1": ("u2", 0.001), "32FC1": ("f4", 1.0)}
"""Encoding of depth → numpy's name of the sample, and its unit in m."""


def _rows(data: Data, rows: int, row_bytes: int, step: int) -> UInt8:
    """View ``data`` as (rows, row_bytes), without the padding at the end of the rows."""
    if step < row_bytes:
        raise InputError(f"step is {step} bytes; a row takes at least {row_bytes}: mend the publisher's step")
    got, needed = memoryview(data).nbytes, step * (rows - 1) + row_bytes
    if got < needed:
        raise InputError(f"data has {got} bytes; {needed} are needed: it was cut short, or step is wrong")
    view: UInt8 = np.ndarray((rows, row_bytes), np.uint8, data, strides=(step, 1))
    return view


def _packed(channels: int, code: int | None, depth: int = 8) -> Decoder:
    """Make the decoder of pixels that lie one after another, with ``depth`` bits a sample.

    Args:
        channels: samples a pixel.
        code: of cv2.cvtColor, from these channels to RGB; None where they are RGB already.
        depth: 8 or 16.
    """

    def decoder(data: Data, height: int, width: int, step: int, is_bigendian: bool) -> UInt8:
        samples = _rows(data, height, width * channels * depth // 8, step)
        if depth == 16:
            samples = _top_bytes(samples, is_bigendian)
        pixels = samples.reshape(height, width, channels)
        if code is None:
            return np.ascontiguousarray(pixels)
        return np.asarray(cv2.cvtColor(pixels, code), np.uint8)

    return decoder


def _top_bytes(rows: UInt8, is_bigendian: bool) -> UInt8:
    """Scale rows of 16-bit samples in the given byte order to 8 bits: (H, 2 N) to (H, N) uint8."""
    wide = rows.view(">u2" if is_bigendian else "<u2").astype(np.uint16)
    return np.asarray(cv2.convertScaleAbs(wide, alpha=1 / 257), np.uint8)


def _bayer(code: int, depth: int = 8) -> Decoder:
    """Make the decoder of a colour mosaic; OpenCV interpolates from neighbours, so it takes 3 by 3 pixels."""
    packed = _packed(1, code, depth)

    def decoder(data: Data, height: int, width: int, step: int, is_bigendian: bool) -> UInt8:
        if height < 3 or width < 3:
            raise InputError("a Bayer mosaic must be at least 3x3 px: publish a larger picture")
        return packed(data, height, width, step, is_bigendian)

    return decoder


def _yuv422(code: int) -> Decoder:
    """Make the decoder of YUV whose chroma is shared by two neighbours of a row."""
    packed = _packed(2, code)

    def decoder(data: Data, height: int, width: int, step: int, is_bigendian: bool) -> UInt8:
        if width % 2:
            raise InputError("the width must be even, since two pixels share a colour: crop it by one")
        return packed(data, height, width, step, is_bigendian)

    return decoder


def _yuv420(code: int) -> Decoder:
    """Make the decoder of a luma plane followed by a plane of interleaved chroma at half the resolution."""

    def decoder(data: Data, height: int, width: int, step: int, _is_bigendian: bool) -> UInt8:
        if width % 2 or height % 2:
            raise InputError("width and height must be even, since 2x2 pixels share a colour: crop it")
        rows = _rows(data, height * 3 // 2, width, step)
        chroma = rows[height:].reshape(height // 2, width // 2, 2)
        return np.asarray(cv2.cvtColorTwoPlane(rows[:height], chroma, code), np.uint8)

    return decoder


DECODERS: Mapping[str, Decoder] = MappingProxyType(
    {
        "rgb8": _packed(3, None),
        "bgr8": _packed(3, cv2.COLOR_BGR2RGB),
        "mono8": _packed(1, cv2.COLOR_GRAY2RGB),
        "rgba8": _packed(4, cv2.COLOR_RGBA2RGB),
        "bgra8": _packed(4, cv2.COLOR_BGRA2RGB),
        "8UC1": _packed(1, cv2.COLOR_GRAY2RGB),
        "8UC3": _packed(3, cv2.COLOR_BGR2RGB),
        "8UC4": _packed(4, cv2.COLOR_BGRA2RGB),
        "rgb16": _packed(3, None, depth=16),
        "bgr16": _packed(3, cv2.COLOR_BGR2RGB, depth=16),
        "mono16": _packed(1, cv2.COLOR_GRAY2RGB, depth=16),
        "rgba16": _packed(4, cv2.COLOR_RGBA2RGB, depth=16),
        "bgra16": _packed(4, cv2.COLOR_BGRA2RGB, depth=16),
        "yuv422": _yuv422(cv2.COLOR_YUV2RGB_UYVY),
        "uyvy": _yuv422(cv2.COLOR_YUV2RGB_UYVY),
        "yuv422_yuy2": _yuv422(cv2.COLOR_YUV2RGB_YUY2),
        "yuyv": _yuv422(cv2.COLOR_YUV2RGB_YUY2),
        "nv12": _yuv420(cv2.COLOR_YUV2RGB_NV12),
        "nv21": _yuv420(cv2.COLOR_YUV2RGB_NV21),
        "bayer_rggb8": _bayer(cv2.COLOR_BayerBG2RGB),
        "bayer_bggr8": _bayer(cv2.COLOR_BayerRG2RGB),
        "bayer_gbrg8": _bayer(cv2.COLOR_BayerGR2RGB),
        "bayer_grbg8": _bayer(cv2.COLOR_BayerGB2RGB),
        "bayer_rggb16": _bayer(cv2.COLOR_BayerBG2RGB, depth=16),
        "bayer_bggr16": _bayer(cv2.COLOR_BayerRG2RGB, depth=16),
        "bayer_gbrg16": _bayer(cv2.COLOR_BayerGR2RGB, depth=16),
        "bayer_grbg16": _bayer(cv2.COLOR_BayerGB2RGB, depth=16),
    }
)
"""Encoding → decoder, in the order in which an error message lists them."""
