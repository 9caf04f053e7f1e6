import itertools
from dataclasses import replace

import numpy as np
import pytest
from fakes import Person, detections_of, face_detection, face_mesh, in_sight, meshes_of

from facemesh_ros.config import Config
from facemesh_ros.geometry import roi_from_points
from facemesh_ros.search import Search
from facemesh_ros.tracker import SPARE_REGIONS, Tracker

LEFT, RIGHT, MIDDLE = (100, 100), (400, 100), (250, 300)
ANN, BOB, CID = Person(LEFT, 0), Person(RIGHT, 1), Person(MIDDLE, 2)


def tracker(**dotted):
    return Tracker(Config.from_dotted({name.replace("__", "."): value for name, value in dotted.items()}))


def see(one, stamp, *people, look=True):
    """One image of a stream: follow, and look for faces if the tracker has room."""
    one.follow(meshes_of(one.rois(stamp), people), stamp)
    if look and one.room > 0:
        rois = one.new_rois(detections_of(people))
        one.add(rois, meshes_of(rois, people), stamp)
    assert ids(one) == sorted(ids(one))
    return who(one)


def who(one):
    """Return id → person of the faces that are published."""
    return {track.track_id: _person(track.mesh) for track in one.tracks}


def _person(mesh):
    shapes = [face_mesh((0, 0), person=person).points[:, 2] for person in range(5)]
    size = np.ptp(mesh.points[:, 0])
    return min(range(5), key=lambda person: float(np.abs(shapes[person] * size / 100 - mesh.points[:, 2]).max()))


def ids(one):
    return [track.track_id for track in one.tracks]


def at(person, x, y=100.0, **changes):
    return replace(person, center_xy=(x, y), **changes)


def mesh_roi(center_xy):
    return roi_from_points(face_mesh(center_xy).points)


# Following


def test_no_faces_make_no_tracks():
    one = tracker()
    assert [see(one, i / 30) for i in range(3)] == [{}] * 3
    assert one.rois(0.1) == () and one.room == 4 and not one.lost_one


def test_a_moving_face_keeps_its_id():
    one = tracker()
    assert all(see(one, i / 30, at(ANN, 100 + 10 * i)) == {1: 0} for i in range(30))


def test_a_face_of_the_last_image_is_looked_for_exactly_where_its_mesh_was():
    one = tracker()
    for i in range(5):
        see(one, i / 30, at(ANN, 100 + 10 * i))
    (roi,) = one.rois(1.0)
    assert roi is one.tracks[0].next_roi


def test_the_faces_are_sorted_by_id_whatever_their_place():
    one = tracker()
    see(one, 0.0, BOB)
    see(one, 0.1, ANN, BOB)
    assert see(one, 0.2, CID, ANN, BOB) == {1: 1, 2: 0, 3: 2}
    assert ids(one) == [1, 2, 3]


def test_a_followed_face_that_is_detected_again_is_not_doubled():
    one = tracker()
    assert all(see(one, i / 30, ANN, BOB) == {1: 0, 2: 1} for i in range(5))


def test_a_mesh_without_finite_numbers_loses_its_face_alone():
    one = tracker()
    see(one, 0.0, ANN, BOB)
    one.follow([face_mesh(LEFT), None], 0.03)
    assert ids(one) == [1] and one.lost_one


def test_a_mesh_whose_points_coincide_loses_its_face():
    one = tracker()
    see(one, 0.0, ANN)
    one.follow([type(face_mesh(LEFT))(np.zeros((468, 3), np.float32), 0.9)], 0.03)
    assert ids(one) == []


@pytest.mark.parametrize(("presence", "kept"), [(0.49, []), (0.5, [1])])
def test_presence_at_the_threshold_keeps_and_below_it_loses(presence, kept):
    one = tracker(tracker__min_presence=0.5)
    see(one, 0.0, ANN)
    one.follow([face_mesh(LEFT, presence=presence)], 0.03)
    assert ids(one) == kept


