import math

import numpy as np
import pytest

from facemesh_ros.errors import InputError
from facemesh_ros.geometry import (
    ROI_SCALE,
    claim_one_place,
    image_from_crop,
    letterbox_roi,
    overlaps,
    roi_from_detection,
    roi_from_points,
    shows_same_face,
    to_image,
)
from facemesh_ros.types import Detection, Roi

ANGLES = [0.0, 0.3, -1.2, math.pi / 2, math.pi]


def random_points(seed):
    return np.random.default_rng(seed).uniform(50, 400, (468, 3)).astype(np.float32)


@pytest.mark.parametrize("angle", ANGLES)
def test_the_middle_of_the_crop_is_the_centre_of_the_region(angle):
    roi = Roi((31.5, -7.0), 90.0, angle)
    assert to_image(np.array([96.0, 96.0]), image_from_crop(roi, 192)) == pytest.approx(roi.center_xy)


@pytest.mark.parametrize("angle", ANGLES)
def test_the_sides_of_the_crop_are_as_long_as_the_region_and_turned_by_its_angle(angle):
    roi = Roi((10, 20), 90.0, angle)
    origin, right = to_image(np.array([[0.0, 0.0], [192.0, 0.0]]), image_from_crop(roi, 192))
    assert right - origin == pytest.approx(90.0 * np.array([math.cos(angle), math.sin(angle)]))


@pytest.mark.parametrize("size_wh", [(640, 480), (480, 640), (1, 7), (5, 5)])
def test_the_letterbox_spans_the_whole_image_and_no_more_than_its_long_side(size_wh):
    roi = letterbox_roi(size_wh)
    (left, top), (right, bottom) = roi.center_xy - 0.5 * roi.size, roi.center_xy + 0.5 * roi.size
    width, height = size_wh
    assert (right - left, bottom - top) == (max(size_wh), max(size_wh))
    assert left <= 0 and right >= width and top <= 0 and bottom >= height
    assert left + right == pytest.approx(width) and top + bottom == pytest.approx(height)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (17.0, -250.5)])
@pytest.mark.parametrize("scale", [0.25, 3.0])
def test_moving_and_scaling_the_points_moves_and_scales_the_region(shift, scale):
    points = random_points(1)
    moved = (points * scale + [*shift, 0.0]).astype(np.float32)
    before, after = roi_from_points(points), roi_from_points(moved)
    assert after.center_xy == pytest.approx(before.center_xy * scale + shift, abs=1e-3)
    assert after.size == pytest.approx(before.size * scale, rel=1e-5)
    assert after.angle == pytest.approx(before.angle, abs=1e-5)


@pytest.mark.parametrize("angle", ANGLES)
def test_the_region_of_a_turned_face_has_its_angle(angle):
    points = np.zeros((468, 3), np.float32)
    points[33, :2] = [100, 100]
    points[263, :2] = [100 + 50 * math.cos(angle), 100 + 50 * math.sin(angle)]
    assert math.cos(roi_from_points(points).angle - angle) == pytest.approx(1.0)


def test_the_region_of_a_detection_is_the_square_on_its_long_side_scaled():
    keypoints = np.zeros((6, 2))
    keypoints[1] = [10, 10]
    roi = roi_from_detection(Detection(np.array([10, 20, 30, 70]), keypoints, 0.9))
    assert roi.center_xy == pytest.approx([20, 45])
    assert roi.size == pytest.approx(50 * ROI_SCALE)
    assert roi.angle == pytest.approx(math.pi / 4)


def test_points_in_one_place_make_no_region():
    with pytest.raises(InputError, match="extent"):
        roi_from_points(np.ones((468, 3), np.float32))


def test_overlap_of_no_boxes_is_empty():
    assert overlaps(np.array([0.0, 0, 1, 1]), np.zeros((0, 4))).shape == (0,)


def test_overlap_is_one_with_itself_zero_apart_and_a_share_between():
    box = np.array([0.0, 0, 2, 2])
    others = np.array([[0.0, 0, 2, 2], [5, 5, 6, 6], [1, 0, 3, 2], [2, 0, 4, 2], [1, 1, 1, 1]])
    assert overlaps(box, others) == pytest.approx([1, 0, 1 / 3, 0, 0])


@pytest.mark.parametrize(
    ("center_xy", "size", "same"),
    [
        ((0.0, 0.0), 90.0, True),
        ((29.0, 0.0), 90.0, True),  # two squares overlap by half where a third of the side is between them
        ((31.0, 0.0), 90.0, False),
        ((0.0, -31.0), 90.0, False),
        ((0.0, 0.0), 30.0, True),  # a face inside a face, whatever its size
        ((10.0, -14.0), 30.0, True),
        ((0.0, 16.0), 30.0, False),
        ((200.0, 0.0), 90.0, False),
    ],
)
@pytest.mark.parametrize("zoom", [1.0, 7.0])
def test_regions_show_one_face_where_they_overlap_or_one_lies_well_inside_the_other(center_xy, size, same, zoom):
    one, other = Roi((5.0, 5.0), 90.0 * zoom, 0.0), Roi(5.0 + zoom * np.array(center_xy), size * zoom, 1.0)
    assert shows_same_face(one, other) is shows_same_face(other, one) is same


@pytest.mark.parametrize(
    ("center_xy", "size", "same"),
    [
        ((0.0, 0.0), 90.0, True),
        ((29.0, 0.0), 90.0, True),  # faces are 60 px wide: half of one lies within the other
        ((31.0, 0.0), 90.0, False),
        ((17.0, 17.0), 90.0, True),
        ((18.0, 18.0), 90.0, False),
        ((0.0, 29.0), 30.0, True),  # half of a small one within a large one
        ((0.0, 31.0), 30.0, False),
        ((200.0, 0.0), 90.0, False),
    ],
)
@pytest.mark.parametrize("zoom", [1.0, 7.0])
def test_faces_claim_one_place_where_half_of_the_smaller_lies_within_the_larger(center_xy, size, same, zoom):
    one, other = Roi((5.0, 5.0), 90.0 * zoom, 0.0), Roi(5.0 + zoom * np.array(center_xy), size * zoom, 1.0)
    assert claim_one_place(one, other) is claim_one_place(other, one) is same
