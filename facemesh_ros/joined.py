"""Requests that wait at the same time become one run: the faces of all cameras go in one batch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facemesh_ros.buckets import Outputs
from facemesh_ros.types import UInt8


@dataclass(eq=False)
class _Request:
    images: UInt8
    outputs: Outputs | None = None
    error: BaseException | None = None

    @property
    def is_answered(self) -> bool:
        return self.outputs is not None or self.error is not None


class Joined:
    """A function of a batch, called by many threads, run by one at a time for all that wait.

    Whoever comes while nothing runs, runs at once; whoever comes during a run waits for its end, and the first to wake
    runs for all. Nobody waits for company, and no run serves a thread twice.
    """

    def __init__(self, run: Callable[[UInt8], Outputs]) -> None:
        """Take a function of (N, …) rows that returns arrays of N rows each, row by row."""
        self._run = run
        self._turn = threading.Condition()
        self._waiting: list[_Request] = []
        self._is_running = False

    def run(self, images: UInt8) -> Outputs:
        """Return the outputs for these rows.

        Raises:
            Exception: what the run raised, for all whose rows were in it.
        """
        request = _Request(images)
        with self._turn:
            self._waiting.append(request)
            self._turn.wait_for(lambda: request.is_answered or not self._is_running)
            batch = [] if request.is_answered else self._waiting
            if batch:
                self._waiting, self._is_running = [], True
        if batch:
            self._answer(batch)
        if request.error is not None:
            raise request.error
        assert request.outputs is not None
        return request.outputs

    def _answer(self, batch: list[_Request]) -> None:
        try:
            self._run_for(batch)
        except BaseException as error:  # whoever waits would wait for ever
            for request in batch:
                request.error = error
        finally:
            with self._turn:
                self._is_running = False
                self._turn.notify_all()

    def _run_for(self, batch: list[_Request]) -> None:
        if len(batch) == 1:
            batch[0].outputs = self._run(batch[0].images)
            return
        outputs = self._run(np.concatenate([request.images for request in batch]))
        ends = np.cumsum([len(request.images) for request in batch])[:-1]
        pieces = [np.split(output, ends) for output in outputs]
        for index, request in enumerate(batch):
            request.outputs = tuple(piece[index] for piece in pieces)
