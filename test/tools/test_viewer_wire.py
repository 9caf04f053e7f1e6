"""The messages of the web page: what is packed is unpacked, and what breaks a rule is refused before it costs much."""

import json
import struct

import cv2
import numpy as np
import pytest
from viewer_fakes import a_face, a_jpeg, metric

from facemesh_ros.errors import InputError
from facemesh_ros.tools.viewer.snapshot import MOST_FACES, Snapshot
from facemesh_ros.tools.viewer.wire import (
    INVALID,
    LONGEST_PICTURE_SIDE_PX,
    LONGEST_VIDEO_SIDE_PX,
    MOST_PICTURE_BYTES,
    MOST_TEXT_BYTES,
    REFUSED,
    TOO_BIG,
    UNSUPPORTED,
    Command,
    RefusedError,
    command,
    frame_message,
    frame_parts,
    jpeg_size_wh,
    picture,
    picture_message,
    video_jpeg,
)

every_crowd = pytest.mark.parametrize(
    "faces",
    [(), (a_face(1),), (a_face(1, 468), metric(a_face(7))), (metric(a_face(3)),)],
    ids=["nobody", "one", "two of two kinds", "one in metres"],
)


@every_crowd
@pytest.mark.parametrize("jpeg", [b"", b"\xff\xd8 a picture"], ids=["no video", "video"])
def test_a_frame_is_unpacked_as_it_was_packed(faces, jpeg):
    numbers, floats, picture_bytes = frame_parts(
        frame_message(Snapshot(1.5, (640, 480), faces, 12.0, jpeg), {"seq": 9})
    )
    assert (numbers["seq"], numbers["stamp"], numbers["width"], numbers["height"]) == (9, 1.5, 640, 480)
    assert picture_bytes == jpeg
    at = 0
    for told, face in zip(numbers["faces"], faces, strict=True):
        meshes = [face.smoothed.points] + ([face.points_m] if told["metric"] else [])
        assert (told["id"], told["points"]) == (face.track_id, len(face.smoothed.points))
        for mesh in meshes:
            assert np.array_equal(floats[at : at + mesh.size], mesh.ravel())
            at += mesh.size
    assert at == len(floats)


@every_crowd
def test_floats_lie_at_a_multiple_of_four_so_that_the_page_needs_no_copy(faces):
    message = frame_message(Snapshot(1.5, (640, 480), faces, 12.0), {})
    assert struct.unpack_from("<I", message, 4)[0] % 4 == 0


@every_crowd
def test_a_frame_that_lacks_a_byte_is_none(faces):
    message = frame_message(Snapshot(1.5, (640, 480), faces, 12.0, b"jpeg"), {})
    for broken in (message[:-1], message + b"x", b"", b"FMF1", b"XXXX" + message[4:]):
        with pytest.raises(InputError):
            frame_parts(broken)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_another_node_got_wrong_is_left_out_and_the_rest_is_shown(bad):
    face = metric(a_face())
    numbers, floats, _ = frame_parts(frame_message(Snapshot(1.0, (640, 480), (face,), bad, b"", 0, {"mesh": bad}), {}))
    assert (numbers["latency_ms"], numbers["stages_ms"]) == (None, {"mesh": None})
    [told] = numbers["faces"]
    assert told["pose"]["distance_m"] == pytest.approx(0.6, abs=0.01) and len(floats) == 2 * 3 * 478


def test_a_frame_of_the_largest_crowd_is_bounded():
    crowd = tuple(metric(a_face(1 + i)) for i in range(MOST_FACES + 5))
    message = frame_message(Snapshot(1.5, (640, 480), crowd, 12.0), {})
    numbers, floats, _ = frame_parts(message)
    assert len(numbers["faces"]) == MOST_FACES
    assert struct.unpack_from("<I", message, 4)[0] < 64 << 10
    assert floats.nbytes == MOST_FACES * 2 * 478 * 12


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"type": "ack", "value": 7}', Command("ack", 7)),
        ('{"type": "camera", "value": true}', Command("camera", True)),
        ('{"type": "camera", "value": false}', Command("camera", False)),
    ],
)
def test_a_command_is_read(text, wanted):
    assert command(text) == wanted


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", INVALID),
        ("no JSON", INVALID),
        ("[" * MOST_TEXT_BYTES, INVALID),
        ("null", REFUSED),
        ("[]", REFUSED),
        ("{}", REFUSED),
        ('{"type": "shutdown", "value": 1}', REFUSED),
        ('{"type": ["ack"], "value": 1}', REFUSED),
        ('{"type": "ack"}', REFUSED),
        ('{"type": "ack", "value": true}', REFUSED),
        ('{"type": "ack", "value": 1.5}', REFUSED),
        ('{"type": "camera", "value": 1}', REFUSED),
        (json.dumps({"type": "ack", "value": 1, "more": "x" * MOST_TEXT_BYTES}), TOO_BIG),
    ],
)
def test_a_text_that_is_no_command_is_refused(text, code):
    with pytest.raises(RefusedError) as refused:
        command(text)
    assert refused.value.code == code


