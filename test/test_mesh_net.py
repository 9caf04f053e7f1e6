from dataclasses import replace

import cv2
import numpy as np
import pytest

from facemesh_ros.geometry import roi_from_points
from facemesh_ros.mesh_net import MeshNet, crop, presence, uncrop
from facemesh_ros.session import Session
from facemesh_ros.topology import mirror_points
from facemesh_ros.types import Camera, Roi
from facemesh_ros.virtual_camera import FlatCrop, VirtualCamera, window_on
from facemesh_ros.ways import Threads

ROIS = [Roi((200, 150), 160.0, 0.0), Roi((90, 210), 75.5, 0.4), Roi((300, 20), 300.0, -2.0)]
CROP_TOLERANCE_PX = 0.05
"""Samples lie on a grid of 1/32 px."""


@pytest.mark.parametrize("roi", ROIS)
def test_uncropping_the_corners_gives_the_corners_of_the_region(roi):
    corners = np.array([[0, 0, 0], [192, 0, 0], [192, 192, 0], [0, 192, 0]], np.float32)
    placed = uncrop(corners, FlatCrop(roi, 192))[:, :2]
    assert placed.mean(axis=0) == pytest.approx(roi.center_xy, abs=1e-3)
    assert np.linalg.norm(placed[1] - placed[0]) == pytest.approx(roi.size, rel=1e-6)


@pytest.mark.parametrize("roi", ROIS)
def test_depth_grows_with_the_region_as_x_and_y_do(roi):
    points = np.array([[96, 96, 0], [96, 97, 1.0]], np.float32)
    placed = uncrop(points, FlatCrop(roi, 192))
    assert placed[1, 2] == pytest.approx(roi.size / 192)
    assert np.linalg.norm(placed[1, :2] - placed[0, :2]) == pytest.approx(placed[1, 2], abs=1e-4)


@pytest.mark.parametrize("roi", ROIS)
def test_what_the_crop_shows_at_a_pixel_lies_where_uncrop_says(roi):
    # This pins the convention: the value of a pixel belongs to its integer coordinates, in the image and in the crop.
    size, step = 192, 0.6
    y, x = np.mgrid[:300, :400]
    picture = crop(np.stack([step * x, step * y, 0 * x], axis=2).astype(np.float32), FlatCrop(roi, size))
    v, u = (grid.ravel() for grid in np.mgrid[20:170:10, 20:170:10])
    where = uncrop(np.stack([u, v, 0 * u], axis=1).astype(np.float32), FlatCrop(roi, size))[:, :2]
    inside = ((where > 0) & (where < [399, 299])).all(axis=1)
    assert inside.sum() > 50
    assert picture[v, u, :2][inside] / step == pytest.approx(where[inside], abs=CROP_TOLERANCE_PX)


def test_outside_the_image_the_edge_is_repeated():
    image = np.zeros((50, 50, 3), np.uint8)
    image[0] = 200
    assert (crop(image, FlatCrop(Roi((25, -200), 50.0, 0.0), 16)) == 200).all()


@pytest.mark.parametrize(("logit", "probability"), [(0.0, 0.5), (-1000.0, 0.0), (1000.0, 1.0), (np.log(3.0), 0.75)])
def test_presence_is_the_logistic_function(logit, probability):
    assert presence(logit) == pytest.approx(probability)


@pytest.fixture(scope="module", params=["mesh", "attention"])
def mesh_net(request, networks):
    return MeshNet(Session.open(request.param, "cpu"))


@pytest.fixture(scope="module")
def face_roi(networks, face_rgb):
    net = MeshNet(Session.open("mesh", "cpu"))
    roi = Roi((320, 215), 300.0, 0.0)
    for _ in range(3):
        roi = roi_from_points(net.run(face_rgb, [roi])[0].points)
    return roi


def test_no_regions_give_no_meshes(mesh_net, face_rgb):
    assert mesh_net.run(face_rgb, []) == ()