@pytest.mark.parametrize("step_s", [0.0, -0.01, -1.5])
def test_stamps_that_stand_still_or_step_back_lose_nobody(step_s):
    one = tracker()
    for i in range(4):
        see(one, 10.0 + i / 30, at(ANN, 100 + 10 * i), BOB)
    assert see(one, 10.1 + step_s, at(ANN, 140), BOB) == {1: 0, 2: 1}
    assert see(one, 10.1 + step_s, at(ANN, 150)) == {1: 0}
    assert see(one, 10.1 + 2 * step_s, at(ANN, 160), BOB) == {1: 0, 2: 1}


def test_fewer_faces_allowed_drops_the_youngest_and_it_may_return():
    one = tracker()
    see(one, 0.0, ANN, BOB)
    one.config = Config(max_faces=1)
    assert [see(one, stamp, ANN, BOB) for stamp in (0.03, 0.06)] == [{1: 0}] * 2
    one.config = Config(max_faces=2)
    assert see(one, 0.09, ANN, BOB) == {1: 0, 2: 1}


# Looking for new faces


def test_two_detections_of_one_face_make_one_region():
    near = face_detection((LEFT[0] + 5, LEFT[1]))
    assert len(tracker().new_rois([face_detection(LEFT), near, face_detection(RIGHT)])) == 2


def test_a_detection_inside_a_followed_face_makes_no_region():
    one = tracker()
    see(one, 0.0, ANN)
    assert one.new_rois([face_detection((110, 95), size=30.0)]) == ()


def test_two_detections_whose_meshes_are_one_face_start_one_track():
    one = tracker()
    rois = one.new_rois([face_detection(LEFT), face_detection(RIGHT)])
    one.add(rois, [face_mesh(LEFT), face_mesh(LEFT)], 0.0)
    assert ids(one) == [1]


def test_there_are_never_more_than_the_most_faces_and_the_best_scores_come_first():
    one = tracker(max_faces=2)
    see(one, 0.0, replace(ANN, score=0.7), replace(BOB, score=0.6), replace(CID, score=0.8))
    assert who(one) == {1: 2, 2: 0}


def test_a_detection_that_is_no_face_does_not_keep_a_face_out():
    one = tracker(max_faces=1)
    see(one, 0.0, replace(ANN, score=0.99, presence=0.1), replace(BOB, score=0.6))
    assert who(one) == {1: 1}


def test_the_regions_that_are_tried_are_bounded():
    crowd = [face_detection((100 + 200 * i, 100)) for i in range(20)]
    assert len(tracker(max_faces=1).new_rois(crowd)) == 1 + SPARE_REGIONS


def test_in_a_crowd_the_place_of_a_lost_face_is_tried_first():
    one = tracker(max_faces=1)
    see(one, 0.0, ANN)
    one.follow([None], 0.03)
    crowd = [face_detection((1000 + 200 * i, 100), score=0.9) for i in range(20)]
    first, *_ = one.new_rois([*crowd, face_detection((160, 100), score=0.5)])
    assert tuple(first.center_xy) == (160, 100)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_detections_does_not_matter(order):
    one = tracker(max_faces=2)
    for i in range(6):
        people = [at(ANN, 100 + i), *([BOB] if i != 3 else []), at(CID, 250 - i, 300)]
        one.follow(meshes_of(one.rois(i / 30), people), i / 30)
        found = [face_detection(p.center_xy, p.size, 0.8) for p in people]
        rois = one.new_rois([found[k] for k in order if k < len(found)])
        one.add(rois, meshes_of(rois, people), i / 30)
    assert who(one) == {1: 0, 2: 2}


# Two tracks of one face


def test_a_detection_aside_whose_mesh_is_a_followed_face_starts_no_track():
    one = tracker()
    see(one, 0.0, ANN)
    one.add([mesh_roi(RIGHT)], [face_mesh(LEFT)], 0.0)
    assert ids(one) == [1]


