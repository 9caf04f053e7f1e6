"""Head pose from the image: where the reference face must be to appear as the mesh does.

How this face differs from the reference face, and what is wrong with the network's z, is solved along
(``likelihood.py``); so the covariance of the pose knows of both.

Solved by Levenberg-Marquardt on SE(3) with Huber's weights, from a given start, or from POS (DeMenthon
and Davis, "Model-based object pose in 25 lines of code", IJCV 1995) and its mirror image in depth, of which the one
that fits better stays. docs/geometry.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facemesh_ros.head import head_normals, head_points
from facemesh_ros.lens import turn_to
from facemesh_ros.likelihood import (
    LEAST_POINTS,
    NOISE_PX,
    Guess,
    Placed,
    Sight,
    Weights,
    cost,
    facing,
    noise2_of,
    normal_equations,
    placed,
    sight_of,
    strangeness,
    weights_of,
)
from facemesh_ros.types import Camera, Float32, Float64

MOST_STEPS, SETTLED_STEPS, SMALLEST_STEP = 30, 8, 3e-3
"""After the second, the noise is taken as it is, or the end is approached slowly. The third is in rad, and in distances
from the camera: what is then left to go is a twentieth of a degree, where the noise of a head's turn is one."""
NEAREST_M, FARTHEST_M = 0.02, 100.0
"""Of a head of the reference size."""
FROM_BEHIND = 0.17
"""Sine of the angle by which a face may look away from the camera beyond a profile: 10°."""
LOST = 0.15
"""Error over the size of the face: more is left over by no labelled face, but by a start in the wrong place."""


@dataclass(frozen=True, eq=False)
class Solution:
    """The pose of a head of the reference size."""

    rotation: Float64
    """(3, 3): camera_from_head."""
    position: Float64
    """(3,) m."""
    error_px: float
    """Weighted root mean square reprojection error of the reference face in this person's shape."""
    misfit_px: float
    """The same, in which an unusual shape counts as an error as well: large for what is no face."""
    covariance: Float64
    """(6, 6): x, y, z (m), rotation about x, y, z (rad), in the camera's optical frame."""
    amounts: Float64
    """(4 + 3 K,): what was solved for along: by what all of z is wrong (a turn, rad, and a share), and how this face
    differs from the reference face, in standard deviations."""

    def points(self) -> Float64:
        """Return the (468, 3) points of the reference face, m in the camera's optical frame."""
        return np.asarray(head_points() @ self.rotation.T + self.position, np.float64)


def solve(points_px: Float32, seen: Float64, camera: Camera, start: Solution | None = None) -> Solution | None:
    """Return the pose in which the reference face appears as a mesh does; None where there is none to be believed.

    Args:
        points_px: (468 | 478, 3): the mesh.
        seen: (468 | 478, 2): the rays of the mesh's points, NaN for those without (:func:`facemesh_ros.lens.rays`).
        camera: the calibration of the image.
        start: where the same head was shortly before; None to begin from nothing.
    """
    sight = sight_of(points_px, seen, camera)
    if sight is None:
        return None
    if start is not None:
        found = _refined(sight, _carried_along(sight, start))
        if found is not None and _fits(found, sight):
            return found
    candidates = [_refined(sight, Guess.of_the_mean(*one)) for one in _starts(sight)]
    sound = [one for one in candidates if one is not None and _fits(one, sight)]
    return min(sound, key=lambda one: one.misfit_px, default=None)


def _carried_along(sight: Sight, start: Solution) -> Guess:
    """Return a start shifted to where the face is seen now: what is left then tells the noise."""
    drawn = sight.model @ start.rotation.T + start.position
    shift = (sight.rays - drawn[:, :2] / drawn[:, 2:]).mean(axis=0) * start.position[2]
    return Guess(start.rotation, start.position + [*shift, 0.0], start.amounts)


def visibility(solution: Solution) -> Float64:
    """Return how well each of the 468 points is seen, 0 to 1, by the direction of the surface."""
    return facing(solution.points(), head_normals() @ solution.rotation.T)


def _starts(sight: Sight) -> Iterator[tuple[Float64, Float64]]:
    """Yield rotation and position by POS along the line of sight, then with the face mirrored in depth."""
    camera_from_view = turn_to(sight.sight)
    seen = np.column_stack([sight.rays, np.ones(len(sight.rays))]) @ camera_from_view
    homogeneous = np.column_stack([sight.model, np.ones(len(sight.model))])
    affine = np.linalg.lstsq(homogeneous, seen[:, :2] / seen[:, 2:], rcond=None)[0]
    left, scales, right = np.linalg.svd(affine[:3].T, full_matrices=False)
    rows = left @ right
    rotation = camera_from_view @ np.stack([*rows, np.cross(*rows)])
    position = camera_from_view @ np.array([*affine[3], 1.0]) / max(float(scales.mean()), 1e-9)
    yield rotation, position
    yield (np.eye(3) - 2.0 * np.outer(sight.sight, sight.sight)) @ rotation * [-1.0, 1.0, 1.0], position


def _refined(sight: Sight, guess: Guess) -> Solution | None:
    """Follow the residuals down from a start; None where that leads behind the camera or shows no face."""
    now = placed(sight, guess)
    damping, noise2 = 1e-5, 0.0
    for count in range(MOST_STEPS):
        if now.points[:, 2].min() <= NEAREST_M:
            return None
        noise2 = noise2_of(now) if count < SETTLED_STEPS else noise2
        weights = weights_of(sight, now, noise2)
        if np.count_nonzero(weights.points) < LEAST_POINTS:
            return None
        hessian, gradient = normal_equations(sight, now, weights)
        step = -np.linalg.solve(hessian + damping * np.diag(hessian.diagonal()), gradient)
        then = placed(sight, now.guess.moved(step))
        if then.points[:, 2].min() > 0.0 and cost(then, weights) <= cost(now, weights):
            now, damping = then, 0.1 * damping
        else:
            damping = max(10.0 * damping, 1e-3)
        if max(np.abs(step[3:6]).max(), np.abs(step[:3]).max() / now.guess.position[2]) < SMALLEST_STEP:
            break
    return _solution(now, weights, hessian)


def _solution(at: Placed, weights: Weights, hessian: Float64) -> Solution:
    total = max(float(weights.points.sum()), 1e-12)
    error2 = float(weights.points @ at.off2) / total
    misfit2 = error2 + strangeness(at.guess) / total
    covariance = np.asarray(np.linalg.solve(hessian, np.eye(len(hessian), 6))[:6], np.float64)
    guess = at.guess
    return Solution(guess.rotation, guess.position, error2**0.5, misfit2**0.5, covariance, guess.amounts)


def _fits(found: Solution, sight: Sight) -> bool:
    """Say whether a pose is to be believed: near enough, drawn where the face is seen, and not from behind."""
    distance = float(np.linalg.norm(found.position))
    if distance > FARTHEST_M or found.rotation[:, 0] @ found.position > FROM_BEHIND * distance:
        return False
    return found.misfit_px <= LOST * sight.size_px + 4.0 * NOISE_PX
