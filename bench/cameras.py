"""What several cameras cost in one node, over real topics: CPU, latency, and whether any of them starves.

    python bench/cameras.py [--cameras 4] [--rate 15] [--size 640 480] [--rounds 6] [--seconds 5] [--json cameras.json]

Two nodes run as processes of their own, one with one camera and one with several. Round by round, one of them gets
images (a face that moves, at its own phase for each camera, with its calibration) while the other idles; the CPU time
of its process is read from /proc. A camera starves in a second in which none of its images comes out. Needs ROS 2, the
networks, and scikit-image (`make setup`). Ends with code 1 where a camera starves, or where the CPU of several cameras
is more than MOST_RATIO times so many times that of one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facemesh_ros.ros.environment import with_large_messages

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "facemesh_node"
MOST_RATIO = 1.1
FRAMES = 60
"""Of the moving face, shown forth and back."""
START_S = 60.0
SETTLE_S = 1.0
"""At the beginning of a round, in which the faces are found; it is not counted."""


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has taken so far, s."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Round:
    """What was seen of one node while it got images."""

    cpu_s: float = 0.0
    sent: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    starved: int = 0
    """Seconds, camera by camera."""
    dropped: int = 0


class Node:
    """A node's process, and a publisher and a subscription for each of its cameras."""

    def __init__(self, peer, name: str, cameras: list[str], parameters: list[str]) -> None:
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import CameraInfo, Image

        from facemesh_ros.msg import FaceMeshArray

        words = ["--ros-args", "-r", f"__ns:=/{name}", "-p", f"cameras:=[{','.join(repr(c) for c in cameras)}]"]
        words += ["--log-level", "error", *(word for one in parameters for word in ("-p", one))]
        self.process = subprocess.Popen([sys.executable, str(SCRIPT), *words], start_new_session=True)
        self.received: list[list[tuple[float, float, int]]] = [[] for _ in cameras]
        """When, how late (ms), and how many were dropped so far, by camera."""
        topics = [f"{camera}/" if camera else "" for camera in cameras]
        self.images = [peer.create_publisher(Image, f"/{name}/{topic}image", 5) for topic in topics]
        self.infos = [peer.create_publisher(CameraInfo, f"/{name}/{topic}camera_info", 5) for topic in topics]
        for topic, received in zip(topics, self.received, strict=True):
            peer.create_subscription(
                FaceMeshArray,
                f"/{name}/facemesh_node/{topic}faces",
                lambda message, received=received: received.append(seen(peer, message)),
                QoSProfile(depth=20),
            )

    @property
    def is_ready(self) -> bool:
        return all(publisher.get_subscription_count() for publisher in (*self.images, *self.infos))

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


def seen(peer, message) -> tuple[float, float, int]:
    from rclpy.time import Time

    late_ns = (peer.get_clock().now() - Time.from_msg(message.header.stamp)).nanoseconds
    return time.monotonic(), 1e-6 * late_ns, message.dropped if message.faces else -1


class Film:
    """Messages of the moving face, made before the start."""

    def __init__(self, size_wh: tuple[int, int]) -> None:
        from sensor_msgs.msg import Image

        from facemesh_ros import Camera
        from facemesh_ros.ros.convert import info_from_camera
        from facemesh_ros.tools.moving_face import MovingFace

        face, (width, height) = MovingFace(size_wh), size_wh
        self._images = [
            Image(
                width=width,
                height=height,
                step=3 * width,
                encoding="bgr8",
                data=array("B", face.frame_bgr(number).tobytes()),
            )
            for number in range(FRAMES)
        ]
        self._info = info_from_camera(Camera.from_fov(size_wh, np.radians(60.0)))

    def send(self, peer, node: Node, camera: int, number: int) -> None:
        place = (number + 17 * camera) % (2 * FRAMES - 2)
        image = self._images[place if place < FRAMES else 2 * FRAMES - 2 - place]
        image.header.stamp = self._info.header.stamp = peer.get_clock().now().to_msg()
        image.header.frame_id = self._info.header.frame_id = f"camera_{camera}"
        node.infos[camera].publish(self._info)
        node.images[camera].publish(image)


