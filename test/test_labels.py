"""Laws of the places of labels."""

import numpy as np
import pytest

from facemesh_ros.labels import label_places

CANVAS_WH = (400, 300)
SIZE_WH = (90, 16)


def around(center_xy, size):
    x, y = center_xy
    return np.array([x - size / 2, y - size / 2, x + size / 2, y + size / 2])


def placed(faces, size_wh=SIZE_WH, canvas_wh=CANVAS_WH):
    """Place labels of one size beside square faces ((x, y), size)."""
    regions = [around(center, 1.5 * size) for center, size in faces]
    return label_places([size_wh] * len(faces), regions, [around(*face) for face in faces], canvas_wh)


def common(place, box, size_wh=SIZE_WH):
    low, high = np.maximum(place, box[:2]), np.minimum(np.add(place, size_wh), box[2:])
    return float(np.clip(high - low, 0, None).prod())


def test_no_faces_have_no_labels():
    assert placed([]) == []


def test_a_label_lies_on_the_upper_left_corner_of_its_region():
    assert placed([((200, 150), 80)]) == [(140, 90 - 16)]


def test_shifts_of_all_shift_the_labels():
    here, there = placed([((180, 150), 80)]), placed([((193, 139), 80)])
    assert np.subtract(there, here).tolist() == [[13, -11]]


@pytest.mark.parametrize("x", [-12.0, 5.0, 200.0, 390.0, 412.0])
@pytest.mark.parametrize("y", [-12.0, 5.0, 150.0, 290.0, 312.0])
@pytest.mark.parametrize("size", [20.0, 80.0, 300.0, 4000.0])
def test_labels_are_wholly_inside(x, y, size):
    ((left, top),) = placed([((x, y), size)])
    assert 0 <= left <= CANVAS_WH[0] - SIZE_WH[0]
    assert 0 <= top <= CANVAS_WH[1] - SIZE_WH[1]


@pytest.mark.parametrize("center_xy", [(-500.0, 150.0), (900.0, 150.0), (200.0, -500.0), (200.0, 900.0)])
def test_a_face_out_of_sight_has_no_label(center_xy):
    assert placed([(center_xy, 80)]) == [None]


@pytest.mark.parametrize("canvas_wh", [(89, 300), (400, 15)])
def test_a_canvas_that_is_too_small_has_no_label(canvas_wh):
    assert placed([((40, 8), 80)], canvas_wh=canvas_wh) == [None]


@pytest.mark.parametrize("seed", range(20))
def test_a_label_covers_no_other_face_and_no_other_label_while_there_is_room(seed):
    """Faces on a coarse grid, so near to each other that their regions overlap."""
    random = np.random.default_rng(seed)
    cells = [(90 + 110 * column, 60 + 90 * row) for column in range(3) for row in range(3)]
    chosen = random.choice(len(cells), 5, replace=False)
    faces = [(np.add(cells[i], random.uniform(-8, 8, 2)), 62.0) for i in chosen]
    places = placed(faces)
    for own, place in enumerate(places):
        for other, face in enumerate(faces):
            if other != own:
                assert common(place, around(*face)) == 0.0
                assert common(place, np.array([*places[other], *np.add(places[other], SIZE_WH)])) == 0.0


def test_the_own_face_is_covered_rather_than_that_of_another():
    """The region fills the canvas but for a strip in which somebody else's face is."""
    own, other = np.array([0.0, 0.0, 400.0, 270.0]), np.array([0.0, 270.0, 400.0, 300.0])
    place, _ = label_places([SIZE_WH] * 2, [own, other], [own, other], CANVAS_WH)
    assert common(place, other) == 0.0
    assert common(place, own) > 0.0