def test_the_built_in_face_is_present_and_black_is_not(mesh_net, face_rgb, face_roi):
    (mesh,) = mesh_net.run(face_rgb, [face_roi])
    assert mesh.presence > 0.99
    (nothing,) = mesh_net.run(np.zeros_like(face_rgb), [face_roi])
    assert nothing.presence < 0.01


def test_shifting_the_image_and_the_region_shifts_the_mesh(mesh_net, face_rgb, face_roi):
    (before,) = mesh_net.run(face_rgb, [face_roi])
    moved = Roi(face_roi.center_xy + [24, -16], face_roi.size, face_roi.angle)
    (after,) = mesh_net.run(np.roll(face_rgb, (-16, 24), axis=(0, 1)), [moved])
    assert after.points - before.points == pytest.approx(np.broadcast_to([24, -16, 0], before.points.shape), abs=5e-3)


def test_a_batch_equals_its_singles(mesh_net, face_rgb, face_roi):
    rois = [face_roi, Roi(face_roi.center_xy + 10, face_roi.size * 1.1, 0.2), Roi((5, 5), 60.0, 0.0)]
    for together, alone in zip(
        mesh_net.run(face_rgb, rois), [mesh_net.run(face_rgb, [r])[0] for r in rois], strict=True
    ):
        assert together.points == pytest.approx(alone.points, abs=1e-3)
        assert together.presence == pytest.approx(alone.presence, abs=1e-5)


@pytest.mark.parametrize("as_bgr", [False, True])
def test_threads_change_no_bit(networks, face_rgb, face_roi, as_bgr):
    image = np.ascontiguousarray(face_rgb[..., ::-1])[..., ::-1] if as_bgr else face_rgb
    rois = [replace(face_roi, size=face_roi.size * (1.0 + 0.02 * step)) for step in range(5)]
    alone, many = (MeshNet(Session.on("cpu", "mesh", threads=Threads(rows))).run(image, rois) for rows in (1, 3))
    for expected, got in zip(alone, many, strict=True):
        np.testing.assert_array_equal(got.points, expected.points)
        assert got.presence == expected.presence


def test_turning_image_and_region_by_a_quarter_turns_the_mesh(mesh_net, face_rgb, face_roi):
    (before,) = mesh_net.run(face_rgb, [face_roi])
    height = face_rgb.shape[0]
    x, y = face_roi.center_xy
    turned = Roi((height - 1 - y, x), face_roi.size, face_roi.angle + np.pi / 2)
    (after,) = mesh_net.run(np.ascontiguousarray(np.rot90(face_rgb, -1)), [turned])
    expected = np.stack([height - 1 - before.points[:, 1], before.points[:, 0]], axis=1)
    assert np.abs(after.points[:, :2] - expected).mean() < 1.0


def test_the_mirror_image_of_a_mirrored_picture_gives_the_mesh_of_the_picture_laid_back(mesh_net, face_rgb, face_roi):
    (plain,) = mesh_net.run(face_rgb, [face_roi])
    width = face_rgb.shape[1]
    x, y = face_roi.center_xy
    # A crop's pixels are read from its corner on, so that its mirror image begins one pixel of the crop further in.
    shift = face_roi.size / 192 * np.array([-np.cos(face_roi.angle), np.sin(face_roi.angle)])
    mirrored_roi = Roi(np.array([width - 1 - x, y]) - shift, face_roi.size, -face_roi.angle)
    (mirrored,) = mesh_net.run_mirrored(np.ascontiguousarray(face_rgb[:, ::-1]), [mirrored_roi])
    back = mirrored.points[mirror_points(len(plain.points))] * [-1, 1, 1] + [width - 1, 0, 0]
    assert np.abs(back - plain.points).max() < 0.5
    assert mirrored.presence == pytest.approx(plain.presence, abs=1e-3)


def test_the_mirror_image_of_a_face_shows_nearly_the_same_mesh(mesh_net, face_rgb, face_roi):
    (plain,), (mirrored,) = mesh_net.run(face_rgb, [face_roi]), mesh_net.run_mirrored(face_rgb, [face_roi])
    eye_distance = np.linalg.norm(plain.points[263] - plain.points[33])
    distances = np.linalg.norm(mirrored.points - plain.points, axis=1) / eye_distance
    assert 0.0 < distances.mean() < 0.04
    assert mesh_net.run_mirrored(face_rgb, []) == ()


