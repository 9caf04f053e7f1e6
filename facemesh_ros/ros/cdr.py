"""Elements of a sequence as CDR bytes whose numbers are written in place; as Python objects they cost milliseconds.

A message is serialised once, with its strings and counts, and with a mark in the place of every number that changes.
Where the marks lie in the bytes, numpy then writes the numbers of image after image. So no layout is assumed but this:
CDR (XCDR1) aligns a number to its size, counted from the end of a header of 4 bytes. Hence an element that begins 4
bytes beside a multiple of 8 has other bytes than one that begins at one: its *phase* is 4 or 0.
"""

from __future__ import annotations

import itertools
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message

from facemesh_ros.types import UInt8

Dtype: TypeAlias = type[np.int32] | type[np.float32] | type[np.float64]
HEADER_BYTES = 4
FIRST_PHASE = 4
"""Of the first element: the sequence's count goes before it."""
_HEADER = bytes([0, sys.byteorder == "little", 0, 0])
"""Plain CDR, with numbers in the byte order of this machine."""
_START = struct.Struct("=4sI")
"""That header, and the sequence's count."""
_ALIGNMENT = 8
_marks = itertools.cycle(range(5_000_000, 16_000_000))


class Mark(NamedTuple):
    """A number that stands for those of a field, until they are written."""

    value: int
    """The same as int32, float32 and float64, and seldom a number of a message."""
    dtype: Dtype
    columns: int = 0
    """The numbers are seen as rows of so many; 0 for a flat array."""

    @classmethod
    def fresh(cls, dtype: Dtype, columns: int = 0) -> Mark:
        """Return one that no message has had for long: padding holds what another message left in memory."""
        return cls(next(_marks), dtype, columns)


class Template:
    """An element that is serialised, and copied as often as it is needed."""

    def __init__(
        self, element: Any, sequence_of: Callable[[list[Any]], Any], phase: int, marks: Mapping[str, Mark]
    ) -> None:
        """Serialise.

        Args:
            element: a message whose fields hold the marks, each in one unbroken block.
            sequence_of: makes the message whose only field is the sequence.
            phase: 0 or 4: where the element begins, modulo 8.
            marks: by the names that the fields get.
        """
        whole = serialize_message(sequence_of([element]) if phase else element)
        data = whole[HEADER_BYTES + phase :]
        self._data = np.frombuffer(data + bytes(-len(data) % 4), np.uint8)
        self.phase = phase
        self.size = len(self._data)
        """Bytes; a multiple of 4."""
        self._fields = {name: (mark, self._place(mark)) for name, mark in marks.items()}

    @property
    def next_phase(self) -> int:
        """The phase of the element that follows."""
        return (self.phase + self.size) % _ALIGNMENT

    def copied_to(self, data: UInt8) -> dict[str, NDArray[Any]]:
        """Copy the element into ``data``, (size,) uint8; return views of the numbers there, by name."""
        data[:] = self._data
        return {name: _seen(data[place], mark) for name, (mark, place) in self._fields.items()}

    def _place(self, mark: Mark) -> slice:
        """Return which bytes hold a mark."""
        size = np.dtype(mark.dtype).itemsize
        skipped = self.phase % size
        words = self._data[skipped : skipped + (len(self._data) - skipped) // size * size]
        first, *others = np.flatnonzero(words.view(mark.dtype) == mark.value).tolist()
        assert others == list(range(first + 1, first + 1 + len(others))), "a mark's block is broken"
        return slice(skipped + size * first, skipped + size * (first + 1 + len(others)))


def _seen(data: UInt8, mark: Mark) -> NDArray[Any]:
    numbers = data.view(mark.dtype)
    return numbers.reshape(-1, mark.columns) if mark.columns else numbers


class Row(NamedTuple):
    """Elements that follow one another."""

    data: UInt8
    """Their bytes, (bytes,) uint8."""
    fields: tuple[dict[str, NDArray[Any]], ...]
    """Of each element: views of the numbers in ``data``, by name."""

    @classmethod
    def of(cls, templates: Sequence[Template]) -> Row:
        """Return copies of elements, each of the phase in which the one before it ends.

        The float64 are aligned for numpy as well.
        """
        phase = templates[0].phase
        data = np.empty(phase + sum(template.size for template in templates), np.uint8)[phase:]
        ends = itertools.accumulate(template.size for template in templates)
        return cls(data, tuple(t.copied_to(data[end - t.size : end]) for t, end in zip(templates, ends, strict=True)))


def joined(rows: Sequence[Row]) -> bytes:
    """Return the message of a sequence of elements, each of the phase of its place, to be published as it is."""
    start = _START.pack(_HEADER, sum([len(row.fields) for row in rows]))
    return b"".join([start, *[row.data.data for row in rows]])
