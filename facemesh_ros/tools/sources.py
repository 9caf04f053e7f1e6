"""Frames from a video file, a folder of images, a webcam or the built-in moving face, behind one class.

    source = open_source("clip.mp4")
    for image_bgr in source: ...

No clock is read here: a source says at which rate its frames belong, and whoever plays them keeps the time; only a
webcam keeps it by itself.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import InputError
from facemesh_ros.tools.moving_face import PERIOD_FRAMES, MovingFace

MOVING_FACE = "moving-face"
"""The spec of the built-in moving face."""

FALLBACK_RATE_HZ = 30.0
"""For sources that have no rate of their own (images, the moving face) or do not tell it."""

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})

_DEFAULT_FILM_SIZE_WH = (640, 480)

_log = logging.getLogger(__name__)

Frame = NDArray[np.uint8]
"""(H, W, 3) uint8 BGR."""


class FrameSource(ABC):
    """A supply of BGR frames. Iterate over it; close it, or use it as a context, when done before its end."""

    keeps_time = False
    """Whether it delivers each frame when it is due, so that nobody need wait."""

    def __init__(self, name: str, size_wh: tuple[int, int], rate_hz: float, loop: bool) -> None:
        self.name = name
        """For people: the file, the folder, the webcam."""
        self.size_wh = size_wh
        """Width and height of the frames, px; of the first one where a folder's pictures differ."""
        self.rate_hz = rate_hz
        """Frames a second at which they were taken, or at which they are meant to be played."""
        self.loop = loop
        """Whether the frames begin again after the last one. A webcam has no last one."""
        self.skipped = 0
        """Files that could not be read and were left out, so far."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames once, or for ever when `loop` is set."""
        while True:
            empty = True
            for frame in self._frames():
                empty = False
                yield frame
            if empty or not self.loop:
                return

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 (most sources hold nothing between frames)
        """Give back what the source holds."""

    @abstractmethod
    def _frames(self) -> Iterator[Frame]:
        """Yield the frames from the first to the last."""


def open_source(
    spec: str | int | Path,
    size_wh: tuple[int, int] | None = None,
    rate_hz: float | None = None,
    loop: bool = False,
) -> FrameSource:
    """Open what `spec` names: ``moving-face``, a webcam's index, an image, a folder of them or a video file.

    Args:
        spec: a folder whose name is a number is written ``./0``, since ``0`` is the first webcam.
        size_wh: width and height of the frames, px; None keeps those of the source (moving face: 640×480).
            Pictures and video of another shape are scaled to fit and centred on black.
        rate_hz: replaces the rate that the source has by itself.
        loop: begin again after the last frame.

    Raises:
        InputError: there is no such file or webcam, it gives no readable frame, or a size or rate is not
            positive.
    """
    if size_wh is not None and min(size_wh) < 1:
        raise InputError(f"size_wh is {size_wh}; width and height must be at least 1 px: give e.g. (640, 480)")
    if rate_hz is not None and not (math.isfinite(rate_hz) and rate_hz > 0.0):
        raise InputError(f"rate_hz is {rate_hz}; it must be a positive number of frames a second: give e.g. 30")
    if spec == MOVING_FACE:
        return MovingFaceFilm(size_wh, rate_hz, loop)
    if str(spec).isdecimal():
        return Webcam(int(str(spec)), size_wh, rate_hz)
    path = Path(str(spec)).expanduser()
    if not path.exists():
        raise InputError(
            f"there is no file or folder {path}; a source is {MOVING_FACE!r}, the index of a webcam (0, 1, ...), a "
            "folder of images, an image or a video file: check the name"
        )
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFiles(path, size_wh, rate_hz, loop)
    return VideoFile(path, size_wh, rate_hz, loop)


class MovingFaceFilm(FrameSource):
    """One period of the built-in moving face."""

    def __init__(self, size_wh: tuple[int, int] | None, rate_hz: float | None, loop: bool) -> None:
        self._film = MovingFace(size_wh or _DEFAULT_FILM_SIZE_WH)
        super().__init__("the moving face", self._film.size_wh, rate_hz or FALLBACK_RATE_HZ, loop)

    def _frames(self) -> Iterator[Frame]:
        return (self._film.frame_bgr(index) for index in range(PERIOD_FRAMES))


class ImageFiles(FrameSource):
    """The images of a folder in the order of their names, or one image; turned as their EXIF tag says."""

    def __init__(self, path: Path, size_wh: tuple[int, int] | None, rate_hz: float | None, loop: bool) -> None:
        self._paths = _image_paths(path)
        self._forced_size_wh = size_wh
        self._unreadable: set[Path] = set()
        super().__init__(str(path), (0, 0), rate_hz or FALLBACK_RATE_HZ, loop)
        first = next(self._frames(), None)
        if first is None:
            raise InputError(
                f"OpenCV can read none of the {len(self._paths)} image files of {path}; they may be cut short or "
                "of another format than their name says: convert them to PNG or JPEG"
            )
        self.size_wh = (first.shape[1], first.shape[0])

    def _frames(self) -> Iterator[Frame]:
        for path in self._paths:
            image = self._read(path)
            if image is not None:
                yield _fitted(image, self._forced_size_wh)

    def _read(self, path: Path) -> Frame | None:
        """Decode a file; one that cannot be read is warned of and counted the first time, and None."""
        image = None
        with suppress(OSError, cv2.error):  # cv2.error: an empty file
            image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        if image is None and path not in self._unreadable:
            self._unreadable.add(path)
            self.skipped = len(self._unreadable)
            _log.warning("%s is skipped: OpenCV cannot read it as an image; convert or remove it", path)
        return None if image is None else np.asarray(image, np.uint8)


