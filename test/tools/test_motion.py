"""A clip whose truth is known: a face of 100 px, eyes 60 px apart, moved by hand."""

import numpy as np
import pytest
from made_faces import mesh_at

from facemesh_ros.tools.evaluation.motion import Motion, expected_points, segment_figures, segments

EYES_PX = 60.0
REFERENCE = mesh_at((50, 50))


def motion(present, affines=None):
    one = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    return Motion(np.array(present, bool), np.stack([one] * len(present)) if affines is None else np.array(affines))


def figures(truth, frames, settled=None):
    return {one.name: one for one in segment_figures(truth, REFERENCE, settled, frames)}


def test_the_known_clip_is_split_at_its_marks():
    present = np.ones(300, bool)
    present[150:165] = False
    assert [(one.name, one.start, one.stop) for one in segments(motion(present))] == [
        ("hold", 0, 60),
        ("smooth", 60, 150),
        ("absent", 150, 165),
        ("fast", 165, 225),
        ("jump", 225, 240),
        ("dark", 240, 270),
        ("hold2", 270, 300),
    ]


def test_any_other_clip_is_split_where_the_picture_comes_and_goes():
    names = [(one.name, one.start, one.stop) for one in segments(motion([1, 1, 0, 1, 0]))]
    assert names == [("present 1", 0, 2), ("absent 1", 2, 3), ("present 2", 3, 4), ("absent 2", 4, 5)]


def test_the_affine_takes_points_of_the_picture_to_the_frame():
    truth = motion([1], [[[2.0, 0.0, 10.0], [0.0, 2.0, 20.0]]])
    np.testing.assert_allclose(expected_points(truth, REFERENCE, 0), REFERENCE[:, :2] * 2.0 + [10.0, 20.0])


def test_errors_are_shares_of_the_eye_distance_where_the_face_should_be():
    doubled = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    frames = [[mesh_at((106, 108), size=200.0)], [mesh_at((100, 100), size=200.0)]]  # 10 px off; in place
    got = figures(motion([1, 1], [doubled, doubled]), frames)["present 1"]
    assert (got.frames, got.found) == (2, 2)
    assert got.error_max == pytest.approx(10.0 / (2 * EYES_PX))
    assert got.error_mean == pytest.approx(5.0 / (2 * EYES_PX))


def test_errors_from_the_settled_mesh_are_those_of_the_same_face():
    frames = [[mesh_at((200, 50)), mesh_at((56, 58))], [mesh_at((53, 54))]]
    got = figures(motion([1, 1]), frames, settled=mesh_at((53, 54)))["present 1"]
    assert (got.error_mean, got.error_max) == (pytest.approx(7.5 / EYES_PX), pytest.approx(10.0 / EYES_PX))
    assert (got.settled_mean, got.settled_max) == (pytest.approx(2.5 / EYES_PX), pytest.approx(5.0 / EYES_PX))
    without = figures(motion([1, 1]), frames)["present 1"]
    assert (without.error_max, without.settled_mean, without.settled_max) == (got.error_max, None, None)


def test_the_nearest_face_counts_and_any_other_is_false():
    got = figures(motion([1, 1]), [[mesh_at((300, 50)), mesh_at((50, 50))], [mesh_at((50, 50))]])["present 1"]
    assert (got.found, got.false_frames, got.error_max) == (2, 1, pytest.approx(0.0, abs=1e-6))


def test_a_face_elsewhere_is_not_the_one():
    got = figures(motion([1]), [[mesh_at((50 + 1.01 * EYES_PX, 50))]])["present 1"]
    assert (got.found, got.false_frames, got.error_mean) == (0, 1, None)
    assert figures(motion([1]), [[mesh_at((50 + 0.99 * EYES_PX, 50))]])["present 1"].found == 1


def test_a_face_while_the_picture_is_absent_is_false():
    here = [mesh_at((50, 50))]
    got = figures(motion([1, 0, 0, 0, 1]), [here, [], here, [], here])["absent 1"]
    assert (got.present, got.found, got.false_frames, got.error_mean) == (False, 0, 1, None)


@pytest.mark.parametrize(("missed", "expected"), [(0, 0), (2, 2), (4, None)])
def test_frames_missed_after_an_absence(missed, expected):
    here = [mesh_at((50, 50))]
    frames = [here, []] + [[]] * missed + [here] * (4 - missed)
    got = figures(motion([1, 0, 1, 1, 1, 1]), frames)
    assert got["present 2"].frames_to_reacquire == expected
    assert got["present 1"].frames_to_reacquire is None and got["absent 1"].frames_to_reacquire is None


def test_the_deviation_is_over_a_segment_at_rest_after_it_has_settled():
    wild = [[mesh_at((50 + 10 * t, 50))] for t in range(5)]
    steady = [[mesh_at((50 + 3 * (-1) ** t, 50 + 4 * (-1) ** t))] for t in range(6)]  # ±5 px about the mean
    assert figures(motion([1] * 11), wild + steady)["present 1"].deviation == pytest.approx(5.0 / EYES_PX)


def test_a_segment_that_moves_has_no_deviation():
    affines = [[[1.0, 0.0, float(t)], [0.0, 1.0, 0.0]] for t in range(9)]
    frames = [[mesh_at((50 + t, 50))] for t in range(9)]
    assert figures(motion([1] * 9, affines), frames)["present 1"].deviation is None


def test_a_clip_cut_short_is_evaluated_as_far_as_it_goes():
    here = [mesh_at((50, 50))]
    got = figures(motion([1, 1, 0, 0, 1]), [here, here, []])
    assert {name: (one.found, one.frames) for name, one in got.items()} == {"present 1": (2, 2), "absent 1": (0, 2)}
    steady = figures(motion([1] * 30), [here] * 29)["present 1"]
    assert (steady.found, steady.frames, steady.deviation) == (29, 30, pytest.approx(0.0))
    assert figures(motion([1, 0, 1, 1]), [here, [], []])["present 2"].frames_to_reacquire is None


def test_frames_after_the_end_of_the_truth_are_not_judged():
    got = figures(motion([1]), [[mesh_at((50, 50))], [mesh_at((500, 50))]])["present 1"]
    assert (got.found, got.frames, got.false_frames) == (1, 1, 0)


def test_only_the_segment_after_an_absence_has_frames_to_be_back():
    present = np.ones(300, bool)
    present[150:165] = False
    frames = [[mesh_at((50, 50))] if here else [] for here in present]
    frames[165] = []
    got = figures(motion(present), frames)
    assert {name: one.frames_to_reacquire for name, one in got.items()} == {
        **dict.fromkeys(("hold", "smooth", "absent", "jump", "dark", "hold2")),
        "fast": 1,
    }
