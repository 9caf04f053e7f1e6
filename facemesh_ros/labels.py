"""Where the labels of faces go: wholly inside the image, and over nobody's face while there is another place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facemesh_ros.types import Float64

Box = Float64
"""(4,) px: left, top, right, bottom; the last two are beyond."""

OWN_FACE, OTHER_FACE, OTHER_LABEL = 1.0, 10.0, 100.0
"""What a px costs that a label covers of these."""


def label_places(
    sizes_wh: Sequence[tuple[int, int]], regions: Sequence[Box], faces: Sequence[Box], canvas_wh: tuple[int, int]
) -> list[tuple[int, int] | None]:
    """Return the left and top of each label, px; None for a face out of sight or a canvas that is too small.

    A label goes to one corner or side of its region, beside it if possible. In order of the faces, each takes the
    place at which it covers least of other labels, other faces and its own, the first of those that are equally good.

    Args:
        sizes_wh: of the labels, px.
        regions: the box around the region of each face.
        faces: the box around each face.
        canvas_wh: px.
    """
    placed: list[Box] = []
    places: list[tuple[int, int] | None] = []
    for index, ((width, height), region) in enumerate(zip(sizes_wh, regions, strict=True)):
        room = np.array(canvas_wh) - (width, height)
        if np.any(room < 0) or np.any(region[2:] < 0) or np.any(region[:2] >= canvas_wh):
            places.append(None)
            continue
        corners = np.clip(np.round(_candidates(region, faces[index], width, height)), 0, room)
        boxes = np.concatenate([corners, corners + (width, height)], axis=1)
        others = [face for other, face in enumerate(faces) if other != index]
        costs = (
            OTHER_LABEL * _covered(boxes, placed)
            + OTHER_FACE * _covered(boxes, others)
            + OWN_FACE * _covered(boxes, faces[index : index + 1])
        )
        best = int(np.argmin(costs))
        placed.append(boxes[best])
        left, top = corners[best].astype(int).tolist()
        places.append((left, top))
    return places


def _candidates(region: Box, face: Box, width: int, height: int) -> Float64:
    """Return (n, 2) left-top corners around the region, then around the face inside it, the best-loved first."""
    return np.concatenate([_around(region, width, height), _around(face, width, height)])


def _around(box: Box, width: int, height: int) -> Float64:
    left, top, right, bottom = box.tolist()
    middle_x, middle_y = 0.5 * (left + right - width), 0.5 * (top + bottom - height)
    above, below, before, behind = top - height, bottom, left - width, right
    at_right, at_bottom = right - width, bottom - height
    rows = [(x, y) for y in (above, below) for x in (left, at_right, middle_x)]
    columns = [(x, y) for x in (behind, before) for y in (top, at_bottom, middle_y)]
    diagonals = [(x, y) for y in (above, below) for x in (before, behind)]
    return np.array([*rows, *columns, *diagonals])


def _covered(boxes: Float64, others: Sequence[Box]) -> Float64:
    """Return (n,) how much of the others each of (n, 4) boxes covers, px²."""
    if not others:
        return np.zeros(len(boxes))
    other = np.array(others)
    low = np.maximum(boxes[:, np.newaxis, :2], other[np.newaxis, :, :2])
    high = np.minimum(boxes[:, np.newaxis, 2:], other[np.newaxis, :, 2:])
    common: Float64 = np.clip(high - low, 0.0, None).prod(axis=2).sum(axis=1)
    return common