def test_two_tracks_that_end_on_one_face_leave_the_one_whose_face_it_is():
    for on in (0, 1):
        one = tracker()
        see(one, 0.0, ANN, BOB)
        person = (ANN, BOB)[on]
        mesh = face_mesh(person.center_xy, person=person.person)
        one.follow([mesh, mesh], 0.03)
        assert who(one) == {on + 1: on}


def test_of_two_new_meshes_in_one_place_the_surer_which_comes_first_is_kept():
    beside, inside, apart = face_mesh((130, 130), size=90.0), face_mesh((100, 95), size=40.0), face_mesh((210, 100))
    whole = face_mesh((100, 100))
    for surer, other in itertools.permutations([whole, beside, inside], 2):
        if {id(surer), id(other)} != {id(beside), id(inside)}:
            one = tracker()
            meshes = [surer, other, apart]
            one.add([roi_from_points(mesh.points) for mesh in meshes], meshes, 0.0)
            assert [track.mesh for track in one.tracks] == [surer, apart]


def test_a_new_mesh_over_half_of_a_followed_face_is_no_face():
    one = tracker()
    see(one, 0.0, ANN)
    one.add([mesh_roi((125, 125))], [face_mesh((125, 125), person=1)], 0.0)
    assert who(one) == {1: 0}


def test_of_a_followed_face_inside_a_face_the_larger_is_kept():
    small, large = face_mesh((100, 95), size=40.0), face_mesh((100, 100))
    for meshes in ([small, large], [large, small]):
        one = tracker()
        see(one, 0.0, ANN, BOB)
        one.follow(meshes, 0.03)
        assert [track.mesh for track in one.tracks] == [large]


# Confirmation


def watch(one, begin, end, *people):
    """Let people be in view, ten images a second, from begin to end."""
    for i in range(round(10 * begin), round(10 * end) + 1):
        see(one, i / 10, *people)


def test_a_new_face_needs_no_confirmation_until_it_is_due():
    one = tracker()
    watch(one, 0.0, 0.9, ANN, BOB)
    assert one.unsure == ()
    watch(one, 1.0, 1.0, ANN, BOB)
    assert [track.track_id for track in one.unsure] == [1], "one at a time"
    one.confirm([1])
    assert [track.track_id for track in one.unsure] == [2]
    one.confirm([2])
    assert one.unsure == () and ids(one) == [1, 2]


def test_after_a_long_step_every_face_is_in_doubt():
    one = tracker()
    see(one, 0.0, ANN, BOB)
    see(one, 0.9, ANN, BOB)
    assert [track.track_id for track in one.unsure] == [1, 2]


def test_what_is_not_confirmed_is_lost_and_may_return():
    one = tracker()
    watch(one, 0.0, 1.0, ANN, BOB)
    one.confirm([])
    assert ids(one) == [2] and one.lost_one and one.room == 3
    one.follow(meshes_of(one.rois(1.03), (ANN, BOB)), 1.03)
    assert who(one) == {1: 0, 2: 1}
    assert one.unsure[0].track_id == 1, "it was found where it was guessed to be"


def test_a_face_found_where_it_was_guessed_to_be_is_in_doubt():
    one = tracker()
    see(one, 0.0, ANN)
    see(one, 0.03)
    see(one, 0.06, ANN, look=False)
    assert ids(one) == [1] and [track.track_id for track in one.unsure] == [1]


def test_a_poor_match_is_in_doubt():
    one = tracker()
    see(one, 0.0, ANN)
    one.follow([face_mesh((ANN.center_xy[0] + 90, ANN.center_xy[1]), person=0)], 0.03)
    assert ids(one) == [1] and [track.track_id for track in one.unsure] == [1]


# Refusal and stamps that stand still


def test_regions_that_were_refused_do_not_keep_a_face_out_for_ever():
    one = tracker(max_faces=1)
    decoys = [face_detection((150 + 200 * i, 600), score=0.8) for i in range(1 + SPARE_REGIONS)]
    detections = [*decoys, face_detection(LEFT, score=0.7)]
    for stamp in (0.0, 0.03):
        offered = one.new_rois(detections)
        found = [roi for roi in offered if abs(roi.center_xy[1] - LEFT[1]) < 50]
        one.add(found, [face_mesh(LEFT) for _ in found], stamp)
    assert len(one.tracks) == 1


