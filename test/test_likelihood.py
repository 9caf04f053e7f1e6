"""Laws of the likelihood of a pose: derivatives against differences of the cost."""

import numpy as np
import pytest
from test_pose import CAMERA, LENSES, POSES, rendered, solved, somebody

from facemesh_ros.lens import rays
from facemesh_ros.likelihood import Guess, cost, normal_equations, placed, sight_of, strangeness, weights_of


def guessed(camera, pose_index=1, seed=0):
    """A sight, and a guess a little beside the truth, with a shape."""
    random = np.random.default_rng(seed)
    rotation, position = POSES[pose_index]
    mesh = rendered(rotation, position, camera, noise_px=0.5, relief_turn=0.02, seed=seed, shape=somebody(seed))
    sight = sight_of(mesh, rays(camera, mesh[:, :2]), camera)
    guess = Guess.of_the_mean(rotation, np.array(position))
    step = random.normal(0.0, 1.0, 6 + len(guess.amounts)) * 0.01
    step[10:] *= 50.0
    return sight, guess.moved(step), random


@pytest.mark.parametrize("camera", LENSES, ids=lambda camera: f"{camera.model} {len(camera.distortion)}")
@pytest.mark.parametrize("pose_index", range(len(POSES)))
def test_the_gradient_is_half_the_slope_of_the_cost(camera, pose_index):
    sight, guess, _ = guessed(camera, pose_index)
    at = placed(sight, guess)
    weights = weights_of(sight, at, 4.0)
    _, gradient = normal_equations(sight, at, weights)
    moves = 1e-6 * np.eye(len(gradient))
    slopes = [
        (cost(placed(sight, guess.moved(move)), weights) - cost(placed(sight, guess.moved(-move)), weights)) / 4e-6
        for move in moves
    ]
    # A shift and a shape change the relief by way of the distance as well, to the second order, which is left out.
    assert gradient[3:6] == pytest.approx(slopes[3:6], rel=0.05, abs=0.02 * np.abs(slopes[3:6]).max())
    assert gradient[6:10] == pytest.approx(slopes[6:10], rel=1e-4, abs=1e-4 * np.abs(slopes[6:10]).max())
    assert gradient[10:] == pytest.approx(slopes[10:], rel=0.1, abs=0.05 * np.abs(slopes[10:]).max())
    assert gradient[:3] == pytest.approx(slopes[:3], rel=0.1, abs=0.05 * np.abs(slopes[:3]).max())


def test_the_matrix_is_symmetric_and_positive_and_that_of_the_gradient():
    sight, guess, random = guessed(CAMERA)
    weights = weights_of(sight, placed(sight, guess), 1.0)
    matrix, gradient = normal_equations(sight, placed(sight, guess), weights)
    sd = np.sqrt(matrix.diagonal())
    correlation = matrix / np.outer(sd, sd)
    assert correlation == pytest.approx(correlation.T, abs=1e-6)  # in single precision
    assert np.linalg.eigvalsh(correlation).min() > 1e-4
    step = random.normal(0.0, 1.0, len(gradient)) / np.sqrt(matrix.diagonal()) * 1e-3
    _, moved = normal_equations(sight, placed(sight, guess.moved(step)), weights)
    assert moved - gradient == pytest.approx(matrix @ step, rel=0.1, abs=0.03 * np.abs(matrix @ step).max())


def test_the_reference_face_is_the_most_usual():
    _, guess, random = guessed(CAMERA)
    mean = Guess.of_the_mean(guess.rotation, guess.position)
    assert strangeness(mean) == 0.0 < strangeness(guess)
    step = np.concatenate([np.zeros(6), random.normal(0.0, 0.02, len(mean.amounts))])
    assert strangeness(mean.moved(2.0 * step)) == pytest.approx(4.0 * strangeness(mean.moved(step)))


def test_points_that_look_away_do_not_count():
    sight, guess, _ = guessed(CAMERA, pose_index=2)
    at = placed(sight, guess)
    towards = -(at.points * (guess.rotation @ sight.normals)).sum(axis=0)
    weights = weights_of(sight, at, 1.0)[: len(towards)]
    assert np.all(weights[towards <= 0.0] == 0.0) and np.all(weights[towards > 0.0] > 0.0)


def test_an_unusual_shape_counts_as_misfit():
    mesh = rendered(*POSES[0], shape=somebody(1) + 3.0 * (somebody(2) - somebody(3)))
    found = solved(mesh)
    assert found.misfit_px > 1.05 * found.error_px
