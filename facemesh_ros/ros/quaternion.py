"""Rotations as messages have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Generic, TypeAlias, TypeVar

from facemesh_ros.types import Float64

Quaternion: TypeAlias = tuple[float, float, float, float]
"""x, y, z, w, of length 1."""
K = TypeVar("K")


def quaternion_xyzw(rotation: Float64) -> Quaternion:
    """Return the unit quaternion, x, y, z, w, of a (3, 3) rotation matrix; its largest part is positive.

    In Python's floats, which takes a tenth of scipy's time for one rotation (Shepperd, "Quaternion from rotation
    matrix", J. Guidance and Control 1, 1978).
    """
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    largest = max(a, e, i, a + e + i)
    if largest == a + e + i:
        x, y, z, w = h - f, c - g, d - b, 1.0 + largest
    elif largest == a:
        x, y, z, w = 1.0 + a - e - i, b + d, c + g, h - f
    elif largest == e:
        x, y, z, w = b + d, 1.0 + e - a - i, f + h, c - g
    else:
        x, y, z, w = c + g, f + h, 1.0 + i - a - e, d - b
    length = math.sqrt(x * x + y * y + z * z + w * w)
    return x / length, y / length, z / length, w / length


class SteadySigns(Generic[K]):
    """The signs of quaternions, by name: none changes from one image to the next, however its rotation goes round.

    All parts of a frontal head's quaternion are of one size, so that "the largest is positive" would change there.
    """

    def __init__(self) -> None:
        self._last: dict[K, Quaternion] = {}

    def kept(self, turns_xyzw: Mapping[K, Quaternion]) -> dict[K, Quaternion]:
        """Return the quaternions of the next image, each with the sign that is nearer to the one before of its name."""
        self._last = {name: _nearer(turn, self._last.get(name, turn)) for name, turn in turns_xyzw.items()}
        return self._last


def _nearer(turn: Quaternion, to: Quaternion) -> Quaternion:
    x, y, z, w = turn
    return (-x, -y, -z, -w) if x * to[0] + y * to[1] + z * to[2] + w * to[3] < 0.0 else turn