def test_with_stamps_that_stand_still_no_place_is_kept_for_ever():
    one = tracker(max_faces=1)
    see(one, 5.0, ANN)
    for _ in range(4):
        see(one, 5.0, BOB)
    assert [_person(track.mesh) for track in one.tracks] == [1]


# Crossing


def crossing(one, near, sizes=(100.0, 100.0), frames=61, step=5.0, look_every=15):
    """Let two faces pass each other, ``near`` (0 or 1) in front; return what is published image by image."""
    published = []
    for i in range(frames):
        ann = at(ANN, 100.0 + step * i, size=sizes[0], depth=0.5 if near == 0 else 1.0)
        bob = at(BOB, 400.0 - step * i, size=sizes[1], depth=0.5 if near == 1 else 1.0)
        see(one, i / 30, ann, bob, look=one.lost_one or i % look_every == 0)
        published.append((who(one), {person.person for person in in_sight([ann, bob])}))
    return published


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("sizes", [(100.0, 100.0), (100.0, 80.0), (80.0, 100.0)])
@pytest.mark.parametrize("step", [2.5, 5.0, 12.0])
def test_two_crossing_faces_keep_their_ids(near, sizes, step):
    published = crossing(tracker(), near, sizes, frames=int(300 / step) + 1, step=step)
    assert all(who.items() <= {1: 0, 2: 1}.items() for who, _ in published)
    assert any(len(seen) == 1 for _, seen in published), "one was hidden"
    assert all(near in who.values() for who, _ in published), "the one in front is never lost"
    assert published[-1][0] == {1: 0, 2: 1}


@pytest.mark.parametrize("near", [0, 1])
def test_two_crossing_faces_of_one_shape_keep_their_ids(near, monkeypatch):
    one = tracker()
    twin = replace(BOB, person=ANN.person)
    monkeypatch.setattr("test_tracker.BOB", twin)
    crossing(one, near)
    assert {track.track_id: track.known.x > 250 for track in one.tracks} == {1: True, 2: False}


def test_the_face_in_front_does_not_take_the_id_of_the_hidden_one():
    one = tracker()
    see(one, 0.0, at(ANN, 100), at(BOB, 160))
    for i in range(1, 40):
        assert see(one, i / 30, at(ANN, 100, depth=0.5), at(BOB, 130)) == {1: 0}
    assert see(one, 40 / 30, at(ANN, 100, depth=0.5), at(BOB, 170)) == {1: 0, 2: 1}


# Leaving and returning


def test_a_lost_face_is_coasting_then_lost_then_forgotten():
    one = tracker(tracker__coast_s=0.2, tracker__reacquire_s=1.0)
    for i in range(10):
        see(one, i / 30, at(ANN, 100 + 6 * i))
    one.follow([None], 10 / 30)
    (roi,) = one.rois(11 / 30)
    assert tuple(roi.center_xy) == pytest.approx((100 + 6 * 11, one._lost[0].known.y), abs=0.2)
    assert one.lost_one and one.room == 4
    assert one.rois(9 / 30 + 0.3) == ()
    one.follow([], 9 / 30 + 0.3)
    assert one.lost_one, "its place has just been given up: others may be looked for"
    one.follow([], 9 / 30 + 0.4)
    assert not one.lost_one


def test_a_coasting_face_is_found_without_any_detection():
    one = tracker()
    for i in range(10):
        see(one, i / 30, at(ANN, 100 + 6 * i))
    for i in (10, 11, 12):
        assert see(one, i / 30, at(ANN, 100 + 6 * i, presence=0.2), look=False) == {}
    assert see(one, 13 / 30, at(ANN, 100 + 6 * 13), look=False) == {1: 0}


