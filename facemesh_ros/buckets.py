"""Batches of fixed sizes: what a GPU runs fast again and again, with all that it needs prepared once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from facemesh_ros.types import Float32, UInt8

BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Rows of the batches that are run; a smaller one is filled up."""

Outputs = tuple[Float32, ...]


def bucket_of(rows: int) -> int:
    """Return the smallest bucket that holds so many rows; the largest if none does."""
    return next((bucket for bucket in BUCKETS if bucket >= rows), BUCKETS[-1])


def chunks(rows: int, largest: int = BUCKETS[-1]) -> Iterator[slice]:
    """Cut rows into slices of at most ``largest``, in order; no rows are one empty slice."""
    for start in range(0, max(rows, 1), largest):
        yield slice(start, start + largest)


class Bucket(Protocol):
    """A batch of fixed size."""

    def run(self, images: UInt8) -> Outputs:
        """Return the outputs for at most as many images as it has rows, in arrays of their own."""


class Buckets:
    """A network's batches; each is made when it is first needed. For one thread at a time."""

    def __init__(self, make: Callable[[int], Bucket], largest: int = BUCKETS[-1]) -> None:
        """Take what makes the batch of a given number of rows, and the most rows that one may have."""
        self._make = make
        self._largest = largest
        self._made: dict[int, Bucket] = {}

    @property
    def made(self) -> tuple[int, ...]:
        """The sizes that there are so far, in rows."""
        return tuple(sorted(self._made))

    def run(self, images: UInt8) -> Outputs:
        """Return the outputs for any number of images, in their order, in arrays that nothing else writes to."""
        parts = [self._bucket(len(images[part])).run(images[part]) for part in chunks(len(images), self._largest)]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(pieces) for pieces in zip(*parts, strict=True))

    def are_made_for(self, rows: int) -> bool:
        """Whether a run of so many rows makes no batch first."""
        parts = (min(part.stop, rows) - part.start for part in chunks(rows, self._largest))
        return all(bucket_of(part) in self._made for part in parts)

    def prepare(self, rows: int) -> None:
        """Make all batches that 1 to ``rows`` rows need.

        The largest first, then the smallest: once both are known, a device has seen the whole range.
        """
        most = min(bucket_of(rows), self._largest) if rows else 0
        for size in sorted((size for size in BUCKETS if size <= most), key=lambda size: (size != most, size)):
            self._bucket(size)

    def _bucket(self, rows: int) -> Bucket:
        size = bucket_of(rows)
        if size not in self._made:
            self._made[size] = self._make(size)
        return self._made[size]
