import math

import numpy as np
import pytest
from fakes import face_mesh

from facemesh_ros.errors import InputError
from facemesh_ros.geometry import roi_from_points
from facemesh_ros.track import FASTEST_FACES_PER_S, UNCONFIRMED, Sight, Track
from facemesh_ros.types import Mesh

COAST_S = 0.2


def sight(x, y=100.0, person=0):
    mesh = face_mesh((x, y), person=person)
    return Sight.of(roi_from_points(mesh.points), mesh)


def followed(*steps):
    """Return the track of a face seen at (x, stamp) after (x, stamp)."""
    (x, stamp), *later = steps
    first = sight(x)
    track = Track(UNCONFIRMED, first, stamp, 1, first.likeness)
    for x, stamp in later:
        track = track.followed(sight(x), stamp)
    return track


def test_a_sight_knows_how_well_its_region_fitted():
    mesh = face_mesh((100, 100))
    fit, aside = roi_from_points(mesh.points), roi_from_points(face_mesh((130, 100), size=120.0).points)
    assert Sight.of(fit, mesh).offset() == pytest.approx(0.0, abs=1e-6)
    assert Sight.of(aside, mesh).offset() == pytest.approx((30 + 30) / 150, rel=0.01)


def test_points_in_one_place_make_no_sight():
    with pytest.raises(InputError):
        Sight.of(roi_from_points(face_mesh((0, 0)).points), Mesh(np.zeros((468, 3), np.float32), 0.9))


def test_a_steady_motion_is_foreseen():
    track = followed(*((100.0 + 3.0 * i, i / 30) for i in range(20)))
    x, y = track.ahead_xy(19 / 30 + 0.1, COAST_S)
    assert (x, y) == pytest.approx((157.0 + 9.0, track.known.y), abs=0.1)


def test_a_face_is_not_expected_to_move_on_for_long():
    track = followed((100.0, 0.0), (110.0, 0.1), (120.0, 0.2))
    assert track.ahead_xy(5.0, COAST_S) == track.ahead_xy(0.2 + COAST_S, COAST_S) != track.ahead_xy(0.3, COAST_S)


@pytest.mark.parametrize("stamp", [1.0, 0.9])
def test_a_stamp_that_stands_still_or_steps_back_leaves_the_velocity(stamp):
    track = followed((100.0, 0.9), (103.0, 1.0))
    later = track.followed(sight(150.0), stamp)
    assert later.velocity_xy == track.velocity_xy and later.stamp == stamp
    assert math.isfinite(later.cost(track.known, stamp - 0.05, COAST_S))
    assert later.ahead_xy(stamp - 0.05, COAST_S) == (later.known.x, later.known.y)


def test_two_stamps_close_together_send_no_face_out_of_the_world():
    track = followed((100.0, 0.0), (130.0, 1e-9))
    assert 0.0 < track.velocity_xy[0] <= FASTEST_FACES_PER_S * track.known.size


def test_a_return_elsewhere_says_nothing_of_the_velocity():
    track = followed((100.0, 0.0), (103.0, 0.1)).returned(sight(400.0), 0.2)
    assert track.velocity_xy == (0.0, 0.0) and track.known.x == pytest.approx(400.0, abs=1.0)


def test_the_known_shape_is_the_mean_at_first_and_keeps_up_later():
    track = followed((100.0, 0.0)).followed(sight(100.0, person=1), 0.1)
    both = [sight(100.0, person=person).likeness.shape for person in (0, 1)]
    assert track.known.shape == pytest.approx(np.mean(both, axis=0))
    for i in range(40):
        track = track.followed(sight(100.0, person=1), 0.2 + i / 30)
    assert track.known.shape == pytest.approx(both[1], abs=1e-3)
    assert track.hits == 42