@pytest.mark.parametrize(("away_s", "track_id"), [(0.5, 1), (1.9, 1), (2.1, 2)])
def test_a_face_that_returns_within_the_window_gets_its_id_back_at_once(away_s, track_id):
    one = tracker(tracker__reacquire_s=2.0)
    see(one, 0.0, ANN)
    for i in range(1, int(away_s * 30)):
        see(one, i / 30)
    assert see(one, away_s, at(ANN, 150)) == {track_id: 0}


def test_a_window_of_zero_gives_no_id_back_but_follows_on():
    one = tracker(tracker__reacquire_s=0.0)
    assert [see(one, i / 30, ANN) for i in range(3)] == [{1: 0}] * 3
    see(one, 3 / 30)
    assert see(one, 4 / 30, ANN) == {2: 0}


def test_after_a_pause_longer_than_the_window_nobody_is_followed():
    one = tracker(tracker__reacquire_s=2.0)
    see(one, 0.0, ANN)
    assert one.rois(1.9) != () == one.rois(2.1)
    assert see(one, 2.1, ANN) == {2: 0}


def test_a_jump_of_stamps_far_back_forgets_everybody():
    one = tracker()
    see(one, 1000.0, ANN)
    assert see(one, 3.0, ANN) == {2: 0}


@pytest.mark.parametrize(
    "stranger",
    [at(BOB, 100.0), at(ANN, 900.0), at(ANN, 100.0, size=300.0)],
    ids=["another shape", "another place", "another size"],
)
def test_a_stranger_does_not_inherit(stranger):
    one = tracker()
    see(one, 0.0, ANN)
    see(one, 0.1)
    assert list(see(one, 0.5, stranger)) == [2]
    assert list(see(one, 0.6, ANN, at(stranger, 900.0, 400.0))) == [1, 3] or ids(one) == [1, 2]


def test_of_two_lost_faces_each_gets_its_own_id_back():
    one = tracker()
    see(one, 0.0, at(ANN, 100), at(BOB, 250))
    for i in range(1, 10):
        see(one, i / 30)
    assert see(one, 10 / 30, at(BOB, 230), at(ANN, 130)) == {1: 0, 2: 1}


def test_of_two_lost_faces_alike_the_one_lost_last_returns():
    one = tracker()
    twin = at(ANN, 200.0)
    see(one, 0.0, at(ANN, 90.0), twin)
    for i in range(1, 30):
        see(one, i / 30, twin)
    see(one, 1.0)
    assert list(see(one, 1.1, at(ANN, 146.0))) == [2]


def test_a_teleported_face_keeps_its_id_in_the_same_image():
    one = tracker(max_faces=1)
    for i in range(5):
        see(one, i / 30, ANN)
    assert see(one, 5 / 30, at(ANN, 200.0)) == {1: 0}
    assert one.tracks[0].velocity_xy == (0.0, 0.0), "a jump is no motion"


def test_a_mesh_that_does_not_look_like_its_face_gets_a_second_look():
    one = tracker()
    see(one, 0.0, ANN)
    distorted = face_mesh((130, 100), person=1)
    one.follow([distorted], 0.03)
    assert ids(one) == [] and one.lost_one
    (roi,) = one.new_rois([])
    assert tuple(roi.center_xy) == pytest.approx((130, 100), abs=1.0)
    one.add([roi], [face_mesh((130, 100), person=0)], 0.03)
    assert ids(one) == [1]


def test_after_a_reset_there_is_no_second_look():
    one = tracker()
    see(one, 0.0, ANN)
    one.follow([face_mesh((130, 100), person=1)], 0.03)
    one.reset()
    assert one.new_rois([]) == () and not one.lost_one


def test_another_face_in_the_region_of_a_followed_one_gets_an_id_of_its_own_at_once():
    one = tracker()
    see(one, 0.0, ANN)
    assert see(one, 0.03, at(BOB, 110.0, score=0.0)) == {2: 1}


# Ids


