"""The frozen values that pass between stages, and the coordinate conventions that they share.

Conventions
    Image coordinates are pixels of the full image: x right, y down, the **centre** of the top-left pixel is (0, 0), as
    in OpenCV and in the camera matrix of a sensor_msgs/CameraInfo. A point's z is in pixels at the same scale; smaller
    is nearer the camera, zero near the head's middle. Angles are radians, clockwise as seen in the image (x towards y).
    Metric values are metres in the camera's optical frame (REP 103: x right, y down, z forward).
    "Left" and "right" are the person's own unless a name says "image".

Every array is checked once, when a value is made, and kept as a read-only copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facemesh_ros.checks import FiniteNumbers, check_size, checked_share, frozen_array, set_fields
from facemesh_ros.errors import InputError

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

CAMERA_MODELS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (0, 4)}
"""Distortion models of sensor_msgs/distortion_models.hpp → how many coefficients each may have (OpenCV's order)."""

LEAST_FOCAL_PX, LARGEST_OF_CAMERA = 1e-6, 1e9
"""Bounds of a calibration's numbers, far beyond those of any camera: up to there no product of them overflows."""
_CALIBRATE = "calibrate the camera, or pass camera=None"

SCALE_SOURCES = ("assumed", "iris", "depth")
"""What the size of a head may come from."""

POINT_COUNTS = (468, 478)
"""Of a mesh without and with irises."""

GAZE_SOURCES = ("iris", "head")


@dataclass(frozen=True, eq=False)
class Detection:
    """A face as the detector sees it."""

    box_xyxy: Float32
    """(4,) float32, px of the full image: left, top, right, bottom; may reach outside the image."""
    keypoints: Float32
    """(6, 2) float32, px of the full image: right eye, left eye, nose tip, mouth centre, right and left ear tragion."""
    score: float
    """0..1."""

    def __post_init__(self) -> None:
        set_fields(
            self,
            box_xyxy=frozen_array(self.box_xyxy, (4,), np.float32, "Detection.box_xyxy"),
            keypoints=frozen_array(self.keypoints, (6, 2), np.float32, "Detection.keypoints"),
            score=checked_share(self.score, "Detection.score"),
        )


@dataclass(frozen=True, eq=False)
class Roi:
    """A square region of interest of the full image, turned by ``angle`` about its centre."""

    center_xy: Float64
    """(2,) float64, px of the full image."""
    size: float
    """Side, px; positive."""
    angle: float
    """rad, clockwise in the image: the direction from the person's right eye to the left one."""

    def __post_init__(self) -> None:
        set_fields(
            self,
            center_xy=frozen_array(self.center_xy, (2,), np.float64, "Roi.center_xy"),
            size=float(self.size),
            angle=float(self.angle),
        )
        if not (math.isfinite(self.size) and self.size > 0.0 and math.isfinite(self.angle)):
            raise InputError(
                f"Roi has size {self.size} px and angle {self.angle} rad; the size must be positive and both finite"
            )


@dataclass(frozen=True, eq=False)
class Mesh:
    """The points of one face."""

    points: Float32
    """(468 | 478, 3) float32, px of the full image; z at the same scale, smaller is nearer. 468.. are the irises."""
    presence: float
    """0..1: how sure the network is that the region holds a face."""

    def __post_init__(self) -> None:
        points = frozen_array(self.points, (None, 3), np.float32, "Mesh.points")
        if len(points) not in POINT_COUNTS:
            counts = " or ".join(map(str, POINT_COUNTS))
            raise InputError(f"Mesh.points has {len(points)} points; a face mesh has {counts}")
        set_fields(self, points=points, presence=checked_share(self.presence, "Mesh.presence"))


@dataclass(frozen=True, eq=False)
class HeadPose:
    """Where the head is, in metres. Its axes are those of REP 155's face frame, ``face_<id>``."""

    camera_from_head: Float64
    """(4, 4) float64, m: head coordinates → the camera's optical frame (REP 103). The head's origin is the sellion,
    where the nose begins between the eyes; x points out of the face, y to the person's left, z to the scalp."""
    error_px: float
    """Weighted root mean square reprojection error, px, of the reference face in the shape found for this person."""
    covariance: Float64
    """(6, 6) float64: x, y, z (m), then rotation about x, y, z (rad), in the camera's optical frame: the head lies at
    the stated position plus the first three, its rotation is a turn by the last three after the stated one."""
    scale_source: str = "assumed"
    """One of :data:`SCALE_SOURCES`: where the size of the head, and so its distance, comes from."""
    head_scale: float = 1.0
    """Size of the head over that of the reference face."""
    scale_disagrees: bool = False
    """The size was measured in a depth image and is far from what is assumed otherwise: a wrong depth, or no head."""
    is_calibrated: bool = True
    """False where the camera was assumed: distances, and turns away from the image's centre, may be far off."""

    def __post_init__(self) -> None:
        if self.scale_source not in SCALE_SOURCES:
            raise InputError(
                f"HeadPose.scale_source is {self.scale_source!r}; it must be of {', '.join(SCALE_SOURCES)}"
            )
        set_fields(
            self,
            camera_from_head=frozen_array(self.camera_from_head, (4, 4), np.float64, "HeadPose.camera_from_head"),
            error_px=float(self.error_px),
            covariance=frozen_array(self.covariance, (6, 6), np.float64, "HeadPose.covariance"),
        )


@dataclass(frozen=True)
class Eyes(FiniteNumbers):
    """How far the eyes are open."""

    right_openness: float
    """Distance between the lids over the width of the eye, as if seen straight on; no unit: 0 shut, about 0.3 open."""
    left_openness: float
    right_is_closed: bool
    """With hysteresis."""
    left_is_closed: bool
    blink: bool = False
    """True in the one image in which the eyes are open again after a blink."""
    blink_duration_s: float = 0.0
    """How long the eyes were closed in the blink that has just ended, s; 0 in all other images."""


@dataclass(frozen=True)
class Mouth(FiniteNumbers):
    """How far the mouth is open."""

    openness: float
    """Gap between the inner lips over the width of the mouth, no unit: 0 when closed, about 1 when wide open."""


@dataclass(frozen=True, eq=False)
class Gaze:
    """Where a person looks. All directions are unit vectors, from the person outwards."""

    direction: Float64
    """(3,) float64, in the axes of the camera's optical frame (x right, y down, z forward), of both eyes together.
    Without a camera calibration, as if the face were on the camera's axis."""
    head_direction: Float64
    """(3,) float64: the same in the head's axes (REP 155: x out of the face, y to the person's left, z up)."""
    source: str
    """What it comes from: "iris", or "head" (its x) where no eye tells: closed, turned away, without irises or rays."""
    right_direction: Float64 | None = None
    """(3,) float64: of the right eye alone, in the axes of ``direction``; None where that eye does not tell."""
    left_direction: Float64 | None = None
    origin_m: Float64 | None = None
    """(3,) float64, m in the camera's optical frame: where the ray begins, the sellion; None without a head pose."""
    angle_rad: float | None = None
    """From the gaze to the target of attention, 0 to pi; None where the target or attention is off or unknown."""
    is_looking: bool = False
    """At the target; with hysteresis, and kept through a blink."""

    def __post_init__(self) -> None:
        if self.source not in GAZE_SOURCES:
            raise InputError(f"Gaze.source is {self.source!r}; it must be one of {', '.join(GAZE_SOURCES)}")
        vectors = ("direction", "head_direction", "right_direction", "left_direction", "origin_m")
        given = {name: value for name in vectors if (value := getattr(self, name)) is not None}
        set_fields(
            self, **{name: frozen_array(value, (3,), np.float64, f"Gaze.{name}") for name, value in given.items()}
        )


@dataclass(frozen=True, eq=False)
class Face:
    """One person's face in one image: what :meth:`FaceMesher.process` returns."""

    track_id: int
    """Positive; the same for the same face from image to image; never reused in a run."""
    roi: Roi
    """The region that the network looked at."""
    mesh: Mesh
    """Raw: as the network gave it, or the mean of several meshes of a single picture."""
    smoothed: Mesh
    """After the track's filter; the same object as ``mesh`` when the filter is off. This is what is published."""
    pose: HeadPose | None = None
    """None where it was not estimated."""
    points_m: Float32 | None = None
    """(N, 3) float32, m in the camera's optical frame; None where it was not estimated."""
    eyes: Eyes | None = None
    """None, like ``mouth`` and ``gaze``, where switched off; no ``gaze`` either where nothing tells its direction."""
    mouth: Mouth | None = None
    gaze: Gaze | None = None
    rays: Float64 | None = None
    """(N, 2) float64: x / z, y / z of the smoothed points, optical frame; NaN: the lens has none; None: no camera."""

    def __post_init__(self) -> None:
        if self.track_id < 1:
            raise InputError(f"Face.track_id is {self.track_id}; ids are positive")
        if self.points_m is not None:
            set_fields(self, points_m=frozen_array(self.points_m, (None, 3), np.float32, "Face.points_m"))
        if self.rays is not None:
            set_fields(self, rays=frozen_array(self.rays, (None, 2), np.float64, "Face.rays", may_be_nan=True))


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsic calibration of a camera."""

    matrix: Float64
    """(3, 3) float64, px: the camera matrix K."""
    distortion: Float64
    """(D,) float64: coefficients in OpenCV's order; empty for none."""
    model: str
    """One of :data:`CAMERA_MODELS`."""
    size_wh: tuple[int, int]
    """Width and height, px, of the images that the calibration is for."""

    def __post_init__(self) -> None:
        matrix = frozen_array(self.matrix, (3, 3), np.float64, "Camera.matrix")
        is_one = np.array_equal(matrix[2], [0, 0, 1]) and matrix[1, 0] == 0
        if not (is_one and matrix.diagonal().min() >= LEAST_FOCAL_PX):
            raise InputError(
                f"Camera.matrix is {matrix.tolist()}; it must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]], and its focal "
                f"lengths must be positive, from {LEAST_FOCAL_PX:g} px on: {_CALIBRATE}"
            )
        check_size(matrix, LARGEST_OF_CAMERA, "Camera.matrix", _CALIBRATE)
        if self.model not in CAMERA_MODELS:
            raise InputError(f"Camera.model is {self.model!r}; it must be one of {', '.join(CAMERA_MODELS)}")
        distortion = frozen_array(self.distortion, (None,), np.float64, "Camera.distortion")
        if len(distortion) not in CAMERA_MODELS[self.model]:
            allowed = " or ".join(map(str, CAMERA_MODELS[self.model]))
            raise InputError(f"{self.model} takes {allowed} distortion coefficients; got {len(distortion)}")
        check_size(distortion, LARGEST_OF_CAMERA, "Camera.distortion", _CALIBRATE)
        width, height = (int(n) for n in self.size_wh)
        if width <= 0 or height <= 0:
            raise InputError(f"Camera.size_wh is {self.size_wh}; width and height must be positive pixels")
        set_fields(self, matrix=matrix, distortion=distortion, size_wh=(width, height))

    @classmethod
    def from_fov(cls, size_wh: tuple[int, int], horizontal_fov_rad: float) -> Camera:
        """Make a distortion-free camera with square pixels and the principal point at the image's centre.

        Args:
            size_wh: width and height, px.
            horizontal_fov_rad: field of view between the outer edges of the image, rad, in (0, pi).

        Raises:
            InputError: the field of view or the size is out of range.
        """
        width, height = size_wh
        if not 0.0 < horizontal_fov_rad < math.pi:
            raise InputError(
                f"horizontal_fov_rad is {horizontal_fov_rad}; it must lie in (0, pi) rad: did you pass degrees?"
            )
        focal = 0.5 * width / math.tan(0.5 * horizontal_fov_rad)
        matrix = [[focal, 0.0, 0.5 * (width - 1)], [0.0, focal, 0.5 * (height - 1)], [0.0, 0.0, 1.0]]
        return cls(np.array(matrix), np.zeros(0), "plumb_bob", (width, height))

    @classmethod
    def from_matrix(
        cls, matrix: ArrayLike, distortion: ArrayLike | None, size_wh: Sequence[int], model: str = "plumb_bob"
    ) -> Camera:
        """Make a camera from a calibration.

        Args:
            matrix: (3, 3), px.
            distortion: coefficients in OpenCV's order; None or empty for none.
            size_wh: width and height, px.
            model: one of :data:`CAMERA_MODELS`.

        Raises:
            InputError: a shape, a number, the model or its number of coefficients is wrong.
        """
        coefficients = np.zeros(0) if distortion is None else np.ravel(np.asarray(distortion, np.float64))
        if model == "rational_polynomial" and len(coefficients) == 0:
            coefficients = np.zeros(8)
        width, height = size_wh
        return cls(np.asarray(matrix, np.float64), coefficients, model, (int(width), int(height)))
