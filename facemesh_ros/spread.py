"""Work shared out to several threads: of a crowd's faces on a CPU, none waits for all before it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import TypeVar

import numpy as np

from facemesh_ros.buckets import Outputs
from facemesh_ros.types import UInt8

T = TypeVar("T")
R = TypeVar("R")
_MOST_BY_DEFAULT = 4
"""Threads: a crowd of faces is rarely larger, and other programs want cores too."""


def usable_threads(asked: int) -> int:
    """Return how many threads ``threads`` stands for: itself, or for 0 one a core that may be used, up to 4."""
    return asked or min(len(os.sched_getaffinity(0)), _MOST_BY_DEFAULT)


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

    Those threads are the process's, shared by all that share work out. What none of them has begun, this one does
    itself: where they are busy, or the machine is, it takes no longer than in one thread.

    Args:
        work: may be called by any thread.
        things: to work on.
        threads: at least 1.

    Raises:
        Exception: what ``work`` raised for one of them; it works on none any more then.
    """
    if threads <= 1 or len(things) <= 1:
        return [work(thing) for thing in things]
    first, *others = things
    jobs = [_threads(threads - 1).submit(work, thing) for thing in others]
    try:
        done = {0: work(first)}
        for place in reversed(range(len(others))):  # the others begin at the front
            if jobs[place].cancel():
                done[place + 1] = work(others[place])
        return [done[place] if place in done else jobs[place - 1].result() for place in range(len(things))]
    finally:
        wait([job for job in jobs if not job.cancel()])  # what they worked on is the caller's again


@lru_cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="facemesh_rows")