WIDE = Camera.from_fov((1280, 960), np.radians(100.0))


@pytest.fixture(scope="module")
def turned(face_rgb, face_roi, mesh_net):
    """A picture of the same rays by a camera turned away by 30 degrees: image, homography, frontal and true points."""
    straight = np.array([[500.0, 0.0, face_roi.center_xy[0]], [0.0, 500.0, face_roi.center_xy[1]], [0.0, 0.0, 1.0]])
    turn = cv2.Rodrigues(np.radians(30.0) * np.array([-0.5, np.sqrt(0.75), 0.0]))[0]
    homography = WIDE.matrix @ turn @ np.linalg.inv(straight)
    image = cv2.warpPerspective(face_rgb, homography, WIDE.size_wh)
    (mesh,) = mesh_net.run(face_rgb, [face_roi])
    return image, homography, mesh.points, mapped(mesh.points, homography)


def mapped(points, homography):
    placed = points.astype(np.float64)
    placed[:, :2] = cv2.perspectiveTransform(placed[None, :, :2], homography)[0]
    return placed.astype(np.float32)


def test_beside_the_axis_a_virtual_camera_gives_the_mesh_that_a_flat_crop_misses(mesh_net, turned):
    image, homography, frontal, truth = turned
    eye_distance = np.linalg.norm(frontal[263, :2] - frontal[33, :2])
    errors = []
    for camera in (None, WIDE):
        (mesh,) = mesh_net.run(image, [roi_from_points(truth)], camera)
        back = mapped(mesh.points, np.linalg.inv(homography))
        errors.append(np.linalg.norm((back - frontal)[:, :2], axis=1).mean() / eye_distance)
    flat, virtual = errors
    assert virtual < 0.01 < flat


def test_a_batch_through_virtual_cameras_equals_its_singles(mesh_net, turned):
    image, _, _, truth = turned
    roi = roi_from_points(truth)
    rois = [roi, Roi(roi.center_xy + 10, roi.size * 1.1, 0.2), Roi((40, 60), 60.0, 0.0), Roi((-9e4, 9e4), 60.0, 0.0)]
    for together, one in zip(mesh_net.run(image, rois, WIDE), rois, strict=True):
        (alone,) = mesh_net.run(image, [one], WIDE)
        assert together.points == pytest.approx(alone.points, rel=1e-4, abs=1e-3)


def test_on_the_axis_a_camera_changes_nothing(mesh_net, face_rgb, face_roi):
    on_axis = Camera.from_matrix(
        [[500, 0, face_roi.center_xy[0]], [0, 500, face_roi.center_xy[1]], [0, 0, 1]], None, (640, 480)
    )
    (flat,), (virtual,) = mesh_net.run(face_rgb, [face_roi]), mesh_net.run(face_rgb, [face_roi], on_axis)
    assert np.abs(virtual.points - flat.points).max() < 0.3
    assert np.abs(virtual.points - flat.points).mean() < 0.05


def test_the_mirror_image_through_a_virtual_camera_is_laid_back_through_it(mesh_net, turned):
    image, _, _, truth = turned
    rois = [roi_from_points(truth)]
    (plain,), (mirrored,) = mesh_net.run(image, rois, WIDE), mesh_net.run_mirrored(image, rois, WIDE)
    eye_distance = np.linalg.norm(plain.points[263] - plain.points[33])
    assert np.linalg.norm(mirrored.points - plain.points, axis=1).mean() < 0.04 * eye_distance


@pytest.mark.parametrize("roi", ROIS)
def test_depth_through_a_virtual_camera_has_the_scale_of_the_region(roi):
    camera = Camera.from_fov((640, 480), 1.7)
    window = window_on(roi, 192, camera)
    assert isinstance(window, VirtualCamera)
    points = np.array([[96, 96, 0], [96, 96, 12.0]], np.float32)
    assert uncrop(points, window)[:, 2] == pytest.approx([0.0, 12.0 * roi.size / 192])
