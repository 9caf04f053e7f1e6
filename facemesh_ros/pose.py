"""Head pose from the image: where the reference face must be to appear as the mesh does.

How this face differs from the reference face, and what is wrong with the network's z, is solved along
(``likelihood.py``); so the covariance of the pose knows of both.

Solved by Gauss and Newton's method on SE(3) with Huber's weights, from a given start, or from POS (DeMenthon and Davis,
"Model-based object pose in 25 lines of code", IJCV 1995) and its mirror image in depth, of which the one that fits
better stays. docs/geometry.md has the formulas. Between two runs of the network a call of numpy costs 2 us or more,
whatever it has to do: so few calls count here, and whole rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dposv

from facemesh_ros.head import head_normals, head_points
from facemesh_ros.lens import turn_to
from facemesh_ros.likelihood import (
    LEAST_POINTS,
    NOISE_PX,
    Guess,
    Placed,
    Sight,
    cost,
    noise2_of,
    normal_equations,
    placed,
    sight_of,
    strangeness,
    weights_of,
)
from facemesh_ros.robust import facing
from facemesh_ros.types import Camera, Float32, Float64

MOST_STEPS, SETTLED_STEPS, SMALL_STEP = 30, 8, 2e-2
"""After the second, the noise is taken as it is, or the end is approached slowly. The third is in rad, and in distances
from the camera: after such a step a tenth of a degree is left to go, where the noise of a head's turn is one."""
RIDGE = 1e-5
"""Share by which the matrix's diagonal is larger: that keeps it positive in spite of rounding."""
MOST_HALVINGS = 8
"""Of a step that leads up."""
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
    middle: Float64
    """(2,): the mean of the rays that it was solved from."""

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
    """Return a start shifted by as much as the face was in the image: what is left then tells the noise."""
    x, y = (start.position[2] * (sight.middle - start.middle)).tolist()
    return Guess(start.rotation, start.position + (x, y, 0.0), start.amounts)


def visibility(solution: Solution) -> Float64:
    """Return how well each of the 468 points is seen, 0 to 1, by the direction of the surface."""
    return facing(solution.points().T, solution.rotation @ head_normals().T)


def _starts(sight: Sight) -> Iterator[tuple[Float64, Float64]]:
    """Yield rotation and position by POS along the line of sight, then with the face mirrored in depth."""
    camera_from_view = turn_to(sight.sight)
    seen = np.column_stack([*sight.rays, np.ones(sight.rays.shape[1])]) @ camera_from_view
    homogeneous = np.column_stack([*sight.model, np.ones(sight.model.shape[1])])
    affine = np.linalg.lstsq(homogeneous, seen[:, :2] / seen[:, 2:], rcond=None)[0]
    left, scales, right = np.linalg.svd(affine[:3].T, full_matrices=False)
    rows = left @ right
    rotation = camera_from_view @ np.stack([*rows, np.cross(*rows)])
    position = camera_from_view @ np.array([*affine[3], 1.0]) / max(float(scales.mean()), 1e-9)
    yield rotation, position
    yield (np.eye(3) - 2.0 * np.outer(sight.sight, sight.sight)) @ rotation * [-1.0, 1.0, 1.0], position


def _refined(sight: Sight, guess: Guess) -> Solution | None:
    """Follow the residuals down from a start; None where that leads behind the camera or shows no face."""
    now, noise2, count = placed(sight, guess), 0.0, sight.model.shape[1]
    for tried in range(MOST_STEPS):
        if now.points[2].min() <= NEAREST_M:
            return None
        noise2 = noise2_of(now) if tried < SETTLED_STEPS else noise2
        weights = weights_of(sight, now, noise2)
        if np.count_nonzero(weights[:count]) < LEAST_POINTS:
            return None
        solved = _solved(*normal_equations(sight, now, weights))
        if solved is None:
            return None
        step, covariance = solved
        if _is_small(step, now.guess):  # too small to lead astray
            now = placed(sight, now.guess.moved(step))
            break
        now = _lower(sight, now, weights, step)
    return _solution(sight, now, weights[:count], covariance)


def _is_small(step: Float64, guess: Guess) -> bool:
    x, y, z, *turn = map(abs, step[:6].tolist())
    return bool(max(x, y, z) < SMALL_STEP * guess.position[2] and max(turn) < SMALL_STEP)


def _solved(matrix: Float64, gradient: Float64) -> tuple[Float64, Float64] | None:
    """Return the step, and the (6, 6) covariance of position and rotation, by one factorisation (Cholesky's).

    The matrix is overwritten. None where it is not positive, or not finite.
    """
    matrix.reshape(-1)[:: len(matrix) + 1] *= 1.0 + RIDGE
    wanted = np.zeros((7, len(matrix))).T  # in the order of LAPACK
    wanted.T.reshape(-1)[: 6 * len(matrix) : len(matrix) + 1] = 1.0
    wanted[:, 6] = -gradient
    _, found, failed = dposv(matrix.T, wanted, overwrite_a=True, overwrite_b=True)
    return None if failed or not math.isfinite(found[0, 6]) else (found[:, 6], found[:6, :6])


def _lower(sight: Sight, now: Placed, weights: Float64, step: Float64) -> Placed:
    """Return what a step leads to, or a half of it, or a quarter …, where that explains the mesh no worse."""
    before = cost(now, weights)
    for halvings in range(MOST_HALVINGS):
        then = placed(sight, now.guess.moved(0.5**halvings * step))
        if then.points[2].min() > 0.0 and cost(then, weights) <= before:
            return then
    return now


def _solution(sight: Sight, at: Placed, weights: Float64, covariance: Float64) -> Solution:
    total = max(float(np.add.reduce(weights)), 1e-12)
    error2 = float(weights @ at.off2[: len(weights)]) / total
    misfit2 = error2 + strangeness(at.guess) / total
    rotation, position, amounts = at.guess.rotation, at.guess.position, at.guess.amounts
    return Solution(rotation, position, math.sqrt(error2), math.sqrt(misfit2), covariance, amounts, sight.middle)


def _fits(found: Solution, sight: Sight) -> bool:
    """Say whether a pose is to be believed: near enough, drawn where the face is seen, and not from behind."""
    distance = math.sqrt(found.position @ found.position)
    if distance > FARTHEST_M or found.rotation[:, 0] @ found.position > FROM_BEHIND * distance:
        return False
    return found.misfit_px <= LOST * sight.size_px + 4.0 * NOISE_PX
