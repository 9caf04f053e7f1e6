"""Which of the faces found is which of the faces annotated, and which were found twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.tools.evaluation.ibug68 import INNER
from facemesh_ros.topology import face_topology

Points = NDArray[Any]

NEAR = 0.35
"""A face found belongs to an annotated one if their inner points lie nearer than this on average, in face sizes."""


def mean_distance(found: Points, truth: Points) -> float:
    """Return the mean distance, px, between (N, 2) points and their counterparts."""
    return float(np.linalg.norm(found - truth, axis=1).mean())


def match(truths: Sequence[Points], sizes_px: Sequence[float], found: Sequence[Points]) -> list[int | None]:
    """Give each annotated face, in order, the nearest face found that no earlier one has taken.

    Args:
        truths: (68, 2) px each.
        sizes_px: √(width·height) of each annotated face.
        found: (68, 2) px each.

    Returns:
        For each annotated face the index of the face found, or None where none is within :data:`NEAR` of its size.
    """
    free = set(range(len(found)))
    matches: list[int | None] = []
    for truth, size_px in zip(truths, sizes_px, strict=True):
        distances = {index: mean_distance(found[index][INNER], truth[INNER]) for index in sorted(free)}
        nearest = min(distances, key=distances.__getitem__, default=None)
        if nearest is None or distances[nearest] >= NEAR * size_px:
            matches.append(None)
        else:
            matches.append(nearest)
            free.remove(nearest)
    return matches


def duplicates(meshes: Sequence[Points], first: Sequence[int] = ()) -> list[int]:
    """Return the indices of meshes that show a face that an earlier mesh shows already.

    Two meshes show one face if the tip of the nose of either lies inside the outline of the other.

    Args:
        meshes: (N, 2 or 3) px each.
        first: indices that count as the earliest, in this order: those that matched an annotated face.
    """
    order = [*first, *(index for index in range(len(meshes)) if index not in first)]
    distinct: list[int] = []
    repeated: list[int] = []
    for index in order:
        twice = any(same_face(meshes[index], meshes[other]) for other in distinct)
        (repeated if twice and index not in first else distinct).append(index)
    return sorted(repeated)


def same_face(one: Points, other: Points) -> bool:
    """Tell whether the nose of either mesh lies inside the other's outline."""
    return _nose_inside(one, other) or _nose_inside(other, one)


def _nose_inside(one: Points, other: Points) -> bool:
    topology = face_topology(len(one))
    nose_xy = one[topology.points["nose_tip"], :2].astype(float)
    oval = np.ascontiguousarray(other[topology.loops["face_oval"], :2], np.float32)
    return cv2.pointPolygonTest(oval, (float(nose_xy[0]), float(nose_xy[1])), False) >= 0


@dataclass(frozen=True)
class Verdict:
    """What became of the faces annotated in one picture, and of those found."""

    matches: tuple[int | None, ...]
    """For each annotated face the index of the one found."""
    duplicates: tuple[int, ...]
    """Indices of faces found more than once."""
    false: tuple[int, ...]
    """Indices of faces found where there is none; always empty where not every face is annotated."""


def judge(
    truths: Sequence[Points],
    sizes_px: Sequence[float],
    ignored: Sequence[bool],
    complete: bool,
    found68: Sequence[Points],
    meshes: Sequence[Points],
) -> Verdict:
    """Match faces, then sort out those that are left over.

    Args:
        truths: (68, 2) px of every annotated face, the ignored ones too.
        sizes_px: of each.
        ignored: whether each may be found or missed without consequence; its match is dropped from the verdict.
        complete: whether the picture holds no face beside these.
        found68: (68, 2) px of each face found.
        meshes: (N, 3) px of the same.
    """
    counted = [index for index, ignore in enumerate(ignored) if not ignore]
    aside = [index for index, ignore in enumerate(ignored) if ignore]
    order = [*counted, *aside]  # an ignored face takes only what the counted ones have left
    found = match([truths[i] for i in order], [sizes_px[i] for i in order], found68)
    taken = [index for index in found if index is not None]
    repeated = duplicates(meshes, taken)
    left = set(range(len(meshes))) - set(taken) - set(repeated) if complete else set()
    return Verdict(tuple(found[: len(counted)]), tuple(repeated), tuple(sorted(left)))