def play(executor, peer, node: Node, film: Film, rate_hz: float, seconds: float) -> Round:
    """Feed a node; the cameras send in turn, evenly spread over a period."""
    cameras, result = len(node.images), Round()
    begin_s = time.monotonic()
    counted_s, end_s = begin_s + SETTLE_S, begin_s + SETTLE_S + seconds
    number, cpu_before = 0, None
    while (due_s := begin_s + number / (rate_hz * cameras)) < end_s:
        while (left_s := due_s - time.monotonic()) > 0.0:
            executor.spin_once(timeout_sec=left_s)
        if cpu_before is None and due_s >= counted_s:
            cpu_before = cpu_s(node.process.pid)
        film.send(peer, node, number % cameras, number // cameras)
        result.sent += due_s >= counted_s
        number += 1
    result.cpu_s = cpu_s(node.process.pid) - (cpu_before or 0.0)
    drain_s = time.monotonic() + 0.5
    while time.monotonic() < drain_s:
        executor.spin_once(timeout_sec=0.05)
    for received in node.received:
        counted = [one for one in received if counted_s <= one[0]]
        result.latencies_ms += [late_ms for _, late_ms, _ in counted]
        result.starved += sum(
            not any(counted_s + second <= at_s < counted_s + second + 1 for at_s, _, _ in counted)
            for second in range(int(seconds))
        )
        result.dropped += sum(dropped < 0 for *_, dropped in counted)
        received.clear()
    return result


def row(title: str, cameras: int, rounds: list[Round]) -> dict[str, object]:
    """Sum up."""
    latencies_ms = [late for one in rounds for late in one.latencies_ms]
    sent = sum(one.sent for one in rounds)
    return {
        "node": title,
        "cameras": cameras,
        "sent": sent,
        "received": len(latencies_ms),
        "without_face": sum(one.dropped for one in rounds),
        "cpu_ms_an_image": 1e3 * sum(one.cpu_s for one in rounds) / sent,
        "latency_median_ms": statistics.median(latencies_ms),
        "latency_p95_ms": float(np.quantile(latencies_ms, 0.95)),
        "starved_s": sum(one.starved for one in rounds),
        "cpu_ms_an_image_by_round": [1e3 * one.cpu_s / one.sent for one in rounds],
    }


def main() -> int:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--rate", type=float, default=15.0, help="Hz a camera")
    parser.add_argument("--size", type=int, nargs=2, default=[640, 480], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--parameter", action="append", default=[], help="of both nodes, such as workers:=2")
    parser.add_argument("--json", type=Path, default=Path("cameras.json"))
    arguments = parser.parse_args()

    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    film = Film(tuple(arguments.size))
    rclpy.init(args=[])
    peer = rclpy.create_node("bench")
    executor = SingleThreadedExecutor()
    executor.add_node(peer)
    nodes = {
        "one camera": Node(peer, "one", [""], arguments.parameter),
        "several": Node(peer, "several", [f"camera_{n}" for n in range(arguments.cameras)], arguments.parameter),
    }
    try:
        deadline_s = time.monotonic() + START_S
        while not all(node.is_ready for node in nodes.values()):
            if time.monotonic() > deadline_s:
                raise SystemExit(f"the nodes were not ready after {START_S:.0f} s: see what they say above")
            executor.spin_once(timeout_sec=0.1)
        rounds: dict[str, list[Round]] = {title: [] for title in nodes}
        for _ in range(arguments.rounds):
            for title, node in nodes.items():
                rounds[title].append(play(executor, peer, node, film, arguments.rate, arguments.seconds))
    finally:
        for node in nodes.values():
            node.close()
        executor.shutdown()
        rclpy.shutdown()
    rows = [row(title, len(nodes[title].images), rounds[title]) for title in nodes]
    return tell(rows, arguments)


def tell(rows: list[dict], arguments: argparse.Namespace) -> int:
    """Print the table, write the JSON; return the exit code."""
    from rich.console import Console
    from rich.table import Table

    of_one, of_several = rows
    ratio = of_several["cpu_ms_an_image"] / of_one["cpu_ms_an_image"]
    table = Table(title=f"{arguments.rate:g} Hz a camera, {arguments.size[0]}×{arguments.size[1]}, one face each")
    columns = (
        ("cameras", "d"),
        ("sent", "d"),
        ("received", "d"),
        ("without_face", "d"),
        ("cpu_ms_an_image", ".2f"),
        ("latency_median_ms", ".1f"),
        ("latency_p95_ms", ".1f"),
        ("starved_s", "d"),
    )
    for name, _ in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for one in rows:
        table.add_row(*(format(one[name], form) for name, form in columns))
    console = Console()
    console.print(table)
    console.print(f"CPU of several over {of_several['cameras']} × one: {ratio:.2f} (promised {MOST_RATIO})")
    arguments.json.write_text(json.dumps({"rows": rows, "cpu_ratio": ratio}, indent=2) + "\n", encoding="utf-8")
    return int(ratio > MOST_RATIO or of_several["starved_s"] > 0)


if __name__ == "__main__":
    with_large_messages()
    sys.exit(main())
