"""From views to faces: detect, mesh, mesh again where the mesh lies, and look close up whether it is a face."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from facemesh_ros.config import Config
from facemesh_ros.detector import Candidates, Detector, merged
from facemesh_ros.geometry import roi_from_points
from facemesh_ros.mesh_net import MeshNet
from facemesh_ros.procrustes import misfit, yaw
from facemesh_ros.search import Stages
from facemesh_ros.track import Track
from facemesh_ros.tracker import Tracker
from facemesh_ros.types import Camera, Float32, Mesh, Roi, UInt8

MOST_MISFIT = 0.16
"""RMS distance of rigid points from the reference face over that of the outer eye corners. Measured: 65 labelled
faces lie under 0.11; a mesh beyond this limit has collapsed."""
TURNED_RAD = (math.radians(15.0), math.radians(30.0))
"""From where to where a face's mirror image comes to count as much as itself: nearer to frontal it gains nothing, and a
single picture gives just what a stream gives."""


class Finder:
    """The networks at work on one image. It has no state but the settings."""

    def __init__(
        self,
        config: Config,
        detector: Detector,
        mesh_net: MeshNet,
        stage: Callable[[str], AbstractContextManager[object]],
    ) -> None:
        """Take the networks; ``stage`` is entered around "detect" and "mesh"."""
        self._config = config
        self._detector = detector
        self._mesh_net = mesh_net
        self._stage = stage

    def configure(self, config: Config) -> None:
        """Go on with other live settings."""
        self._config = config
        self._detector.min_score = config.detector.min_score

    def find_new(
        self, tracker: Tracker, image_rgb: UInt8, stages: Stages, stamp: float, camera: Camera | None = None
    ) -> None:
        """Give the tracker what is new in an (H, W, 3) RGB image, of that calibration if it is known.

        The stages are gone through while there is room for more faces; what all of them have seen is merged.
        """
        seen = Candidates.joined(())
        for views in stages:
            if tracker.room < 1:
                return
            with self._stage("detect"):
                seen = Candidates.joined((seen, self._detector.look(image_rgb, views)))
            tracker.add(*self._faces_in(image_rgb, tracker.new_rois(merged(seen)), camera), stamp)

    def _faces_in(
        self, image_rgb: UInt8, rois: Sequence[Roi], camera: Camera | None
    ) -> tuple[tuple[Roi, ...], tuple[Mesh, ...]]:
        """Return the meshes of detected regions that show a face, the surest first, and where they were looked for."""
        found = self._shown(image_rgb, rois, camera)
        if self._config.mesh.second_pass:
            found = self._shown(image_rgb, [roi_from_points(mesh.points) for _, mesh in found], camera)
        with self._stage("detect"):
            sure = [(self._detector.certainty(image_rgb, mesh), roi, mesh) for roi, mesh in found]
        kept = [one for one in sure if one[0] >= self._config.detector.min_certainty]
        kept.sort(key=lambda one: -one[0])
        return tuple(roi for _, roi, _ in kept), tuple(mesh for _, _, mesh in kept)

    def _shown(self, image_rgb: UInt8, rois: Sequence[Roi], camera: Camera | None) -> list[tuple[Roi, Mesh]]:
        """Mesh regions and keep those in which the network sees a face."""
        pairs = zip(rois, self.meshes(image_rgb, rois, camera), strict=True)
        least = self._config.tracker.min_presence
        return [(roi, mesh) for roi, mesh in pairs if mesh is not None and mesh.presence >= least]

    def best_meshes(self, image_rgb: UInt8, tracks: Sequence[Track], camera: Camera | None = None) -> list[Mesh]:
        """Return the tracks' meshes as good as a single picture allows: (468 | 478, 3) px each.

        With ``mesh.mirrored`` that is the mean with the mesh of the mirror image, which counts the more the farther a
        face is turned aside.
        """
        weights = [mirror_weight(track.mesh.points) if self._config.mesh.mirrored else 0.0 for track in tracks]
        turned = [track.roi for track, weight in zip(tracks, weights, strict=True) if weight > 0.0]
        with self._stage("mesh"):
            mirrored = iter(self._mesh_net.run_mirrored(image_rgb, turned, self._used(camera)))
        others = [next(mirrored) if weight > 0.0 else None for weight in weights]
        return [blended(t.mesh, other, weight) for t, other, weight in zip(tracks, others, weights, strict=True)]

    def meshes(self, image_rgb: UInt8, rois: Sequence[Roi], camera: Camera | None = None) -> tuple[Mesh | None, ...]:
        """Mesh regions; None stands for what has not the shape of a face."""
        with self._stage("mesh"):
            meshes = self._mesh_net.run(image_rgb, rois, self._used(camera))
        return tuple(mesh if mesh is not None and misfit(mesh.points) <= MOST_MISFIT else None for mesh in meshes)

    def _used(self, camera: Camera | None) -> Camera | None:
        return camera if self._config.mesh.virtual_camera else None


def mirror_weight(points: Float32) -> float:
    """Return how much the mirror image of a (468 | 478, 3) mesh counts, 0 to 0.5."""
    begin, end = TURNED_RAD
    return 0.5 * min(max((abs(yaw(points)) - begin) / (end - begin), 0.0), 1.0)


def blended(mesh: Mesh, other: Mesh | None, weight: float) -> Mesh:
    """Return the weighted mean of two meshes of one face; the first alone where there is no other."""
    if other is None:
        return mesh
    return Mesh((1.0 - weight) * mesh.points + weight * other.points, mesh.presence)
