"""How far an evaluation has come, in pictures and frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facemesh_ros.tools.evaluation.datasets import Data
from facemesh_ros.tools.recording import frame_count


@contextmanager
def progress(console: Console, data: Data) -> Iterator[Callable[[str], None]]:
    """Show a bar in a terminal; yield what an examiner tells its progress, which does nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    if not console.is_terminal:
        yield lambda _: None
        return
    steps = len(data.annotated) + len(data.counted) + sum(frame_count(clip.path) for clip in data.clips)
    clips = {clip.name for clip in data.clips}
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=steps)

        def advance(name: str) -> None:
            """Take the name of a picture or a clip that begins, or "" after a frame."""
            if name:
                bar.update(task, description=Path(name).name)
            bar.advance(task, 0 if name in clips else 1)

        yield advance
