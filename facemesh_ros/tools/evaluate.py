"""``facemesh evaluate``: measure detection, landmarks, head pose, tracking and speed on annotated pictures and clips.

The format of DATA and the definition of every figure are in docs/evaluation.md. With --peer, MediaPipe's FaceMesh sees
the same pictures and frames in turn with this library, in the same run.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from rich.console import Console

from facemesh_ros.config import Config
from facemesh_ros.errors import InputError
from facemesh_ros.tools.evaluation.contact_sheet import contact_sheet
from facemesh_ros.tools.evaluation.datasets import KINDS, read_data
from facemesh_ros.tools.evaluation.examiner import Examiner
from facemesh_ros.tools.evaluation.figures import figures
from facemesh_ros.tools.evaluation.machine import machine
from facemesh_ros.tools.evaluation.peer import MediaPipe, peer_python
from facemesh_ros.tools.evaluation.progress import progress
from facemesh_ros.tools.evaluation.records import Evaluation, Failure
from facemesh_ros.tools.evaluation.report import LEAST_WIDTH, Sheet, sheets
from facemesh_ros.tools.evaluation.subjects import Library, Subject
from facemesh_ros.tools.evaluation.worst import WORST_KINDS, tiles, worst
from facemesh_ros.tools.recording import write_picture
from facemesh_ros.topology import reference_face

OUT = Path("evaluation")
STILL_FACES, STREAM_FACES = 32, 4
_WIDE = 160
"""Columns of tables that go to a file or a pipe, where there is no terminal to fit."""
_WORKER_LOG = "peer.log"
_OWN_OPTIONS = {"max_faces": "--max-faces", "device": "--device"}
_ALL_SUBJECTS = (Library.name, MediaPipe.name)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``evaluate`` to the ``facemesh`` command."""
    summary = "measure accuracy, tracking and speed on annotated pictures and clips"
    parser = subparsers.add_parser("evaluate", help=summary, description=__doc__)
    add = parser.add_argument
    add("data", metavar="DATA", type=Path, help="folder with gt/gt.json, images/images.json or video/")
    add("--out", metavar="FOLDER", type=Path, default=OUT, help="for tables, JSON and pictures; default: %(default)s")
    add("--only", metavar="KINDS", type=_kinds, default=KINDS, help=f"some of {','.join(KINDS)}; default: all")
    add("--limit", metavar="N", type=_natural, help="the first N of each kind")
    add("--peer", choices=["mediapipe"], help="evaluate this one too, in an environment of its own")
    add("--peer-python", metavar="PATH", type=Path, help="of an environment that has the peer; default: one is made")
    add("--device", default="cpu", help="where our networks run; the peer's run on the CPU; default: %(default)s")
    add("--set", metavar="NAME=VALUE", action="append", default=[], type=_setting, help="a parameter of ours")
    faces = f"most faces; default: {STILL_FACES} in pictures, {STREAM_FACES} in clips"
    add("--max-faces", metavar="N", type=_natural, help=faces)
    shift = "taken off x and y of all that is found, ours and the peer's; default: %(default)s"
    add("--pixel-shift", metavar="PX", type=float, default=0.0, help=shift)
    parser.set_defaults(run=run)


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(text.split(",")))
    if not set(kinds) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"{text!r} is not some of {','.join(KINDS)}")
    return kinds


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _setting(text: str) -> tuple[str, object]:
    """Read ``name=value``; what is no number, true or false is a word."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    if name in _OWN_OPTIONS:
        raise argparse.ArgumentTypeError(f"{name} has an option of its own: use {_OWN_OPTIONS[name]}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the tables and write everything; return 0.

    Raises:
        FaceMeshError: there is no data, a setting is wrong, a subject cannot be started, or everything was left out.
    """
    data = read_data(args.data, args.only, args.limit)
    _make_folder(args.out)
    console = Console()
    console.width = max(console.width, LEAST_WIDTH) if console.is_terminal else _WIDE
    with ExitStack() as stack:
        subjects = _subjects(args, console, stack)
        with progress(console, data) as advance:
            examiner = Examiner(subjects, data, args.pixel_shift, reference_face(), advance)
            evaluation = examiner.examine()
        about = {subject.name: dict(subject.about()) for subject in subjects}
    measured = {**_circumstances(args), "subjects": about, **figures(evaluation, list(about))}
    tables = sheets(measured, list(about))
    for sheet in tables:
        console.print(sheet.to_rich(), crop=False)
    written = [
        *_write_figures(args.out, measured, tables, evaluation.failures),
        *_write_pictures(args.out, evaluation, list(about)),
    ]
    for failure in evaluation.failures:
        console.print(f"left out: {failure}", soft_wrap=True, markup=False)
    console.print(f"Wrote {', '.join(written)} in {args.out}", soft_wrap=True, markup=False)
    if evaluation.is_empty:
        raise InputError("nothing could be evaluated: see above what was left out, and why")
    return 0


