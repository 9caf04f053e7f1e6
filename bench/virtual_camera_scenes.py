"""What bench/virtual_camera.py looks at: a face seen straight on, and as turned cameras with lenses see it, exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facemesh_ros import Camera, FaceMesher
from facemesh_ros.geometry import roi_from_points
from facemesh_ros.mesh_net import MeshNet
from facemesh_ros.tools.moving_face import FACE_CENTRE_XY, render_bgr, similarity
from facemesh_ros.topology import reference_face

SIZE_WH = (1920, 1440)
PASSES = 3
"""Regions follow the mesh so many times."""
EYE_CORNERS = (33, 263)
SUPERSAMPLING = 2
COARSE_PX = 4
"""The way back from the turned picture is computed so far apart: the rest is linear to 0.01 px."""
FACE = reference_face()


def lenses() -> dict[str, Camera]:
    """Return the cameras that are turned."""
    width, height = SIZE_WH
    focal = (width / 2) / math.radians(90.0)
    fisheye = [[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]]
    plain = {f"{fov}°": Camera.from_fov(SIZE_WH, math.radians(fov)) for fov in (60, 90, 120)}
    atan = [7 / 9, 64 / 945, 0, 0, 0, 10 / 9, 5 / 21, 0]  # Padé's approximation of atan(r) / r: a fisheye lens
    return plain | {
        "90°, plumb_bob": Camera.from_matrix(plain["90°"].matrix, [-0.25, 0.06, 1e-3, -1e-3, 0.0], SIZE_WH),
        "150°, rational": Camera.from_matrix(
            np.array(fisheye) * [[1.2, 1, 1], [1, 1.2, 1], [1, 1, 1]], atan, SIZE_WH, "rational_polynomial"
        ),
        "180°, equidistant": Camera.from_matrix(fisheye, [-0.02, 0.003, -0.002, 0.0005], SIZE_WH, "equidistant"),
    }


def distorted(camera: Camera, plane: np.ndarray) -> np.ndarray:
    """Return the (N, 2) px of points on the plane at distance 1, by OpenCV."""
    spots, zero, matrix = np.column_stack([plane, np.ones(len(plane))]), np.zeros(3), np.asarray(camera.matrix)
    if camera.model == "equidistant":
        return cv2.fisheye.projectPoints(spots[None], zero, zero, matrix, np.asarray(camera.distortion))[0][0]
    return cv2.projectPoints(spots, zero, zero, matrix, np.asarray(camera.distortion))[0][:, 0]


def undistorted(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """Return the (N, 2) points on the plane at distance 1, by Newton's method on the distance from the axis.

    The distortion is nearly radial; what is tangential shrinks with each step.
    """
    (fx, fy), center = np.diag(camera.matrix)[:2], camera.matrix[:2, 2]
    wanted = (pixels - center) / [fx, fy]
    if not camera.distortion.any() and camera.model != "equidistant":
        return wanted
    plane = wanted.copy()
    for _ in range(12):
        radius = np.linalg.norm(plane, axis=1, keepdims=True) + 1e-12
        unit, step = plane / radius, 1e-6
        here, further = ((distorted(camera, p) - center) / [fx, fy] for p in (plane, plane + step * unit))
        slope = np.linalg.norm(further - here, axis=1, keepdims=True) / step
        missing = wanted - here
        along = (missing * unit).sum(axis=1, keepdims=True)
        across = missing - along * unit
        stretch = np.linalg.norm(here, axis=1, keepdims=True) / radius
        plane = plane + along / np.maximum(slope, 0.05) * unit + across / np.maximum(stretch, 0.05)
    return plane


@dataclass(frozen=True)
class Subject:
    """A face seen straight on."""

    picture: np.ndarray
    """(H, W, 3) uint8 RGB."""
    points: np.ndarray
    """(N, 3) its mesh, px of the picture."""

    @property
    def eye_distance_px(self) -> float:
        return float(np.linalg.norm(np.subtract(*self.points[list(EYE_CORNERS), :2])))

    def camera(self, distance_m: float) -> Camera:
        """Return the camera that stood before this face at a distance, its axis through the middle of the face."""
        focal = self.eye_distance_px * distance_m / float(np.linalg.norm(np.subtract(*FACE[list(EYE_CORNERS)])))
        x, y = roi_from_points(self.points).center_xy
        height, width = self.picture.shape[:2]
        return Camera.from_matrix([[focal, 0, x], [0, focal, y], [0, 0, 1]], None, (width, height))


def astronaut() -> np.ndarray:
    """Return the built-in face at twice its size."""
    return np.ascontiguousarray(
        render_bgr(similarity(2.0, 0.0, FACE_CENTRE_XY, (512.0, 512.0)), (1024, 1024))[..., ::-1]
    )


def subject(path: Path | None, net: MeshNet) -> Subject:
    """Mesh the picture's largest face flat, as often as everywhere else."""
    picture = astronaut() if path is None else cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    faces = FaceMesher().process_still(picture)
    largest = max(faces, key=lambda face: face.roi.size)
    return Subject(picture, settled(net, picture, largest.mesh.points, None))