@pytest.mark.parametrize("size_wh", [(1, 1), (64, 48), (LONGEST_PICTURE_SIDE_PX, 8)])
@pytest.mark.parametrize("flags", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]], ids=["baseline", "progressive"])
def test_the_size_of_a_jpeg_is_read_from_its_head(size_wh, flags):
    jpeg = cv2.imencode(".jpg", np.zeros((size_wh[1], size_wh[0], 3), np.uint8), flags)[1].tobytes()
    assert jpeg_size_wh(jpeg) == size_wh
    assert picture(picture_message(5, jpeg)) == (5, jpeg)


def test_a_size_in_a_thumbnail_is_not_the_pictures():
    thumbnail = a_jpeg((16, 16))
    jpeg = a_jpeg((64, 48))
    with_thumbnail = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail + jpeg[2:]
    assert jpeg_size_wh(with_thumbnail) == (64, 48)


@pytest.mark.parametrize("marker", [0xC4, 0xC8, 0xCC, 0xDB, 0xE0, 0xFE])
def test_tables_before_the_size_are_passed_over(marker):
    jpeg = a_jpeg((64, 48))
    table = bytes([0xFF, marker]) + struct.pack(">H", 12) + bytes(range(10))
    assert jpeg_size_wh(jpeg[:2] + table + jpeg[2:]) == (64, 48)


@pytest.mark.parametrize("marker", [0x00, 0x02, 0xBF])
def test_a_size_after_what_decoders_pass_over_byte_by_byte_is_not_believed(marker):
    small, large = a_jpeg((64, 48)), a_jpeg((640, 480))
    hidden = large[2:]
    lie = bytes([0xFF, marker]) + struct.pack(">H", 2 + len(hidden)) + hidden
    with pytest.raises(RefusedError):
        jpeg_size_wh(small[:2] + lie + small[2:])


def bomb(size_wh):
    """A few bytes that claim to be a huge picture."""
    jpeg = bytearray(a_jpeg((16, 16)))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", size_wh[1], size_wh[0])
    return bytes(jpeg)


def many_scans(count):
    """A small file that takes seconds to decode where each scan passes over the whole picture."""
    jpeg = cv2.imencode(".jpg", np.zeros((1920, 1920, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + count * last + jpeg[-2:]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", UNSUPPORTED),
        (b"FMP1", UNSUPPORTED),
        (b"XXXX" + picture_message(1, a_jpeg())[4:], UNSUPPORTED),
        (picture_message(1, b""), UNSUPPORTED),
        (picture_message(1, b"\xff\xd8"), UNSUPPORTED),
        (picture_message(1, b"\xff\xd8\xff\xe0\x00\x00\xff\xff\xff\xff\xff"), UNSUPPORTED),
        (picture_message(1, b"\xff\xd8" + b"\xff" * 5000), UNSUPPORTED),
        (picture_message(1, b"\x89PNG\r\n\x1a\n" + b"x" * 50), UNSUPPORTED),
        (picture_message(1, a_jpeg()[:2] + b"\xff" * 5000 + a_jpeg()[2:]), UNSUPPORTED),  # each byte costs a step
        (picture_message(1, a_jpeg()[:2] + b"\xff\xd0" * 5000 + a_jpeg()[2:]), UNSUPPORTED),
        (picture_message(1, many_scans(4000)), TOO_BIG),
        (picture_message(1, bomb((65535, 65535))), TOO_BIG),
        (picture_message(1, bomb((LONGEST_PICTURE_SIDE_PX + 1, 1))), TOO_BIG),
        (picture_message(1, bomb((0, 16))), UNSUPPORTED),
        (picture_message(1, a_jpeg() + b"x" * MOST_PICTURE_BYTES), TOO_BIG),
    ],
)
def test_what_is_no_picture_of_a_size_that_is_taken_is_refused(message, code):
    with pytest.raises(RefusedError) as refused:
        picture(message)
    assert refused.value.code == code


@pytest.mark.parametrize("size_wh", [(1, 1), (640, 480), (LONGEST_VIDEO_SIDE_PX, 10), (4000, 1000), (10, 5000)])
def test_video_is_no_larger_than_a_page_and_keeps_its_shape(size_wh):
    width, height = jpeg_size_wh(video_jpeg(np.zeros((size_wh[1], size_wh[0], 3), np.uint8)))
    assert max(width, height) <= LONGEST_VIDEO_SIDE_PX
    if max(size_wh) <= LONGEST_VIDEO_SIDE_PX:
        assert (width, height) == size_wh
    else:
        assert width / height == pytest.approx(size_wh[0] / size_wh[1], rel=0.3)
