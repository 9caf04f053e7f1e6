"""Requests that wait at the same time become one run: the faces of all cameras go in one batch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facemesh_ros.buckets import Outputs
from facemesh_ros.types import UInt8

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Request:
    images: UInt8
    outputs: Outputs | None = None
    error: Exception | None = None

    @property
    def is_answered(self) -> bool:
        return self.outputs is not None or self.error is not None


class Joined:
    """A function of a batch, called by many threads, run by one at a time for all that wait.

    Whoever comes while nothing runs, runs at once; whoever comes during a run waits for its end, and the first to wake
    runs for all. Nobody waits for company, and no run serves a thread twice. Where a run for several fails, the rows of
    each are run alone: what is wrong with some of them stays with who asked for these. Where nothing is wrong with any,
    so that they only fail together, a warning says so, once.
    """

    def __init__(self, run: Callable[[UInt8], Outputs]) -> None:
        """Take a function of (N, …) rows that returns arrays of N rows each, row by row."""
        self._run = run
        self._turn = threading.Condition()
        self._waiting: list[_Request] = []
        self._is_running = False
        self._has_warned = False

    def run(self, images: UInt8) -> Outputs:
        """Return the outputs for these rows.

        Raises:
            Exception: what the run of these rows alone raised; nobody else gets the same object.
        """
        request = _Request(images)
        with self._turn:
            self._waiting.append(request)
            self._turn.wait_for(lambda: request.is_answered or not self._is_running)
            batch = [] if request.is_answered else self._waiting
            if batch:
                self._waiting, self._is_running = [], True
        if batch:
            self._answer(batch, request)
        if request.error is not None:
            raise request.error
        assert request.outputs is not None
        return request.outputs

    def _answer(self, batch: list[_Request], own: _Request) -> None:
        try:
            if len(batch) == 1:
                self._run_alone(own)
            else:
                self._run_several(batch)
        finally:
            with self._turn:
                # Where this thread was interrupted, another runs for those who still wait.
                self._waiting[:0] = [one for one in batch if not one.is_answered and one is not own]
                self._is_running = False
                self._turn.notify_all()

    def _run_alone(self, request: _Request) -> None:
        try:
            request.outputs = self._run(request.images)
        except Exception as error:
            request.error = error

    def _run_several(self, batch: list[_Request]) -> None:
        error = self._run_together(batch)
        if error is None:
            return
        for request in batch:
            self._run_alone(request)
        if all(request.error is None for request in batch):
            self._warn(batch, error)

    def _warn(self, batch: list[_Request], error: Exception) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        _log.warning(
            "%d requests at the same time, of %d rows in all, failed as one batch and succeeded one by one; so it is "
            "done whenever that happens, which takes longer and is not said again. Fewer cameras or a lower max_faces "
            "make smaller batches; where memory of the GPU is short, nvidia-smi shows who has it. The error was: %s",
            len(batch),
            sum(len(request.images) for request in batch),
            error,
        )

    def _run_together(self, batch: list[_Request]) -> Exception | None:
        """Answer all by one run; where it fails, answer none and return why."""
        try:
            outputs = self._run(np.concatenate([request.images for request in batch]))
        except Exception as error:
            _log.debug("a run for %d requests failed, each is run alone: %s", len(batch), error)
            return error
        ends = np.cumsum([len(request.images) for request in batch])[:-1]
        pieces = [np.split(output, ends) for output in outputs]
        for index, request in enumerate(batch):
            request.outputs = tuple(piece[index] for piece in pieces)
        return None
