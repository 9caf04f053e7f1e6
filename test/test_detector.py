import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

from facemesh_ros import Config, FaceMesher
from facemesh_ros.candidates import NMS_OVERLAP, Candidates, merged
from facemesh_ros.detector import (
    AGREEMENT,
    Detector,
    anchor_centers,
    decode,
    keypoints_of,
)
from facemesh_ros.errors import ModelError
from facemesh_ros.session import AT_ONCE, Session
from facemesh_ros.tools.moving_face import render_bgr
from facemesh_ros.types import Mesh, Roi
from facemesh_ros.views import View, whole
from facemesh_ros.ways import Threads, Way

DATA = Path(__file__).parent / "data"

BOX_TOLERANCE_PX = 1e-2
"""Against MediaPipe on the same frames (issue: detector boxes ≤ 1e-2 px)."""


@pytest.fixture(scope="module", params=["short", "full"])
def detector(request, networks):
    return Detector({request.param: Session.open(f"detector_{request.param}", "cpu")}, 0.5)


def find(detector, image_rgb, angle=0.0):
    """Detect in the whole image with each network."""
    size_wh = image_rgb.shape[1], image_rgb.shape[0]
    return detector.detect(image_rgb, [whole(network, size_wh, angle) for network in detector.networks])


def suppress(boxes_xyxy, keypoints, scores):
    return merged(Candidates(boxes_xyxy, keypoints, scores))


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
        Detector({"short": Odd()}, 0.5)


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

    name, input_size, threads, at_once = "fake", 128, 1, 1

    def __init__(self, index, logit):
        self.output_shapes = {"regressors": ("N", 896, 16), "logits": ("N", 896)}
        self.regressors, self.logits = np.zeros((1, 896, 16), np.float32), np.full((1, 896), -9.0, np.float32)
        self.regressors[0, :, 2:4] = 8.0
        self.logits[0, index] = logit

    def run(self, images, *outputs):
        return np.repeat(self.regressors, len(images), axis=0), np.repeat(self.logits, len(images), axis=0)


@pytest.mark.parametrize(("second", "faces"), [(0, 1), (400, 2)])
def test_what_two_networks_see_is_merged_and_the_best_comes_first(second, faces):
    both = Detector({"short": FakeNetwork(0, 1.0), "full": FakeNetwork(second, 5.0)}, 0.5)
    found = find(both, np.zeros((128, 128, 3), np.uint8))
    assert len(found) == faces
    assert [d.score for d in found] == sorted((d.score for d in found), reverse=True)


def test_threads_change_no_bit(networks, face_rgb):
    size_wh = face_rgb.shape[1], face_rgb.shape[0]
    views = [whole("short", size_wh, angle) for angle in (0.0, 0.1, 0.2, 0.5 * np.pi)]
    alone, many = (
        Detector({"short": Session.on("cpu", "detector_short", threads=Threads(rows))}, 0.1).look(face_rgb, views)
        for rows in (1, 3)
    )
    assert len(alone.scores) > 3
    for name in ("boxes_xyxy", "keypoints", "scores"):
        np.testing.assert_array_equal(getattr(many, name), getattr(alone, name))


def test_looking_nowhere_sees_nothing():
    assert Detector({"short": FakeNetwork(0, 1.0)}, 0.5).detect(np.zeros((128, 128, 3), np.uint8), []) == ()


def views_of(size_wh, counts):
    """Views of an image by two networks that take turns, each somewhat apart from the others."""
    counts = dict(counts)
    views = []
    for index in range(max(counts.values(), default=0)):
        for network, count in counts.items():
            if index < count:
                views.append(View(network, Roi((size_wh[0] / 2 + 5.0 * index, size_wh[1] / 2), 480.0, 0.1 * index)))
    return views


AS_ON_A_GPU = Way("cpu", "gpu", (("CPUExecutionProvider", {}),), memory="cpu")


@pytest.mark.parametrize("counts", [{}, {"short": 1}, {"short": 3, "full": 2}, {"short": 2, "full": AT_ONCE + 3}])
def test_views_that_are_looked_at_together_show_what_each_shows_alone_in_their_order(networks, face_rgb, counts):
    detector = Detector({name: Session.open(f"detector_{name}", "cpu") for name in ("short", "full")}, 0.3)
    as_on_a_gpu = Detector({name: Session.by(AS_ON_A_GPU, f"detector_{name}") for name in ("short", "full")}, 0.3)
    views = views_of((640, 480), counts)
    alone = Candidates.joined(detector.look(face_rgb, [view]) for view in views)
    assert len(alone.scores) >= len(views)
    seen = detector.look(face_rgb, views), as_on_a_gpu.look(face_rgb, views), alone
    for got, other, expected in zip(*(vars(one).values() for one in seen), strict=True):
        assert np.array_equal(got, expected), "not the same bits"
        assert other == pytest.approx(expected, abs=1e-2)


