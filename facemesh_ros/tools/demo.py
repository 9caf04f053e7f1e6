"""``facemesh demo``: a camera, the real node and what it publishes, over real ROS 2 topics.

The player and the node run as processes of their own, in a ROS domain of their own on this machine alone. This
process listens and shows a table that updates; at the end it draws what it has seen.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from facemesh_ros.draw import draw_faces
from facemesh_ros.errors import FaceMeshError, InputError
from facemesh_ros.tools.children import Child
from facemesh_ros.tools.demo_report import Statistics, loss, table
from facemesh_ros.tools.play import played_rate_hz, positive, size_wh
from facemesh_ros.tools.recording import write_clip, write_picture
from facemesh_ros.tools.sources import FALLBACK_RATE_HZ, MOVING_FACE
from facemesh_ros.types import UInt8

if TYPE_CHECKING:
    from facemesh_ros.ros.monitor import Monitor, Sample, Sighting

IMAGE_TOPIC = "/camera/image_raw"
FACES_TOPIC = "/facemesh_node/faces"
NODE_LOG = "node.log"
PLAYER_LOG = "player.log"

_PATIENCE_S = 30.0
"""How long the first message may take, while the networks are loaded, and any later one."""
_REFRESH_S = 0.25
_CLIP_FRAMES = 120
"""4 s at 30 Hz. They are drawn at the end: meanwhile it would slow down what is measured."""
_DOMAINS = 101
"""Domain ids 1 to 101 keep clear of the ports that Linux hands out by itself."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``demo`` to the ``facemesh`` command."""
    summary = "run the node on a moving face and show what it publishes"
    parser = subparsers.add_parser("demo", help=summary, description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--video", metavar="FILE", help="a video, an image or a folder of images")
    source.add_argument("--camera", metavar="INDEX", type=int, help="a webcam, 0 for the first")
    add = parser.add_argument
    add("--duration", metavar="S", type=positive, default=20.0, help="counts from the first message; default: 20")
    add("--size", metavar="WxH", type=size_wh, help="of the images; the moving face's is 640x480")
    add("--rate", metavar="HZ", type=positive, help="of the images; the moving face's is 30")
    add("--out", metavar="DIR", type=Path, default=Path("demo"), help="for picture, clip, logs; default: %(default)s")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo; return 0 when faces arrived.

    Raises:
        FaceMeshError: the player or the node ended, nothing arrived, or no message held a face.
    """
    _end_as_by_ctrl_c()
    _make_folder(args.out)
    domain = str(1 + os.getpid() % _DOMAINS)
    os.environ |= {"ROS_DOMAIN_ID": domain, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    from facemesh_ros.ros.monitor import Monitor

    with ExitStack() as stack:
        node = stack.enter_context(Child("the node", node_command(), args.out / NODE_LOG))
        player = stack.enter_context(Child("the player", player_command(args), args.out / PLAYER_LOG))
        monitor = Monitor(FACES_TOPIC, IMAGE_TOPIC, _CLIP_FRAMES)
        stack.callback(monitor.close)
        title = f"{IMAGE_TOPIC} → facemesh_node → {FACES_TOPIC}\nROS_DOMAIN_ID={domain}"
        watch(monitor, (player, node), args.duration, title)
    report(monitor.samples, monitor.sightings, args.out)
    return 0


def _end_as_by_ctrl_c() -> None:
    """Stop the children on SIGTERM, and on SIGHUP, which a closed terminal sends (but not under nohup)."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def node_command() -> list[str]:
    """Return the command that starts the node on the player's images, which it asks for as reliably as they come."""
    arguments = ["-r", f"image:={IMAGE_TOPIC}", "-p", "input.reliability:=auto"]
    return [sys.executable, "-m", "facemesh_ros.ros.node", "--ros-args", *arguments]


def player_command(args: argparse.Namespace) -> list[str]:
    """Return the command that plays what the arguments name."""
    spec = MOVING_FACE if args.camera is None else str(args.camera)
    source = str(Path(args.video).resolve()) if args.video is not None else spec  # a file named 0 is no webcam
    options = ["--size", "{}x{}".format(*args.size)] if args.size is not None else []
    options += ["--rate", str(args.rate)] if args.rate is not None else []
    return [sys.executable, "-m", "facemesh_ros.tools", "play", source, "--loop", "--topic", IMAGE_TOPIC, *options]


def watch(monitor: Monitor, children: Sequence[Child], duration_s: float, title: str) -> None:
    """Listen for ``duration_s`` from the first message on, or until Ctrl-C, and keep the table up to date.

    It takes longer where no image has arrived yet: under load the middleware finds the publishers one by one.

    Raises:
        FaceMeshError: a child ended, or no message came for a long time.
    """
    console = Console()
    start_s = time.monotonic()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        try:
            while (left_s := _left_s(monitor, duration_s)) > 0.0:
                live.update(table(monitor.samples, title), refresh=console.is_terminal)
                monitor.spin(min(left_s, _REFRESH_S))
                _check(children, monitor.samples[-1].arrived_s if monitor.samples else start_s)
        except KeyboardInterrupt:
            if not monitor.sightings:
                raise
    console.print(table(monitor.samples, title))


def _left_s(monitor: Monitor, duration_s: float) -> float:
    if not monitor.samples:
        return duration_s
    patience_s = 0.0 if monitor.sightings else _PATIENCE_S
    return monitor.samples[0].arrived_s + duration_s + patience_s - time.monotonic()


def _check(children: Sequence[Child], heard_s: float) -> None:
    """Raise FaceMeshError if a child has ended or nothing was heard since ``heard_s`` for too long."""
    for child in children:
        child.check()
    if time.monotonic() - heard_s > _PATIENCE_S:
        words = "; ".join(f"{child.name}: {child.last_words()}" for child in children)
        raise FaceMeshError(f"no message on {FACES_TOPIC} for {_PATIENCE_S:.0f} s; {words}")


def report(samples: Sequence[Sample], sightings: Sequence[Sighting], folder: Path) -> None:
    """Write picture and clip, and print where they are and the summary, with a warning where images were lost.

    Raises:
        FaceMeshError: no message held a face, no image arrived, or a file cannot be written.
    """
    statistics = Statistics.of(samples)
    if not sightings:
        raise FaceMeshError(f"{statistics.line()}; but no image arrived on {IMAGE_TOPIC}: see the logs in {folder}")
    frames = [drawn(sighting) for sighting in sightings]
    best = max(range(len(frames)), key=lambda index: _visible_px(sightings[index]))
    print(f"picture: {write_picture(frames[best], folder / 'demo.png')}")
    alike = [frame for frame in frames if frame.shape == frames[0].shape]  # a folder's images may differ
    print(f"clip:    {write_clip(alike, _rate_hz(sightings), folder / 'demo.mp4')}")
    print(statistics.line())
    _warn_of_loss(statistics, folder / PLAYER_LOG)
    if statistics.with_face == 0:
        raise FaceMeshError(
            f"no face in any of {statistics.messages} messages: show one to the camera, nearer than 5 m"
        )


def drawn(sighting: Sighting) -> UInt8:
    """Return the image with its faces, axes and gazes, (H, W, 3) uint8 BGR."""
    return draw_faces(sighting.image_rgb[..., ::-1], sighting.faces, order="bgr", camera=sighting.camera)


def _warn_of_loss(statistics: Statistics, player_log: Path) -> None:
    played_hz = played_rate_hz(player_log.read_text(encoding="utf-8", errors="replace"))
    warning = None if played_hz is None else loss(statistics, played_hz)
    if warning is not None:
        print(f"facemesh: {warning}", file=sys.stderr)


def _visible_px(sighting: Sighting) -> float:
    return sum(face.roi.size for face in sighting.faces)


def _rate_hz(sightings: Sequence[Sighting]) -> float:
    """Return the rate at which the images were taken."""
    seconds = sightings[-1].stamp_s - sightings[0].stamp_s
    return (len(sightings) - 1) / seconds if seconds > 0.0 else FALLBACK_RATE_HZ


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for log in (NODE_LOG, PLAYER_LOG):
            (folder / log).touch()
    except OSError as error:
        raise InputError(f"--out {folder} cannot be written to: {error.strerror}; choose another folder") from error
