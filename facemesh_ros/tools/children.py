"""Child processes that log to a file, are stopped cleanly, and do not outlive this process."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

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


def start(name: str, command: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
    """Start a command that ends when we do, in a session of its own: a terminal's Ctrl-C does not reach it.

    Args:
        name: of the child, for people.
        command: a program and its arguments.
        streams: stdin, stdout, stderr and bufsize of :class:`subprocess.Popen`.

    Raises:
        FaceMeshError: there is no such program.
    """
    if shutil.which(command[0]) is None:
        raise FaceMeshError(f"{name} cannot be started: there is no program {command[0]}: check the name")
    return subprocess.Popen([sys.executable, "-c", _MORTAL, *command], start_new_session=True, **streams)


def last_words(log: Path) -> str:
    """Quote the end of a log and say where all of it is."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
    if not lines:
        return f"its log, {log}, is empty"
    return f"the end of its log, {log}:" + "".join(f"\n    {line}" for line in lines)


class Child:
    """A process that only :meth:`stop` or our end reaches."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        """Start ``command``; what it prints goes to the file ``log``."""
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._process = start(name, command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

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
        return last_words(self._log)

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
