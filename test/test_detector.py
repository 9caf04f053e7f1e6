import zlib
from pathlib import Path

import numpy as np
import pytest

from facemesh_ros.detector import NMS_OVERLAP, Detector, anchor_centers, decode, suppress
from facemesh_ros.errors import ModelError
from facemesh_ros.session import Session
from facemesh_ros.tools.moving_face import render_bgr

DATA = Path(__file__).parent / "data"

BOX_TOLERANCE_PX = 1e-2
"""Against MediaPipe on the same frames (issue: detector boxes ≤ 1e-2 px)."""


@pytest.fixture(scope="module", params=["detector_short", "detector_full"])
def detector(request, networks):
    return Detector([Session.open(request.param, "cpu")], 0.5)


@pytest.mark.parametrize(("count", "first", "last"), [(896, 0.5 / 16, 7.5 / 8), (2304, 0.5 / 48, 47.5 / 48)])
def test_the_anchors_cover_the_square_evenly(count, first, last):
    centers = anchor_centers(count)
    assert centers.shape == (count, 2)
    assert centers.mean(axis=0) == pytest.approx([0.5, 0.5])
    assert (centers[0] == first).all() and (centers[-1] == last).all()
    assert centers[4 if count == 896 else 1][0] > centers[4 if count == 896 else 1][1], "x runs first"


def test_a_network_with_unknown_anchors_is_refused():
    class Odd:
        name, output_shapes = "odd", {"regressors": ("N", 77, 16)}

    with pytest.raises(ModelError, match="odd gives 77 anchors.*896, 2304"):
        Detector([Odd()], 0.5)


def test_decoding_adds_the_anchor_to_centre_and_keypoints_only():
    raw = np.arange(16, dtype=np.float32)[np.newaxis]
    boxes, keypoints = decode(raw, np.array([[100.0, 200.0]]))
    assert boxes[0] == pytest.approx([100 - 1, 201 - 1.5, 100 + 1, 201 + 1.5])
    assert keypoints[0] == pytest.approx(raw[0, 4:].reshape(6, 2) + [100, 200])


def boxes_at(*lefts):
    return np.array([[left, 0.0, left + 10.0, 10.0] for left in lefts]).reshape(-1, 4)


def test_suppressing_nothing_gives_nothing():
    assert suppress(np.zeros((0, 4)), np.zeros((0, 6, 2)), np.zeros(0)) == ()


def test_boxes_apart_stay_as_they_are_best_first():
    found = suppress(boxes_at(0, 100), np.zeros((2, 6, 2)), np.array([0.6, 0.9]))
    assert [d.score for d in found] == [0.9, 0.6]
    assert [d.box_xyxy[0] for d in found] == [100, 0]


def test_a_group_becomes_its_score_weighted_mean_with_the_best_score():
    keypoints = np.stack([np.zeros((6, 2)), np.full((6, 2), 4.0)])
    (merged,) = suppress(boxes_at(0, 2), keypoints, np.array([0.9, 0.3]))
    assert merged.score == 0.9
    assert merged.box_xyxy[0] == pytest.approx(0.5)
    assert merged.keypoints == pytest.approx(np.ones((6, 2)))


@pytest.mark.parametrize(("shift", "faces"), [(7.0, 2), (6.999, 1)])
def test_an_overlap_at_the_limit_is_two_faces(shift, faces):
    # 13 px wide and 7 px apart, 6 of 20 px are common: exactly NMS_OVERLAP.
    assert NMS_OVERLAP == 6 / 20
    boxes = np.array([[0.0, 0.0, 13.0, 10.0], [shift, 0.0, shift + 13.0, 10.0]])
    assert len(suppress(boxes, np.zeros((2, 6, 2)), np.ones(2))) == faces


def test_a_box_without_extent_is_dropped():
    assert suppress(np.array([[5.0, 5, 5, 9]]), np.zeros((1, 6, 2)), np.ones(1)) == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_dropped(bad):
    keypoints = np.zeros((2, 6, 2))
    keypoints[0, 3] = bad
    (kept,) = suppress(boxes_at(0, 100), keypoints, np.array([0.9, 0.8]))
    assert kept.score == 0.8


