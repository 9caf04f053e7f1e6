"""The demo as a user runs it, short; and what it says when something is wrong."""

import argparse
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from facemesh_ros import Camera, Config, FaceMesher
from facemesh_ros.errors import FaceMeshError
from facemesh_ros.ros.convert import info_from_camera
from facemesh_ros.ros.monitor import Sample, Sighting
from facemesh_ros.tools import demo
from facemesh_ros.tools.play import summary

pytestmark = pytest.mark.ros

LIMIT_S = 60.0
NAP_S = 0.02
"""Between two looks, so that waiting leaves the core to what is waited for."""
SUMMARY = re.compile(
    r"(?P<messages>\d+) messages in (?P<seconds>[\d.]+) s: (?P<rate>[\d.]+) Hz, a face in (?P<faces>\d+) of \d+, "
    r"latency [\d.]+ ms median, [\d.]+ ms p95, dropped \d+"
)
needs_networks = pytest.mark.usefixtures("networks", "moving_face")


def started(out, *options, **environment):
    """Start the demo as its own process, with these variables added to the environment."""
    return subprocess.Popen(
        [sys.executable, "-m", "facemesh_ros.tools", "demo", "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def finished(process):
    """Wait for the end; return status, output and errors."""
    try:
        output, errors = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
    return process.returncode, output, errors


def until(condition):
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(NAP_S)


@needs_networks
@pytest.mark.models
def test_a_short_demo_reports_faces_and_leaves_a_picture_and_a_clip(tmp_path):
    status, output, errors = finished(started(tmp_path / "new" / "out", "--duration", "3"))
    assert status == 0, errors
    assert errors == ""
    summary = SUMMARY.fullmatch(output.splitlines()[-1])
    assert summary is not None, output
    assert 2.5 < float(summary["seconds"]) <= 3.1
    assert summary["faces"] == summary["messages"]
    assert int(summary["messages"]) > 30  # a loaded machine may be slow; the rate itself is the demo's to show
    assert cv2.imread(str(tmp_path / "new" / "out" / "demo.png")).shape == (480, 640, 3)
    clip = cv2.VideoCapture(re.search(r"clip: +(\S+)", output)[1])
    assert clip.grab()


@needs_networks
@pytest.mark.models
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_interrupted_ends_with_what_it_has_and_leaves_no_process(tmp_path, number):
    process = started(tmp_path, "--duration", "600")
    until(lambda: "is ready" in _text(tmp_path / "node.log"))
    children = _children(process.pid)
    assert len(children) == 2
    process.send_signal(number)
    status, _, errors = finished(process)
    assert status in (0, 130), errors  # 130: it was so quick that no image had come
    assert errors == ""
    assert not [pid for pid in children if _runs(pid)]


def test_a_node_that_cannot_start_is_told_with_the_end_of_its_log(tmp_path):
    status, _, errors = finished(started(tmp_path, FACEMESH_MODELS=str(tmp_path / "none")))
    assert status == 1
    assert errors.startswith("facemesh: the node ended with status 1; the end of its log, ")
    assert "facemesh models install" in errors


@needs_networks
@pytest.mark.models
def test_a_video_without_faces_is_told_as_such(tmp_path):
    film = tmp_path / "grey.png"
    cv2.imwrite(str(film), np.full((120, 160, 3), 128, np.uint8))
    status, output, errors = finished(started(tmp_path, "--duration", "1", "--video", str(film)))
    assert status == 1
    assert "a face in 0 of" in output
    assert errors.startswith("facemesh: no face in any of")


def test_a_source_that_is_not_there_is_told_with_the_players_reason(tmp_path):
    status, _, errors = finished(started(tmp_path, "--video", str(tmp_path / "none.mp4")))
    assert status == 1
    assert errors.startswith("facemesh: the player ended with status 1; ")
    assert f"there is no file or folder {tmp_path / 'none.mp4'}" in errors


def test_a_folder_that_cannot_be_made_is_told_before_anything_starts(tmp_path):
    (tmp_path / "file").touch()
    status, _, errors = finished(started(tmp_path / "file" / "out"))
    assert (status, errors.count("\n")) == (1, 1)
    assert "choose another folder" in errors


def test_silence_of_both_processes_is_told_with_both_logs(monkeypatch):
    class Silent:
        name = "the child"

        def check(self):
            pass

        def last_words(self):
            return "its last words"

    monkeypatch.setattr(demo, "_PATIENCE_S", 0.0)
    with pytest.raises(FaceMeshError, match=r"no message on /facemesh_node/faces for 0 s; the child: its last words"):
        demo._check([Silent()], time.monotonic())


class ScriptedMonitor:
    """Hears a message every 0.5 s and, from the given time on, an image with each; then Ctrl-C, if asked for."""

    def __init__(self, clock, images_from_s, interrupt_at_s=math.inf):
        self.clock, self.images_from_s, self.interrupt_at_s = clock, images_from_s, interrupt_at_s
        self.samples, self.sightings = [], []

    def spin(self, _):
        if self.clock.now_s >= self.interrupt_at_s:
            raise KeyboardInterrupt
        self.clock.now_s += 0.5
        self.samples.append(Sample(self.clock.now_s, 2.0, (0.9,), {"total": 1.0}, dropped=0))
        if self.clock.now_s >= self.images_from_s:
            self.sightings.append(Sighting(np.zeros((48, 64, 3), np.uint8), (), self.clock.now_s))


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr(demo, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


@pytest.mark.parametrize(
    ("images_from_s", "end_s"), [(0.0, 3.5), (3.0, 3.5), (10.0, 10.0), (math.inf, 3.5 + demo._PATIENCE_S)]
)
def test_the_demo_waits_for_an_image_to_draw_but_not_for_ever(clock, images_from_s, end_s):
    demo.watch(ScriptedMonitor(clock, images_from_s), (), 3.0, "a title")
    assert clock.now_s == end_s


def test_an_interrupted_demo_ends_with_what_it_has(clock):
    monitor = ScriptedMonitor(clock, 0.0, interrupt_at_s=2.0)
    demo.watch(monitor, (), 100.0, "a title")
    assert len(monitor.sightings) == 4


def test_a_demo_that_is_interrupted_before_it_has_an_image_has_nothing_to_report(clock):
    with pytest.raises(KeyboardInterrupt):
        demo.watch(ScriptedMonitor(clock, math.inf, interrupt_at_s=2.0), (), 100.0, "a title")


@pytest.mark.parametrize(
    ("options", "played"),
    [
        ([], ["moving-face"]),
        (["--camera", "0"], ["0"]),
        (["--video", "/a/0"], ["/a/0"]),
        (["--size", "320x240", "--rate", "15"], ["moving-face", "--size", "320x240", "--rate", "15.0"]),
    ],
)
def test_options_reach_the_player(options, played):
    parser = argparse.ArgumentParser()
    demo.add_parser(parser.add_subparsers())
    command = demo.player_command(parser.parse_args(["demo", *options]))
    assert command[:4] == [sys.executable, "-m", "facemesh_ros.tools", "play"]
    assert [word for word in command[4:] if word not in ("--loop", "--topic", demo.IMAGE_TOPIC)] == played


def test_a_hang_up_is_ignored_where_nohup_has_said_so(monkeypatch):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        demo._end_as_by_ctrl_c()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_node_asks_for_the_images_as_reliably_as_they_come():
    assert "input.reliability:=auto" in demo.node_command()


@pytest.mark.parametrize(("log", "warnings"), [("", 0), (summary(80, 3.95), 0), (summary(400, 13.3), 1)])
def test_images_that_never_reached_the_node_are_warned_of(tmp_path, capsys, log, warnings):
    samples = [
        Sample(arrived_s=0.1 * n, latency_ms=2.0, presences=(0.9,), stage_ms={"total": 1.0}, dropped=n)
        for n in range(40)
    ]
    picture = Sighting(np.zeros((48, 64, 3), np.uint8), (), 10.0)
    (tmp_path / "player.log").write_text(f"the moving face\n{log}\n", encoding="utf-8")
    demo.report(samples, [picture], tmp_path)
    assert capsys.readouterr().err.count("--shm-size=512m") == warnings


def test_a_clip_plays_at_the_rate_of_its_stamps_and_leaves_out_other_sizes(tmp_path, capsys):
    def sighting(index, width=64):
        return Sighting(np.zeros((48, width, 3), np.uint8), (), 10.0 + 0.1 * index)

    (tmp_path / "player.log").touch()
    sample = Sample(arrived_s=1.0, latency_ms=2.0, presences=(0.9,), stage_ms={"total": 1.0}, dropped=0)
    demo.report([sample], [*map(sighting, range(5)), sighting(5, width=32)], tmp_path)
    clip = cv2.VideoCapture(str(tmp_path / "demo.mp4"))
    assert clip.get(cv2.CAP_PROP_FPS) == pytest.approx(10.0, abs=0.01)
    assert clip.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert SUMMARY.fullmatch(capsys.readouterr().out.splitlines()[-1])


def test_the_picture_has_the_heads_axes_where_there_is_a_calibration(networks, face_rgb):
    camera = Camera.from_fov((face_rgb.shape[1], face_rgb.shape[0]), 1.0)
    faces = FaceMesher(Config.from_dotted({"device": "cpu"})).process_still(face_rgb, camera)
    without = demo.drawn(Sighting(face_rgb, faces, 0.0))
    with_axes = demo.drawn(Sighting(face_rgb, faces, 0.0, info_from_camera(camera)))
    assert not np.array_equal(with_axes, without)


def _text(path):
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _children(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(word) for word in text.split()]


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