def test_on_a_gpu_the_views_of_an_image_by_a_network_are_one_batch(networks, face_rgb, monkeypatch):
    session, batches = Session.by(AS_ON_A_GPU, "detector_short"), []
    run = session._buckets.run
    monkeypatch.setattr(session._buckets, "run", lambda images: batches.append(len(images)) or run(images))
    Detector({"short": session}, 0.3).look(face_rgb, views_of((640, 480), {"short": AT_ONCE + 3}))
    assert batches == [AT_ONCE, 3]


def test_on_a_gpu_views_that_several_cameras_look_at_meanwhile_are_one_batch(networks, face_rgb, monkeypatch):
    session, batches = Session.by(AS_ON_A_GPU, "detector_short"), []
    run, is_begun, may_end = session._buckets.run, threading.Event(), threading.Event()

    def gated(images):
        batches.append(len(images))
        is_begun.set()
        assert may_end.wait(60.0)
        return run(images)

    monkeypatch.setattr(session._buckets, "run", gated)
    detector, seen = Detector({"short": session}, 0.3), {}
    views = views_of((640, 480), {"short": 5})

    def look(name, part):
        seen[name] = detector.look(face_rgb, views[part])

    threads = []
    for camera, part in enumerate((slice(0, 1), slice(1, 3), slice(3, 5))):
        threads.append(threading.Thread(target=look, args=[camera, part]))
        threads[-1].start()
        assert is_begun.wait(60.0)
        while len(session._joined._waiting) < camera:  # its thread has still to get there
            pass
    may_end.set()
    for thread in threads:
        thread.join()
    assert batches == [1, 4]
    expected = detector.look(face_rgb, views)
    together = Candidates.joined(seen[camera] for camera in range(3))
    assert together.boxes_xyxy == pytest.approx(expected.boxes_xyxy, abs=1e-2)


TILE = Roi((200.0, 200.0), 128.0, 0.0)


@pytest.mark.parametrize(
    ("center_xy", "size_wh", "faces"),
    [
        ((64.0, 64.0), (640, 480), 1),
        ((4.0, 64.0), (640, 480), 0),  # half of it in the next tile
        ((64.0, 124.0), (640, 480), 0),
        ((124.0, 64.0), (264, 480), 1),  # the image ends with the tile
    ],
)
def test_a_face_that_a_tile_cuts_is_left_to_another_tile(center_xy, size_wh, faces):
    network = FakeNetwork(0, 5.0)
    network.regressors[0, 0, :2] = np.array(center_xy) - anchor_centers(896)[0] * 128
    network.regressors[0, 0, 2:4] = 40.0
    found = Detector({"short": network}, 0.5).detect(
        np.zeros((size_wh[1], size_wh[0], 3), np.uint8), [View("short", TILE)]
    )
    assert len(found) == faces
    assert all(0.5 * (d.box_xyxy[:2] + d.box_xyxy[2:]) == pytest.approx(np.array(center_xy) + 136) for d in found)


@pytest.mark.parametrize("angle", [0.0, 0.5 * np.pi, np.pi, -0.5 * np.pi, 0.7])
def test_a_turned_view_gives_box_and_keypoints_in_the_image(angle):
    network = FakeNetwork(0, 5.0)
    network.regressors[0, 0, :2] = [64.0, 32.0] - anchor_centers(896)[0] * 128  # over the middle
    network.regressors[0, 0, 2:4] = 40.0
    network.regressors[0, 0, 4:8] = [
        *([54.0, 32.0] - anchor_centers(896)[0] * 128),
        *([74.0, 32.0] - anchor_centers(896)[0] * 128),
    ]
    view = View("short", Roi((300.0, 200.0), 256.0, angle))
    (found,) = Detector({"short": network}, 0.5).detect(np.zeros((400, 600, 3), np.uint8), [view])
    up = np.array([np.sin(angle), -np.cos(angle)])
    assert 0.5 * (found.box_xyxy[:2] + found.box_xyxy[2:]) == pytest.approx([300, 200] + 64 * up, abs=1e-4)
    assert found.box_xyxy[2:] - found.box_xyxy[:2] == pytest.approx([80, 80], abs=1e-4)
    eyes = found.keypoints[1] - found.keypoints[0]
    assert np.arctan2(eyes[1], eyes[0]) == pytest.approx(angle, abs=1e-5)


def test_a_face_seen_upright_and_upside_down_is_two_hypotheses():
    upright = np.array([[0.0, 0], [4, 0], [0, 0], [0, 0], [0, 0], [0, 0]])
    found = suppress(boxes_at(0, 1), np.stack([upright, upright[[1, 0, 2, 3, 4, 5]]]), np.array([0.9, 0.6]))
    assert [d.score for d in found] == [0.9, 0.6]
    tilted = np.array([[0.0, 0], [3, 3], [0, 0], [0, 0], [0, 0], [0, 0]])
    assert len(suppress(boxes_at(0, 1), np.stack([upright, tilted]), np.array([0.9, 0.6]))) == 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_view_that_is_turned_with_the_picture_sees_the_same_face(detector, face_rgb, turns):
    (upright,) = find(detector, face_rgb)
    turned_rgb = np.ascontiguousarray(np.rot90(face_rgb, -turns))  # clockwise
    best = find(detector, turned_rgb, 0.5 * np.pi * turns)[0]
    eyes = best.keypoints[1] - best.keypoints[0]
    upright_eyes = upright.keypoints[1] - upright.keypoints[0]
    roll = np.arctan2(eyes[1], eyes[0]) - np.arctan2(upright_eyes[1], upright_eyes[0])
    assert np.cos(roll - 0.5 * np.pi * turns) > np.cos(np.radians(3))
    assert best.score == pytest.approx(upright.score, abs=0.05)


