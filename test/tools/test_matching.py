"""Who is who among faces annotated and found, on faces of 100 px placed by hand."""

import numpy as np
import pytest
from made_faces import mesh_at, points68_at

from facemesh_ros.tools.evaluation.matching import duplicates, judge, match, mean_distance, same_face

SIZE = 60.0
"""px, as annotated; a face is found within 0.35·60 = 21 px."""


def judged(truths, found, ignored=None, complete=True):
    return judge(
        [points68_at(center) for center in truths],
        [SIZE] * len(truths),
        [False] * len(truths) if ignored is None else ignored,
        complete,
        [points68_at(center) for center in found],
        [mesh_at(center) for center in found],
    )


def test_the_mean_distance_is_a_mean_of_lengths():
    assert mean_distance(np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((2, 2))) == 2.5


def test_nothing_matches_nothing():
    assert match([], [], []) == []
    assert match([points68_at()], [SIZE], []) == [None]
    assert match([], [], [points68_at()]) == []


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 0), (20.9, 0), (21.1, None)])
def test_a_face_matches_within_035_of_its_size(shift, expected):
    assert match([points68_at((50, 50))], [SIZE], [points68_at((50 + shift, 50))]) == [expected]


def test_the_jaw_has_no_say_in_matching():
    found = points68_at()
    found[:17] += 500.0
    assert match([points68_at()], [SIZE], [found]) == [0]


def test_each_face_takes_the_nearest_that_is_left():
    found = [points68_at((60, 50)), points68_at((52, 50))]
    assert match([points68_at((50, 50)), points68_at((50, 50))], [SIZE, SIZE], found) == [1, 0]
    assert match([points68_at((50, 50))] * 3, [SIZE] * 3, found) == [1, 0, None]


def test_faces_are_the_same_if_a_nose_lies_inside_the_other():
    assert same_face(mesh_at((50, 50)), mesh_at((99, 50)))
    assert not same_face(mesh_at((50, 50)), mesh_at((101, 50)))
    small, large = mesh_at((80, 50), size=20.0), mesh_at((50, 50))
    assert same_face(small, large) and same_face(large, small)  # the large one's nose is outside of the small one


def test_a_face_found_three_times_has_two_duplicates():
    assert duplicates([]) == []
    assert duplicates([mesh_at((50, 50)), mesh_at((300, 50)), mesh_at((55, 50)), mesh_at((60, 50))]) == [2, 3]


def test_a_face_like_a_duplicate_is_none():
    """Three in a row: the middle one repeats the first; the last is near the middle one only."""
    assert duplicates([mesh_at((0, 0)), mesh_at((45, 0)), mesh_at((90, 0))]) == [1]


def test_what_matched_counts_before_what_came_first():
    meshes = [mesh_at((58, 50)), mesh_at((50, 50))]
    assert duplicates(meshes, first=[1]) == [0]


def test_faces_left_over_are_duplicates_or_false():
    verdict = judged([(50, 50)], [(300, 50), (60, 50), (50, 50)])
    assert (verdict.matches, verdict.duplicates, verdict.false) == ((2,), (1,), (0,))


def test_where_faces_are_left_unannotated_none_is_false():
    verdict = judged([(50, 50)], [(300, 50), (60, 50), (50, 50)], complete=False)
    assert (verdict.matches, verdict.duplicates, verdict.false) == ((2,), (1,), ())


def test_an_ignored_face_is_neither_missed_nor_false():
    found = judged([(50, 50), (300, 50)], [(50, 50), (300, 50)], ignored=[False, True])
    assert (found.matches, found.false) == ((0,), ())
    missed = judged([(50, 50), (300, 50)], [(50, 50)], ignored=[False, True])
    assert (missed.matches, missed.false) == ((0,), ())


def test_an_ignored_face_takes_nothing_from_one_that_counts():
    assert judged([(50, 50), (52, 50)], [(50, 50)], ignored=[True, False]).matches == (0,)
