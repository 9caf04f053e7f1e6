"""Work shared out to several threads: of a crowd's faces on a CPU, none waits for all before it."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import numpy as np

from facemesh_ros.buckets import Outputs
from facemesh_ros.types import UInt8

T = TypeVar("T")
R = TypeVar("R")
_MOST_BY_DEFAULT = 4
"""Threads: a crowd of faces is rarely larger, and other programs want cores too."""


def usable_cores() -> int:
    """Return on how many cores this process may run."""
    # Only some systems tell a process's own.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_threads(asked: int) -> int:
    """Return how many threads ``threads`` stands for: itself, or for 0 one a core that may be used, up to 4."""
    return asked or min(usable_cores(), _MOST_BY_DEFAULT)


def spread(run: Callable[[UInt8], Outputs], images: UInt8, threads: int) -> Outputs:
    """Return what ``run`` returns for these rows, run in equal parts, one a thread.

    Args:
        run: takes (N, …) rows and returns arrays of N rows each, no row depending on another.
        images: (N, …).
        threads: as for :func:`each`, which names the errors too.
    """
    count = min(threads, len(images))
    if count <= 1:
        return run(images)
    outputs = each(run, np.array_split(images, count), threads)
    return tuple(np.concatenate(arrays) for arrays in zip(*outputs, strict=True))


def each(work: Callable[[T], R], things: Sequence[T], threads: int) -> list[R]:
    """Return what ``work`` returns for each thing, in order, done in this thread and in ``threads`` - 1 beside it.

    Those threads are the process's, shared by all that share work out. Each takes the next thing as soon as it is free,
    and so does this one: where they are busy, or the machine is, it takes no longer than in one thread.

    Args:
        work: may be called by any thread.
        things: to work on.
        threads: at least 1.

    Raises:
        Exception: what ``work`` raised for one of them; it works on none any more then.
    """
    if threads <= 1 or len(things) <= 1:
        return [work(thing) for thing in things]
    round_ = _Round(work, things)
    helpers = _helpers
    helpers.invite(round_, min(threads, len(things)) - 1)
    try:
        round_.join_in()
    finally:
        helpers.withdraw(round_)
        round_.wait()  # the things are the caller's again
    return round_.results()


class _Round(Generic[T, R]):
    """Things to work on, for whoever joins in."""

    def __init__(self, work: Callable[[T], R], things: Sequence[T]) -> None:
        self._work, self._things = work, things
        self._done: dict[int, R] = {}
        self._error: BaseException | None = None
        self._turn = threading.Condition()
        self._taken = self._at_work = 0

    def join_in(self) -> None:
        """Work on what nobody has taken yet, until there is nothing left, or something has failed."""
        while (place := self._take()) is not None:
            error = None
            try:
                self._done[place] = self._work(self._things[place])
            except BaseException as raised:  # whoever shares the work out raises it
                error = raised
            with self._turn:
                self._at_work -= 1
                self._error = self._error or error
                self._turn.notify_all()

    def _take(self) -> int | None:
        with self._turn:
            if self._error is not None or self._taken == len(self._things):
                return None
            self._taken, self._at_work = self._taken + 1, self._at_work + 1
            return self._taken - 1

    def wait(self) -> None:
        """Return when nobody works on any thing."""
        with self._turn:
            self._taken = len(self._things)
            self._turn.wait_for(lambda: not self._at_work)

    def results(self) -> list[R]:
        """Return what came of all things, in their order, or raise what came first."""
        if self._error is not None:
            raise self._error
        return [self._done[place] for place in range(len(self._things))]


class _Helpers:
    """The threads beside: as many as were ever asked for at a time. They hold up no end of the process.

    None is at work then: who shares work out waits for them.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._invitations: deque[_Round[Any, Any]] = deque()
        self._count = 0

    def invite(self, round_: _Round[Any, Any], count: int) -> None:
        """Ask so many to join in as soon as they are free."""
        with self._turn:
            with suppress(RuntimeError):  # no thread can be had any more, as when the process ends
                while self._count < count:
                    threading.Thread(target=self._help, name="facemesh_rows", daemon=True).start()
                    self._count += 1
            self._invitations.extend([round_] * min(count, self._count))
            self._turn.notify(count)

    def withdraw(self, round_: _Round[Any, Any]) -> None:
        """Ask nobody any more: nothing is kept of a round that is over."""
        with self._turn:
            while round_ in self._invitations:
                self._invitations.remove(round_)

    def _help(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._invitations)
                round_ = self._invitations.popleft()
            round_.join_in()
            del round_


_helpers = _Helpers()


def _forget_helpers() -> None:
    """In a process that was forked there are no threads but the one that did it."""
    global _helpers
    _helpers = _Helpers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)
