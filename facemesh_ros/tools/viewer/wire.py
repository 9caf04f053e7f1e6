"""The messages between server and browser, with their bounds; docs/viewer.md describes them for others.

Every number is little-endian. A frame, server to browser:

    0   4 s   "FMF1"
    4   u32   bytes of the JSON, with the spaces that fill it up to a multiple of 4
    8   u32   count of the floats
    12  u32   bytes of the JPEG; 0 where there is no video
    16  JSON, then floats (of each face its points in px, then, if "metric", those in m), then JPEG

A picture, browser to server:

    0   4 s   "FMP1"
    4   u32   a number of the sender's own, which its answer repeats as "picture"
    8   JPEG
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from facemesh_ros.errors import InputError
from facemesh_ros.tools.viewer.snapshot import MOST_FACES, Snapshot, snapshot_numbers
from facemesh_ros.types import UInt8

FRAME_MAGIC, PICTURE_MAGIC = b"FMF1", b"FMP1"
_FRAME, _PICTURE = struct.Struct("<4sIII"), struct.Struct("<4sI")

MOST_JPEG_BYTES = 4 << 20
"""Of a frame's picture."""
MOST_PICTURE_BYTES = 1 << 20
"""Of a message with a picture from a browser."""
MOST_TEXT_BYTES = 512
"""Of a message with JSON from a browser."""
LONGEST_PICTURE_SIDE_PX = 1920
LONGEST_VIDEO_SIDE_PX = 1280
"""Of the video as it is sent; larger images are scaled down, since a page is no larger."""
_JPEG_QUALITY = 80

_SIZES_AT = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of JPEG that are followed by the picture's size (ITU-T T.81, table B.1)."""
_BARE = frozenset(range(0xD0, 0xDA)) | {0x01}
"""Those that are followed by nothing of their own."""


class RefusedError(InputError):
    """A message that is not answered; its sender is told ``code`` (RFC 6455, 7.4.1) and the reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


UNSUPPORTED, INVALID, REFUSED, TOO_BIG, INTERNAL, BUSY = 1003, 1007, 1008, 1009, 1011, 1013


@dataclass(frozen=True)
class Command:
    """What a browser asks for."""

    kind: str
    """One of :data:`COMMANDS`."""
    value: int
    """True is 1."""


COMMANDS = {"ack": int, "camera": bool}
"""Kind → type of its "value": ``ack``, the "seq" of a frame that was drawn; ``camera``, whether the visitor's is on."""


