"""The pixel formats of sensor_msgs/Image, each with the function that makes a picture of its bytes.

Free of ROS: a reader takes the fields of the message. Names follow sensor_msgs/image_encodings.hpp; what
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
from numpy.typing import NDArray

from facemesh_ros.errors import InputError
from facemesh_ros.picture import Encoded, Interleaved, Picture
from facemesh_ros.types import Float32, UInt8

Data: TypeAlias = "bytes | bytearray | memoryview | array[int]"
"""What holds the bytes of a message: ``array.array("B")`` in rclpy, anything with a buffer elsewhere."""

Reader = Callable[[Data, int, int, int, bool], Picture]
"""(data, height, width, step, is_bigendian) to a picture of these bytes."""


def picture(encoding: str, data: Data, height: int, width: int, step: int, is_bigendian: bool = False) -> Picture:
    """Make a picture of the bytes of an image, which it reads where they lie: keep them as they are.

    Args:
        encoding: one of :data:`READERS`.
        data: the rows, one after another.
        height: px.
        width: px.
        step: bytes from the start of a row to the start of the next one.
        is_bigendian: the byte order of 16-bit samples; meaningless for others.

    Raises:
        InputError: an unknown encoding, an empty picture, a step or data too short, or a size that the
            encoding cannot have.
    """
    if encoding not in READERS:
        raise InputError(f"encoding {encoding!r} cannot be read; {remedy(encoding)}")
    try:
        if height <= 0 or width <= 0:
            raise InputError("width and height must be positive: check the driver's settings")
        return READERS[encoding](data, height, width, step, is_bigendian)
    except InputError as error:
        raise InputError(f"{encoding} image of {width}x{height} px: {error}") from None


def decode(encoding: str, data: Data, height: int, width: int, step: int, is_bigendian: bool = False) -> UInt8:
    """Turn the bytes of an image into RGB; arguments and errors are those of :func:`picture`.

    Returns:
        (height, width, 3) uint8 RGB, C-ordered, read-only. Unpadded ``rgb8`` is a view of ``data``, all else
        a copy.
    """
    return picture(encoding, data, height, width, step, is_bigendian).rgb


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
    """Say what to do about an encoding that is not in :data:`READERS`."""
    if encoding in DEPTH:
        return "it is depth (REP 118): remap `image` to the camera's colour or infrared (mono8, mono16) topic"
    return f"set the camera's driver to one of {', '.join(READERS)}, or install cv_bridge for further ones"


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


def _packed(channels: int, code: int | None) -> Reader:
    """Make the reader of 8-bit channels that lie side by side; ``code``: see :class:`Interleaved`."""

    def reader(data: Data, height: int, width: int, step: int, _is_bigendian: bool) -> Picture:
        return Interleaved(_pixels(data, height, width, step, channels), code)

    return reader


def _packed16(channels: int, code: int | None) -> Reader:
    """Make the reader of 16-bit channels, which are rounded to 8 bits before anything else."""

    def reader(data: Data, height: int, width: int, step: int, is_bigendian: bool) -> Picture:
        samples = _samples16(data, height, width * channels, step, is_bigendian)

        def convert(rows: slice, columns: slice) -> UInt8:
            part = _top_bytes(samples[rows, channels * columns.start : channels * columns.stop])
            return Interleaved(part.reshape(len(part), -1, channels), code).rgb

        return Encoded((width, height), convert)

    return reader


def _pixels(data: Data, height: int, width: int, step: int, channels: int) -> UInt8:
    """View ``data`` as (height, width, channels)."""
    return _rows(data, height, width * channels, step).reshape(height, width, channels)


def _samples16(data: Data, height: int, samples: int, step: int, is_bigendian: bool) -> NDArray[np.uint16]:
    """View ``data`` as (height, samples) of 16 bits in the given byte order."""
    return _rows(data, height, 2 * samples, step).view(">u2" if is_bigendian else "<u2")


def _top_bytes(samples: NDArray[np.uint16]) -> UInt8:
    """Scale (H, N) samples of 16 bits in any byte order to 8 bits."""
    return np.asarray(cv2.convertScaleAbs(samples.astype(np.uint16), alpha=1 / 257), np.uint8)


def _bayer(code: int) -> Reader:
    """Make the reader of a colour mosaic of 8 bits."""

    def reader(data: Data, height: int, width: int, step: int, _is_bigendian: bool) -> Picture:
        mosaic = _rows(data, height, width, step)
        return _demosaiced((width, height), code, lambda rows, columns: mosaic[rows, columns])

    return reader


def _bayer16(code: int) -> Reader:
    """Make the reader of a colour mosaic of 16 bits."""

    def reader(data: Data, height: int, width: int, step: int, is_bigendian: bool) -> Picture:
        mosaic = _samples16(data, height, width, step, is_bigendian)
        return _demosaiced((width, height), code, lambda rows, columns: _top_bytes(mosaic[rows, columns]))

    return reader


def _demosaiced(size_wh: tuple[int, int], code: int, part_of: Callable[[slice, slice], UInt8]) -> Picture:
    """Make a picture of a mosaic, ``part_of`` which returns a rectangle.

    OpenCV interpolates a pixel from its neighbours, and repeats the last but one at the edge. So it takes 3 by 3
    pixels, and a rectangle needs a rim that is taken off again where it does not end with the image.
    """
    width, height = size_wh
    if height < 3 or width < 3:
        raise InputError("a Bayer mosaic must be at least 3x3 px: publish a larger picture")

    def convert(rows: slice, columns: slice) -> UInt8:
        with_rim = _widened(rows, height), _widened(columns, width)
        rgb = np.asarray(cv2.cvtColor(part_of(*with_rim), code), np.uint8)
        top, left = rows.start - with_rim[0].start, columns.start - with_rim[1].start
        return rgb[top : top + rows.stop - rows.start, left : left + columns.stop - columns.start]

    return Encoded(size_wh, convert)


def _widened(part: slice, length: int) -> slice:
    """Return a range with a rim of a block of the mosaic, as far as there is one."""
    return slice(max(part.start - 2, 0), min(part.stop + 2, length))


def _yuv422(code: int) -> Reader:
    """Make the reader of YUV whose chroma is shared by two neighbours of a row."""

    def reader(data: Data, height: int, width: int, step: int, _is_bigendian: bool) -> Picture:
        pixels = _pixels(data, height, width, step, 2)
        if width % 2:
            raise InputError("the width must be even, since two pixels share a colour: crop it by one")
        return Encoded((width, height), lambda *part: np.asarray(cv2.cvtColor(pixels[part], code), np.uint8))

    return reader


def _yuv420(code: int) -> Reader:
    """Make the reader of a luma plane followed by a plane of interleaved chroma at half the resolution."""

    def reader(data: Data, height: int, width: int, step: int, _is_bigendian: bool) -> Picture:
        if width % 2 or height % 2:
            raise InputError("width and height must be even, since 2x2 pixels share a colour: crop it")
        planes = _rows(data, height * 3 // 2, width, step)
        luma, chroma = planes[:height], planes[height:].reshape(height // 2, width // 2, 2)

        def convert(rows: slice, columns: slice) -> UInt8:
            colors = chroma[_halved(rows), _halved(columns)]
            return np.asarray(cv2.cvtColorTwoPlane(luma[rows, columns], colors, code), np.uint8)

        return Encoded((width, height), convert)

    return reader


def _halved(part: slice) -> slice:
    return slice(part.start // 2, part.stop // 2)


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "rgb8": _packed(3, None),
        "bgr8": _packed(3, cv2.COLOR_BGR2RGB),
        "mono8": _packed(1, cv2.COLOR_GRAY2RGB),
        "rgba8": _packed(4, cv2.COLOR_RGBA2RGB),
        "bgra8": _packed(4, cv2.COLOR_BGRA2RGB),
        "8UC1": _packed(1, cv2.COLOR_GRAY2RGB),
        "8UC3": _packed(3, cv2.COLOR_BGR2RGB),
        "8UC4": _packed(4, cv2.COLOR_BGRA2RGB),
        "rgb16": _packed16(3, None),
        "bgr16": _packed16(3, cv2.COLOR_BGR2RGB),
        "mono16": _packed16(1, cv2.COLOR_GRAY2RGB),
        "rgba16": _packed16(4, cv2.COLOR_RGBA2RGB),
        "bgra16": _packed16(4, cv2.COLOR_BGRA2RGB),
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
        "bayer_rggb16": _bayer16(cv2.COLOR_BayerBG2RGB),
        "bayer_bggr16": _bayer16(cv2.COLOR_BayerRG2RGB),
        "bayer_gbrg16": _bayer16(cv2.COLOR_BayerGR2RGB),
        "bayer_grbg16": _bayer16(cv2.COLOR_BayerGB2RGB),
    }
)
"""Encoding → reader, in the order in which an error message lists them."""
