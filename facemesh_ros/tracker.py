"""Who is who, where to look next, and when to look for new faces.

The one place with state beside the filters. It sees stamps, regions, detections and raw meshes; never images or clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facemesh_ros.config import Config
from facemesh_ros.errors import InputError
from facemesh_ros.geometry import bounds_xyxy, overlaps, roi_from_detection, roi_from_points
from facemesh_ros.types import Detection, Mesh, Roi

SAME_FACE_OVERLAP = 0.5
"""Regions whose squares overlap more (intersection over union) show one face, as in the reference's association."""
SPARE_REGIONS = 2
"""So many more regions than there is room for are tried when new faces are looked for."""


@dataclass(frozen=True)
class Track:
    """A face that is being followed."""

    track_id: int
    roi: Roi
    """Where the network looked for ``mesh``."""
    mesh: Mesh
    next_roi: Roi
    """Where it will look in the next image."""


class Tracker:
    """The faces in view."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.tracks: tuple[Track, ...] = ()
        """Sorted by id."""
        self._next_id = 1
        self._looked_at: float | None = None
        self._lost_one = False

    @property
    def rois(self) -> tuple[Roi, ...]:
        """Where the last meshes say the faces are, in the order of ``tracks``."""
        return tuple(track.next_roi for track in self.tracks)

    def follow(self, meshes: Sequence[Mesh | None]) -> None:
        """Take the meshes found in :attr:`rois`; drop faces that are gone and the younger of two tracks of one face."""
        kept: list[Track] = []
        for track, mesh in zip(self.tracks, meshes, strict=True):
            moved = self._track(track.track_id, track.next_roi, mesh)
            if moved is not None and not _is_known(moved.next_roi, _next_rois(kept)):
                kept.append(moved)
        self._lost_one = len(kept) < len(self.tracks)
        self.tracks = tuple(kept[: self.config.max_faces])

    def wants_detection(self, stamp: float) -> bool:
        """Say whether to look for new faces: there is room, and one was just lost, none is left, or it is time."""
        if len(self.tracks) >= self.config.max_faces:
            return False
        if not self.tracks or self._lost_one or self._looked_at is None:
            return True
        return not 0.0 <= stamp - self._looked_at < self.config.detector.interval_s

    def new_rois(self, detections: Sequence[Detection], stamp: float) -> tuple[Roi, ...]:
        """Return the regions of detections (best first) that no track covers.

        There are a few more than there is room for, so that a detection that turns out to be no face costs no face.
        """
        self._looked_at = stamp
        fresh: list[Roi] = []
        for detection in detections:
            roi = roi_from_detection(detection)
            if not _is_known(roi, (*self.rois, *fresh)):
                fresh.append(roi)
        return tuple(fresh[: self.config.max_faces - len(self.tracks) + SPARE_REGIONS])

    def add(self, rois: Sequence[Roi], meshes: Sequence[Mesh | None]) -> None:
        """Start a track, while there is room, for every mesh that is a face and is not followed already."""
        for roi, mesh in zip(rois, meshes, strict=True):
            track = self._track(self._next_id, roi, mesh)
            has_room = len(self.tracks) < self.config.max_faces
            if has_room and track is not None and not _is_known(track.next_roi, self.rois):
                self.tracks = (*self.tracks, track)
                self._next_id += 1

    def reset(self) -> None:
        """Forget all faces; ids go on and are not used again."""
        self.tracks = ()
        self._looked_at = None
        self._lost_one = False

    def _track(self, track_id: int, roi: Roi, mesh: Mesh | None) -> Track | None:
        if mesh is None or mesh.presence < self.config.tracker.min_presence:
            return None
        try:
            return Track(track_id, roi, mesh, roi_from_points(mesh.points))
        except InputError:  # all points in one place: no region can be made of it
            return None


def _next_rois(tracks: Sequence[Track]) -> tuple[Roi, ...]:
    return tuple(track.next_roi for track in tracks)


def _is_known(roi: Roi, others: Sequence[Roi]) -> bool:
    if not others:
        return False
    squares = np.stack([bounds_xyxy(other) for other in others])
    return bool(overlaps(bounds_xyxy(roi), squares).max() > SAME_FACE_OVERLAP)
