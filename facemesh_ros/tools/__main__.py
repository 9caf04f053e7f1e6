"""The command ``facemesh``: finds the subcommand, runs it, and turns errors into one line and an exit status.

Exit status: 0 done, 1 a FaceMeshError (told on stderr), 2 wrong usage, 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from xml.etree import ElementTree

from facemesh_ros.errors import FaceMeshError


@dataclass(frozen=True)
class Command:
    """What is known of a subcommand before its module is imported."""

    summary: str
    needs_ros: bool = False


COMMANDS = {
    "models": Command("install, list or convert the networks"),
    "play": Command("publish a video, images, a webcam or the built-in moving face as a camera", needs_ros=True),
    "view": Command("show video, meshes and figures on a web page"),
    "evaluate": Command("measure accuracy, tracking and speed on annotated pictures and clips"),
    "demo": Command("run the node on a moving face and show what it publishes", needs_ros=True),
}
"""Name of a subcommand, and of its module in facemesh_ros.tools."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``facemesh`` with the given arguments, by default the process's; return the exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        return _run(arguments)
    except FaceMeshError as error:
        print(f"facemesh: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str]) -> int:
    name = next((word for word in arguments if not word.startswith("-")), "")
    args = _parser(name).parse_args(arguments)
    if COMMANDS[name].needs_ros or getattr(args, "ros", False):  # some can do without
        _prepare_ros()
    status: int = args.run(args)
    return status


def _parser(name: str) -> argparse.ArgumentParser:
    """Make the parser; only the module of the subcommand ``name`` is imported, so that --help stays quick."""
    parser = argparse.ArgumentParser(prog="facemesh", description="Face meshes from any camera, with ROS 2 or without.")
    parser.add_argument("--version", action="version", version=f"facemesh_ros {version()}")
    subparsers = parser.add_subparsers(metavar="command", required=True)
    for known, command in COMMANDS.items():
        if known == name:
            import_module(f"facemesh_ros.tools.{name}").add_parser(subparsers)
        else:
            subparsers.add_parser(known, help=command.summary)
    return parser


def _prepare_ros() -> None:
    """Give this process the environment that ROS wants.

    Raises:
        FaceMeshError: ROS, or this package's messages, cannot be imported here.
    """
    for module, what in (("rclpy", "ROS 2"), ("facemesh_ros.msg", "the messages of facemesh_ros")):
        if importlib.util.find_spec(module) is None:
            raise FaceMeshError(
                f"this Python ({sys.executable}) has no {module}, so {what} cannot be used: source the setup.bash of "
                "the workspace that facemesh_ros was built in, or run `make setup` and use .venv/bin/facemesh"
            )
    from facemesh_ros.ros.environment import with_large_messages

    with_large_messages()


def version() -> str:
    """Return the package's version: that of package.xml beside the sources or in a ROS prefix, else pip's."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    installed = [Path(prefix, "share", "facemesh_ros", "package.xml") for prefix in prefixes if prefix]
    for manifest in (Path(__file__).parents[2] / "package.xml", *installed):
        if manifest.is_file():
            return ElementTree.parse(manifest).findtext("version", "unknown")
    return metadata.version("facemesh_ros")


if __name__ == "__main__":
    sys.exit(main())