def test_the_mesh_of_a_face_is_certain_and_the_same_mesh_elsewhere_is_not(networks, face_rgb):
    sessions = {name: Session.open(f"detector_{name}", "cpu") for name in ("short", "full")}
    both = Detector(sessions, 0.5)
    (face,) = FaceMesher(Config(device="cpu", max_faces=1)).process_still(face_rgb)
    assert both.certainties(face_rgb, []) == []
    assert both.certainties(face_rgb, [face.mesh])[0] > 0.75
    points = face.mesh.points
    eye_distance = np.linalg.norm(points[263] - points[33])
    beside = Mesh(points + np.float32([2 * AGREEMENT * eye_distance, 0, 0]), 1.0)
    upside_down = Mesh(2 * points.mean(axis=0) - points, 1.0)
    right, *wrong = both.certainties(face_rgb, [face.mesh, beside, upside_down])
    assert right == both.certainties(face_rgb, [face.mesh])[0]
    assert max(wrong) < 0.5 * Config().detector.min_certainty
    assert both.certainties(np.full_like(face_rgb, 90), [face.mesh]) == [0.0]


def test_the_keypoints_of_a_mesh_are_those_of_its_detection(networks, face_rgb):
    (face,) = FaceMesher(Config(device="cpu", max_faces=1)).process_still(face_rgb)
    (seen,) = find(Detector({"short": Session.open("detector_short", "cpu")}, 0.5), face_rgb)
    eye_distance = np.linalg.norm(face.mesh.points[263] - face.mesh.points[33])
    assert np.abs(keypoints_of(face.mesh.points) - seen.keypoints[:4]).max() < 0.2 * eye_distance


def test_the_result_does_not_depend_on_the_order_of_the_candidates():
    rng = np.random.default_rng(0)
    boxes = boxes_at(*rng.uniform(0, 60, 30))
    scores, keypoints = rng.uniform(0.5, 1, 30), rng.uniform(0, 50, (30, 6, 2))
    order = rng.permutation(30)
    one, other = suppress(boxes, keypoints, scores), suppress(boxes[order], keypoints[order], scores[order])
    assert np.stack([d.box_xyxy for d in one]) == pytest.approx(np.stack([d.box_xyxy for d in other]))


def test_shifting_the_image_by_whole_cells_shifts_the_detection(detector, face_rgb):
    # 80 px are 16 of the 128 and 24 of the 192 input pixels: whole cells of every grid of either network.
    (before,) = find(detector, face_rgb)
    (after,) = find(detector, np.roll(face_rgb, 80, axis=1))
    assert after.box_xyxy - before.box_xyxy == pytest.approx(np.array([80, 0, 80, 0]), abs=8.0)
    assert after.keypoints - before.keypoints == pytest.approx(np.tile([80.0, 0.0], (6, 1)), abs=8.0)


def test_an_image_without_a_face_gives_none(detector):
    assert find(detector, np.zeros((480, 640, 3), np.uint8)) == ()


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 500), (500, 3)])
def test_any_size_of_image_is_taken(detector, size_wh):
    assert isinstance(find(detector, np.zeros((size_wh[1], size_wh[0], 3), np.uint8)), tuple)


@pytest.mark.parametrize("name", ["detector_short", "detector_full"])
def test_detections_agree_with_the_reference(networks, moving_face, name):
    golden = np.load(DATA / f"{name}.npz")
    detector = Detector({name.removeprefix("detector_"): Session.open(name, "cpu")}, float(golden["min_score"]))
    for index, (affine, size_wh) in enumerate(zip(golden["frame_from_picture"], golden["size_wh"], strict=True)):
        image_bgr = render_bgr(affine, tuple(map(int, size_wh)))
        assert zlib.crc32(image_bgr.tobytes()) == golden["crc32"][index]
        image_rgb = np.ascontiguousarray(image_bgr[..., ::-1])
        found = find(detector, image_rgb)
        rows = np.flatnonzero(golden["frame"] == index)
        assert len(found) == len(rows)
        for detection, row in zip(found, rows, strict=True):
            worst_px = np.abs(detection.box_xyxy - golden["box_xyxy"][row]).max()
            print(f"{name}, frame {index}: box {worst_px:.6f} px at worst")
            assert np.abs(detection.box_xyxy - golden["box_xyxy"][row]).max() <= BOX_TOLERANCE_PX
            assert np.abs(detection.keypoints - golden["keypoints"][row]).max() <= BOX_TOLERANCE_PX
            assert detection.score == pytest.approx(float(golden["score"][row]), abs=1e-4)
