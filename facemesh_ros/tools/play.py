"""``facemesh play``: a video file, a folder of images, a webcam or the built-in moving face as a ROS camera."""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facemesh_ros.errors import InputError
from facemesh_ros.tools.sources import MOVING_FACE, FrameSource, open_source
from facemesh_ros.types import Camera

if TYPE_CHECKING:
    from facemesh_ros.ros.camera_publisher import CameraPublisher

NAP_S = 0.1
"""A signal is noticed after this long at most."""


def add_parser(subparsers: Any) -> None:
    """Add ``play`` to the command ``facemesh``."""
    parser = subparsers.add_parser(
        "play",
        help="publish a video, images, a webcam or the built-in moving face as a camera",
        description="Publish images and their camera_info as a camera does. Ctrl-C ends it.",
    )
    parser.add_argument(
        "source",
        nargs="?",
        default=MOVING_FACE,
        help=f"a video file, an image, a folder of images, the index of a webcam (0, 1, ...), or {MOVING_FACE}, "
        "which is the default",
    )
    _add_source_options(parser)
    _add_topic_options(parser)
    parser.set_defaults(run=run)


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is played").add_argument
    add("--size", type=size_wh, metavar="WxH", help="of the images, px; the source's own if not given")
    add(
        "--rate",
        type=positive,
        metavar="HZ",
        help="images a second; the source's own if not given. A webcam is asked for it",
    )
    add("--loop", action="store_true", help=f"begin again at the end, as {MOVING_FACE} always does")
    add("--count", type=whole, metavar="N", help="end after as many images")
    add("--duration", type=positive, metavar="S", help="end after as many seconds")
    calibration = parser.add_argument_group("calibration").add_mutually_exclusive_group()
    calibration.add_argument(
        "--fov", type=field_of_view, default=60.0, metavar="DEG", help="assumed, horizontal; %(default)g"
    )
    calibration.add_argument("--calibration", type=Path, metavar="FILE", help="YAML file of camera_calibration")


def _add_topic_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("where it is published").add_argument
    add("--topic", default="camera/image_raw", help="of the images, with camera_info beside it; %(default)s")
    add("--namespace", default="/", help="for a topic without a leading slash; %(default)s")
    add("--frame-id", default="camera_optical_frame", help="frame of the images; %(default)s")
    add(
        "--transport",
        choices=("raw", "compressed", "both"),
        default="raw",
        help="Image or CompressedImage (jpeg); %(default)s",
    )
    add("--jpeg-quality", type=percent, default=90, metavar="0..100", help="of compressed images; %(default)s")
    add(
        "--reliability",
        choices=("reliable", "best_effort"),
        default="reliable",
        help="QoS that is offered; %(default)s, which suits every subscriber",
    )


def size_wh(text: str) -> tuple[int, int]:
    """Read a size such as 640x480."""
    match = re.fullmatch(r"([1-9]\d*)[x×]([1-9]\d*)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write width x height in px, e.g. 640x480")
    return int(match[1]), int(match[2])


def _number(low: float, high: float, kind: Callable[[str], float], allowed: str) -> Callable[[str], float]:
    """Make a reader of numbers between the bounds, which are not allowed themselves."""

    def read(text: str) -> float:
        with contextlib.suppress(ValueError):
            if low < kind(text) < high:
                return kind(text)
        raise argparse.ArgumentTypeError(f"{text!r}: it must be {allowed}")

    return read


positive = _number(0, math.inf, float, "a positive number")
whole = _number(0, math.inf, int, "a whole number from 1")
percent = _number(-1, 101, int, "a whole number from 0 to 100")
field_of_view = _number(0, 180, float, "an angle between 0 and 180 degrees")


