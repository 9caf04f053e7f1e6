"""Laws of what a point counts."""

import numpy as np
import pytest

from facemesh_ros.robust import GRAZING, HUBER, facing, huber, median


def test_a_surface_counts_in_full_when_it_faces_the_camera_and_not_when_it_looks_away():
    at = np.array([[0.2], [-0.1], [1.0]])
    towards, across = -at / np.linalg.norm(at), np.array([[1.0], [2.0], [0.0]]) / np.sqrt(5.0)
    assert facing(at, towards) == 1.0 and facing(at, -towards) == 0.0 and facing(at, across) == pytest.approx(0.0)
    half = 0.5 * GRAZING * towards + np.sqrt(1.0 - 0.25 * GRAZING**2) * across
    assert facing(at, half) == pytest.approx(0.5)
    assert facing(7.0 * at, half) == pytest.approx(0.5)


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_the_median_has_half_of_the_numbers_on_either_side(count):
    numbers = np.random.default_rng(count).normal(size=count)
    middle = median(numbers)
    assert middle in numbers and (numbers < middle).sum() == count // 2


def test_errors_within_the_knee_count_by_their_variance_and_others_pull_no_harder():
    noise2 = 4.0
    off = np.array([0.0, 1.0, HUBER * 2.0, HUBER * 4.0, HUBER * 20.0])
    weights = huber(off**2, noise2)
    assert weights[:3] == pytest.approx(1.0 / noise2)
    assert (weights * off)[2:] == pytest.approx(HUBER * 2.0 / noise2)
