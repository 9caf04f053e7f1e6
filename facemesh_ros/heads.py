"""From meshes to heads: pose, size and metric mesh of every face, with what is remembered of each track."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.config import Config
from facemesh_ros.lens import rays
from facemesh_ros.metric_mesh import metric_points
from facemesh_ros.pose import Solution, solve
from facemesh_ros.scale import DEPTH, IRISES, HeadScale, RunningScale, assumed, depth_factor, iris_factor
from facemesh_ros.types import Camera, Face, HeadPose

Depth = NDArray[np.float32]
Lens = tuple[str, float, float, bytes]
"""Model, focal lengths in px and coefficients; the part of the sensor that is read does not matter."""


@dataclass
class _Known:
    """What is remembered of a track."""

    solution: Solution | None = None
    """The last pose, from which the next begins."""
    by_iris: RunningScale = field(default_factory=lambda: RunningScale(IRISES))
    by_depth: RunningScale = field(default_factory=lambda: RunningScale(DEPTH))


class Heads:
    """The heads of one stream, or of one picture."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._known: dict[int, _Known] = {}
        self._lens: Lens | None = None
        """Through which the sizes in memory were measured."""

    def posed(
        self, faces: Sequence[Face], camera: Camera | None, size_wh: tuple[int, int], depth_m: Depth | None
    ) -> tuple[Face, ...]:
        """Return the faces with rays, pose and metric points, where there is a camera, given or assumed.

        Args:
            faces: with their smoothed meshes.
            camera: the calibration of the image; None for that of ``camera.assume_fov_deg``, if any.
            size_wh: of the image, px.
            depth_m: (H, W) float32, m along the optical axis, aligned with the image; 0 and NaN are holes.
        """
        used = self.camera_of(camera, size_wh)
        if used is None:
            return tuple(faces)
        self._look_through(_lens_of(used))
        return tuple(self._posed(face, used, camera is not None, depth_m) for face in faces)

    def _look_through(self, lens: Lens) -> None:
        """Forget how large heads are when another lens says how far away they are."""
        if lens != self._lens:
            self._lens = lens
            self._known = {track_id: _Known(one.solution) for track_id, one in self._known.items()}

    def keep(self, track_ids: Iterable[int]) -> None:
        """Forget every other track."""
        kept = set(track_ids)
        self._known = {track_id: one for track_id, one in self._known.items() if track_id in kept}

    def camera_of(self, camera: Camera | None, size_wh: tuple[int, int]) -> Camera | None:
        """Return the camera that poses are told with: the one given, or that of ``camera.assume_fov_deg``, if any."""
        degrees = self.config.camera.assume_fov_deg
        if camera is not None or degrees == 0.0:
            return camera
        return Camera.from_fov(size_wh, math.radians(degrees))

    def _posed(self, face: Face, camera: Camera, is_calibrated: bool, depth_m: Depth | None) -> Face:
        points = face.smoothed.points
        seen = rays(camera, points[:, :2])
        if not self.config.pose.enabled:
            return replace(face, rays=seen)
        known = self._known.setdefault(face.track_id, _Known())
        known.solution = solution = solve(points, seen, camera, known.solution)
        if solution is None:
            return replace(face, rays=seen)
        scale = assumed(self.config.pose.head_scale)
        if self.config.pose.scale == "iris":
            scale = known.by_iris.updated(iris_factor(points, seen, solution), scale)
        by_depth = None if depth_m is None else depth_factor(depth_m, camera, solution)
        scale = known.by_depth.updated(by_depth, scale)
        metric = metric_points(points, seen, solution)
        return replace(
            face,
            rays=seen,
            pose=head_pose(solution, scale, is_calibrated),
            points_m=None if metric is None else (scale.factor * metric).astype(np.float32),
        )


def _lens_of(camera: Camera) -> Lens:
    return camera.model, float(camera.matrix[0, 0]), float(camera.matrix[1, 1]), camera.distortion.tobytes()


def head_pose(solution: Solution, scale: HeadScale, is_calibrated: bool = True) -> HeadPose:
    """Return the pose of a head of some size; the doubt about its size is doubt about its distance."""
    camera_from_head = np.zeros((4, 4))
    camera_from_head[3, 3] = 1.0
    camera_from_head[:3, :3] = solution.rotation
    camera_from_head[:3, 3] = position = scale.factor * solution.position
    covariance = solution.covariance.copy()
    covariance[:3] *= scale.factor
    covariance[:, :3] *= scale.factor
    covariance[:3, :3] += (scale.relative_sd**2 * position)[:, np.newaxis] * position
    return HeadPose(
        camera_from_head, solution.error_px, covariance, scale.source, scale.factor, scale.disagrees, is_calibrated
    )