def test_ids_are_never_used_again_even_after_a_reset():
    one = tracker()
    seen = []
    for turn in range(4):
        seen += see(one, 10.0 * turn, ANN, BOB)
        see(one, 10.0 * turn + 0.03, ANN)
        one.reset()
        assert ids(one) == [] and one.rois(10.0 * turn) == () and not one.lost_one
        seen += see(one, 10.0 * turn + 0.06, BOB)
    assert seen == list(range(1, 13))


def test_a_new_face_is_published_from_its_nth_consecutive_image():
    one = tracker(tracker__min_hits=3)
    assert [see(one, i / 30, ANN) for i in range(4)] == [{}, {}, {1: 0}, {1: 0}]


def test_blips_use_up_no_id():
    one = tracker(tracker__min_hits=2)
    for i in range(20):
        assert see(one, i / 30, *([ANN] if i % 2 else [])) == {}
    see(one, 1.0, BOB)
    assert see(one, 1.03, BOB) == {1: 1}


def test_ids_are_given_in_the_order_of_confirmation():
    one = tracker(tracker__min_hits=2)
    see(one, 0.0, BOB)
    see(one, 0.03, BOB, ANN)
    assert see(one, 0.06, BOB, ANN) == {1: 1, 2: 0}


def test_a_confirmed_face_that_returns_is_published_at_once():
    one = tracker(tracker__min_hits=3)
    for i in range(3):
        see(one, i / 30, ANN)
    see(one, 0.2)
    assert see(one, 0.5, ANN) == {1: 0}


def test_faces_that_are_not_confirmed_yet_take_their_place():
    one = tracker(tracker__min_hits=3, max_faces=1)
    see(one, 0.0, ANN)
    assert one.room == 0 and one.tracks == ()


# More people than places


def test_three_people_and_two_places_do_not_flicker():
    one = tracker(max_faces=2)
    drops = {5: 0, 6: 0, 7: 0, 20: 1, 21: 1, 33: 0, 34: 1}
    search = Search(one.config)
    for i in range(60):
        score = {0: 0.7, 1: 0.6, 2: 0.9 if i else 0.5}  # the third one's face is the best from the second image on
        people = [replace(p, score=score[p.person], presence=0.99) for p in (ANN, BOB, CID)]
        if i in drops:
            people[drops[i]] = replace(people[drops[i]], presence=0.2)
        one.follow(meshes_of(one.rois(i / 30), people), i / 30)
        if search.stages((640, 480), i / 30, one):
            rois = one.new_rois(detections_of(people))
            one.add(rois, meshes_of(rois, people), i / 30)
        assert who(one) == {n + 1: n for n in (0, 1) if drops.get(i) != n}


def test_a_face_that_stays_away_makes_room_when_it_no_longer_coasts():
    one = tracker(max_faces=2, tracker__coast_s=0.2)
    see(one, 0.0, ANN, BOB)
    taken = [3 in see(one, i / 30, ANN, CID) for i in range(1, 12)]
    assert taken.index(True) == 6 and all(taken[6:])  # the seventh image is the first more than 0.2 s later


def test_a_returning_face_comes_before_a_stranger():
    one = tracker(max_faces=2, tracker__coast_s=0.0)
    see(one, 0.0, ANN, BOB)
    see(one, 0.03, ANN)
    assert see(one, 0.06, ANN, replace(BOB, score=0.6), replace(CID, score=0.99)) == {1: 0, 2: 1}


def test_of_more_returning_faces_than_places_those_lost_last_come_first():
    one = tracker(max_faces=2, tracker__coast_s=0.0)
    see(one, 0.0, ANN, BOB)
    see(one, 0.1, BOB, CID)
    assert see(one, 0.2, BOB, CID) == {2: 1, 3: 2}
    see(one, 0.3)
    assert see(one, 0.4, ANN, BOB, CID) == {2: 1, 3: 2}


# The whole


def wander(seed):
    """Four people who wander, leave and return; images as lists of people."""
    chance = np.random.default_rng(seed)
    places = chance.uniform(100, 900, (4, 2))
    for _ in range(150):
        places += chance.normal(0, 4, (4, 2))
        here = chance.random(4) > 0.1
        yield [Person(tuple(places[k]), k, score=0.6 + 0.1 * k, depth=1.0 + k) for k in range(4) if here[k]]


