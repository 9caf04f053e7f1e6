"""Laws of the covers: nothing of a covered pixel gets out, and nothing else is touched."""

import cv2
import numpy as np
import pytest

from facemesh_ros.anonymous import GROWTH, covered, face_hulls
from facemesh_ros.errors import InputError
from facemesh_ros.types import Face, Mesh, Roi

HEIGHT, WIDTH = 141, 203
"""No multiples of anything."""
SQUARE = np.array([[60.0, 40.0], [120.0, 40.0], [120.0, 100.0], [60.0, 100.0]])


def picture(seed=0, height=HEIGHT, width=WIDTH):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    image.flags.writeable = False
    return image


def inside(*hulls, height=HEIGHT, width=WIDTH):
    """(H, W) bool: pixels whose centres are in a convex hull, worked out by half planes."""
    y, x = np.mgrid[:height, :width].astype(float)
    found = np.zeros((height, width), bool)
    for hull in hulls:
        ring = cv2.convexHull(np.asarray(hull, np.float32)).reshape(-1, 2).astype(float)
        nexts = np.roll(ring, -1, axis=0)
        sides = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for (ax, ay), (bx, by) in zip(ring, nexts, strict=True)]
        found |= np.all(np.array(sides) >= 0, axis=0) | np.all(np.array(sides) <= 0, axis=0)
    return found


def blob(seed, center_xy=(100.0, 70.0), size=60.0):
    return np.random.default_rng(seed).normal(center_xy, size / 4, (30, 2))


HULLS = {
    "square": [SQUARE],
    "blob": [blob(1)],
    "two that overlap": [blob(1), blob(2, (110.0, 80.0))],
    "two apart": [blob(3, (40.0, 40.0), 30.0), blob(4, (160.0, 100.0), 30.0)],
    "across the edge": [blob(5, (0.0, 140.0))],
    "all but a corner": [np.array([[-10.0, -10.0], [330.0, -10.0], [-10.0, 230.0]])],
}
every_cover = pytest.mark.parametrize("hulls", HULLS.values(), ids=HULLS.keys())


def test_without_hulls_the_copy_is_identical():
    image = picture()
    copy = covered(image, [])
    assert np.array_equal(copy, image)
    assert not np.shares_memory(copy, image)


@every_cover
def test_pictures_that_differ_only_under_the_covers_come_out_the_same(hulls):
    """So that no number of what is under them is left, whoever's face it is."""
    one, hidden = picture(), inside(*hulls)
    for seed, level in ((7, None), (8, 0), (9, 255)):
        other = one.copy()
        other[hidden] = picture(seed)[hidden] if level is None else level
        np.testing.assert_array_equal(covered(other, hulls), covered(one, hulls))


@every_cover
def test_no_pixel_under_the_covers_stays(hulls):
    """A colour that nothing around it has."""
    image, hidden = np.full((HEIGHT, WIDTH, 3), (20, 40, 60), np.uint8), inside(*hulls)
    image[hidden] = (255, 0, 255)
    assert np.abs(covered(image, hulls).astype(int) - (20, 40, 60)).max() <= 2


@every_cover
def test_all_else_stays(hulls):
    image = picture()
    near = cv2.dilate(inside(*hulls).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    assert np.array_equal(covered(image, hulls)[~near], image[~near])


@pytest.mark.parametrize("hull", [[[77.3, 31.8]], [[77.3, 31.8], [90.0, 60.0]]], ids=["point", "line"])
def test_hulls_without_an_area_cover_their_points(hull):
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for x, y in np.round(hull).astype(int):
        image[y, x] = 255
    assert not covered(image, [np.array(hull)]).any()


def test_the_image_is_not_touched():
    image = picture().copy()
    covered(image, [SQUARE])
    assert np.array_equal(image, picture())


def test_the_order_of_the_hulls_does_not_matter():
    assert np.array_equal(covered(picture(), [blob(1), blob(2)]), covered(picture(), [blob(2), blob(1)]))


def test_exchanged_channels_stay_exchanged():
    one = covered(np.ascontiguousarray(picture()[..., ::-1]), [SQUARE])
    assert np.array_equal(one[..., ::-1], covered(picture(), [SQUARE]))


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 40), (40, 1), (7, 5), (16, 16)])
def test_an_image_that_is_covered_wholly_is_grey(size_wh):
    width, height = size_wh
    everywhere = np.array([[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]])
    assert np.all(covered(picture(0, height, width), [everywhere]) == 128)


