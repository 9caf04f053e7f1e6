import pytest
from fakes import face_detection, face_mesh

from facemesh_ros.config import Config
from facemesh_ros.geometry import roi_from_points
from facemesh_ros.tracker import SPARE_REGIONS, Tracker

LEFT, RIGHT, MIDDLE = (100, 100), (400, 100), (250, 300)


def tracker(**dotted):
    return Tracker(Config.from_dotted({name.replace("__", "."): value for name, value in dotted.items()}))


def see(one, stamp, *centers, presence=0.99):
    """One image in which faces stand at ``centers``: follow, and detect when the tracker asks; say whether it asked."""
    near = {track.track_id: _nearest(track.next_roi.center_xy, centers) for track in one.tracks}
    one.follow([face_mesh(c, presence=presence) if c else face_mesh((0, 0), presence=0.0) for c in near.values()])
    wanted = one.wants_detection(stamp)
    if wanted:
        rois = one.new_rois([face_detection(c) for c in centers], stamp)
        one.add(rois, [face_mesh(tuple(roi.center_xy), presence=presence) for roi in rois])
    return wanted


def _nearest(xy, centers):
    within = [c for c in centers if abs(c[0] - xy[0]) + abs(c[1] - xy[1]) < 60]
    return within[0] if within else None


def face_roi(center_xy):
    return roi_from_points(face_mesh(center_xy).points)


def ids(one):
    return [track.track_id for track in one.tracks]


def test_without_faces_it_looks_in_every_image():
    one = tracker()
    assert [see(one, i / 30) for i in range(5)] == [True] * 5
    assert ids(one) == []


def test_with_room_for_more_it_looks_only_at_the_interval():
    one = tracker(detector__interval_s=0.5)
    looked = [i for i in range(60) if see(one, i / 30, LEFT)]
    assert looked == [0, 15, 30, 45]


def test_with_no_room_it_never_looks():
    one = tracker(max_faces=1)
    assert [i for i in range(60) if see(one, i / 30, LEFT, RIGHT)] == [0]
    assert ids(one) == [1]


def test_an_interval_of_zero_looks_in_every_image():
    one = tracker(detector__interval_s=0.0)
    assert all(see(one, i / 30, LEFT) for i in range(5))


def test_a_lost_face_is_looked_for_in_the_same_image():
    one = tracker()
    see(one, 0.0, LEFT, RIGHT)
    assert not see(one, 0.03, LEFT, RIGHT)
    assert see(one, 0.06, LEFT)
    assert ids(one) == [1]


def test_a_face_that_jumps_is_found_again_in_the_same_image():
    one = tracker(max_faces=1)
    see(one, 0.0, LEFT)
    see(one, 0.03, RIGHT)
    assert len(one.tracks) == 1


def test_ids_are_never_used_again():
    one = tracker()
    seen = set()
    for stamp in range(6):
        see(one, stamp, LEFT)
        assert not seen & set(ids(one))
        seen |= set(ids(one))
        see(one, stamp + 0.5)
        assert ids(one) == []
    assert seen == {1, 2, 3, 4, 5, 6}


def test_reset_forgets_faces_but_not_ids():
    one = tracker()
    see(one, 0.0, LEFT)
    one.reset()
    assert ids(one) == []
    see(one, 0.01, LEFT)
    assert ids(one) == [2]


def test_a_moving_face_keeps_its_id():
    one = tracker()
    for i in range(30):
        see(one, i / 30, (100 + 10 * i, 100))
    assert ids(one) == [1]


def test_the_faces_are_sorted_by_id_whatever_their_place():
    one = tracker()
    see(one, 0.0, RIGHT)
    see(one, 1.0, LEFT, RIGHT)
    see(one, 2.0, MIDDLE, LEFT, RIGHT)
    assert ids(one) == [1, 2, 3]


def test_a_followed_face_that_is_detected_again_is_not_doubled():
    one = tracker(detector__interval_s=0.0)
    for i in range(5):
        see(one, i / 30, LEFT, RIGHT)
    assert ids(one) == [1, 2]


def test_two_tracks_that_end_on_one_face_leave_the_older():
    one = tracker()
    see(one, 0.0, LEFT, RIGHT)
    one.follow([face_mesh(MIDDLE), face_mesh(MIDDLE)])
    assert ids(one) == [1]


def test_two_detections_whose_meshes_are_one_face_start_one_track():
    one = tracker()
    rois = one.new_rois([face_detection(LEFT), face_detection(RIGHT)], 0.0)
    one.add(rois, [face_mesh(LEFT), face_mesh(LEFT)])
    assert ids(one) == [1]


def test_two_detections_of_one_face_make_one_region():
    one = tracker()
    near = (LEFT[0] + 5, LEFT[1])
    assert len(one.new_rois([face_detection(LEFT), face_detection(near), face_detection(RIGHT)], 0.0)) == 2


def test_there_are_never_more_than_the_most_faces_and_the_best_scores_come_first():
    one = tracker(max_faces=2)
    rois = one.new_rois([face_detection(MIDDLE), face_detection(LEFT), face_detection(RIGHT)], 0.0)
    one.add(rois, [face_mesh(tuple(roi.center_xy)) for roi in rois])
    assert [tuple(track.roi.center_xy) for track in one.tracks] == [MIDDLE, LEFT]


def test_a_detection_that_is_no_face_does_not_keep_a_face_out():
    one = tracker(max_faces=1)
    rois = one.new_rois([face_detection(LEFT, score=0.99), face_detection(RIGHT, score=0.6)], 0.0)
    one.add(rois, [face_mesh(LEFT, presence=0.1), face_mesh(RIGHT)])
    assert [tuple(track.roi.center_xy) for track in one.tracks] == [RIGHT]


def test_the_regions_that_are_tried_are_bounded():
    one = tracker(max_faces=1)
    crowd = [face_detection((100 + 200 * i, 100)) for i in range(20)]
    assert len(one.new_rois(crowd, 0.0)) == 1 + SPARE_REGIONS


def test_a_mesh_without_finite_numbers_loses_its_face_alone():
    one = tracker()
    see(one, 0.0, LEFT, RIGHT)
    one.follow([face_mesh(LEFT), None])
    assert ids(one) == [1]
    assert one.wants_detection(0.03)


def test_after_a_reset_it_looks_at_once():
    one = tracker(max_faces=2)
    see(one, 0.0, LEFT)
    one.reset()
    one.add([face_roi(LEFT)], [face_mesh(LEFT)])
    assert one.wants_detection(0.01)


def test_fewer_faces_allowed_drops_the_youngest():
    one = tracker()
    see(one, 0.0, LEFT, RIGHT)
    one.config = Config(max_faces=1)
    see(one, 0.03, LEFT, RIGHT)
    assert ids(one) == [1]


@pytest.mark.parametrize(("presence", "kept"), [(0.49, []), (0.5, [1])])
def test_presence_at_the_threshold_keeps_and_below_it_loses(presence, kept):
    one = tracker(max_faces=1, tracker__min_presence=0.5)
    see(one, 0.0, LEFT)
    one.follow([face_mesh(LEFT, presence=presence)])
    assert ids(one) == kept


def test_a_detection_that_is_no_face_starts_no_track():
    one = tracker()
    rois = one.new_rois([face_detection(LEFT)], 0.0)
    one.add(rois, [face_mesh(LEFT, presence=0.1)])
    assert ids(one) == []


def test_a_stamp_that_goes_back_does_not_stop_the_looking():
    one = tracker()
    see(one, 1000.0, LEFT)
    assert see(one, 3.0, LEFT)
    assert not see(one, 3.1, LEFT)
