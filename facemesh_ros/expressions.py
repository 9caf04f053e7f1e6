"""Eyes, mouth, gaze and attention of every track: what :mod:`facemesh_ros.gaze` measures, followed through time.

Time decides whether lids that part end a blink, and gives thresholds their hysteresis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from facemesh_ros import gaze as measures
from facemesh_ros.config import Config
from facemesh_ros.gaze import View
from facemesh_ros.target import Target, TargetPlace
from facemesh_ros.types import Eyes, Face, Float64, Gaze, Mouth

CLOSED_BELOW, OPEN_ABOVE = 0.10, 0.14
"""Openness at which an eye counts as closed, and as open again. Shut eyes of our pictures and clips have 0.00 to 0.08,
open ones 0.2 to 0.4, laughing ones from 0.15 (docs/gaze.md)."""
LONGEST_BLINK_S = 0.5
"""A blink takes 0.1 to 0.4 s (Soukupová and Čech 2016), and closed eyes are seen up to an image too long."""


@dataclass(frozen=True)
class _Memory:
    """What is kept of a track from image to image."""

    stamp: float
    """s."""
    are_closed: tuple[bool, bool]
    """The right and the left eye."""
    closed_since: float | None
    """Stamp from which on no eye in sight has been open; None while one is."""
    is_looking: bool
    """When last there was something to compare the gaze with."""


_NO_MEMORY = _Memory(-math.inf, (False, False), None, False)


class TrackExpressions:
    """Read the faces of a stream, each with the memory of its own track."""

    def __init__(self, config: Config) -> None:
        self.config = config
        """May be replaced while running; what is known of the tracks is kept."""
        self._memories: dict[int, _Memory] = {}

    def __len__(self) -> int:
        return len(self._memories)

    def read(self, faces: Iterable[Face], stamp: float, target_m: Target = None) -> tuple[Face, ...]:
        """Return the faces of one image with eyes, mouth and gaze, unless switched off.

        Memory starts anew with a track's first image and after a jump in stamps, forward or back, of more than a blink.
        A stamp that stands still or steps back by less changes nothing, and ends no blink.

        Args:
            faces: as smoothed, with their rays and poses where there are any.
            stamp: the image's time, s.
            target_m: (3,) m in the camera's optical frame: what attention is measured against; None for the camera.
                While it is UNKNOWN, or the face has no place, nothing is told and the memory of it is kept.
        """
        if not self.config.gaze.enabled:
            return tuple(faces)
        return tuple(self._read(face, self._memories.get(face.track_id), stamp, target_m) for face in faces)

    def keep(self, track_ids: Iterable[int]) -> None:
        """Forget every other track."""
        kept = set(track_ids)
        self._memories = {track_id: one for track_id, one in self._memories.items() if track_id in kept}

    def _read(self, face: Face, last: _Memory | None, stamp: float, target_m: Target) -> Face:
        last = last if last is not None and abs(stamp - last.stamp) <= LONGEST_BLINK_S else _NO_MEMORY
        view = measures.view_of(face.smoothed.points, face.rays, face.pose)
        weights = measures.eye_weights(view)
        right, left, mouth = measures.openness(view)
        eyes, closed_since = _eyes(right, left, weights, last, stamp)
        open_weights = weights * (not eyes.right_is_closed, not eyes.left_is_closed)
        shut_s = None if closed_since is None else stamp - closed_since
        gaze = self._gaze(face, view, open_weights, target_m, last, shut_s) if view.has_bearing else None
        is_told = (gaze is not None and gaze.angle_rad is not None) or not self.config.attention.enabled
        is_looking = gaze is not None and gaze.is_looking if is_told else last.is_looking
        now = _Memory(stamp, (eyes.right_is_closed, eyes.left_is_closed), closed_since, is_looking)
        self._memories[face.track_id] = now if stamp > last.stamp else last
        return replace(face, eyes=eyes, mouth=Mouth(mouth), gaze=gaze)

    def _gaze(
        self, face: Face, view: View, weights: Float64, target_m: Target, last: _Memory, shut_s: float | None
    ) -> Gaze:
        """Return where a face looks; ``weights`` are those of its open eyes, and ``shut_s`` as for :meth:`_looks`."""
        rays = measures.eye_rays(view)
        ray, source = _ray(view, rays, weights)
        direction, origin_m = measures.in_camera(view, ray), _origin_m(face)
        looks = self._looks(direction, _way_to(target_m, origin_m, view), last.is_looking, shut_s)
        each = _each(view, rays, weights)
        return Gaze(direction, measures.in_head(view, ray), source, *each, origin_m, *looks)

    def _looks(
        self, direction: Float64, way: Float64 | None, was_looking: bool, shut_s: float | None
    ) -> tuple[float | None, bool]:
        """Return the angle to the target, rad, and whether it is looked at.

        ``shut_s`` is for how long the eyes have been shut; None where they are not.
        """
        attention = self.config.attention
        if way is None or not attention.enabled:
            return None, False
        angle_rad = measures.looks_at(direction, way)
        if shut_s is not None:  # who blinks goes on doing what he did; who sleeps looks at nothing
            return angle_rad, was_looking and shut_s <= LONGEST_BLINK_S
        limit_deg = max(attention.angle_deg, attention.release_deg) if was_looking else attention.angle_deg
        return angle_rad, angle_rad <= math.radians(limit_deg)


def _eyes(right: float, left: float, weights: Float64, last: _Memory, stamp: float) -> tuple[Eyes, float | None]:
    """Return the state of the eyes, and since when no eye in sight has been open; None while one is."""
    right_is_closed, left_is_closed = _is_closed(right, last.are_closed[0]), _is_closed(left, last.are_closed[1])
    right_is_seen, left_is_seen = (weights > 0.0).tolist()
    is_open = (right_is_seen and not right_is_closed) or (left_is_seen and not left_is_closed)
    are_shut = not is_open and (right_is_seen or left_is_seen)
    start = stamp if last.closed_since is None else last.closed_since
    duration_s = stamp - start if is_open and stamp > last.stamp else 0.0
    blink = 0.0 < duration_s <= LONGEST_BLINK_S
    eyes = Eyes(right, left, right_is_closed, left_is_closed, blink, duration_s if blink else 0.0)
    return eyes, start if are_shut else None


def _is_closed(openness: float, was_closed: bool) -> bool:
    return openness < (OPEN_ABOVE if was_closed else CLOSED_BELOW)


def _ray(view: View, rays: Float64 | None, weights: Float64) -> tuple[Float64, str]:
    """Return where both eyes together look, (3,) in the view, and what that comes from."""
    both = None if rays is None else measures.together(rays, weights)
    return (measures.head_ray(view), "head") if both is None else (both, "iris")


def _each(view: View, rays: Float64 | None, weights: Float64) -> tuple[Float64 | None, Float64 | None]:
    """Return where the right and the left eye look, (3,) in the camera's optical frame; None for one without weight."""
    if rays is None:
        return None, None
    right, left = measures.in_camera(view, rays)
    return (right if weights[0] > 0.0 else None), (left if weights[1] > 0.0 else None)


def _way_to(target_m: Target, origin_m: Float64 | None, view: View) -> Float64 | None:
    """Return the way from a face to a target, (3,) of any length, in the camera's optical frame; None if unknown."""
    return None if isinstance(target_m, TargetPlace) else measures.way_to(target_m, origin_m, view)


def _origin_m(face: Face) -> Float64 | None:
    return None if face.pose is None else face.pose.camera_from_head[:3, 3]
