"""Eyes, mouth and line of sight of one mesh, from its geometry alone; no state.

Everything is measured in the view of a camera that is turned to the face, so that a face beside the image's middle is
seen straight on. Openness is measured after the head's rotation is taken back. For the gaze, an eye is a ball that is
fixed in the head: where its iris is seen beside its centre says how far it is turned. docs/gaze.md has the model, how
its constants were measured and what it cannot do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.checks import all_finite
from facemesh_ros.head import HEAD_FROM_REFERENCE
from facemesh_ros.lens import turn_to
from facemesh_ros.procrustes import Template
from facemesh_ros.topology import RIGID, SURFACE_POINTS, reference_face
from facemesh_ros.types import Float64, HeadPose

EYES = np.array([[33, 133, 160, 159, 158, 144, 145, 153], [263, 362, 387, 386, 385, 373, 374, 380]])
"""Right, left: outer and inner corner, three points of the upper lid, those of the lower lid below them. The first and
the third pair are those of Soukupová and Čech, "Real-time eye blink detection using facial landmarks", CVWW 2016."""
LIPS = np.array([78, 308, 82, 13, 312, 87, 14, 317])
"""Right and left corner, three points of the upper inner lip, those of the lower one below them."""
IRISES = np.array([468, 473])

IRIS_RADIUS_M = 0.0105
"""From an eye's centre to the middle of its iris: a ball of 12 mm radius (Bekerman et al., "Variations in eyeball
diameters of the healthy adults", Journal of Ophthalmology 2014), cut where it is 11.7 mm wide, as irises are."""
EYE_CENTER_M = np.array([[-0.0008, -0.0012, 0.0038], [0.0008, -0.0012, 0.0038]])
"""(2, 3): centre of the right and left eye from the middle between its corners, axes and size of the reference face.
Measured with this network on 32 faces that look into the camera: docs/gaze.md."""
EYE_SPLAY_RAD = 0.22
"""How far an eye opens outwards on the reference face: its outer corner lies 6 mm behind the inner one."""
HIDDEN_RAD = math.radians(70.0)
"""An eye whose opening is turned farther from the camera than this does not count."""
LARGEST_SINE = 0.95
"""Of the angle between gaze and camera: beyond it an iris is hardly seen."""

_USED = np.concatenate([RIGID, EYES.ravel(), LIPS, IRISES])
_ENDS = np.cumsum([len(RIGID), EYES.size, LIPS.size]).tolist()
_NOT_TURNED = np.eye(3)
_SMALLEST = 1e-12
"""Keeps measures of points that coincide finite."""


@dataclass(frozen=True, eq=False)
class View:
    """A head as a camera sees it that is turned towards the face."""

    camera_from_view: Float64
    """(3, 3) rotation; one without rays and pose."""
    view_from_reference: Float64
    """(3, 3) rotation of the head; the reference face looks into the camera."""
    scale: float
    """Units of the view a metre."""
    eyes: Float64
    """(2, 8, 3): the points :data:`EYES` in the view: x right, y down, z away."""
    irises: Float64 | None
    """(2, 3) in the view; None for a mesh without them, and where not all points have rays."""
    upright: Float64
    """(3, 8, 3): right eye, left eye and LIPS, laid over the reference face, m."""
    has_bearing: bool = True
    """False where nothing tells in which direction the face lies, and so not in which it looks."""


def view_of(points: NDArray[np.float32], rays: Float64 | None = None, pose: HeadPose | None = None) -> View:
    """Return how a (468 | 478, 3) mesh, px, is seen.

    Args:
        points: of the full image.
        rays: (468 | 478, 2), those of the points; None sees the face as if it were on the camera's axis. Where a point
            that is used has none (NaN), the eyes do not tell, and the view is along the way to the head that the pose
            has; without one it has no bearing.
        pose: gives the head's rotation, if rays are given as well; else the mesh itself does.
    """
    has_irises = len(points) > SURFACE_POINTS
    ids = _USED if has_irises else _USED[: _ENDS[-1]]
    flat = points.take(ids, axis=0).astype(np.float64)
    if rays is None:
        return _view(flat, _NOT_TURNED, None, has_irises)
    seen = rays.take(ids, axis=0)
    if all_finite(seen):
        return _view(*_turned(flat, seen), pose, has_irises)
    if pose is not None:
        return _view(flat, turn_to(pose.camera_from_head[:3, 3]), pose, has_irises=False)
    return replace(_view(flat, _NOT_TURNED, None, has_irises=False), has_bearing=False)


def _view(used: Float64, camera_from_view: Float64, pose: HeadPose | None, has_irises: bool) -> View:
    fit = _rigid_template().fit(used[: _ENDS[0]])
    return View(
        camera_from_view=camera_from_view,
        view_from_reference=fit.rotation if pose is None else _rotation(pose, camera_from_view),
        scale=fit.scale,
        eyes=used[_ENDS[0] : _ENDS[1]].reshape(2, 8, 3),
        irises=used[_ENDS[2] :] if has_irises else None,
        upright=fit.laid_over(used[_ENDS[0] : _ENDS[2]]).reshape(3, 8, 3),
    )