def _write_figures(
    folder: Path, measured: dict[str, Any], tables: Sequence[Sheet], failures: Sequence[Failure]
) -> list[str]:
    """Write the figures as JSON and as Markdown; return the files' names."""
    where = f"{measured['machine']['processor']}, {measured['created']}"
    heading = f"# Evaluation\n\n`{measured['command']}`\n\n{where}\n"
    texts = {
        "evaluation.json": json.dumps(measured, indent=1, ensure_ascii=False),
        "evaluation.md": "\n".join([heading, *(sheet.to_markdown() for sheet in tables), *_left_out(failures)]),
    }
    with _writing(folder):
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    return list(texts)


def _left_out(failures: Sequence[Failure]) -> list[str]:
    """Return a section of Markdown; none where nothing was left out."""
    return ["## Left out\n\n" + "".join(f"- {failure}\n" for failure in failures)] if failures else []


def _write_pictures(folder: Path, evaluation: Evaluation, subjects: Sequence[str]) -> list[str]:
    """Write contact sheets of the worst cases, and remove those of an earlier run; return the files' names."""
    with _writing(folder):
        for kind, subject in product(WORST_KINDS, _ALL_SUBJECTS):
            (folder / _picture_name(kind, subject)).unlink(missing_ok=True)
    names = []
    for subject in subjects:
        for kind, cases in worst(evaluation, subject).items():
            names.append(_picture_name(kind, subject))
            write_picture(np.ascontiguousarray(contact_sheet(tiles(cases))[..., ::-1]), folder / names[-1])
    return names


def _picture_name(kind: str, subject: str) -> str:
    return f"worst_{kind}.png" if subject == Library.name else f"worst_{kind}_{subject}.png"


def _make_folder(folder: Path) -> None:
    """Make the folder and see that files can be written to it, before the work is done."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder):
            pass


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn what the disk says into an error of ours."""
    try:
        yield
    except OSError as error:
        raise InputError(f"nothing can be written to the folder {folder} ({error}): name another with --out") from error


def _subjects(args: argparse.Namespace, console: Console, stack: ExitStack) -> list[Subject]:
    """Start us and, where asked for, the peer; the stack closes them."""
    from facemesh_ros.tools.__main__ import version

    still, stream = (args.max_faces or default for default in (STILL_FACES, STREAM_FACES))
    config = Config.from_dotted({**dict(args.set), "device": args.device})
    subjects: list[Subject] = [Library(config, still, stream, version())]
    if args.peer is not None:
        if args.peer_python is None:
            console.print("Making sure that the peer is installed; the first time takes some minutes.")
        subjects.append(MediaPipe(peer_python(args.peer_python), still, stream, args.out / _WORKER_LOG))
    for subject in subjects:
        stack.callback(subject.close)
    return subjects


def _circumstances(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "command": shlex.join(["facemesh", *sys.argv[1:]]),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "data": str(args.data),
        "pixel_shift": args.pixel_shift,
        "machine": machine(),
    }
