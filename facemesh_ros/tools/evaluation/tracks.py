"""Faces from frame to frame without knowing who they are: chains of overlapping boxes, jitter, what becomes of ids."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.geometry import overlaps
from facemesh_ros.topology import SURFACE_POINTS, face_topology

LEAST_OVERLAP = 0.2
"""Boxes of successive frames that overlap by more (intersection over union) belong to one chain."""
WINDOW_S = 2.0
"""A face may be out of sight for so long and still be the same: the tracker's own promise (tracker.reacquire_s)."""
FARTHEST_FACES = 1.0
"""It is taken for the same if its centre has then moved by less than so many face sizes, √(width·height) of the box."""
LARGEST_RATIO = 1.5
"""And if its size has changed by less than this."""

Place = tuple[int, int]
"""Frame, and index of the face among those of the frame."""
Chain = list[Place]
"""Places in successive frames."""


def box_of(points: NDArray[Any]) -> NDArray[np.float64]:
    """Return (4,) px: left, top, right, bottom of the mesh without its irises."""
    surface = np.asarray(points, np.float64)[:SURFACE_POINTS, :2]
    return np.concatenate([surface.min(axis=0), surface.max(axis=0)])


def links(before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]]) -> dict[int, int]:
    """Pair the boxes of a frame with those of the next one, the largest overlap first: index after → index before."""
    shares = {(i, j): float(overlaps(a, b[np.newaxis])[0]) for i, a in enumerate(before) for j, b in enumerate(after)}
    near = sorted((-share, i, j) for (i, j), share in shares.items() if share > LEAST_OVERLAP)
    return {j: i for i, j in _each_once((i, j) for _, i, j in near)}


def _each_once(pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of which neither side stands in an earlier one."""
    left: set[int] = set()
    right: set[int] = set()
    for i, j in pairs:
        if i not in left and j not in right:
            left.add(i)
            right.add(j)
            yield i, j


def chains(frames: Sequence[Sequence[NDArray[Any]]]) -> list[Chain]:
    """Link the faces of successive frames; ``frames[t]`` holds the meshes (N, 3) px of frame t."""
    done: list[Chain] = []
    open_chains: dict[int, Chain] = {}
    before: list[NDArray[np.float64]] = []
    for frame, meshes in enumerate(frames):
        boxes = [box_of(mesh) for mesh in meshes]
        back = links(before, boxes)
        current: dict[int, Chain] = {}
        for index in range(len(boxes)):
            chain = open_chains[back[index]] if index in back else []
            if not chain:
                done.append(chain)
            chain.append((frame, index))
            current[index] = chain
        open_chains, before = current, boxes
    return done


def resumptions(
    frames: Sequence[Sequence[NDArray[Any]]], linked: Sequence[Chain], rate_hz: float
) -> list[tuple[Place, Place]]:
    """Say which chains go on with a face that another one lost: its last place there, and its first place here.

    A chain goes on with another one that ended within :data:`WINDOW_S` at about its place and size; the shortest gap
    first, then the nearest. Nobody is recognised: whoever takes the place of another one in time counts as that one.
    """
    ends, starts = [chain[-1] for chain in linked], [chain[0] for chain in linked]
    pairs = [
        (start[0] - end[0], away, i, j)
        for i, end in enumerate(ends)
        for j, start in enumerate(starts)
        if 0 < start[0] - end[0] <= WINDOW_S * rate_hz
        and (away := _away(box_of(frames[end[0]][end[1]]), box_of(frames[start[0]][start[1]]))) < FARTHEST_FACES
    ]
    return [(ends[i], starts[j]) for i, j in _each_once((i, j) for _, _, i, j in sorted(pairs))]


def _away(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return how far two boxes' centres are apart, in face sizes; infinity where their sizes differ too much."""
    sizes = [math.sqrt(float(np.prod(box[2:] - box[:2]))) for box in (one, other)]
    if min(sizes) * LARGEST_RATIO <= max(sizes):
        return math.inf
    between = 0.5 * (one[:2] + one[2:] - other[:2] - other[2:])
    return float(np.linalg.norm(between)) / math.sqrt(sizes[0] * sizes[1])


def eye_distance(mesh: NDArray[Any]) -> float:
    """Return the distance in the image of the outer corners of the eyes (points 33 and 263), px."""
    corners = face_topology(len(mesh)).points
    right, left = mesh[corners["right_eye_outer"], :2], mesh[corners["left_eye_outer"], :2]
    return float(np.linalg.norm(np.subtract(left, right, dtype=np.float64)))


def jitter(meshes: Sequence[NDArray[Any]]) -> list[float]:
    """Return the jitter at each frame of a chain but its first and last.

    It is the mean over 468 points of the length of p(t+1) - 2·p(t) + p(t-1) in the image, as a share of the eye
    distance at t. Steady motion has none; true changes of speed count as well, so compare within one clip only.
    """
    if len(meshes) < 3:
        return []
    points = np.stack([np.asarray(mesh, np.float64)[:SURFACE_POINTS, :2] for mesh in meshes])
    lengths = np.linalg.norm(points[2:] - 2.0 * points[1:-1] + points[:-2], axis=2).mean(axis=1)
    return [float(length) / eye_distance(mesh) for length, mesh in zip(lengths, meshes[1:-1], strict=True)]


def reappearances(counts: Sequence[int]) -> int:
    """Count how often faces come back after frames without any; the first appearance is none."""
    seen = False
    total = 0
    for before, now in zip([0, *counts], counts, strict=False):
        total += bool(seen and now and not before)
        seen = seen or bool(now)
    return total


@dataclass(frozen=True)
class Switch:
    """The id changes although the face goes on."""

    frame: int
    face: int
    """Index among the faces of the frame."""
    before: int
    after: int


@dataclass(frozen=True)
class IdEvents:
    """What becomes of ids in a clip."""

    used: tuple[int, ...]
    """Every id, in order of first appearance."""
    switches: tuple[Switch, ...]
    """Within chains."""
    renamed: tuple[Switch, ...]
    """Across the gaps of :func:`resumptions`."""
    returned: tuple[Place, ...]
    """Where an id comes back after frames without it."""
    late: tuple[Place, ...]
    """Where an id appears for the first time, after the first frame with a face: somebody new, or somebody renamed."""


def id_events(
    ids: Sequence[Sequence[int]], linked: Sequence[Chain], resumed: Sequence[tuple[Place, Place]]
) -> IdEvents:
    """Follow the ids.

    Args:
        ids: for each frame those of its faces.
        linked: the chains of the same faces.
        resumed: their resumptions.
    """
    last_frame: dict[int, int] = {}
    returned: list[Place] = []
    late: list[Place] = []
    first = next((frame for frame, present in enumerate(ids) if present), 0)
    for frame, present in enumerate(ids):
        for face, identity in enumerate(present):
            if identity not in last_frame and frame > first:
                late.append((frame, face))
            elif identity in last_frame and last_frame[identity] < frame - 1:
                returned.append((frame, face))
            last_frame[identity] = frame
    switches = _changes(ids, (pair for chain in linked for pair in pairwise(chain)))
    return IdEvents(tuple(last_frame), switches, _changes(ids, resumed), tuple(returned), tuple(late))


def _changes(ids: Sequence[Sequence[int]], pairs: Iterable[tuple[Place, Place]]) -> tuple[Switch, ...]:
    """Return the pairs of places of one face that bear different ids, in the order of their frames."""
    named = ((after, ids[before[0]][before[1]], ids[after[0]][after[1]]) for before, after in pairs)
    return tuple(Switch(*after, old, new) for after, old, new in sorted(named) if old != new)
