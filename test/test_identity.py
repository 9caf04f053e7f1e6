import itertools
import math

import numpy as np
import pytest
from fakes import face_points
from scipy.optimize import linear_sum_assignment

from facemesh_ros.identity import (
    FARTHEST_FACES,
    FARTHEST_FACES_PER_S,
    IMPLAUSIBLE,
    LARGEST_LOG_RATIO,
    LARGEST_SHAPE_CHANGE,
    SHAPE_CHANGE,
    Likeness,
    assign,
    cost,
    face_shape,
)

FACE = face_shape(face_points((0, 0)))


def like(x=0.0, y=0.0, size=100.0, shape=FACE):
    return Likeness(x, y, size, shape)


def cost_of(seen, known=None, gap_s=0.0, ahead_xy=(0.0, 0.0)):
    return cost(like() if known is None else known, seen, gap_s, ahead_xy)


def rms(shape, other):
    return math.sqrt(((shape - other) ** 2).mean())


def turned(points, seed):
    """Turn points at random."""
    axes, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return points @ (axes * np.linalg.det(axes)).T


@pytest.mark.parametrize("seed", range(3))
def test_neither_place_nor_size_nor_turn_change_the_shape(seed):
    points = face_points((50, 20), person=seed).astype(np.float64)
    moved = (turned(points, seed) * 3.7 + [500.0, -20.0, 9.0]).astype(np.float32)
    assert face_shape(moved) == pytest.approx(face_shape(points.astype(np.float32)), abs=1e-4)
    assert np.square(face_shape(moved)).mean() == pytest.approx(1.0)


def test_the_irises_do_not_change_the_shape():
    points = face_points((0, 0))
    assert np.array_equal(face_shape(np.vstack([points, points[:10]])), face_shape(points))


def test_points_in_one_place_have_a_finite_shape():
    assert np.isfinite(face_shape(np.zeros((468, 3), np.float32))).all()


def test_two_people_of_the_fakes_differ_by_more_than_one_changes():
    shapes = [face_shape(face_points((0, 0), person=person)) for person in range(5)]
    assert min(rms(a, b) for a, b in itertools.combinations(shapes, 2)) > LARGEST_SHAPE_CHANGE


def test_the_same_face_costs_nothing_at_once_and_more_the_longer_it_was_away():
    costs = [cost_of(like(), gap_s=gap_s) for gap_s in (0.0, 0.1, 1.0, 10.0)]
    assert costs[0] == 0.0 and costs == sorted(costs) and costs[-1] < IMPLAUSIBLE


@pytest.mark.parametrize("gap_s", [0.0, 0.5, 2.0])
def test_a_place_is_plausible_within_a_reach_that_grows_with_the_gap(gap_s):
    reach_px = 100.0 * (FARTHEST_FACES + FARTHEST_FACES_PER_S * gap_s)
    assert cost_of(like(x=0.99 * reach_px), gap_s=gap_s) < IMPLAUSIBLE == cost_of(like(y=1.01 * reach_px), gap_s=gap_s)


def test_a_face_may_have_stopped_or_gone_on():
    ahead_xy = (200.0, 0.0)
    assert cost_of(like(200.0), ahead_xy=ahead_xy) == cost_of(like(0.0), ahead_xy=ahead_xy) == 0.0
    assert 0.0 < cost_of(like(100.0), ahead_xy=ahead_xy) == cost_of(like(100.0, 0.0))


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_size_is_plausible_up_to_a_ratio_either_way(direction):
    near, far = (100.0 * math.exp(direction * share * LARGEST_LOG_RATIO) for share in (0.99, 1.01))
    assert cost_of(like(size=near)) < IMPLAUSIBLE == cost_of(like(size=far))


def test_a_shape_may_change_more_in_a_longer_gap_but_not_without_end():
    def changed(by):
        return like(shape=FACE + by)

    assert cost_of(changed(0.99 * SHAPE_CHANGE)) < IMPLAUSIBLE == cost_of(changed(1.01 * SHAPE_CHANGE))
    assert cost_of(changed(1.01 * SHAPE_CHANGE), gap_s=1.0) < IMPLAUSIBLE
    assert cost_of(changed(1.01 * LARGEST_SHAPE_CHANGE), gap_s=100.0) == IMPLAUSIBLE


def test_what_is_tolerable_one_by_one_is_not_all_together():
    far, small = 0.6 * 100.0 * FARTHEST_FACES, 100.0 * math.exp(-0.6 * LARGEST_LOG_RATIO)
    assert cost_of(like(far)) < IMPLAUSIBLE and cost_of(like(size=small)) < IMPLAUSIBLE
    assert cost_of(like(far, size=small)) == IMPLAUSIBLE


@pytest.mark.parametrize("zoom", [0.2, 8.0])
def test_the_scale_of_the_image_does_not_matter(zoom):
    one = cost_of(like(60.0, 10.0, 120.0), gap_s=0.1, ahead_xy=(5.0, 0.0))
    known, seen = like(size=zoom * 100.0), like(zoom * 60.0, zoom * 10.0, zoom * 120.0)
    assert cost_of(seen, known, 0.1, (zoom * 5.0, 0.0)) == pytest.approx(one)


@pytest.mark.parametrize(
    ("costs", "pairs"),
    [
        ([], ()),
        ([[], []], ()),
        ([[0.2]], ((0, 0),)),
        ([[1.0]], ()),
        ([[0.9, 0.1], [0.2, 0.9]], ((0, 1), (1, 0))),
        ([[0.1, 0.2], [0.1, 0.9]], ((0, 1), (1, 0))),  # both want the first column
        ([[1.0, 0.3], [1.0, 1.0], [0.2, 1.0]], ((0, 1), (2, 0))),
        ([[0.1, 0.9], [0.85, 1.0]], ((0, 0),)),  # no good match is given up for two poor ones
    ],
)
def test_the_cheapest_assignment_leaves_out_what_is_implausible(costs, pairs):
    assert assign(costs) == pairs


@pytest.mark.parametrize("seed", range(200))
def test_the_short_cut_gives_what_the_assignment_gives(seed):
    chance = np.random.default_rng(seed)
    costs = np.minimum(chance.uniform(0.0, 1.6, chance.integers(1, 6, 2)), IMPLAUSIBLE)
    best = [(r, c) for r, c in zip(*linear_sum_assignment(costs), strict=True) if costs[r, c] < IMPLAUSIBLE]
    assert list(assign(costs.tolist())) == best