class VideoFile(FrameSource):
    """A video file in any format that this machine's OpenCV decodes."""

    def __init__(self, path: Path, size_wh: tuple[int, int] | None, rate_hz: float | None, loop: bool) -> None:
        self._path = path
        self._forced_size_wh = size_wh
        capture = cv2.VideoCapture(str(path))
        own_rate_hz = capture.get(cv2.CAP_PROP_FPS)
        first = _next_frame(capture)
        capture.release()
        if first is None:
            raise InputError(
                f"OpenCV finds no video in {path}; it may be cut short, of a format that it does not decode, or "
                "no video at all: convert it, e.g. with `ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4`"
            )
        shown = _fitted(first, size_wh)
        super().__init__(str(path), (shown.shape[1], shown.shape[0]), rate_hz or _rate_or_fallback(own_rate_hz), loop)

    def _frames(self) -> Iterator[Frame]:
        # Opened anew for each pass: seeking to frame 0 is not exact in every container.
        capture = cv2.VideoCapture(str(self._path))
        try:
            while (frame := _next_frame(capture)) is not None:
                yield _fitted(frame, self._forced_size_wh)
        finally:
            capture.release()


class Webcam(FrameSource):
    """A camera of this machine, held open until it is closed."""

    keeps_time = True

    def __init__(self, index: int, size_wh: tuple[int, int] | None, rate_hz: float | None) -> None:
        self._capture = cv2.VideoCapture(index)
        wanted = {cv2.CAP_PROP_BUFFERSIZE: 1.0}  # the newest image, not the oldest one that waits
        if size_wh is not None:
            wanted |= {cv2.CAP_PROP_FRAME_WIDTH: size_wh[0], cv2.CAP_PROP_FRAME_HEIGHT: size_wh[1]}
        if rate_hz is not None:
            wanted[cv2.CAP_PROP_FPS] = rate_hz
        for what, value in wanted.items():
            self._capture.set(what, value)  # a wish: what the camera cannot do, it leaves as it is
        first = _next_frame(self._capture)
        if first is None:
            self._capture.release()
            raise InputError(
                f"webcam {index} delivers no image; this machine has {_webcam_names()}: check the index, that no "
                "other program uses the camera, and that you may read the device (group `video`)"
            )
        self._forced_size_wh = size_wh
        shown = _fitted(first, size_wh)
        own_rate_hz = _rate_or_fallback(self._capture.get(cv2.CAP_PROP_FPS))
        super().__init__(f"webcam {index}", (shown.shape[1], shown.shape[0]), rate_hz or own_rate_hz, loop=False)

    def close(self) -> None:
        """Let other programs have the camera."""
        self._capture.release()

    def _frames(self) -> Iterator[Frame]:
        while self._capture.isOpened():
            frame = _next_frame(self._capture)
            if frame is None:
                self.close()
                raise InputError(f"{self.name} stopped delivering images: plug it in again and restart")
            yield _fitted(frame, self._forced_size_wh)


def _image_paths(path: Path) -> Sequence[Path]:
    """Return `path` itself, or the image files of the folder, sorted by name."""
    if not path.is_dir():
        return [path]
    paths = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise InputError(
            f"the folder {path} holds no image; file names that end in {', '.join(sorted(IMAGE_SUFFIXES))} are "
            "taken: check the folder"
        )
    return paths


def _next_frame(capture: cv2.VideoCapture) -> Frame | None:
    found, frame = capture.read()
    return np.asarray(frame, np.uint8) if found and frame is not None else None


def _rate_or_fallback(rate_hz: float) -> float:
    """Return what a container or driver says, unless it says nothing (0, negative or NaN)."""
    return float(rate_hz) if math.isfinite(rate_hz) and rate_hz > 0.0 else FALLBACK_RATE_HZ


def _webcam_names() -> str:
    return ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "no /dev/video* device"


def _fitted(image: Frame, size_wh: tuple[int, int] | None) -> Frame:
    """Scale the image to fit into `size_wh` and centre it on black; None leaves it as it is."""
    height, width = image.shape[:2]
    if size_wh is None or size_wh == (width, height):
        return image
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    left, top = (size_wh[0] - inner_w) // 2, (size_wh[1] - inner_h) // 2
    framed = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    framed[top : top + inner_h, left : left + inner_w] = cv2.resize(image, (inner_w, inner_h), interpolation=method)
    return framed
