import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facemesh_ros.procrustes import aligned, misfit
from facemesh_ros.topology import mirror_points, reference_face

FACE = reference_face()


def moved(points, seed=0, scale=300.0):
    rotation = Rotation.random(random_state=seed).as_matrix()
    return scale * points @ rotation.T + [320.0, 240.0, 5.0]


def test_a_shape_is_laid_over_itself_exactly_wherever_it_went():
    for seed in range(5):
        found = aligned(FACE, moved(FACE, seed))
        assert found.points == pytest.approx(FACE, abs=1e-12)
        assert found.misfit == pytest.approx(0.0, abs=1e-8)
        assert found.scale == pytest.approx(300.0)


def test_the_rotation_takes_the_target_to_the_shape():
    rotation = Rotation.from_euler("xyz", [0.1, -0.4, 0.2]).as_matrix()
    assert aligned(FACE, FACE @ rotation.T).rotation == pytest.approx(rotation)


def test_the_misfit_is_the_distance_that_is_left_over():
    bent = FACE + np.random.default_rng(0).normal(0, 0.003, FACE.shape)
    found = aligned(FACE, bent)
    assert found.misfit == pytest.approx(np.sqrt(((found.points - FACE) ** 2).sum(axis=1).mean()))
    assert found.misfit == pytest.approx(0.003 * np.sqrt(3), rel=0.05)


def test_a_mirror_image_is_not_laid_over_by_reflection():
    lopsided = FACE + [[0.02 * (i % 7 == 0), 0, 0] for i in range(468)]
    assert aligned(lopsided, lopsided * [-1, 1, 1]).misfit > 0.005


def test_pairs_say_which_points_correspond():
    order = np.random.default_rng(0).permutation(468)
    found = aligned(FACE, moved(FACE)[order], (order, np.arange(468)))
    assert found.points == pytest.approx(FACE[order], abs=1e-12)


def squashed(axes, seed):
    """Return 20 random points that are flat in the axes whose factor is 0, turned anyhow."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(20, 3)) * axes @ Rotation.random(random_state=seed).as_matrix()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    "axes",
    [(1, 1, 1), (1, 0.5, 0.01), (1, 1e-3, 1e-3), (1, 1, 0), (1, 0, 0)],
    ids=["full", "3", "thin", "flat", "line"],
)
@pytest.mark.parametrize("mirrored", [1.0, -1.0])
def test_no_rotation_fits_better_than_that_of_the_singular_values(seed, axes, mirrored):
    template, noise = squashed(axes, seed), 0.01 * np.random.default_rng(seed + 1).normal(size=(20, 3)) * axes
    shape = (template * [1.0, 1.0, mirrored] + noise) @ Rotation.random(random_state=seed + 2).as_matrix().T
    left, singular, right = np.linalg.svd((shape - shape.mean(axis=0)).T @ (template - template.mean(axis=0)))
    singular[2] *= np.sign(np.linalg.det(left @ right))
    spread, extent = ((shape - shape.mean(axis=0)) ** 2).sum(), ((template - template.mean(axis=0)) ** 2).sum()
    found = aligned(template, shape)
    assert found.scale == pytest.approx(spread / singular.sum(), rel=1e-6)
    least = np.sqrt(max(extent - singular.sum() ** 2 / spread, 0.0) / 20)
    assert found.misfit == pytest.approx(least, abs=1e-5 * np.sqrt(extent))
    assert np.sqrt(((found.points - template) ** 2).sum(axis=1).mean()) == pytest.approx(least, abs=1e-6)
    assert found.rotation @ found.rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)


def test_points_in_one_place_do_not_divide_by_zero():
    assert np.isfinite(aligned(FACE, np.zeros((468, 3))).misfit)


def test_a_face_fits_at_any_place_size_and_turn():
    assert misfit(moved(FACE).astype(np.float32)) < 1e-5
    with_irises = np.concatenate([FACE, np.full((10, 3), 9.0)])
    assert misfit(moved(with_irises).astype(np.float32)) < 1e-5


@pytest.mark.parametrize(
    "garbage",
    [
        np.zeros((468, 3)),
        np.random.default_rng(0).normal(0, 50, (468, 3)),
        FACE[mirror_points()] * 300,  # left for right, yet not mirrored
        FACE * [300, 300, 0],  # without depth
        FACE * [300, 60, 300],
    ],
    ids=["one place", "noise", "sides exchanged", "flat", "squashed"],
)
def test_what_has_not_the_shape_of_a_face_does_not_fit(garbage):
    assert misfit(garbage.astype(np.float32)) > 0.16