class Metronome:
    """Beats that do not drift: each is due one period after the one before was *due*, however late that came."""

    def __init__(
        self,
        rate_hz: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._period_s = 1.0 / rate_hz
        self._now = now
        self._sleep = sleep
        self._due: float | None = None

    def wait(self, is_stopped: Callable[[], bool]) -> None:
        """Sleep until the next beat, or until stopped. The first beat is at once.

        After a delay of more than a period the beats start anew, rather than follow in a burst.
        """
        now = self._now()
        if self._due is None or now > self._due + 2.0 * self._period_s:
            self._due = now
        else:
            self._due += self._period_s
        while not is_stopped() and (remaining_s := self._due - self._now()) > 0.0:
            self._sleep(min(remaining_s, NAP_S))


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in the list that is yielded, instead of dying of them."""
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: caught.append(number)) for number in numbers]
    try:
        yield caught
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def run(args: argparse.Namespace) -> int:
    """Play until the end, the count, the duration or a signal; return 0.

    Raises:
        InputError: the source, the calibration or a topic's name is not usable.
    """
    with stop_signals() as signals:
        loop = args.loop or args.source == MOVING_FACE
        with open_source(args.source, args.size, args.rate, loop) as source, _camera(args) as camera:
            width, height = source.size_wh
            print(
                f"{source.name}, {width}x{height} px at {source.rate_hz:g} Hz, on {', '.join(camera.topic_names)}",
                flush=True,
            )
            published, seconds = play(source, camera, args.count, args.duration, lambda: bool(signals))
    print(summary(published, seconds))
    return 0


def summary(published: int, seconds: float) -> str:
    """Say in one line what was played."""
    rate = f" ({(published - 1) / seconds:.2f} Hz)" if seconds > 0.0 else ""
    return f"{published} images in {seconds:.1f} s{rate}"


def played_rate_hz(log: str) -> float | None:
    """Return the rate that :func:`summary` told in a player's log; None where it did not."""
    told = re.findall(r"^\d+ images in [\d.]+ s \(([\d.]+) Hz\)$", log, re.MULTILINE)
    return float(told[-1]) if told else None


def play(
    source: FrameSource,
    camera: CameraPublisher,
    count: int | None,
    duration_s: float | None,
    is_stopped: Callable[[], bool],
) -> tuple[int, float]:
    """Publish the frames in time; return how many, and the seconds from the first to the last one."""
    metronome = Metronome(source.rate_hz)
    published, start, last = 0, 0.0, 0.0
    for frame in source:
        camera.prepare(frame)
        if not source.keeps_time:  # waiting would only age its images
            metronome.wait(is_stopped)
        now = time.monotonic()
        start = start if published else now
        if is_stopped() or (duration_s is not None and now - start >= duration_s):
            break
        camera.publish()
        published, last = published + 1, now
        if published == count:
            break
    return published, last - start if published else 0.0


def _camera(args: argparse.Namespace) -> CameraPublisher:
    """Start the node that publishes."""
    from facemesh_ros.ros.camera_publisher import CameraPublisher, CameraTopics

    topics = CameraTopics(
        args.topic, args.namespace, args.frame_id, args.transport, args.reliability, args.jpeg_quality
    )
    return CameraPublisher(topics, _calibration(args))


def _calibration(args: argparse.Namespace) -> Callable[[tuple[int, int]], Any]:
    """Return what gives the camera_info of images of a size."""
    from facemesh_ros.ros.calibration import read_calibration
    from facemesh_ros.ros.convert import info_from_camera

    if args.calibration is None:
        return lambda size_wh: info_from_camera(Camera.from_fov(size_wh, math.radians(args.fov)))
    calibrated = read_calibration(args.calibration)

    def fitting(size_wh: tuple[int, int]) -> Any:
        if size_wh != (calibrated.width, calibrated.height):
            own, got = (f"{width}x{height}" for width, height in ((calibrated.width, calibrated.height), size_wh))
            raise InputError(
                f"{args.calibration} is the calibration of {own} images and these are {got}: play with --size {own}, "
                "or calibrate for this size"
            )
        return calibrated

    return fitting
