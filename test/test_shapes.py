"""Laws of how faces differ from the reference face."""

import numpy as np
import pytest

from facemesh_ros.head import head_normals, head_points, is_firm, pose_points
from facemesh_ros.shapes import (
    LENGTH_M,
    LOPSIDED_SD_M,
    MODES_AN_AXIS,
    SIZE_SD,
    SYMMETRIC_SD_M,
    marks_of,
    shape_modes,
    shape_precision,
)
from facemesh_ros.topology import mirror_points

POINTS = head_points()[pose_points()]


def people(count=2000):
    """(count, N, 3) m: what drawn faces differ by at the pose points."""
    covariance = np.linalg.inv(shape_precision())
    amounts = np.random.default_rng(0).multivariate_normal(np.zeros(len(covariance)), covariance, count)
    return np.einsum("fak,akn->fna", amounts.reshape(count, 3, MODES_AN_AXIS), shape_modes())


def mirrored(shapes):
    """The same faces seen in a mirror."""
    place = {point: index for index, point in enumerate(pose_points())}
    index = [place[int(other)] for other in mirror_points()[pose_points()]]
    return shapes[:, index] * [1.0, -1.0, 1.0]


def test_faces_differ_as_much_as_stated_alike_on_both_sides_and_little_otherwise():
    shapes = people()
    alike, opposite = 0.5 * (shapes + mirrored(shapes)), 0.5 * (shapes - mirrored(shapes))
    outside = np.abs(POINTS[:, 1]) > 0.05  # near the middle a point and its mirror image move together
    assert alike[:, outside].std(axis=(0, 1)) == pytest.approx(SYMMETRIC_SD_M, rel=0.15)
    assert opposite[:, outside].std(axis=(0, 1)) == pytest.approx(LOPSIDED_SD_M, rel=0.2)


def test_neighbours_differ_alike():
    shapes = people()
    one = int(np.argmax(POINTS[:, 1]))
    apart = np.linalg.norm(POINTS - POINTS[one], axis=1)
    for axis in range(3):
        values = shapes[:, :, axis]
        correlation = (values * values[:, [one]]).mean(axis=0) / (values.std(axis=0) * values[:, one].std())
        near = apart < 0.8 * LENGTH_M
        assert correlation[near] == pytest.approx(np.exp(-0.5 * (apart[near] / LENGTH_M) ** 2), abs=0.2)


def test_a_shape_hardly_changes_the_size_of_a_face():
    outwards = POINTS - POINTS.mean(axis=0)
    growth = (people() * outwards).sum(axis=(1, 2)) / (outwards**2).sum()
    assert 0.5 * SIZE_SD < growth.std() < SIZE_SD


def test_modes_come_from_the_largest_down_and_hold_nearly_everything():
    sizes = (shape_modes() ** 2).sum(axis=2)
    assert np.all(np.diff(sizes) <= 1e-15)
    assert np.all(sizes[:, -1] < 0.005 * sizes.sum(axis=1))


@pytest.mark.parametrize("unseen", [[], [4, 10, 33], list(range(200, 300))])
def test_the_marks_are_the_points_that_are_seen_first_the_firm_ones(unseen):
    seen, have_z = np.ones(478, bool), np.ones(478, bool)
    seen[unseen], have_z[[54, 67]] = False, False
    marks = marks_of(seen.tobytes(), have_z.tobytes())
    assert set(marks.index) == set(pose_points()) - set(unseen) and len(set(marks.index)) == len(marks.index)
    firm, others = marks.index[: marks.firm], marks.index[marks.firm :]
    assert np.all(is_firm()[firm] & have_z[firm]) and not np.any(is_firm()[others] & have_z[others])
    assert np.array_equal(marks.model, head_points()[marks.index].T)
    assert np.array_equal(marks.normals, head_normals()[marks.index].T)
    places = np.searchsorted(pose_points(), marks.index)
    assert marks.modes[:, :, : len(places)] == pytest.approx(shape_modes()[:, :, places], rel=1e-6)
    of_relief = marks.modes[:, :, len(places) :]
    assert np.diff(of_relief, axis=2) == pytest.approx(np.diff(marks.modes[:, :, : marks.firm], axis=2), abs=1e-9)
    assert of_relief.mean(axis=2) == pytest.approx(0.0, abs=1e-9)