def openness(view: View) -> tuple[float, float, float]:
    """Return how far the right eye, the left eye and the mouth are open: gap over width, at least 0."""
    gaps = (view.upright[:, 5:, 1] - view.upright[:, 2:5, 1]).sum(axis=1).tolist()
    across = (view.upright[:, 1] - view.upright[:, 0]).tolist()
    right, left, mouth = (
        max(gap / 3.0, 0.0) / max(math.sqrt(x * x + y * y + z * z), _SMALLEST)
        for gap, (x, y, z) in zip(gaps, across, strict=True)
    )
    return right, left, mouth


def eye_weights(view: View) -> Float64:
    """Return (2,) from 0 to 1: how much of the right and left eye's opening is seen; 0 for one that is turned away."""
    facing = -(_openings() @ view.view_from_reference.T)[:, 2]
    hidden = math.cos(HIDDEN_RAD)
    weights: Float64 = np.maximum((facing - hidden) / (1.0 - hidden), 0.0)
    return weights


def eye_rays(view: View) -> Float64 | None:
    """Return where the right and the left eye look, (2, 3) unit vectors in the view; None for a mesh without irises."""
    if view.irises is None:
        return None
    middles = 0.5 * (view.eyes[:, 0] + view.eyes[:, 1])
    seen = (view.irises - middles)[:, :2] / view.scale
    sines = (seen - (EYE_CENTER_M @ view.view_from_reference.T)[:, :2]) / IRIS_RADIUS_M
    return np.array([_ray_of(x, y) for x, y in sines.tolist()])


def _ray_of(x: float, y: float) -> tuple[float, float, float]:
    """Return the unit vector towards the camera with these sines, or the largest in their direction."""
    shrink = LARGEST_SINE / max(math.sqrt(x * x + y * y), LARGEST_SINE)
    x, y = shrink * x, shrink * y
    return x, y, -math.sqrt(1.0 - (x * x + y * y))


def head_ray(view: View) -> Float64:
    """Return the head's x axis, (3,), in the view."""
    return np.asarray(-view.view_from_reference[:, 2], np.float64)


def together(rays: Float64, weights: Float64) -> Float64 | None:
    """Return the direction of the weighted mean of (2, 3) rays, (3,); None where no eye counts."""
    total = weights @ rays
    length = _length(total)
    return np.asarray(total / length, np.float64) if length > _SMALLEST else None


def in_camera(view: View, rays: Float64) -> Float64:
    """Take (…, 3) directions from the view to the camera's optical frame."""
    return np.asarray(rays @ view.camera_from_view.T, np.float64)


def in_head(view: View, rays: Float64) -> Float64:
    """Take (…, 3) directions from the view to the head's axes (REP 155)."""
    return np.asarray(rays @ view.view_from_reference @ HEAD_FROM_REFERENCE.T, np.float64)


def way_to(target_m: Float64 | None, origin_m: Float64 | None, view: View) -> Float64 | None:
    """Return the way from a face to a target, (3,) of any length, in the camera's optical frame; None if unknown.

    Args:
        target_m: (3,) m in that frame; None for the camera itself.
        origin_m: (3,) m in that frame, of the face; where it is None, only the direction of the camera is known.
        view: tells it.
    """
    if origin_m is None:
        return np.asarray(-view.camera_from_view[:, 2], np.float64) if target_m is None else None
    return -origin_m if target_m is None else target_m - origin_m


def looks_at(direction: Float64, way: Float64) -> float:
    """Return the angle, rad from 0 to pi, between a gaze, a (3,) unit vector, and the (3,) way to a target."""
    target = way / max(_length(way), _SMALLEST)
    return 2.0 * math.atan2(_length(direction - target), _length(direction + target))


def _rotation(pose: HeadPose, camera_from_view: Float64) -> Float64:
    return np.asarray(camera_from_view.T @ pose.camera_from_head[:3, :3] @ HEAD_FROM_REFERENCE, np.float64)


def _turned(points: Float64, rays: Float64) -> tuple[Float64, Float64]:
    """Return the (N, 3) points as a camera sees them that is turned to their middle, and that camera_from_view."""
    camera_from_view = turn_to(np.array([*rays[: _ENDS[0]].sum(axis=0), _ENDS[0]]))
    ahead = rays @ camera_from_view[:2] + camera_from_view[2]
    seen = points.copy()
    seen[:, :2] = ahead[:, :2] / np.maximum(ahead[:, 2:], _SMALLEST)
    right, left = _ENDS[0], _ENDS[0] + 8  # outer corners: by how much a px of x and y shrinks, one of z does too
    in_px, in_view = points[right, :2] - points[left, :2], seen[right, :2] - seen[left, :2]
    seen[:, 2] *= _length(in_view) / max(_length(in_px), _SMALLEST)
    return seen, camera_from_view


def _length(vector: Float64) -> float:
    return math.sqrt(vector.dot(vector))


@lru_cache(maxsize=1)
def _rigid_template() -> Template:
    return Template(reference_face()[RIGID])


@lru_cache(maxsize=1)
def _openings() -> Float64:
    """Return (2, 3): which way the openings of the right and the left eye point on the reference face."""
    sin, cos = math.sin(EYE_SPLAY_RAD), math.cos(EYE_SPLAY_RAD)
    return np.array([[-sin, 0.0, -cos], [sin, 0.0, -cos]])
