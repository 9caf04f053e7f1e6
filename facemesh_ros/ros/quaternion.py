"""Rotations as messages have them."""

from __future__ import annotations

import math

from facemesh_ros.types import Float64


def quaternion_xyzw(rotation: Float64) -> tuple[float, float, float, float]:
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
