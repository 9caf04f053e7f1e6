"""From views to faces: detect, mesh, mesh again where the mesh lies, and look close up whether it is a face."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np

from facemesh_ros.candidates import Candidates, merged
from facemesh_ros.config import Config
from facemesh_ros.detector import Detector
from facemesh_ros.geometry import LEFT_EYE_OUTER_CORNER, RIGHT_EYE_OUTER_CORNER, roi_from_points
from facemesh_ros.mesh_net import MeshNet
from facemesh_ros.picture import Picture
from facemesh_ros.procrustes import misfit
from facemesh_ros.search import Stages
from facemesh_ros.track import Track
from facemesh_ros.tracker import Tracker
from facemesh_ros.types import Camera, Mesh, Roi

MOST_MISFIT = 0.16
"""RMS distance of rigid points from the reference face over that of the outer eye corners. Measured: 65 labelled
faces lie under 0.11; a mesh beyond this limit has collapsed."""

STILL_CERTAIN = 0.5
"""Share of the certainty of a new face that one needs which was confirmed before: turned aside or half hidden, it still
has that on all but 3 of 400 images of our clips; what is no face has less on most."""
CONSISTENT = 0.1
"""Mean distance of two meshes of one face over that of the outer eye corners, up to which their mean is better than the
second alone: labelled faces lie 0.01 to 0.1 apart, those of a badly turned region more."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """A new face: its mesh in the detector's region, and in the region of that mesh."""

    first_roi: Roi
    first: Mesh
    roi: Roi
    mesh: Mesh
    certainty: float
    """0..1, of the detector's close look at ``mesh``."""

    @property
    def is_consistent(self) -> bool:
        """Whether both meshes are the same but for noise: the detector's region was not turned or placed badly."""
        eyes = self.mesh.points[LEFT_EYE_OUTER_CORNER] - self.mesh.points[RIGHT_EYE_OUTER_CORNER]
        apart = np.linalg.norm(self.mesh.points - self.first.points, axis=1).mean()
        return bool(apart <= CONSISTENT * np.linalg.norm(eyes))


class Finder:
    """The networks at work on one image. It has no state but the settings."""

    def __init__(
        self,
        config: Config,
        detector: Detector,
        mesh_net: MeshNet,
        stage: Callable[[str], AbstractContextManager[object]],
    ) -> None:
        """Take the networks; ``stage`` is entered around "detect" and "mesh", and ``mesh_net`` has its own inside."""
        self._config = config
        self._detector = detector
        self._mesh_net = mesh_net
        self._stage = stage

    def configure(self, config: Config) -> None:
        """Go on with other live settings."""
        self._config = config
        self._detector.min_score = config.detector.min_score

    def find_new(
        self, tracker: Tracker, picture: Picture, stages: Stages, stamp: float, camera: Camera | None = None
    ) -> None:
        """Give the tracker what is new in an image of a stream, of that calibration if it is known.

        The stages are gone through while there is room for more faces; what all of them have seen is merged.
        """
        for sightings in self._sightings(tracker, picture, stages, camera):
            tracker.add([one.roi for one in sightings], [one.mesh for one in sightings], stamp)

    def still_faces(self, picture: Picture, tracks: Sequence[Track]) -> list[int]:
        """Return the ids of those tracks whose mesh in this image the detector sees as well.

        A look by one network and half of ``detector.min_certainty`` are enough for a face that was confirmed before.
        """
        if not tracks:
            return []
        least = STILL_CERTAIN * self._config.detector.min_certainty
        with self._stage("detect"):
            scores = self._detector.glances(picture, [track.mesh for track in tracks])
        return [track.track_id for track, score in zip(tracks, scores, strict=True) if score >= least]

    def find_all(self, tracker: Tracker, picture: Picture, stages: Stages, camera: Camera | None = None) -> None:
        """Give the tracker the faces of a single picture, meshed as well as can be."""
        for sightings in self._sightings(tracker, picture, stages, camera):
            meshes = (
                self._means(picture, sightings, camera) if self._config.mesh.averaged else [s.mesh for s in sightings]
            )
            tracker.add([one.roi for one in sightings], meshes, 0.0)

    def _sightings(
        self, tracker: Tracker, picture: Picture, stages: Stages, camera: Camera | None
    ) -> Iterator[list[Sighting]]:
        """Yield stage by stage what is new, the surest first."""
        seen = Candidates.joined(())
        for views in stages:
            if tracker.room < 1:
                return
            with self._stage("detect"):
                seen = Candidates.joined((seen, self._detector.look(picture, views)))
            yield self._confirmed(picture, self._meshed(picture, tracker.new_rois(merged(seen)), camera))

    def _meshed(self, picture: Picture, rois: Sequence[Roi], camera: Camera | None) -> list[Sighting]:
        """Mesh detected regions, and again the regions of the meshes that may be faces."""
        firsts = [
            (roi, mesh) for roi, mesh in zip(rois, self.meshes(picture, rois, camera), strict=True) if mesh is not None
        ]
        if not self._config.mesh.second_pass:
            return [Sighting(roi, mesh, roi, mesh, 0.0) for roi, mesh in firsts]
        own = [roi_from_points(mesh.points) for _, mesh in firsts]
        seconds = zip(firsts, own, self.meshes(picture, own, camera), strict=True)
        return [Sighting(*first, roi, mesh, 0.0) for first, roi, mesh in seconds if mesh is not None]

    def _confirmed(self, picture: Picture, sightings: Sequence[Sighting]) -> list[Sighting]:
        """Return what the detector sees as well, close up: the surest first."""
        with self._stage("detect"):
            certainties = self._detector.certainties(picture, [one.mesh for one in sightings])
        rated = [replace(one, certainty=certainty) for one, certainty in zip(sightings, certainties, strict=True)]
        kept = [one for one in rated if one.certainty >= self._config.detector.min_certainty]
        return sorted(kept, key=lambda one: -one.certainty)

    def _means(self, picture: Picture, sightings: Sequence[Sighting], camera: Camera | None) -> list[Mesh]:
        """Return the mean of both meshes of each face, if they agree, and of those of their mirror images."""
        with self._stage("mesh"):
            rois = [roi for one in sightings for roi in (one.roi, one.first_roi)]
            mirrored = self._mesh_net.run_mirrored(picture, rois, self._used(camera))
        means = []
        for one, mirror, first_mirror in zip(sightings, mirrored[::2], mirrored[1::2], strict=True):
            firsts = (one.first, first_mirror) if one.is_consistent else ()
            means.append(mean_mesh(one.mesh, mirror, *firsts))
        return means

    def meshes(self, picture: Picture, rois: Sequence[Roi], camera: Camera | None = None) -> tuple[Mesh | None, ...]:
        """Mesh regions of an image; None stands for what is no face by its presence or its shape."""
        with self._stage("mesh"):
            found = self._mesh_net.run(picture, rois, self._used(camera))
        least = self._config.tracker.min_presence
        return tuple(
            mesh if mesh is not None and mesh.presence >= least and misfit(mesh.points) <= MOST_MISFIT else None
            for mesh in found
        )

    def _used(self, camera: Camera | None) -> Camera | None:
        return camera if self._config.mesh.virtual_camera else None


def mean_mesh(mesh: Mesh, *others: Mesh | None) -> Mesh:
    """Return the mean of the (468 | 478, 3) points, with the presence of the first mesh; None counts for nothing."""
    every = [mesh.points, *(other.points for other in others if other is not None)]
    return Mesh(np.mean(every, axis=0), mesh.presence)
