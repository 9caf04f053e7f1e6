from dataclasses import dataclass

import pytest

from facemesh_ros.config import Config
from facemesh_ros.search import Search


@dataclass
class Faces:
    """What a search asks of the tracker."""

    tracks: tuple = ("a face",)
    room: int = 1
    lost_one: bool = False


def looks(search, stamps, faces):
    """Return the stamps, of a run of images, at which it looks."""
    looked = []
    for stamp in stamps:
        if search.wants_look(faces, stamp):
            search.looked(stamp)
            looked.append(stamp)
    return looked


def search(interval_s=0.5):
    return Search(Config.from_dotted({"detector.interval_s": interval_s}))


def test_without_faces_it_looks_in_every_image():
    assert looks(search(), range(5), Faces(tracks=())) == [0, 1, 2, 3, 4]


def test_with_room_for_more_it_looks_only_at_the_interval():
    assert looks(search(0.5), [i / 30 for i in range(60)], Faces()) == [0.0, 0.5, 1.0, 1.5]


def test_an_interval_of_zero_looks_in_every_image():
    assert len(looks(search(0.0), [i / 30 for i in range(5)], Faces())) == 5


@pytest.mark.parametrize("room", [0, -1])
def test_with_no_room_it_never_looks(room):
    assert looks(search(), range(5), Faces(room=room, lost_one=True)) == []


def test_a_lost_face_is_looked_for_at_once():
    one = search()
    one.looked(0.0)
    assert not one.wants_look(Faces(), 0.03)
    assert one.wants_look(Faces(lost_one=True), 0.03)


def test_after_a_reset_it_looks_at_once():
    one = search()
    one.looked(0.0)
    one.reset()
    assert one.wants_look(Faces(), 0.03)


def test_a_stamp_that_goes_back_does_not_stop_the_looking():
    assert looks(search(), [1000.0, 3.0, 3.1], Faces()) == [1000.0, 3.0]


def test_the_interval_changes_live():
    one = search(10.0)
    one.looked(0.0)
    one.config = Config.from_dotted({"detector.interval_s": 0.1})
    assert one.wants_look(Faces(), 0.2)
