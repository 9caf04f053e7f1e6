"""A clip made of one picture by known affine maps: where every point should be, and how far off it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.tools.evaluation.tracks import eye_distance
from facemesh_ros.topology import SURFACE_POINTS

ASTRAY = 1.0
"""A face farther than this from where it should be, in eye distances, is another, false one."""
SETTLING_FRAMES = 5
"""At the start of a segment at rest; left out of the deviation."""
_SYNTH_MOTION = (
    ("hold", 0),
    ("smooth", 60),
    ("absent", 150),
    ("fast", 165),
    ("jump", 225),
    ("dark", 240),
    ("hold2", 270),
)
"""Segments and first frames of the clip ``synth_motion`` of 300 frames."""
_SYNTH_MOTION_FRAMES = 300


@dataclass(frozen=True, eq=False)
class Motion:
    """The truth of a clip."""

    present: NDArray[np.bool_]
    """(T,): whether the picture is in the frame."""
    frame_from_picture: NDArray[np.float64]
    """(T, 2, 3): px of the picture → px of the frame."""


@dataclass(frozen=True)
class Segment:
    """Frames from ``start``, included, to ``stop``, left out."""

    name: str
    start: int
    stop: int


def segments(motion: Motion) -> list[Segment]:
    """Split a clip: at the marks of the known clip ``synth_motion``, any other where the picture comes or goes."""
    frames = len(motion.present)
    absent = np.flatnonzero(~motion.present)
    if frames == _SYNTH_MOTION_FRAMES and np.array_equal(absent, np.arange(150, 165)):
        starts = [start for _, start in _SYNTH_MOTION]
        stops = [*starts[1:], frames]
        return [Segment(name, a, b) for (name, a), b in zip(_SYNTH_MOTION, stops, strict=True)]
    found: list[Segment] = []
    for present, run in groupby(range(frames), key=lambda frame: bool(motion.present[frame])):
        numbers = list(run)
        count = 1 + sum(segment.name.startswith("present" if present else "absent") for segment in found)
        found.append(Segment(f"{'present' if present else 'absent'} {count}", numbers[0], numbers[-1] + 1))
    return found


@dataclass(frozen=True)
class SegmentFigures:
    """Of one subject in one segment. Errors are shares of the eye distance; None where there is nothing to average."""

    name: str
    frames: int
    """Of the truth; a clip cut short may have fewer."""
    present: bool
    """Whether the picture is in every frame."""
    found: int
    """Frames in which the face was found."""
    error_mean: float | None
    """From the still reference."""
    error_max: float | None
    settled_mean: float | None
    """From the settled reference."""
    settled_max: float | None
    deviation: float | None
    """Mean over the points of their standard deviation from frame to frame, in a segment at rest."""
    false_frames: int
    """Frames with a face where there is none."""
    after_absence: bool
    """Whether the picture comes back where the segment begins."""
    frames_to_reacquire: int | None
    """Frames missed after that; None where it did not come back, or was not found again."""


def segment_figures(
    motion: Motion,
    reference: NDArray[Any],
    settled: NDArray[Any] | None,
    frames: Sequence[Sequence[NDArray[Any]]],
) -> list[SegmentFigures]:
    """Compare what was found in a clip with where it should be.

    Args:
        motion: the truth.
        reference: (N, 3) px: what the same subject finds on the picture itself, as a still.
        settled: (N, 3) px: what it finds there as a stream, once it has settled; None where it finds nothing.
        frames: for each frame the meshes (N, 3) px found; where there are fewer than in the truth, or more, those that
            are in both are judged, and segments without any are left out.
    """
    count = min(len(frames), len(motion.present))
    nearest = [_nearest(motion, reference, settled, frames[frame], frame) for frame in range(count)]
    return [_figures(segment, motion, nearest, frames) for segment in segments(motion) if segment.start < count]


@dataclass(frozen=True)
class _Match:
    """The face that is the one, in one frame."""

    index: int
    error: float
    """As a share of the eye distance."""
    settled: float | None


def expected_points(motion: Motion, reference: NDArray[Any], frame: int) -> NDArray[np.float64]:
    """Return (N, 2) px: where the reference's points are in a frame."""
    affine = motion.frame_from_picture[frame]
    return np.asarray(np.asarray(reference, np.float64)[:, :2] @ affine[:, :2].T + affine[:, 2], np.float64)


def _nearest(
    motion: Motion,
    reference: NDArray[Any],
    settled: NDArray[Any] | None,
    meshes: Sequence[NDArray[Any]],
    frame: int,
) -> _Match | None:
    """Return the face nearest to the still reference; None where the picture is absent or nothing is near."""
    if not motion.present[frame] or not meshes:
        return None
    expected = expected_points(motion, reference, frame)
    errors = [_error(mesh, expected) for mesh in meshes]
    best = int(np.argmin(errors))
    if errors[best] > ASTRAY:
        return None
    own = None if settled is None else _error(meshes[best], expected_points(motion, settled, frame))
    return _Match(best, errors[best], own)


def _error(mesh: NDArray[Any], expected: NDArray[np.float64]) -> float:
    """Return the mean distance of (N, 3) px from (N, 2) px, as a share of the eye distance of the latter."""
    lengths = np.linalg.norm(mesh[:SURFACE_POINTS, :2] - expected[:SURFACE_POINTS], axis=1)
    return float(lengths.mean()) / eye_distance(expected)


def _figures(
    segment: Segment, motion: Motion, nearest: Sequence[_Match | None], frames: Sequence[Sequence[NDArray[Any]]]
) -> SegmentFigures:
    span = _judged(segment, nearest)
    matches = [match for frame in span if (match := nearest[frame]) is not None]
    errors = [match.error for match in matches]
    own = [match.settled for match in matches if match.settled is not None]
    false = sum(len(frames[frame]) > (nearest[frame] is not None) for frame in span)
    comes_back = segment.start > 0 and bool(motion.present[segment.start] > motion.present[segment.start - 1])
    return SegmentFigures(
        name=segment.name,
        frames=segment.stop - segment.start,
        present=bool(motion.present[segment.start : segment.stop].all()),
        found=len(errors),
        error_mean=float(np.mean(errors)) if errors else None,
        error_max=max(errors, default=None),
        settled_mean=float(np.mean(own)) if own else None,
        settled_max=max(own, default=None),
        deviation=_deviation(segment, motion, nearest, frames),
        false_frames=false,
        after_absence=comes_back,
        frames_to_reacquire=next((n for n, frame in enumerate(span) if comes_back and nearest[frame]), None),
    )


def _judged(segment: Segment, nearest: Sequence[_Match | None]) -> range:
    """Return the frames of a segment that the clip has."""
    return range(segment.start, min(segment.stop, len(nearest)))


def _deviation(
    segment: Segment, motion: Motion, nearest: Sequence[_Match | None], frames: Sequence[Sequence[NDArray[Any]]]
) -> float | None:
    affines = motion.frame_from_picture[segment.start : segment.stop]
    if not motion.present[segment.start : segment.stop].all() or not np.allclose(affines, affines[0]):
        return None
    settled = _judged(segment, nearest)[SETTLING_FRAMES:]
    meshes = [frames[frame][match.index] for frame in settled if (match := nearest[frame]) is not None]
    if len(meshes) < 2:
        return None
    points = np.stack([np.asarray(mesh, np.float64)[:SURFACE_POINTS, :2] for mesh in meshes])
    scale = float(np.mean([eye_distance(mesh) for mesh in meshes]))
    return float(np.sqrt(points.var(axis=0).sum(axis=1)).mean()) / scale
