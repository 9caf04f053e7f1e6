"""What an executor of rclpy costs for each image, beside the ways to do without: CPU time and lateness.

    python bench/executor.py [--size 640 480] [--rate 30] [--rounds 4] [--seconds 3] [--json executor.json]

Each way is a process of its own with a subscription to images and one to camera_info, which count what comes and do
nothing with it; round by round one of them after the other gets both at the rate, the others idle. The CPU time is that
of the process, for an image with its camera_info. Needs ROS 2 (`make setup`), no networks.

typed, raw: SingleThreadedExecutor and a node with the services, timers and publishers of facemesh_node; raw leaves the
image as bytes. bare: the same with a node that has nothing but the two subscriptions. wait set: a thread that waits and
takes by itself, without callbacks. events: rclpy's experimental EventsExecutor, where there is one.
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
from pathlib import Path

from facemesh_ros.ros.environment import with_large_messages

WAYS = ("typed", "raw", "bare", "bare raw", "wait set", "events", "events raw")
START_S = 30.0


def child(way: str) -> None:
    """Receive until SIGTERM; then print what was received: count, and the lateness of each image, ms."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions
    from sensor_msgs.msg import CameraInfo, Image

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    name = way.replace(" ", "_")
    is_bare, is_raw = "events" not in way and way not in ("typed", "raw"), "raw" in way
    node = bare_node(name) if is_bare else full_node(name)
    late_ms, stop = [], []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))

    def on_image(message):
        if is_raw:  # the header alone: what a reader of bytes needs at the least
            sec, nanosec = (int.from_bytes(message[at : at + 4], "little") for at in (4, 8))
        else:
            sec, nanosec = message.header.stamp.sec, message.header.stamp.nanosec
        late_ms.append(1e3 * (time.time() - sec - 1e-9 * nanosec))

    images = node.create_subscription(Image, f"/{name}/image", on_image, 1, raw=is_raw)
    infos = node.create_subscription(CameraInfo, f"/{name}/camera_info", lambda _: None, 10)
    if way == "wait set":
        run_wait_set(images, infos, on_image, stop)
    else:
        executor = SingleThreadedExecutor()
        if "events" in way:
            from rclpy.experimental import EventsExecutor

            executor = EventsExecutor()
        executor.add_node(node)
        while not stop:
            executor.spin_once(timeout_sec=0.1)
    sys.stdout.write(json.dumps(late_ms))
    sys.stdout.flush()
    os._exit(0)


def bare_node(name: str):
    import rclpy

    return rclpy.create_node(name, start_parameter_services=False, enable_rosout=False)


def full_node(name: str):
    """Return a node with what facemesh_node has beside its inputs; its networks are never loaded."""
    from facemesh_ros.ros.node import FaceMeshNode

    return FaceMeshNode(lambda *_: None, cli_args=["--ros-args", "-r", f"__ns:=/{name}"])


def run_wait_set(images, infos, on_image, stop) -> None:
    """Wait and take without an executor, by what rclpy's own executor is made of."""
    from rclpy.impl.implementation_singleton import rclpy_implementation as rcl
    from rclpy.utilities import get_default_context
    from sensor_msgs.msg import CameraInfo, Image

    context = get_default_context()
    with context.handle, images.handle, infos.handle:
        while not stop:
            waiting = rcl.WaitSet(2, 0, 0, 0, 0, 0, context.handle)
            with waiting:
                waiting.clear_entities()
                for subscription in (images, infos):
                    waiting.add_subscription(subscription.handle)
                waiting.wait(100_000_000)
                ready = waiting.get_ready_entities("subscription")
            if images.handle.pointer in ready:
                taken = images.handle.take_message(Image, False)
                if taken is not None:
                    on_image(taken[0])
            if infos.handle.pointer in ready:
                infos.handle.take_message(CameraInfo, False)


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has taken so far, s."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=[640, 480], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path, default=Path("executor.json"))
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
    width, height = arguments.size

    import rclpy
    from sensor_msgs.msg import CameraInfo, Image

    rclpy.init(args=[])
    peer = rclpy.create_node("bench", start_parameter_services=False)
    image = Image(width=width, height=height, step=3 * width, encoding="bgr8")
    image.data = array("B", bytes(3 * width * height))
    info = CameraInfo(width=width, height=height)
    processes, publishers = {}, {}
    for way in WAYS:
        command = [sys.executable, __file__, "--child", way]
        processes[way] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        name = way.replace(" ", "_")
        publishers[way] = (
            peer.create_publisher(Image, f"/{name}/image", 5),
            peer.create_publisher(CameraInfo, f"/{name}/camera_info", 5),
        )
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and not all(
        p.get_subscription_count() for way in WAYS for p in publishers[way] if processes[way].poll() is None
    ):
        time.sleep(0.1)
    time.sleep(1.0)
    spent = {way: [] for way in WAYS}
    per_round = round(arguments.seconds * arguments.rate)
    for _ in range(arguments.rounds):
        for way in (way for way in WAYS if processes[way].poll() is None):
            before, begin_s = cpu_s(processes[way].pid), time.monotonic()
            for number in range(per_round):
                time.sleep(max(begin_s + number / arguments.rate - time.monotonic(), 0.0))
                now = peer.get_clock().now().to_msg()
                image.header.stamp = info.header.stamp = now
                publishers[way][1].publish(info)
                publishers[way][0].publish(image)
            time.sleep(0.1)
            spent[way].append(1e3 * (cpu_s(processes[way].pid) - before) / per_round)
    rows = []
    for way, process in processes.items():
        process.terminate()
        try:
            output, _ = process.communicate(timeout=10)
            late_ms = json.loads(output or "[]")
        except (subprocess.TimeoutExpired, json.JSONDecodeError):
            process.kill()
            late_ms = []
        rows.append(
            {
                "way": way,
                "sent": per_round * len(spent[way]),
                "received": len(late_ms),
                "cpu_ms": statistics.median(spent[way]) if spent[way] else None,
                "cpu_ms_least": min(spent[way], default=None),
                "late_ms": statistics.median(late_ms) if late_ms else None,
            }
        )
    rclpy.shutdown()
    return tell(rows, arguments)


def tell(rows: list[dict], arguments: argparse.Namespace) -> int:
    """Print the table, write the JSON."""
    from rich.console import Console
    from rich.table import Table

    title = f"An image and its camera_info, {arguments.size[0]}×{arguments.size[1]}, {arguments.rate:g} Hz"
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "way" else "right")
    for row in rows:
        table.add_row(*("–" if v is None else f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()))
    Console().print(table)
    arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    with_large_messages()
    sys.exit(main())