def frame_message(snapshot: Snapshot, further: Mapping[str, Any]) -> bytes:
    """Return the message of a snapshot; ``further`` is added to its JSON."""
    text = json.dumps({**snapshot_numbers(snapshot), **further}, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    meshes = [mesh for face in snapshot.faces[:MOST_FACES] for mesh in (face.smoothed.points, face.points_m)]
    floats = b"".join(np.asarray(mesh, "<f4").tobytes() for mesh in meshes if mesh is not None)
    header = _FRAME.pack(FRAME_MAGIC, len(text), len(floats) // 4, len(snapshot.jpeg))
    return b"".join([header, text, floats, snapshot.jpeg])


def frame_parts(message: bytes) -> tuple[dict[str, Any], np.ndarray[Any, np.dtype[np.float32]], bytes]:
    """Return JSON, floats and JPEG of a frame: what the page does, for programs and tests.

    Raises:
        InputError: it is no frame.
    """
    if len(message) < _FRAME.size or not message.startswith(FRAME_MAGIC):
        raise InputError(f"{len(message)} bytes are no frame: it begins with {FRAME_MAGIC!r}")
    _, text_bytes, count, jpeg_bytes = _FRAME.unpack_from(message)
    floats_at = _FRAME.size + text_bytes
    jpeg_at = floats_at + 4 * count
    if len(message) != jpeg_at + jpeg_bytes:
        raise InputError(f"a frame of {len(message)} bytes; its header says {jpeg_at + jpeg_bytes}: it was cut short")
    floats = np.frombuffer(message, "<f4", count, floats_at)
    return json.loads(message[_FRAME.size : floats_at]), floats, message[jpeg_at:]


def command(text: str) -> Command:
    """Read a message of JSON from a browser.

    Raises:
        RefusedError: it is too long, no JSON, or none of :data:`COMMANDS`.
    """
    if len(text) > MOST_TEXT_BYTES:
        raise RefusedError(TOO_BIG, f"a text of {len(text)} characters; at most {MOST_TEXT_BYTES} are taken")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedError(INVALID, "the text is no JSON") from None
    if not isinstance(value, dict):
        value = {}
    kind, wanted = value.get("type"), value.get("value")
    if isinstance(kind, str) and isinstance(wanted, int) and type(wanted) is COMMANDS.get(kind):  # a bool is an int
        return Command(kind, wanted)
    raise RefusedError(REFUSED, f"a text must be of type {' or '.join(COMMANDS)}, with its value")


def picture(message: bytes) -> tuple[int, bytes]:
    """Read a message with a picture from a browser: its number and its JPEG, which is not decoded yet.

    Raises:
        RefusedError: it is too large, or no picture.
    """
    if len(message) > MOST_PICTURE_BYTES:
        raise RefusedError(TOO_BIG, f"a picture of {len(message)} bytes; at most {MOST_PICTURE_BYTES} are taken")
    if len(message) < _PICTURE.size or not message.startswith(PICTURE_MAGIC):
        raise RefusedError(UNSUPPORTED, f"{len(message)} bytes are no picture")
    jpeg = message[_PICTURE.size :]
    width, height = jpeg_size_wh(jpeg)
    if max(width, height) > LONGEST_PICTURE_SIDE_PX:
        longest = LONGEST_PICTURE_SIDE_PX
        raise RefusedError(TOO_BIG, f"a picture of {width}x{height} px; no side may be longer than {longest}")
    if jpeg.count(_SCAN) > _MOST_SCANS:
        raise RefusedError(TOO_BIG, f"a picture in more than {_MOST_SCANS} scans takes too long to decode")
    return int(_PICTURE.unpack_from(message)[1]), jpeg


def picture_message(number: int, jpeg: bytes) -> bytes:
    """Return the message that a browser sends."""
    return _PICTURE.pack(PICTURE_MAGIC, number) + jpeg


_MOST_STEPS = 1000
"""Through the markers before the size. Cameras write some twenty; the event loop waits for each."""
_SCAN = b"\xff\xda"
_MOST_SCANS = 100
"""Of a visitor's picture. Browsers write one, progressive encoders about ten; each takes a decoder over all pixels."""
_FIRST_SEGMENT = 0xC0
"""Markers below have no segment of their own (ITU-T T.81, table B.1)."""


def jpeg_size_wh(jpeg: bytes) -> tuple[int, int]:
    """Return the size, px, that a JPEG says it has, without decoding it: a few bytes may claim gigabytes.

    Raises:
        RefusedError: it is no JPEG, or none with a size.
    """
    at = 2
    for _ in range(_MOST_STEPS):
        if not jpeg.startswith(b"\xff\xd8") or at + 9 > len(jpeg) or jpeg[at] != 0xFF:
            break
        marker = jpeg[at + 1]
        if marker in _SIZES_AT:
            height, width = struct.unpack_from(">HH", jpeg, at + 5)
            if width and height:
                return width, height
            break
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
        elif marker < _FIRST_SEGMENT:
            break  # decoders pass over it byte by byte: what it says of its length is a lie
        else:
            at += 2 + int(struct.unpack_from(">H", jpeg, at + 2)[0])
    raise RefusedError(UNSUPPORTED, "the picture is no JPEG with a size")


def video_jpeg(image_bgr: UInt8) -> bytes:
    """Return an image as the page gets it: a JPEG, scaled down where it is large."""
    height, width = image_bgr.shape[:2]
    scale = LONGEST_VIDEO_SIDE_PX / max(width, height)
    if scale < 1.0:
        size_wh = max(1, round(width * scale)), max(1, round(height * scale))
        image_bgr = np.asarray(cv2.resize(image_bgr, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