@pytest.mark.parametrize("seed", range(5))
def test_the_same_images_give_the_same_tracks_bit_for_bit(seed):
    def run():
        one = tracker(max_faces=3)
        return [
            [(n, one.tracks[k].mesh.points.tobytes(), one.rois(i / 30)[k].size) for k, n in enumerate(ids(one))]
            for i, people in enumerate(wander(seed))
            if see(one, i / 30, *people) is not None
        ]

    assert run() == run()


@pytest.mark.parametrize("seed", range(5))
def test_people_who_wander_leave_and_return_have_one_id_each(seed):
    one, known = tracker(), {}
    for i, people in enumerate(wander(seed)):
        for track_id, person in see(one, i / 30, *people).items():
            assert known.setdefault(track_id, person) == person
    assert len(known) == 4


# Where faces may be that are not published


def holds(roi, person):
    """Say whether a region holds the face of a person wholly."""
    return max(abs(roi.center_xy - person.center_xy)) + person.size / 2 <= roi.size / 2


def test_while_every_face_is_published_there_is_nowhere_else_to_look():
    one = tracker()
    assert one.possible_rois == ()
    see(one, 0.0, ANN, BOB)
    assert one.possible_rois == ()


def test_a_face_that_is_not_confirmed_yet_is_possible():
    one = tracker(tracker__min_hits=3)
    for i in range(2):
        assert see(one, i / 30, ANN) == {}
        (roi,) = one.possible_rois
        assert holds(roi, ANN)
    assert see(one, 2 / 30, ANN) == {1: 0}
    assert one.possible_rois == ()


@pytest.mark.parametrize("coast_s", [0.0, 0.2, 5.0])
def test_a_lost_face_is_possible_where_it_was_for_as_long_as_it_may_return_and_farther_about_with_time(coast_s):
    one = tracker(tracker__coast_s=coast_s, tracker__reacquire_s=2.0)
    see(one, 0.0, ANN)
    sizes = []
    for stamp in (0.1, 0.5, 1.0, 2.0):
        assert see(one, stamp) == {}
        (roi,) = one.possible_rois
        away = 100.0 * min(stamp, 1.0)
        assert holds(roi, ANN)
        assert holds(roi, at(ANN, 100.0 + away)) and holds(roi, at(ANN, 100.0, 100.0 - away))
        sizes.append(roi.size)
    assert sizes[0] < sizes[1] < sizes[2] == sizes[3]
    see(one, 2.1)
    assert one.possible_rois == ()


def test_a_lost_face_is_possible_from_where_it_was_to_where_it_was_going():
    one = tracker()
    for i in range(10):
        assert see(one, i / 25, at(ANN, 100.0 + 40.0 * i)) == {1: 0}
    see(one, 0.4)
    see(one, 0.55)
    (roi,) = one.possible_rois
    assert holds(roi, at(ANN, 460.0)) and holds(roi, at(ANN, 640.0))


def test_a_face_that_the_detector_does_not_confirm_is_possible():
    one = tracker()
    see(one, 0.0, ANN)
    see(one, 2.0, ANN)
    assert [track.track_id for track in one.unsure] == [1]
    one.confirm([])
    assert ids(one) == []
    (roi,) = one.possible_rois
    assert holds(roi, ANN)


def test_a_face_that_returns_is_only_where_it_is():
    one = tracker()
    see(one, 0.0, ANN, BOB)
    see(one, 0.1, BOB)
    assert len(one.possible_rois) == 1
    assert see(one, 0.5, ANN, BOB) == {1: 0, 2: 1}
    assert one.possible_rois == ()


def test_after_a_reset_no_face_is_possible():
    one = tracker()
    see(one, 0.0, ANN)
    see(one, 0.1)
    one.reset()
    assert one.possible_rois == ()
