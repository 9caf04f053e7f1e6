"""The peer: MediaPipe's FaceMesh, in a virtual environment of its own, beside us in the same run."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.evaluation.mediapipe_worker import POINTS
from facemesh_ros.tools.evaluation.subjects import Found, Result, Subject
from facemesh_ros.tools.evaluation.worker import Worker
from facemesh_ros.types import UInt8

PACKAGE = "mediapipe"
VERSION = "0.10.21"
"""The last release whose FaceMesh solution carries its networks."""
WORKER = Path(__file__).with_name("mediapipe_worker.py")
_TAIL_LINES = 6


def peer_python(given: Path | None) -> Path:
    """Return the interpreter of an environment with the peer; where none is given, make one in the user's cache, once.

    Raises:
        FaceMeshError: there is no such interpreter, or the environment cannot be made; with the remedy.
    """
    if given is not None:
        if not given.is_file():
            raise FaceMeshError(f"--peer-python: there is no file {given}; name the python of an environment with it")
        return given
    folder = cache_folder() / f"peer-{PACKAGE}-{VERSION}"
    if not folder.is_dir():
        _make_environment(folder)
    return folder / "bin" / "python"


def cache_folder() -> Path:
    """Return where this package keeps what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "facemesh_ros"


def _make_environment(folder: Path) -> None:
    """Make a virtual environment with the peer, which appears only when it is complete: runs may make it at once."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary, folder.name)
            venv.create(made, with_pip=True)
            _install(made / "bin" / "python")
            _publish(made, folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise FaceMeshError(
            f"no virtual environment can be made in {folder} ({error}); install python3-venv, set XDG_CACHE_HOME to a "
            f"folder that can be written, or name an interpreter that has {PACKAGE} with --peer-python"
        ) from error


def _publish(made: Path, folder: Path) -> None:
    """Move an environment to its place, unless another run was faster."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _install(python: Path) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{PACKAGE}=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n    ".join(done.stderr.strip().splitlines()[-_TAIL_LINES:])
        raise FaceMeshError(
            f"pip cannot install {PACKAGE}=={VERSION} for Python {sys.version_info.major}.{sys.version_info.minor}, "
            f"which needs Python 3.9 to 3.12 and a package index: make an environment with another Python and name it "
            f"with --peer-python PATH. pip said:\n    {said}"
        )


class MediaPipe(Subject):
    """MediaPipe's FaceMesh; a worker that died is started again for the next picture or clip."""

    name = "mediapipe"

    def __init__(self, python: Path, still_faces: int, stream_faces: int, log: Path, script: Path = WORKER) -> None:
        """Start the worker.

        Raises:
            FaceMeshError: it cannot be started, or has no MediaPipe.
        """
        # -I: neither the folder of the worker nor PYTHONPATH is searched for modules.
        self._command = [str(python), "-I", str(script)]
        self._max_faces = {"still": still_faces, "stream": stream_faces}
        self._log = log
        self._worker: Worker | None = None
        self._opened: set[str] = set()
        self._about: dict[str, Any] = {}
        try:
            self._log.write_bytes(b"")
            self._open("still")
        except (OSError, FaceMeshError) as error:
            self.close()
            raise FaceMeshError(
                f"{PACKAGE} {VERSION} cannot be started: name the python of an environment that has it with "
                f"--peer-python, or leave that out to have one made. {error}"
            ) from error

    def still(self, image_rgb: UInt8) -> Result:
        """Look at a single picture."""
        if not self._is_running() or "still" not in self._opened:
            self._open("still")
        return self._process("still", image_rgb)

    def begin_stream(self) -> None:
        """Make a new graph."""
        self._open("stream")

    def frame(self, image_rgb: UInt8, stamp: float) -> Result:  # noqa: ARG002 (the peer takes no times)
        """Look at the next frame."""
        return self._process("stream", image_rgb)

    def about(self) -> Mapping[str, Any]:
        """Say versions and settings."""
        return {**self._about, "max_faces": self._max_faces["stream"], "max_faces (stills)": self._max_faces["still"]}

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()

    def _is_running(self) -> bool:
        return self._worker is not None and self._worker.is_running()

    def _open(self, mode: str) -> None:
        if not self._is_running():
            self.close()
            self._opened.clear()
            self._worker = Worker(f"the peer ({self._command[0]})", self._command, self._log)
        assert self._worker is not None
        self._about = self._worker.ask({"do": "open", "mode": mode, "max_faces": self._max_faces[mode]})
        self._opened.add(mode)

    def _process(self, mode: str, image_rgb: UInt8) -> Result:
        assert self._worker is not None
        request = {"do": "process", "mode": mode, "shape": image_rgb.shape}
        answer = self._worker.ask(request, np.ascontiguousarray(image_rgb).tobytes())
        if not _makes_sense(answer, self._max_faces[mode]):
            raise self._worker.refused(answer)
        shape = tuple(answer["shape"])
        points = np.frombuffer(self._worker.read(4 * math.prod(shape)), np.float32).reshape(shape)
        if not np.isfinite(points).all():
            raise self._worker.refused("points that are not finite")
        return Result(tuple(Found(face) for face in points), float(answer["ms"]))


def _makes_sense(answer: Mapping[str, Any], most_faces: int) -> bool:
    """Tell whether the head of an answer announces so many faces of 478 points and a time."""
    shapes = [[faces, POINTS, 3] for faces in range(most_faces + 1)]
    ms = answer.get("ms")
    return answer.get("shape") in shapes and isinstance(ms, (int, float)) and math.isfinite(ms) and ms >= 0.0
