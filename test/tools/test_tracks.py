"""Chains, jitter and ids on meshes placed by hand."""

import numpy as np
import pytest
from made_faces import EYE_SHARE, mesh_at

from facemesh_ros.config import Config
from facemesh_ros.tools.evaluation.tracks import (
    WINDOW_S,
    Switch,
    box_of,
    chains,
    eye_distance,
    id_events,
    jitter,
    links,
    reappearances,
    resumptions,
)


def box(left, top, right, bottom):
    return np.array([left, top, right, bottom], float)


def test_the_box_leaves_the_irises_out():
    mesh = np.concatenate([mesh_at((50, 60), size=100.0), np.full((10, 3), 900.0)])
    assert box_of(mesh) == pytest.approx([0.0, 10.0, 100.0, 110.0])


def test_a_link_needs_more_than_a_fifth():
    assert links([box(0, 0, 10, 10)], [box(6.6, 0, 16.6, 10)]) == {0: 0}  # 3.4/16.6
    assert links([box(0, 0, 10, 10)], [box(6.7, 0, 16.7, 10)]) == {}  # 3.3/16.7


def test_the_largest_overlap_links_first_and_each_box_once():
    before, after = [box(0, 0, 10, 10), box(4, 0, 14, 10)], [box(3, 0, 13, 10), box(3, 0, 13, 10)]
    assert links(before, after) == {0: 1, 1: 0}
    assert links(before, after[:1]) == {0: 1}


def test_chains_go_on_begin_and_end():
    a, b, elsewhere = mesh_at((50, 50)), mesh_at((60, 50)), mesh_at((400, 50))
    assert chains([]) == []
    assert chains([[], [a], [b], [elsewhere, b], [], [b]]) == [
        [(1, 0), (2, 0), (3, 1)],
        [(3, 0)],
        [(5, 0)],
    ]


def resumed(frames, rate_hz=10.0):
    return resumptions(frames, chains(frames), rate_hz)


def test_no_chain_goes_on_with_another_where_there_is_one_or_none():
    assert resumed([]) == resumed([[mesh_at()]]) == resumed([[mesh_at()], [mesh_at()]]) == []


@pytest.mark.parametrize(("gap", "goes_on"), [(1, True), (19, True), (20, False)])
def test_a_face_may_be_out_of_sight_for_two_seconds(gap, goes_on):
    here = [mesh_at()]
    assert resumed([here, *[[]] * gap, here]) == ([((0, 0), (gap + 1, 0))] if goes_on else [])


@pytest.mark.parametrize(
    ("center", "size", "goes_on"),
    [
        ((50, 50), 100.0, True),
        ((149, 50), 100.0, True),  # 0.99 face sizes
        ((151, 50), 100.0, False),
        ((50, 50), 149.0, True),
        ((50, 50), 151.0, False),
        ((50, 50), 66.0, False),
    ],
)
def test_a_face_comes_back_at_about_its_place_and_size(center, size, goes_on):
    assert bool(resumed([[mesh_at((50, 50))], [], [mesh_at(center, size)]])) is goes_on


def test_a_face_that_jumps_goes_on_without_a_gap():
    assert resumed([[mesh_at((50, 50))], [mesh_at((140, 50))]]) == [((0, 0), (1, 0))]


def test_the_shortest_gap_goes_first_then_the_nearest_and_each_chain_once():
    a, b = mesh_at((50, 50)), mesh_at((120, 50))
    assert resumed([[a], [], [b], [], [a]]) == [((0, 0), (2, 0)), ((2, 0), (4, 0))]
    assert resumed([[a, b], [], [b, a]]) == [((0, 0), (2, 1)), ((0, 1), (2, 0))]
    assert resumed([[a], [], [b, a]]) == [((0, 0), (2, 1))]


def test_the_window_is_the_one_that_the_tracker_promises():
    assert Config().tracker.reacquire_s == WINDOW_S


def events_of(ids, frames):
    return id_events(ids, linked := chains(frames), resumptions(frames, linked, 10.0))


def test_a_face_that_comes_back_under_another_id_is_renamed():
    here = [mesh_at()]
    events = events_of([[1], [], [2]], [here, [], here])
    assert events.renamed == (Switch(frame=2, face=0, before=1, after=2),)
    assert (events.switches, events.returned, events.late) == ((), (), ((2, 0),))
    assert events_of([[1], [], [1]], [here, [], here]).renamed == ()


def test_the_eye_distance_is_in_the_image():
    mesh = mesh_at(size=100.0)
    mesh[33, 2] = 1000.0
    assert eye_distance(mesh) == pytest.approx(100.0 * EYE_SHARE)


def test_steady_motion_has_no_jitter():
    assert jitter([mesh_at((50 + 7 * t, 50 - 3 * t)) for t in range(4)]) == pytest.approx([0.0, 0.0], abs=1e-6)
    assert jitter([mesh_at()] * 2) == []


def test_jitter_is_the_second_difference_over_the_eye_distance():
    meshes = [mesh_at((50, 50)), mesh_at((53, 54)), mesh_at((50, 50))]  # second difference 2·5 px
    assert jitter(meshes) == pytest.approx([10.0 / (100.0 * EYE_SHARE)])


def test_jitter_is_measured_by_the_eye_distance_of_the_frame_in_the_middle():
    sizes = (100.0, 200.0, 300.0, 500.0)  # second differences 0 and 100 px of size
    grown = np.linalg.norm(mesh_at((0, 0), 1.0)[:, :2], axis=1).mean()
    assert jitter([mesh_at((0, 0), size) for size in sizes]) == pytest.approx(
        [0.0, 100.0 * grown / (300.0 * EYE_SHARE)], abs=1e-5
    )


@pytest.mark.parametrize(
    ("counts", "times"), [([], 0), ([0, 0], 0), ([1, 1], 0), ([0, 1, 2], 0), ([1, 0, 0, 1, 0, 2], 2), ([0, 1, 0], 0)]
)
def test_reappearances_follow_frames_without_any_face(counts, times):
    assert reappearances(counts) == times


def test_an_id_that_changes_in_a_chain_is_a_switch():
    events = id_events([[1], [1], [2], [2]], [[(0, 0), (1, 0), (2, 0), (3, 0)]], [])
    assert events.switches == (Switch(frame=2, face=0, before=1, after=2),)
    assert (events.used, events.returned, events.late) == ((1, 2), (), ((2, 0),))


def test_two_ids_that_are_swapped_are_two_switches():
    linked = [[(0, 0), (1, 1)], [(0, 1), (1, 0)]]
    events = id_events([[1, 2], [1, 2]], linked, [])
    assert [(s.frame, s.before, s.after) for s in events.switches] == [(1, 2, 1), (1, 1, 2)]


def test_an_id_that_comes_back_has_returned_each_time():
    events = id_events([[], [4], [], [4], [4], [], [], [4, 9]], [], [])
    assert (events.used, events.returned, events.late) == ((4, 9), ((3, 0), (7, 0)), ((7, 1),))


def test_the_ids_of_the_first_frame_with_faces_are_not_late():
    assert id_events([[], [3, 5], [3, 5]], [], []).late == ()
    assert id_events([], [], []).used == ()
