"""A child process that answers requests over pipes: a line of JSON and bytes each way."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.children import last_words, start

_PATIENCE_S = 120.0
"""How long a request and its answer may take; importing the peer for the first time takes longest."""
_END_S = 5.0
_CHUNK = 1 << 20
_QUOTED = 200
"""Bytes of an answer that makes no sense."""
_NOTHING = memoryview(b"")


class Worker:
    """Runs a command that speaks the protocol of ``mediapipe_worker.py``."""

    def __init__(self, name: str, command: Sequence[str], log: Path, patience_s: float = _PATIENCE_S) -> None:
        """Start the command; what it prints on stderr is appended to the file ``log``.

        Raises:
            FaceMeshError: there is no such program.
        """
        self._name = name
        self._log = log
        self._patience_s = patience_s
        self._deadline_s = 0.0
        self._buffer = b""
        with log.open("ab") as errors:
            pipe = subprocess.PIPE
            self._process = start(name, command, stdin=pipe, stdout=pipe, stderr=errors, bufsize=0)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self._input.fileno(), False)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: Mapping[str, Any], body: bytes = b"") -> dict[str, Any]:
        """Send a request and return the head of the answer.

        Raises:
            FaceMeshError: the worker has ended; is not done in time, or says no JSON, and is killed; or answers with
                an error.
        """
        self._deadline_s = time.monotonic() + self._patience_s
        rest = memoryview(json.dumps(request).encode() + b"\n" + body)
        while rest:
            rest = self._exchange(rest)
        answer = self._head(self._line())
        if "error" in answer:
            raise FaceMeshError(f"{self._name}: {answer['error']}")
        return answer

    def _head(self, line: bytes) -> dict[str, Any]:
        with suppress(ValueError):
            answer = json.loads(line)
            if isinstance(answer, dict):
                return answer
        raise self.refused(line[:_QUOTED])

    def refused(self, answer: object) -> FaceMeshError:
        """Kill the worker, whose next answer could be to an older request; return what to raise."""
        self._kill()
        return FaceMeshError(f"{self._name} gives an answer that makes no sense: {answer!r}; {last_words(self._log)}")

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, which follow an answer that announces them and must come in the same time."""
        while len(self._buffer) < size:
            self._exchange()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process: the end of its input asks it to, and if it does not, it is killed."""
        self._input.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._kill()
        self._output.close()

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._exchange()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _exchange(self, rest: memoryview = _NOTHING) -> memoryview:
        """Keep what the worker says and give it what it takes; return what is left to give."""
        left_s = max(0.0, self._deadline_s - time.monotonic())
        readable, writable, _ = select.select([self._output], [self._input] if rest else [], [], left_s)
        if not (readable or writable):
            self._kill()
            raise FaceMeshError(f"{self._name} has not answered for {self._patience_s:g} s; {last_words(self._log)}")
        if readable:
            said = os.read(self._output.fileno(), _CHUNK)
            if not said:
                raise self._ended()
            self._buffer += said
        try:
            return rest[os.write(self._input.fileno(), rest) :] if writable else rest
        except BrokenPipeError as error:
            raise self._ended() from error

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _ended(self) -> FaceMeshError:
        try:
            status: object = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            status = "unknown"
        return FaceMeshError(f"{self._name} ended with status {status}; {last_words(self._log)}")