class FakeNetwork:
    """Sees one face, in the middle of anchor ``index``, whatever the image."""

    name, input_size = "fake", 128

    def __init__(self, index, logit):
        self.output_shapes = {"regressors": ("N", 896, 16), "logits": ("N", 896)}
        self.regressors, self.logits = np.zeros((1, 896, 16), np.float32), np.full((1, 896), -9.0, np.float32)
        self.regressors[0, :, 2:4] = 8.0
        self.logits[0, index] = logit

    def run(self, images, *outputs):
        return self.regressors, self.logits


@pytest.mark.parametrize(("second", "faces"), [(0, 1), (400, 2)])
def test_a_face_that_only_the_second_network_sees_is_added_and_the_best_comes_first(second, faces):
    both = Detector([FakeNetwork(0, 1.0), FakeNetwork(second, 5.0)], 0.5)
    found = both.detect(np.zeros((128, 128, 3), np.uint8), 4)
    assert len(found) == faces
    assert [d.score for d in found] == sorted((d.score for d in found), reverse=True)
    assert len(both.detect(np.zeros((128, 128, 3), np.uint8), 1)) == 1


def test_the_result_does_not_depend_on_the_order_of_the_candidates():
    rng = np.random.default_rng(0)
    boxes = boxes_at(*rng.uniform(0, 60, 30))
    scores, keypoints = rng.uniform(0.5, 1, 30), rng.uniform(0, 50, (30, 6, 2))
    order = rng.permutation(30)
    one, other = suppress(boxes, keypoints, scores), suppress(boxes[order], keypoints[order], scores[order])
    assert np.stack([d.box_xyxy for d in one]) == pytest.approx(np.stack([d.box_xyxy for d in other]))


def test_shifting_the_image_by_whole_cells_shifts_the_detection(detector, face_rgb):
    # 80 px are 16 of the 128 and 24 of the 192 input pixels: whole cells of every grid of either network.
    (before,) = detector.detect(face_rgb, 1)
    (after,) = detector.detect(np.roll(face_rgb, 80, axis=1), 1)
    assert after.box_xyxy - before.box_xyxy == pytest.approx(np.array([80, 0, 80, 0]), abs=8.0)
    assert after.keypoints - before.keypoints == pytest.approx(np.tile([80.0, 0.0], (6, 1)), abs=8.0)


def test_an_image_without_a_face_gives_none(detector):
    assert detector.detect(np.zeros((480, 640, 3), np.uint8), 4) == ()


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 500), (500, 3)])
def test_any_size_of_image_is_taken(detector, size_wh):
    assert isinstance(detector.detect(np.zeros((size_wh[1], size_wh[0], 3), np.uint8), 1), tuple)


def test_the_second_network_looks_only_when_the_first_found_too_few(networks, face_rgb):
    class Counting(Session):
        runs = 0

        def run(self, images, *outputs):
            Counting.runs += 1
            return super().run(images, *outputs)

    full = Session.open("detector_full", "cpu")
    both = Detector([Session.open("detector_short", "cpu"), Counting(full._runtime, full.name, full.device)], 0.5)
    assert len(both.detect(face_rgb, 1)) == 1
    assert Counting.runs == 0
    assert len(both.detect(face_rgb, 2)) == 1
    assert Counting.runs == 1


@pytest.mark.parametrize("name", ["detector_short", "detector_full"])
def test_detections_agree_with_the_reference(networks, moving_face, name):
    golden = np.load(DATA / f"{name}.npz")
    detector = Detector([Session.open(name, "cpu")], float(golden["min_score"]))
    for index, (affine, size_wh) in enumerate(zip(golden["frame_from_picture"], golden["size_wh"], strict=True)):
        image_bgr = render_bgr(affine, tuple(map(int, size_wh)))
        assert zlib.crc32(image_bgr.tobytes()) == golden["crc32"][index]
        image_rgb = np.ascontiguousarray(image_bgr[..., ::-1])
        found = detector.detect(image_rgb, 10)
        rows = np.flatnonzero(golden["frame"] == index)
        assert len(found) == len(rows)
        for detection, row in zip(found, rows, strict=True):
            worst_px = np.abs(detection.box_xyxy - golden["box_xyxy"][row]).max()
            print(f"{name}, frame {index}: box {worst_px:.6f} px at worst")
            assert np.abs(detection.box_xyxy - golden["box_xyxy"][row]).max() <= BOX_TOLERANCE_PX
            assert np.abs(detection.keypoints - golden["keypoints"][row]).max() <= BOX_TOLERANCE_PX
            assert detection.score == pytest.approx(float(golden["score"][row]), abs=1e-4)
