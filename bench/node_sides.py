"""The two nodes of bench/node.py: how each is started, fed, listened to and measured."""

from __future__ import annotations

import os
import signal
import statistics
import struct
import subprocess
import sys
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from films import film_of

from facemesh_ros.ros.environment import large_message_environment

OURS = Path(__file__).parents[1] / "scripts" / "facemesh_node"
PEER = Path(__file__).with_name("mediapipe_node.py")
START_S = 90.0
SETTLE_S = 1.0
"""At the beginning of a turn, in which the face is found; it is not counted."""
DRAIN_S = 0.3
"""At the end of a turn, for what is still on its way."""
STAGES = ("queue", "decode", "detect", "mesh", "pose", "total")
"""Fields of FaceMeshTiming."""
_STAMP = struct.Struct("<iI")
_CDR_HEAD = 4


@dataclass
class Turn:
    """What was seen of one node while it got images."""

    sent: int = 0
    cpu_s: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    without_face: int = 0
    stages_ms: list[dict[str, float]] = field(default_factory=list)
    """What our node says of its stages, image by image; the peer's says nothing."""


class Side:
    """A node's process, a publisher of its images and a subscription to its faces."""

    def __init__(self, ear: Any, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import Image

        from facemesh_ros.msg import FaceMeshArray

        self.name, self._log = name, log
        words = [*command, "--ros-args", "-r", f"__ns:=/{name}", "-r", "__node:=node", "-p", "max_faces:=1"]
        with log.open("wb") as said:
            self._process = subprocess.Popen(words, env=environment, stdout=said, stderr=said, start_new_session=True)
        self._images = ear.create_publisher(Image, f"/{name}/image", 5)
        self._heard: list[tuple[int, bytes]] = []
        """When, ns of the system's clock, and the message as bytes: parsing it is not part of the latency."""
        topic = f"/{name}/node/faces"
        note = lambda data: self._heard.append((time.time_ns(), data))  # noqa: E731
        self._subscription = ear.create_subscription(FaceMeshArray, topic, note, QoSProfile(depth=50), raw=True)

    @property
    def is_ready(self) -> bool:
        """Whether it listens and answers; raises SystemExit where it has ended."""
        if self._process.poll() is not None:
            raise SystemExit(f"the node {self.name} has ended:\n{self._log.read_text(errors='replace')[-2000:]}")
        return bool(self._images.get_subscription_count() and self._subscription.get_publisher_count())

    def play(self, executor: Any, film: Film, rate_hz: float, seconds: float) -> Turn:
        """Feed it for SETTLE_S and so many seconds more."""
        turn, number, cpu_before = Turn(), 0, 0.0
        begin_s = time.monotonic()
        counted_ns = 0
        while (due_s := number / rate_hz) < SETTLE_S + seconds:
            while (left_s := begin_s + due_s - time.monotonic()) > 0.0:
                executor.spin_once(timeout_sec=left_s)
            if not counted_ns and due_s >= SETTLE_S:
                counted_ns, cpu_before = time.time_ns(), cpu_s(self._process.pid)
            self._images.publish(film.stamped(number))
            turn.sent += bool(counted_ns)
            number += 1
        end_s = time.monotonic() + DRAIN_S
        while (left_s := end_s - time.monotonic()) > 0.0:
            executor.spin_once(timeout_sec=left_s)
        turn.cpu_s = cpu_s(self._process.pid) - cpu_before
        self._account(turn, counted_ns)
        return turn

    def _account(self, turn: Turn, counted_ns: int) -> None:
        """Note what came of the images that were sent from a time on."""
        from rclpy.serialization import deserialize_message

        from facemesh_ros.msg import FaceMeshArray

        for heard_ns, data in self._heard:
            sec, nanosec = _STAMP.unpack_from(data, _CDR_HEAD)
            sent_ns = 10**9 * sec + nanosec
            if sent_ns >= counted_ns:
                turn.latencies_ms.append(1e-6 * (heard_ns - sent_ns))
                message = deserialize_message(data, FaceMeshArray)
                turn.without_face += len(message.faces) != 1
                turn.stages_ms.append({name: getattr(message.timing, name) for name in STAGES})
        self._heard.clear()

    def close(self) -> None:
        """End the process."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Film:
    """The moving face as serialised rgb8 Image messages, made before the start, there and back."""

    def __init__(self, size_wh: tuple[int, int], frames: int) -> None:
        from rclpy.serialization import serialize_message
        from sensor_msgs.msg import Image

        film, (width, height) = film_of(1, size_wh), size_wh
        message = Image(width=width, height=height, step=3 * width, encoding="rgb8")
        message.header.frame_id = "camera"
        self._messages = []
        for index in range(frames):
            rgb = np.ascontiguousarray(film.frame_bgr(index)[..., ::-1])
            message.data = array("B", rgb.tobytes())
            self._messages.append(bytearray(serialize_message(message)))

    def stamped(self, number: int) -> bytes:
        """Return an image with the present time as its stamp."""
        last = len(self._messages) - 1
        place = number % (2 * last)
        message = self._messages[place if place <= last else 2 * last - place]
        _STAMP.pack_into(message, _CDR_HEAD, *divmod(time.time_ns(), 10**9))
        return bytes(message)


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has taken so far, s."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def our_command() -> tuple[list[str], dict[str, str]]:
    """Return how our node is started, and its environment."""
    return [sys.executable, str(OURS)], dict(os.environ)


def peer_command(python: Path) -> tuple[list[str], dict[str, str]]:
    """Return how the peer's node is started, and its environment: its own packages, and our messages on top."""
    import facemesh_ros.msg

    messages = Path(facemesh_ros.msg.__file__).parents[2]
    prefix = next(folder for folder in messages.parents if (folder / "share" / "facemesh_ros").is_dir())
    environment = dict(os.environ)
    if environment.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None):  # ROS from wheels: the peer's environment has its own
        for name in ("LD_LIBRARY_PATH", "PYTHONPATH", "AMENT_PREFIX_PATH"):
            environment.pop(name, None)
    for name, folder in {
        "LD_LIBRARY_PATH": prefix / "lib",
        "PYTHONPATH": messages,
        "AMENT_PREFIX_PATH": prefix,
    }.items():
        environment[name] = os.pathsep.join(filter(None, [environment.get(name), str(folder)]))
    return [str(python), str(PEER)], environment | large_message_environment(environment)


def row_of(title: str, turns: list[Turn]) -> dict[str, Any]:
    """Sum up the turns of a node in one case."""
    latencies_ms = [late for turn in turns for late in turn.latencies_ms]
    stages = [one for turn in turns for one in turn.stages_ms]
    sent = sum(turn.sent for turn in turns)
    quantiles = np.quantile(latencies_ms, (0.5, 0.95, 0.99)) if latencies_ms else [None] * 3
    return {
        "node": title,
        "sent": sent,
        "dropped": sent - len(latencies_ms),
        "without_face": sum(turn.without_face for turn in turns),
        "cpu_ms": statistics.median(1e3 * turn.cpu_s / turn.sent for turn in turns),
        "latency_mean_ms": statistics.fmean(latencies_ms) if latencies_ms else None,
        "stages_ms": {name: statistics.fmean(one[name] for one in stages) for name in STAGES} if stages else {},
        **{
            f"latency_{name}_ms": None if q is None else float(q)
            for name, q in zip(("median", "p95", "p99"), quantiles, strict=True)
        },
    }
