"""``facemesh models``: install the networks, list them, convert one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from facemesh_ros.errors import ModelError
from facemesh_ros.models import FORMS, NETWORKS, InstalledNetwork, Network, models_dir, read_manifest
from facemesh_ros.tools.install import install, load_converter, write_atomically
from facemesh_ros.tools.weights import Report

_WIDE = 200
"""Columns of a table that goes to a file or a pipe, where there is no terminal to fit."""
_DIGITS = 12
"""So many of a SHA-256 are shown; the manifest has them all."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``models`` and its own subcommands to the ``facemesh`` command."""
    parser = subparsers.add_parser("models", help="install, list or convert the networks", description=__doc__)
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(dest="models_command", required=True)
    _add_install(commands)
    _add_list(commands)
    _add_convert(commands)


def _add_install(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("install", help="fetch the weights, check and convert them")
    parser.add_argument(
        "--from", dest="origin", type=Path, metavar="PATH", help="a wheel, a .task bundle or a folder; default: via pip"
    )
    parser.add_argument("--allow-unknown", action="store_true", help="take a landmark network that is in no table")
    _add_folder(parser)
    parser.set_defaults(models_run=_install)


def _add_list(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("list", help="show the networks and where they are installed")
    _add_folder(parser)
    parser.set_defaults(models_run=_list)


def _add_convert(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("convert", help="convert the TFLite file of a face network of your own")
    parser.add_argument("source", type=Path, help="the .tflite file")
    parser.add_argument("target", type=Path, help="the .onnx file to write")
    parser.add_argument("--form", choices=FORMS, default=FORMS[0], help="default: %(default)s")
    parser.set_defaults(models_run=_convert)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, help="folder of the networks; default: $FACEMESH_MODELS, else in the XDG data folder"
    )


def run(args: argparse.Namespace) -> int:
    """Carry out a parsed ``facemesh models`` command and return the exit status.

    Raises:
        FaceMeshError: what was asked for cannot be done.
    """
    status: int = args.models_run(args)
    return status


def _folder(args: argparse.Namespace) -> Path:
    return models_dir() if args.folder is None else args.folder.expanduser()


def _install(args: argparse.Namespace) -> int:
    folder, console = _folder(args), Console()
    with _progress(console) as report:
        converted = install(folder, args.origin, args.allow_unknown, report)
    if not converted:
        console.print(f"Nothing to do: the networks are installed in {folder}", soft_wrap=True)
        return 0
    console.print(f"Installed {', '.join(converted)} in {folder}", soft_wrap=True)
    return 0


@contextmanager
def _progress(console: Console) -> Iterator[Report]:
    """Show a bar for each thing that is being done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("looking", total=None)
        yield lambda text, done, total: progress.update(task, description=text, completed=done, total=total)


def _list(args: argparse.Namespace) -> int:
    folder = _folder(args)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE
    console.print(network_table(folder, read_manifest(folder)))
    return 0


def network_table(folder: Path, installed: dict[str, InstalledNetwork]) -> Table:
    """Return every network, installed or not, with a line for each of its forms."""
    table = Table(title=f"Networks in {folder}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
    for heading in ("name", "form", "input", "outputs", "MMACs", "sha256", "source, licence", "path"):
        table.add_column(heading, justify="right" if heading == "MMACs" else "left", overflow="fold")
    for network in NETWORKS.values():
        table.add_row(*_row(network, installed.get(network.name), folder), end_section=True)
    return table


def _row(network: Network, installed: InstalledNetwork | None, folder: Path) -> tuple[str, ...]:
    size = network.input_size if installed is None else installed.input_size
    outputs = network.outputs if installed is None else installed.outputs
    macs = network.macs if installed is None else installed.macs
    source = network.origin if installed is None else installed.source
    return (
        network.name,
        "\n".join(FORMS),
        f"{size}×{size}×3\nuint8",
        "\n".join(f"{name} {'×'.join(map(str, ('N', *shape)))}" for name, shape in outputs.items()),
        "" if macs is None else f"{macs / 1e6:.1f}",
        "" if installed is None else "\n".join(installed.sha256[form][:_DIGITS] for form in FORMS),
        f"{source}\n{network.licence}",
        "\n".join(_state(installed, form, folder) for form in FORMS),
    )


def _state(installed: InstalledNetwork | None, form: str, folder: Path) -> str:
    if installed is None:
        return "[yellow]not installed[/]"
    if not installed.is_intact(folder, form):
        return "[red]missing or altered: install again[/]"
    return installed.files[form]


def _convert(args: argparse.Namespace) -> int:
    convert = load_converter()
    try:
        conversion = convert(args.source.read_bytes(), str(args.source), args.form)
        write_atomically(args.target, conversion.onnx)
    except OSError as error:
        raise ModelError(f"cannot convert {args.source} to {args.target}: {error}") from error
    Console().print(f"Wrote {args.target} ({args.form} form, {conversion.macs / 1e6:.1f} MMACs)", soft_wrap=True)
    return 0
