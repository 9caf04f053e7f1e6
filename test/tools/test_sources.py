"""Frame sources: what goes in comes out in order, once or for ever; what cannot be read is said."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from facemesh_ros.errors import InputError
from facemesh_ros.tools import sources
from facemesh_ros.tools.moving_face import PERIOD_FRAMES, MovingFace
from facemesh_ros.tools.sources import FALLBACK_RATE_HZ, MOVING_FACE, open_source

SIZE_WH = (64, 48)
VIDEO_MARGIN = 12
"""Grey levels by which a plain frame may change through Motion JPEG."""


def plain_frame(level: int, size_wh: tuple[int, int] = SIZE_WH) -> np.ndarray:
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def levels(frames: list[np.ndarray]) -> list[int]:
    return [round(float(frame.mean())) for frame in frames]


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    for name, level in (("b.png", 20), ("c.bmp", 30), ("a.png", 10)):
        cv2.imwrite(str(tmp_path / name), plain_frame(level))
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.0, SIZE_WH)
    assert writer.isOpened(), "this OpenCV cannot write Motion JPEG"
    for level in (40, 80, 120, 160):
        writer.write(plain_frame(level))
    writer.release()
    return path


class FakeCapture:
    """A webcam of two frames that is then unplugged."""

    def __init__(self, _index: int) -> None:
        self.frames = [plain_frame(1), plain_frame(2), plain_frame(3)]
        self.properties: dict[int, float] = {}
        self.released = False

    def read(self) -> tuple[bool, np.ndarray | None]:
        return (True, self.frames.pop(0)) if self.frames else (False, None)

    def set(self, what: int, value: float) -> bool:
        self.properties[what] = value
        return True

    def get(self, what: int) -> float:
        return self.properties.get(what, 0.0)

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return not self.released

    def release(self) -> None:
        self.released = True


@pytest.mark.parametrize("size_wh", [(64, 48), (40, 40), (10, 200)])
def test_every_source_yields_frames_of_the_size_it_states(
    image_folder: Path, video: Path, size_wh: tuple[int, int]
) -> None:
    for spec in (image_folder, image_folder / "a.png", video):
        source = open_source(spec, size_wh=size_wh)
        assert source.size_wh == size_wh
        for frame in source:
            assert frame.shape == (size_wh[1], size_wh[0], 3)
            assert frame.dtype == np.uint8


def test_a_source_yields_the_same_frames_each_time_it_is_iterated(image_folder: Path, video: Path) -> None:
    for spec in (image_folder, video):
        source = open_source(spec)
        for first, second in zip(source, source, strict=True):
            np.testing.assert_array_equal(first, second)


def test_a_looping_source_begins_again_and_another_one_ends(image_folder: Path, video: Path) -> None:
    for spec, count in ((image_folder, 3), (video, 4)):
        once = levels(list(open_source(spec)))
        assert len(once) == count
        assert levels(list(itertools.islice(open_source(spec, loop=True), 2 * count + 1))) == [
            *once,
            *once,
            once[0],
        ]


def test_images_come_in_the_order_of_their_names_and_other_files_are_left_alone(image_folder: Path) -> None:
    source = open_source(image_folder)
    assert levels(list(source)) == [10, 20, 30]
    assert (source.rate_hz, source.skipped) == (FALLBACK_RATE_HZ, 0)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_image_is_warned_of_and_counted_once_and_the_others_come(
    image_folder: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (image_folder / "aa.png").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        source = open_source(image_folder)
        assert [levels(list(source)) for _ in range(2)] == [[10, 20, 30]] * 2
    assert source.skipped == 1
    assert len(caplog.records) == 1
    assert "aa.png" in caplog.text


def test_a_picture_of_another_shape_is_scaled_to_fit_and_centred_on_black(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wide.png"), plain_frame(100, (80, 20)))
    (frame,) = open_source(tmp_path / "wide.png", size_wh=(40, 30))
    assert frame[:10].max() == 0
    assert frame[20:].max() == 0
    np.testing.assert_array_equal(frame[10:20], 100)


def test_a_photograph_is_turned_as_its_exif_tag_says(tmp_path: Path) -> None:
    half_white = plain_frame(0)
    half_white[:, :32] = 255
    jpeg = cv2.imencode(".jpg", half_white)[1].tobytes()
    # A big-endian TIFF directory of one entry: orientation (0x0112), short, 6: the first column is at the top.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "turned.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    source = open_source(tmp_path / "turned.jpg")
    (frame,) = source
    assert source.size_wh == (48, 64)
    assert frame[:28].min() > 200
    assert frame[36:].max() < 50


def test_a_video_keeps_its_own_rate_unless_another_is_asked_for(video: Path) -> None:
    assert open_source(video).rate_hz == pytest.approx(12.0)
    assert open_source(video, rate_hz=5.0).rate_hz == 5.0
    assert np.abs(np.array(levels(list(open_source(video)))) - [40, 80, 120, 160]).max() < VIDEO_MARGIN


def test_the_moving_face_is_a_source_of_one_period() -> None:
    source = open_source(MOVING_FACE, size_wh=SIZE_WH)
    frames = list(source)
    assert len(frames) == PERIOD_FRAMES
    np.testing.assert_array_equal(frames[7], MovingFace(SIZE_WH).frame_bgr(7))


def test_a_webcam_that_is_unplugged_is_an_error_and_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.cv2, "VideoCapture", FakeCapture)
    source = open_source("0", rate_hz=15.0)
    assert (source.size_wh, source.rate_hz) == (SIZE_WH, 15.0)
    frames = iter(source)
    assert levels([next(frames), next(frames)]) == [2, 3]
    with pytest.raises(InputError, match="webcam 0 stopped"):
        next(frames)
    assert list(source) == []


def test_a_closed_webcam_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.cv2, "VideoCapture", FakeCapture)
    with open_source(0) as source:
        assert levels([next(iter(source))]) == [2]
    assert list(source) == []


def test_a_missing_webcam_is_named_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"webcam 97 delivers no image; this machine has .*check the index"):
        open_source("97")


def test_what_cannot_be_opened_says_what_was_got_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "fake.mp4").write_text("no video")
    (tmp_path / "fake.png").write_text("no image")
    for spec, message in (
        ("missing.mp4", "no file or folder missing.mp4.*'moving-face'.*check the name"),
        (tmp_path / "empty", r"empty holds no image; .*\.png.*check the folder"),
        (tmp_path / "fake.mp4", "finds no video in .*fake.mp4.*convert it"),
        (tmp_path / "fake.png", "none of the 1 image files of .*fake.png.*convert them"),
    ):
        with pytest.raises(InputError, match=message):
            open_source(spec)


@pytest.mark.parametrize("bad", [{"size_wh": (0, 480)}, {"rate_hz": 0.0}, {"rate_hz": float("nan")}])
def test_a_size_or_rate_that_is_not_positive_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        open_source(MOVING_FACE, **bad)  # type: ignore[arg-type]