def test_a_cover_beside_the_image_changes_nothing():
    assert np.array_equal(covered(picture(), [SQUARE + [1000.0, 0.0], SQUARE - [0.0, 1e12]]), picture())


def test_the_cover_is_as_smooth_as_its_surroundings():
    """Left of the square it is dark and right of it light: between them it is neither, and nowhere a step."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, 90:] = 200
    row = covered(image, [SQUARE])[70, 62:119, 0].astype(int)
    assert row[0] < 60 and row[-1] > 140
    assert np.abs(np.diff(row)).max() < 12


def face(points, smoothed=None):
    mesh = Mesh(points, 0.9)
    return Face(1, Roi((100.0, 70.0), 90.0, 0.0), mesh, mesh if smoothed is None else Mesh(smoothed, 0.9))


def oval(center_xy, size=40.0):
    turn = np.linspace(0.0, 2.0 * np.pi, 468, endpoint=False)
    return np.stack([center_xy[0] + size / 2 * np.cos(turn), center_xy[1] + size / 2 * np.sin(turn), 0 * turn], axis=1)


def test_the_cover_of_a_face_is_larger_than_its_hull():
    (hull,) = face_hulls([face(oval((100.0, 70.0)))], [])
    np.testing.assert_allclose(np.linalg.norm(hull - (100.0, 70.0), axis=1), GROWTH * 20.0, rtol=1e-3)


def test_a_face_is_covered_where_it_is_and_where_its_smoothed_mesh_lags_behind():
    here, behind = oval((120.0, 70.0)), oval((100.0, 70.0))
    hulls = face_hulls([face(here, behind)], [])
    hidden = inside(*hulls)
    for points in (here, behind):
        x, y = np.round(points[:, :2]).astype(int).T
        assert hidden[y, x].all()


def test_every_region_is_covered_to_its_corners():
    (hull,) = face_hulls([], [Roi((100.0, 70.0), 40.0, 0.3)])
    assert np.allclose(np.linalg.norm(hull - (100.0, 70.0), axis=1), 20.0 * np.sqrt(2.0))
    assert np.allclose(np.linalg.norm(hull - np.roll(hull, 1, axis=0), axis=1), 40.0)


@pytest.mark.models
def test_no_face_is_found_under_a_cover(networks, face_rgb):
    from facemesh_ros import FaceMesher

    mesher = FaceMesher()
    faces = mesher.process_still(face_rgb)
    assert len(faces) == 1
    bare = covered(face_rgb, face_hulls(faces, []))
    assert mesher.process_still(bare) == ()
    other = face_rgb.copy()
    hidden = inside(*face_hulls(faces, []), height=480, width=640)
    other[hidden] = 255 - other[hidden]
    np.testing.assert_array_equal(covered(other, face_hulls(faces, [])), bare)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (None, "NoneType"),
        (np.zeros((4, 4), np.uint8), r"uint8 \(4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), r"float32"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
    ],
)
def test_what_is_no_picture_is_refused(image, reason):
    with pytest.raises(InputError, match=reason):
        covered(image, [])


@pytest.mark.parametrize("hull", [np.zeros((0, 2)), np.zeros((3, 3)), np.zeros(2), np.full((3, 2), np.nan)])
def test_what_is_no_hull_is_refused_and_never_left_out(hull):
    with pytest.raises(InputError, match="hull"):
        covered(picture(), [SQUARE, hull])
