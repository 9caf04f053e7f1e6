"""When and where the stream's search looks, and in which order a single picture is searched."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pytest

from facemesh_ros.config import Config
from facemesh_ros.search import COST_MS, Search, still_stages
from facemesh_ros.types import Roi
from facemesh_ros.views import AROUND, pyramid

SIZE = (1280, 720)


class Faces(NamedTuple):
    """What a search asks of the tracker."""

    followed: int
    room: int = 1
    lost_one: bool = False
    missing: Sequence[Roi] = ()


WHOLE = 1280.0


def search(**dotted):
    return Search(Config.from_dotted({name.replace("__", "."): value for name, value in dotted.items()}))


def looks(one, images, followed, room=1, missing=(), rate_hz=30.0):
    return [together(one, i / rate_hz, followed, room, missing) for i in range(images)]


def together(one, stamp, followed, room=1, missing=()):
    return tuple(chain(*one.stages(SIZE, stamp, Faces(followed, room, len(missing) > 0, missing))))


def cost_ms(views):
    return sum(COST_MS[view.network] for view in views)


def key(view):
    return view.network, *view.roi.center_xy.tolist(), view.roi.size, round(view.roi.angle, 6)


def test_with_no_room_it_never_looks():
    for room in (0, -1):
        assert looks(search(), 60, followed=4, room=room) == [()] * 60
    assert looks(search(), 3, followed=0, room=0, missing=[Roi((1, 2), 30.0, 0.0)]) == [()] * 3


def test_while_nobody_is_followed_it_looks_at_the_whole_image_every_time():
    for views in looks(search(), 200, followed=0):
        assert key(views[0]) == ("short", 640.0, 360.0, WHOLE, 0.0)


def test_what_takes_turns_is_left_out_where_the_whole_image_shows_enough():
    first, rest = search().stages(SIZE, 0.0, Faces(0, 1, True, [Roi((300.0, 200.0), 90.0, 0.5)]))
    assert [key(view)[0] for view in first] == ["short", "short"] and rest


def test_while_somebody_is_followed_it_looks_at_the_interval_through_one_view():
    seen = [(i, len(views)) for i, views in enumerate(looks(search(detector__interval_s=0.5), 60, followed=1)) if views]
    assert seen == [(0, 1), (15, 1), (30, 1), (45, 1)]


def test_an_interval_of_zero_looks_in_every_image():
    assert all(looks(search(detector__interval_s=0.0), 5, followed=1))


def test_where_a_face_was_lost_it_looks_at_once_close_up():
    one, lost = search(), Roi((300.0, 200.0), 90.0, 0.5)
    looks(one, 1, followed=1)
    assert together(one, 0.03, 1) == ()
    views = together(one, 0.06, 1, 1, [lost])
    assert ("short", 300.0, 200.0, AROUND * 90.0, 0.5) in [key(view) for view in views]


def test_many_missing_faces_are_looked_for_in_turn_within_the_budget():
    one = search(detector__budget_ms=4.0)
    missing = [Roi((100.0 + 10 * i, 50.0), 30.0, 0.0) for i in range(30)]
    places = set()
    for views in looks(one, 40, followed=1, missing=missing):
        assert cost_ms(views) <= 4.0 + 2.3, "one view in turn comes in any case"
        places |= {view.roi.center_xy[0] for view in views if view.roi.size == AROUND * 30.0}
    assert len(places) == 30


def test_stamps_that_stand_still_do_not_stop_the_looking():
    one = search()
    assert all(one.stages(SIZE, 5.0, Faces(1)) for _ in range(5))


def test_a_place_that_became_free_is_offered_at_once():
    one = search()
    looks(one, 1, followed=1)
    assert one.stages(SIZE, 0.03, Faces(1, lost_one=True))


def test_the_interval_changes_live():
    one = search(detector__interval_s=10.0)
    looks(one, 1, followed=1)
    one.config = Config.from_dotted({"detector.interval_s": 0.1})
    assert together(one, 0.2, 1)


def test_stamps_that_go_back_do_not_stop_the_looking():
    one = search()
    assert together(one, 1000.0, 1)
    assert together(one, 3.0, 1)
    assert not together(one, 3.1, 1)


def test_after_a_reset_it_looks_at_once_and_begins_anew():
    one = search()
    first = [key(view) for view in together(one, 0.0, 1)]
    together(one, 1.0, 1)
    one.reset()
    assert [key(view) for view in together(one, 1.1, 1)] == first


@pytest.mark.parametrize("followed", [0, 1])
@pytest.mark.parametrize("budget_ms", [0.7, 3.0, 4.0, 9.5, 40.0])
def test_no_look_costs_more_than_the_budget(followed, budget_ms):
    for views in looks(search(detector__budget_ms=budget_ms, detector__interval_s=0.0), 100, followed):
        least = 3.0 if followed == 0 else 2.3  # the whole image and one view in turn, or that one alone
        assert 0 < cost_ms(views) <= max(budget_ms, least) + 1e-9


@pytest.mark.parametrize("followed", [0, 1])
def test_every_tile_and_every_turned_view_has_its_turn(followed):
    tiles = {key(view) for view in pyramid("full", SIZE, 24.0)}
    seen = Counter(key(view) for views in looks(search(detector__interval_s=0.0), 250, followed) for view in views)
    assert tiles <= seen.keys()
    assert max(seen[tile] for tile in tiles) - min(seen[tile] for tile in tiles) <= 16, "a small level comes more often"
    assert sum(k[0] == "short" and k[4] != 0.0 for k in seen) == 3
    assert seen["full", 640.0, 360.0, WHOLE, 0.0] >= 60, "the whole image, for far faces, comes between the tiles"


def test_the_same_images_give_the_same_looks():
    one, other = (looks(search(), 100, followed=0) for _ in range(2))
    assert [[key(v) for v in views] for views in one] == [[key(v) for v in views] for views in other]


@pytest.mark.parametrize("network", ["short", "full"])
def test_a_single_network_looks_at_the_whole_image_alone(network):
    one = search(detector__range=network, detector__interval_s=0.0, detector__budget_ms=100.0)
    seen = [key(view) for views in looks(one, 6, followed=1) for view in views]
    assert {k[0] for k in seen} == {network} and sum(k[4] == 0.0 for k in seen) == 3
    assert {v.network for views in still_stages(one.config, SIZE) for v in views} == {network}


def test_a_picture_is_searched_near_then_far_then_in_tiles_then_turned():
    near, far, tiles, turned = still_stages(Config(), SIZE)
    assert [key(v)[:1] + key(v)[3:] for v in (*near, *far)] == [("short", WHOLE, 0.0), ("full", WHOLE, 0.0)]
    assert tiles == pyramid("full", SIZE, 24.0, 0.0)
    assert sorted({round(math.degrees(v.roi.angle)) for v in turned}) == [90, 180, 270]
    assert all(v.roi.size >= WHOLE for v in turned)


@pytest.mark.parametrize("rotation", [90.0, 180.0, -90.0, 30.0])
def test_a_turned_camera_turns_every_view(rotation):
    config = Config.from_dotted({"camera.rotation": rotation})
    near, far, tiles, _ = still_stages(config, SIZE)
    assert np.allclose([v.roi.angle for v in (*near, *far, *tiles)], math.radians(rotation))
    for views in looks(Search(config), 20, followed=1, rate_hz=1.0):
        turns = [(math.degrees(v.roi.angle) - rotation) % 90.0 for v in views]
        assert np.allclose(np.minimum(turns, np.subtract(90.0, turns)), 0.0, atol=1e-6)


def test_smaller_faces_wanted_means_more_tiles():
    counts = [
        len(still_stages(Config.from_dotted({"detector.min_face_px": px}), SIZE)[2]) for px in (12.0, 24.0, 48.0, 200.0)
    ]
    assert counts == sorted(counts, reverse=True) and counts[-1] == 0