def settled(net: MeshNet, picture: np.ndarray, points: np.ndarray, camera: Camera | None) -> np.ndarray:
    """Mesh a face a few times, each time where it was."""
    for _ in range(PASSES):
        (mesh,) = net.run(picture, [roi_from_points(points)], camera)
        assert mesh is not None
        points = mesh.points
    return points


def turn(bearing_rad: float, direction_rad: float) -> np.ndarray:
    """Return turned_from_straight, (3, 3): what was on the axis comes to lie at a bearing in a direction."""
    axis = np.array([-math.sin(direction_rad), math.cos(direction_rad), 0.0])
    return cv2.Rodrigues(bearing_rad * axis)[0]


def between(coarse: int, fine: int) -> np.ndarray:
    """Return the (fine, coarse) weights that interpolate from every COARSE_PX-th px to the parts of every px."""
    place = ((np.arange(fine) + 0.5) / SUPERSAMPLING - 0.5) / COARSE_PX
    return np.maximum(1.0 - np.abs(place[:, None] - np.arange(coarse)), 0.0).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """A subject, the camera that stood before it, and the one that is turned."""

    subject: Subject
    straight: Camera
    turned: Camera
    rotation: np.ndarray
    """turned_from_straight, (3, 3)."""

    def to_turned(self, points_xy: np.ndarray) -> np.ndarray:
        """Map (N, 2) px of the picture to those of the turned camera's."""
        rays = np.column_stack([undistorted(self.straight, points_xy), np.ones(len(points_xy))]) @ self.rotation.T
        return distorted(self.turned, rays[:, :2] / rays[:, 2:])

    def to_straight(self, points_xy: np.ndarray) -> np.ndarray:
        """Map (N, 2) px of the turned camera's picture to those of the subject's."""
        rays = np.column_stack([undistorted(self.turned, points_xy), np.ones(len(points_xy))]) @ self.rotation
        return distorted(self.straight, rays[:, :2] / rays[:, 2:])

    def truth(self) -> np.ndarray:
        """Return the (N, 3) mesh in the turned camera's picture; z has no truth there and is kept."""
        points = self.subject.points[:, :2].astype(np.float64)
        return np.column_stack([self.to_turned(points), self.subject.points[:, 2]]).astype(np.float32)

    def landmark_error(self, points: np.ndarray) -> float:
        """Return how far the (N, 3) points of the turned picture lie from the truth, mapped back, % of eye distance."""
        off = self.to_straight(points[:, :2].astype(np.float64)) - self.subject.points[:, :2]
        return float(100.0 * np.linalg.norm(off, axis=1).mean() / self.subject.eye_distance_px)

    def image(self, truth: np.ndarray) -> np.ndarray:
        """Render what lies within two face sizes of the face; black elsewhere."""
        width, height = SIZE_WH
        region = roi_from_points(truth)
        x0, y0 = np.maximum(region.center_xy - region.size, 0).astype(int).tolist()
        x1, y1 = np.minimum(region.center_xy + region.size, [width, height]).astype(int).tolist()
        xs, ys = np.arange(x0, x1 + COARSE_PX, COARSE_PX), np.arange(y0, y1 + COARSE_PX, COARSE_PX)
        grid = np.stack(np.meshgrid(xs, ys), axis=2).reshape(-1, 2).astype(np.float64)
        places = np.moveaxis(self.to_straight(grid).reshape(len(ys), len(xs), 2), 2, 0)
        right, down = between(len(xs), SUPERSAMPLING * (x1 - x0)), between(len(ys), SUPERSAMPLING * (y1 - y0))
        u, v = (down @ place @ right.T for place in places.astype(np.float32))
        patch = cv2.remap(self.subject.picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        image = np.zeros((height, width, 3), np.uint8)
        image[y0:y1, x0:x1] = cv2.resize(patch, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        return image
