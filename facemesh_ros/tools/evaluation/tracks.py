"""Faces from frame to frame without knowing who they are: chains of overlapping boxes, jitter, what becomes of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.topology import SURFACE_POINTS, face_topology

LEAST_OVERLAP = 0.2
"""Boxes of successive frames that overlap by more (intersection over union) belong to one chain."""

Place = tuple[int, int]
"""Frame, and index of the face among those of the frame."""
Chain = list[Place]
"""Places in successive frames."""


def box_of(points: NDArray[Any]) -> NDArray[np.float64]:
    """Return (4,) px: left, top, right, bottom of the mesh without its irises."""
    surface = np.asarray(points, np.float64)[:SURFACE_POINTS, :2]
    return np.concatenate([surface.min(axis=0), surface.max(axis=0)])


def overlap(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return intersection over union of two boxes (left, top, right, bottom); 0 where they do not meet."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if sides.min() <= 0.0:
        return 0.0
    shared = float(np.prod(sides))
    return shared / (float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared)


def links(before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]]) -> dict[int, int]:
    """Pair the boxes of a frame with those of the next one, the largest overlap first: index after → index before."""
    pairs = ((overlap(a, b), i, j) for i, a in enumerate(before) for j, b in enumerate(after))
    paired: dict[int, int] = {}
    for share, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if share > LEAST_OVERLAP and j not in paired and i not in paired.values():
            paired[j] = i
    return paired


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
    returned: tuple[Place, ...]
    """Where an id comes back after frames without it."""
    late: tuple[Place, ...]
    """Where an id appears for the first time, after the first frame with a face: somebody new, or somebody renamed."""


def id_events(ids: Sequence[Sequence[int]], linked: Sequence[Chain]) -> IdEvents:
    """Follow the ids; ``ids[t]`` are those of the faces of frame t, and ``linked`` the chains of the same faces."""
    switches = [
        Switch(*after, ids[before[0]][before[1]], ids[after[0]][after[1]])
        for chain in linked
        for before, after in pairwise(chain)
        if ids[before[0]][before[1]] != ids[after[0]][after[1]]
    ]
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
    return IdEvents(tuple(last_frame), tuple(sorted(switches, key=_when)), tuple(returned), tuple(late))


def _when(switch: Switch) -> Place:
    return switch.frame, switch.face
