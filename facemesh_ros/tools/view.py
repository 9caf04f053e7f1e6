"""``facemesh view``: a web page with the live video, the meshes on it and in 3D, and what is known of each face."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import signal
import socket
from typing import Any, Protocol

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.play import field_of_view, positive, size_wh
from facemesh_ros.tools.sources import MOVING_FACE, open_source

DEMO = "demo"
PORT = 8478
REMEDY = "pip install 'facemesh_ros[view]', or: pip install aiohttp plotly"


class Feed(Protocol):
    """A source of what the page shows."""

    def start(self, hub: Any) -> None:
        """Begin to work for a hub."""

    def close(self) -> None:
        """End."""


def add_parser(subparsers: Any) -> None:
    """Add ``view`` to the command ``facemesh``."""
    parser = subparsers.add_parser(
        "view",
        help="show video, meshes and figures on a web page",
        description="Show a ROS node's faces, or those of a video or webcam, on a web page. Ctrl-C ends it.",
    )
    what = parser.add_argument_group("what is shown")
    what.add_argument(
        "source",
        nargs="?",
        help=f"with no ROS at all: a video file, an image, a folder, the index of a webcam, or {DEMO}, a moving face",
    )
    what.add_argument("--ros", action="store_true", help="a node's topics")
    what.add_argument("--node", metavar="NAME", default="/facemesh_node", help="with --ros; %(default)s")
    what.add_argument("--camera", metavar="NAME", default="", help="with --ros: one of the node's cameras, if named")
    what.add_argument(
        "--image",
        metavar="TOPIC",
        default="/camera/image_raw",
        help="with --ros: the node's images, raw or, where only those are published, TOPIC/compressed; %(default)s",
    )
    what.add_argument("--browser-camera", action="store_true", help="nothing but what visitors' own cameras see")
    what.add_argument("--size", metavar="WxH", type=size_wh, help="of the images of a source without ROS")
    what.add_argument("--rate", metavar="HZ", type=positive, help="of the images of a source without ROS")
    what.add_argument(
        "--fov",
        metavar="DEG",
        type=field_of_view,
        default=60.0,
        help="horizontal, assumed of cameras without ROS for distances; %(default)g",
    )
    what.add_argument(
        "--privacy",
        choices=("off", "numbers"),
        default="off",
        help="numbers: no video of the source leaves; %(default)s",
    )
    where = parser.add_argument_group("where it is served")
    where.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="to listen on; any but this machine's own needs the token that the printed URL carries; %(default)s",
    )
    where.add_argument("--port", type=_port, default=PORT, help="0 takes a free one; %(default)s")
    parser.set_defaults(run=run, parser=parser)


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 1 << 16:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535")


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; return 0.

    Raises:
        FaceMeshError: the source, the address, the networks or a package is missing.
    """
    if sum([args.source is not None, args.ros, args.browser_camera]) != 1:
        args.parser.error("name one thing to show: a source, --ros or --browser-camera")
    if importlib.util.find_spec("aiohttp") is None:
        raise FaceMeshError(f"the web page needs aiohttp, which is not installed here: {REMEDY}")
    feed = _feed(args)
    try:
        asyncio.run(_serve(args, feed))
    finally:
        if feed is not None:
            feed.close()
    return 0


def _feed(args: argparse.Namespace) -> Feed | None:
    """Open what is shown; None for visitors' cameras alone."""
    if args.ros:
        from facemesh_ros.tools.viewer.ros_feed import RosFeed

        return RosFeed(args.node.rstrip("/"), args.image.rstrip("/"), args.camera)
    if args.browser_camera:
        return None
    from facemesh_ros.tools.viewer.local_feed import LocalFeed

    spec = MOVING_FACE if args.source == DEMO else args.source

    def opened() -> Any:
        return open_source(spec, args.size, args.rate, loop=True)

    opened().close()  # what cannot be opened is said now
    return LocalFeed(_mesher(args), opened)


def _mesher(args: argparse.Namespace) -> Any:
    from facemesh_ros.config import Config
    from facemesh_ros.pipeline import FaceMesher

    return FaceMesher(Config.from_dotted({"camera.assume_fov_deg": args.fov}))


async def _serve(args: argparse.Namespace, feed: Feed | None) -> None:
    from facemesh_ros.tools.viewer.camera_desk import CameraDesk
    from facemesh_ros.tools.viewer.files import page_files
    from facemesh_ros.tools.viewer.guard import Guard
    from facemesh_ros.tools.viewer.hub import Hub
    from facemesh_ros.tools.viewer.server import Server

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    hub = Hub(_source_name(args), with_video=args.privacy == "off")
    desk = CameraDesk(hub, lambda: _mesher(args))
    guard = Guard.of(args.host)
    server = Server(hub, desk, guard, page_files())
    port = await server.listen(args.host, args.port)
    try:
        if feed is not None:
            feed.start(hub)
        print(f"facemesh view: {url(args.host, port, guard.token)}", flush=True)
        await stop.wait()
    finally:
        hub.close()
        desk.close()
        await server.close()


def _source_name(args: argparse.Namespace) -> str:
    if args.ros:
        return f"{args.node.rstrip('/')} · {args.image}"
    return "" if args.browser_camera else {DEMO: "the moving face"}.get(args.source, str(args.source))


def url(host: str, port: int, token: str | None) -> str:
    """Return the address to open, by a name that others can use where the server listens on all addresses."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    place = f"[{name}]" if ":" in name else name
    return f"http://{place}:{port}/" + (f"?token={token}" if token is not None else "")
