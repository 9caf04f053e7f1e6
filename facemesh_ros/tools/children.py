"""Child processes that log to a file, are stopped cleanly, and do not outlive this process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from facemesh_ros.errors import FaceMeshError

_PATIENCE_S = 5.0
"""How long a child may take to end after SIGINT, and again after SIGTERM."""
_TAIL_LINES = 12
_MORTAL = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Runs a command that gets SIGTERM when its parent dies, of whatever cause. (As subprocess's preexec_fn it would run in
a fork of a process with threads, which may deadlock.)"""


class Child:
    """A process in a session of its own: a terminal's Ctrl-C does not reach it, only :meth:`stop` or our end does."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        """Start ``command``; what it prints goes to the file ``log``."""
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _MORTAL, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Raise FaceMeshError with the end of the log if the process has ended."""
        status = self._process.poll()
        if status is not None:
            raise FaceMeshError(f"{self.name} ended with status {status}; {self.last_words()}")

    def last_words(self) -> str:
        """Quote the end of the log and say where all of it is."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        quoted = "".join(f"\n    {line}" for line in lines) or " nothing"
        return f"the end of its log, {self._log}:{quoted}"

    def stop(self) -> None:
        """End the process: SIGINT as from a terminal, then SIGTERM, then SIGKILL, each after some patience."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                continue
            return
