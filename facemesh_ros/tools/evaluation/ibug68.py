"""The 68 points of iBUG/300W, as annotated faces bear them, taken from a mesh."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import InputError
from facemesh_ros.rep155 import IBUG68

INNER = slice(17, 68)
"""The 51 points without the jaw: the mesh's outline follows the silhouette, the annotation's the jaw bone."""


@dataclass(frozen=True)
class Ibug68:
    """Which points of a mesh make up each of the 68."""

    groups: tuple[tuple[int, ...], ...] = tuple((index,) for index in IBUG68)
    """68 tuples of indices of the mesh; their mean is the point."""

    def __post_init__(self) -> None:
        if len(self.groups) != 68 or not all(self.groups):
            raise InputError(f"the mapping has {len(self.groups)} entries; it must have 68, none of them empty")

    @classmethod
    def from_file(cls, path: Path) -> Ibug68:
        """Read the map ``R`` of a ``mapping68.json``.

        Raises:
            InputError: the file is no such thing.
        """
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))["maps"]["R"]
            return cls(tuple(_group(entry) for entry in entries))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} cannot be read as a mapping ({type(error).__name__}: {error}); it must be JSON with "
                '{"maps": {"R": [68 indices, or lists of indices]}}: mend or remove it'
            ) from error

    def points(self, mesh: NDArray[Any]) -> NDArray[np.float64]:
        """Return (68, 2) float64 px from a mesh (N, 2 or 3) px."""
        return np.stack([mesh[list(group), :2].mean(axis=0, dtype=np.float64) for group in self.groups])


def _group(entry: int | Sequence[int]) -> tuple[int, ...]:
    indices = (entry,) if isinstance(entry, int) else tuple(int(index) for index in entry)
    if not all(0 <= index < 468 for index in indices):
        raise ValueError(f"{entry} is no point of the mesh's 468")
    return indices
