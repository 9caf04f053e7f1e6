"""Distances as shares of a face's size, and bins."""

import numpy as np
import pytest

from facemesh_ros.tools.evaluation.accuracy import SIZE_BINS, YAW_BINS, Accuracy, eye_distance68, face_size, mean_median


def truth():
    """(68, 2): a box of 40×90 px, so of 60 px; the eyes' outer corners 30 px apart."""
    points = np.tile([20.0, 45.0], (68, 1))
    points[0], points[16] = (0.0, 0.0), (40.0, 90.0)
    points[36], points[45] = (5.0, 45.0), (35.0, 45.0)
    return points


def test_the_size_is_the_root_of_width_by_height():
    assert face_size(truth()) == 60.0
    assert eye_distance68(truth()) == 30.0


def test_points_in_place_have_no_error():
    assert Accuracy.of(truth(), truth(), 60.0) == Accuracy(0.0, 0.0, 0.0, 0.0)


def test_a_shift_of_3_4_px_is_5_px_over_either_size():
    got = Accuracy.of(truth() + [3.0, 4.0], truth(), 60.0)
    assert (got.nme51_iod, got.nme68_iod) == (pytest.approx(5 / 30), pytest.approx(5 / 30))
    assert (got.nme51_bbox, got.nme68_bbox) == (pytest.approx(5 / 60), pytest.approx(5 / 60))


def test_the_jaw_counts_in_the_68_only():
    found = truth()
    found[:17, 0] += 12.0
    got = Accuracy.of(found, truth(), 60.0)
    assert (got.nme51_iod, got.nme51_bbox) == (0.0, 0.0)
    assert got.nme68_iod == pytest.approx(17 * 12 / 68 / 30)
    assert got.nme68_bbox == pytest.approx(17 * 12 / 68 / 60)


@pytest.mark.parametrize(("bins", "totals"), [(SIZE_BINS, 2), (YAW_BINS, 1)])
def test_every_value_is_in_one_bin_and_in_the_totals_it_belongs_to(bins, totals):
    single = bins[: len(bins) - totals]
    for value in (0.0, 14.9, 15.0, 23.9, 24.0, 29.9, 30.0, 45.0, 59.9, 60.0, 90.0, 200.0, 5000.0):
        assert sum(one.holds(value) for one in single) == 1
    assert [one.name for one in single if one.holds(bins[0].high)] == [bins[1].name]


def test_the_totals_cover_what_they_say():
    names = {one.name: one for one in (*SIZE_BINS, *YAW_BINS)}
    assert names["all < 60 px"].holds(59.9) and not names["all < 60 px"].holds(60.0)
    assert names["all ≥ 60 px"].holds(60.0) and not names["all ≥ 30°"].holds(29.9) and names["all ≥ 30°"].holds(90.0)


def test_mean_and_median():
    assert mean_median([]) is None
    assert mean_median([1.0, 2.0, 6.0]) == {"mean": 3.0, "median": 2.0}
