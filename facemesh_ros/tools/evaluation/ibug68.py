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

INNER = slice(17, 68)
"""The 51 points without the jaw: the mesh's outline follows the silhouette, the annotation's the jaw bone."""

# fmt: off
_POINTS = (
    127, 234, 132, 58, 172, 136, 149, 176, 152, 400, 378, 365, 397, 288, 361, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # eyebrows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,  # lips
)
# fmt: on
"""Point of the mesh for each iBUG point. From MaixPy's widely copied list, with the jaw points 0, 2, 7, 9, 14, 16 and
the outer ends of the eyebrows as PeizhiYan/Mediapipe_2_Dlib_Landmarks and others have them."""


@dataclass(frozen=True)
class Ibug68:
    """Which points of a mesh make up each of the 68."""

    groups: tuple[tuple[int, ...], ...] = tuple((index,) for index in _POINTS)
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
