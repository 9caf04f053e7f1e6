"""The player's options and its clockwork, without ROS."""

import argparse

import numpy as np
import pytest

from facemesh_ros.tools import play as module
from facemesh_ros.tools.play import Metronome, add_parser, play, played_rate_hz, summary
from facemesh_ros.tools.sources import FrameSource, Webcam


class Clock:
    """A time that passes only when somebody sleeps or works."""

    def __init__(self):
        self.time = 100.0

    def now(self):
        return self.time

    def work(self, seconds):
        self.time += seconds


class Camera:
    """Remembers when it was asked to publish what."""

    def __init__(self, clock, work_s=0.0):
        self.clock, self.work_s, self.prepared, self.published = clock, work_s, [], []

    def prepare(self, image_bgr):
        self.clock.work(self.work_s)
        self.prepared.append(int(image_bgr[0, 0, 0]))

    def publish(self):
        self.published.append((self.clock.time - 100.0, self.prepared[-1]))


class Film(list):
    """A source of one-pixel frames with the numbers 0, 1, ..."""

    keeps_time = FrameSource.keeps_time

    def __init__(self, length, rate_hz=10.0):
        super().__init__(np.full((1, 1, 3), n, np.uint8) for n in range(length))
        self.rate_hz = rate_hz


class SteadyWebcam:
    """Delivers a frame every 0.04 s, whatever rate its driver claims."""

    keeps_time = Webcam.keeps_time

    def __init__(self, clock, rate_hz):
        self.clock, self.rate_hz = clock, rate_hz

    def __iter__(self):
        for frame in Film(4):
            self.clock.work(0.04)
            yield frame


def never():
    return False


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock.now)
    monkeypatch.setattr(Metronome.__init__, "__defaults__", (clock.now, clock.work))
    return clock


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["play", *arguments])


@pytest.mark.parametrize("rate_hz", [0.5, 29.97, 30.0, 1000.0])
def test_beats_do_not_drift_however_long_the_work_takes(rate_hz):
    clock, rng = Clock(), np.random.default_rng(1)
    metronome = Metronome(rate_hz, clock.now, clock.work)
    for beat in range(500):
        metronome.wait(never)
        assert clock.time - 100.0 == pytest.approx(beat / rate_hz, abs=1e-6)
        clock.work(rng.uniform(0.0, 0.99) / rate_hz)


@pytest.mark.parametrize(
    ("work_s", "expected"),
    [((), []), ((0.0, 0.15, 0.0, 0.0), [0.0, 0.1, 0.25, 0.3]), ((0.0, 5.0, 0.0, 0.0), [0.0, 0.1, 5.1, 5.2])],
    ids=["no work", "a single late beat is caught up with", "after a long delay there is no burst"],
)
def test_a_late_beat_does_not_shift_those_after_it(work_s, expected):
    clock = Clock()
    metronome = Metronome(10.0, clock.now, clock.work)
    times = []
    for seconds in work_s:
        metronome.wait(never)
        times.append(clock.time - 100.0)
        clock.work(seconds)
    assert times == pytest.approx(expected)


def test_a_stop_is_noticed_during_a_long_period():
    clock = Clock()
    metronome = Metronome(0.01, clock.now, clock.work)
    metronome.wait(never)
    metronome.wait(lambda: clock.time >= 101.0)
    assert clock.time - 100.0 == pytest.approx(1.0, abs=2 * module.NAP_S)


def test_every_frame_is_published_in_its_time(clock):
    camera = Camera(clock, work_s=0.03)
    assert play(Film(4), camera, None, None, never) == (4, pytest.approx(0.3))
    assert camera.published == [(pytest.approx(0.03 + 0.1 * n), n) for n in range(4)]


def test_a_webcam_keeps_the_time_itself(clock):
    camera = Camera(clock)
    play(SteadyWebcam(clock, rate_hz=10.0), camera, None, None, never)
    assert camera.published == [(pytest.approx(0.04 * n + 0.04), n) for n in range(4)]


@pytest.mark.parametrize(
    ("count", "duration_s", "published"), [(3, None, 3), (None, 0.25, 3), (9, 0.05, 1), (99, None, 10)]
)
def test_the_player_ends_after_the_count_or_the_duration_or_the_last_frame(clock, count, duration_s, published):
    camera = Camera(clock)
    assert play(Film(10), camera, count, duration_s, never)[0] == len(camera.published) == published


def test_nothing_is_published_after_a_stop(clock):
    camera = Camera(clock)
    play(Film(10), camera, None, None, lambda: len(camera.published) == 2)
    assert [number for _, number in camera.published] == [0, 1]


def test_a_stop_before_the_first_image_has_played_nothing_in_no_time(clock):
    camera = Camera(clock, work_s=3.0)
    assert play(Film(10), camera, None, None, lambda: True) == (0, 0.0)
    assert camera.published == []


@pytest.mark.parametrize(
    ("published", "seconds", "line"),
    [(0, 0.0, "0 images in 0.0 s"), (1, 0.0, "1 images in 0.0 s"), (301, 10.0, "301 images in 10.0 s (30.00 Hz)")],
)
def test_the_summary_is_one_line_from_which_the_rate_can_be_read(published, seconds, line):
    assert summary(published, seconds) == line
    expected = (published - 1) / seconds if seconds else None
    assert played_rate_hz(f"the moving face\n{line}\n") == expected


def test_a_source_without_frames_is_played_in_no_time(clock):
    assert play(Film(0), Camera(clock), None, None, never) == (0, 0.0)


def test_without_arguments_the_moving_face_is_played():
    args = parse()
    assert (args.source, args.size, args.rate, args.topic) == ("moving-face", None, None, "camera/image_raw")


def test_options_have_units_and_types():
    args = parse("0", "--size", "1280x720", "--rate", "29.97", "--count", "3", "--duration", "2.5", "--fov", "78")
    assert (args.source, args.size, args.rate) == ("0", (1280, 720), 29.97)
    assert (args.count, args.duration, args.fov) == (3, 2.5, 78.0)


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--size", "640", "write width x height in px, e.g. 640x480"),
        ("--size", "0x480", "write width x height"),
        ("--rate", "0", "it must be a positive number"),
        ("--rate", "nan", "it must be a positive number"),
        ("--rate", "inf", "it must be a positive number"),
        ("--duration", "-1", "it must be a positive number"),
        ("--count", "0", "a whole number from 1"),
        ("--count", "1.5", "a whole number from 1"),
        ("--fov", "180", "an angle between 0 and 180 degrees"),
        ("--jpeg-quality", "101", "a whole number from 0 to 100"),
        ("--transport", "ffmpeg", "invalid choice: 'ffmpeg'"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(option, value, complaint, capsys):
    with pytest.raises(SystemExit):
        parse(f"{option}={value}")
    assert complaint in capsys.readouterr().err


def test_fov_and_calibration_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        parse("--fov", "60", "--calibration", "camera.yaml")
    assert "not allowed with" in capsys.readouterr().err
