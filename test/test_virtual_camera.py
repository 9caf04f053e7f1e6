import math

import cv2
import numpy as np
import pytest

from facemesh_ros import virtual_camera
from facemesh_ros.geometry import image_from_crop, roi_from_points, to_image
from facemesh_ros.lens import project, rays
from facemesh_ros.mesh_net import crop
from facemesh_ros.topology import reference_face
from facemesh_ros.types import Camera, Roi
from facemesh_ros.virtual_camera import FlatCrop, VirtualCamera, turned_towards, window_on
from facemesh_ros.warp import sampling_maps

SIZE_WH, SIDE = (1280, 960), 192
MATRIX = np.array([[640.0, 0.0, 639.5], [0.0, 640.0, 479.5], [0.0, 0.0, 1.0]])
FISHEYE = np.array([[420.0, 0.0, 630.0], [0.0, 425.0, 485.0], [0.0, 0.0, 1.0]])
LENSES = {
    "none": Camera.from_matrix(MATRIX, None, SIZE_WH),
    "plumb_bob": Camera.from_matrix(MATRIX, [-0.25, 0.06, 1e-3, -2e-3, 0.002], SIZE_WH),
    "rational": Camera.from_matrix(
        MATRIX, [7 / 9, 64 / 945, 1e-3, 0, 0, 10 / 9, 5 / 21, 0], SIZE_WH, "rational_polynomial"
    ),
    "thin prism, tilted": Camera.from_matrix(
        MATRIX, [0.1, 0, 1e-3, 0, 0, 0.3, 0, 0, 1e-3, 0, 2e-3, 0, 0.02, -0.01], SIZE_WH, "rational_polynomial"
    ),
    "equidistant": Camera.from_matrix(FISHEYE, [-0.02, 0.003, -0.002, 0.0005], SIZE_WH, "equidistant"),
}
every_lens = pytest.mark.parametrize("camera", LENSES.values(), ids=LENSES)
FOLDING = Camera.from_matrix(MATRIX, [-0.4, 0.0, 0.0, 0.0, 0.0], SIZE_WH)
"""Its image turns back at 1 / sqrt(1.2) = 0.91 of the focal length from the axis: at 42 degrees."""
ROIS = [
    Roi((640, 470), 300.0, 0.0),
    Roi((1050, 300), 260.0, 0.4),
    Roi((200, 840), 150.0, -0.3),
    Roi((640, 60), 200.0, 3.0),
]
MIDDLE = np.stack(np.meshgrid(np.arange(24.0, 169, 8), np.arange(24.0, 169, 8)), axis=2).reshape(-1, 2)
"""Where faces lie."""
REGION_TOLERANCE_PX = 0.8
"""Of 192: how closely the search for the virtual camera's place is carried out, and a little more."""


def direction(bearing_deg, towards_deg=0.0):
    bearing, towards = math.radians(bearing_deg), math.radians(towards_deg)
    return np.array([math.sin(bearing) * math.cos(towards), math.sin(bearing) * math.sin(towards), math.cos(bearing)])


def seen_by_opencv(camera, rays):
    matrix, distortion, none = np.asarray(camera.matrix), np.asarray(camera.distortion), np.zeros(3)
    if camera.model == "equidistant":
        return cv2.fisheye.projectPoints(rays[None], none, none, matrix, distortion)[0][0]
    return cv2.projectPoints(rays, none, none, matrix, distortion)[0][:, 0]


def rays_found_by_opencv(camera, pixels):
    """Invert OpenCV's projection: a perspective one step by step, each point moving by what it misses."""
    if camera.model == "equidistant":
        plane = cv2.fisheye.undistortPoints(pixels[None], np.asarray(camera.matrix), np.asarray(camera.distortion))[0]
        return np.column_stack([plane, np.ones(len(plane))])
    focal, plane = np.diag(camera.matrix)[:2], np.zeros_like(pixels)
    for _ in range(300):
        plane = plane + (pixels - seen_by_opencv(camera, np.column_stack([plane, np.ones(len(plane))]))) / focal
    return np.column_stack([plane, np.ones(len(plane))])


@every_lens
def test_directions_appear_where_opencv_projects_them(camera):
    rays = np.array([direction(b, t) for b in (0, 1, 15, 35) for t in range(0, 360, 30)])
    assert project(camera, rays) == pytest.approx(seen_by_opencv(camera, rays), abs=1e-6)


def test_skewed_pixels_are_projected_by_the_whole_matrix():
    camera = Camera.from_matrix([[600, 12, 630], [0, 620, 470], [0, 0, 1]], None, SIZE_WH)
    (point,) = project(camera, np.array([[0.2, -0.1, 2.0]]))
    assert point == pytest.approx([600 * 0.1 - 12 * 0.05 + 630, -620 * 0.05 + 470])


def test_a_perspective_camera_sees_nothing_behind_it_and_a_fisheye_beyond_its_side():
    rays = np.array([[1.0, 0.0, -0.2]])
    assert np.isnan(project(LENSES["none"], rays)).all()
    (x, _), (_, y) = *project(LENSES["equidistant"], rays), *project(LENSES["equidistant"], direction(0)[None])
    assert x > 630 + 420 * 1.4 and y == pytest.approx(485)


@pytest.mark.parametrize("angle", [0.0, 0.6, -2.5])
def test_a_straight_camera_gives_the_flat_crop(angle):
    roi = Roi(MATRIX[:2, 2], 310.0, angle)
    view = turned_towards(LENSES["none"], roi, SIDE)
    corners = np.array([[0.0, 0.0], [192, 0], [192, 192], [0, 192], [96, 96], [250, -30]])
    assert view.to_image(corners) == pytest.approx(FlatCrop(roi, SIDE).to_image(corners), abs=1e-9)
    flat, turned = (np.asarray(cv2.convertMaps(*m.maps(), cv2.CV_32FC1)) for m in (FlatCrop(roi, SIDE), view))
    assert np.abs(turned - flat).max() <= 1 / 32


@every_lens
@pytest.mark.parametrize("roi", ROIS)
def test_points_go_to_the_image_and_back(camera, roi):
    view = turned_towards(camera, roi, SIDE)
    rays = rays_found_by_opencv(camera, view.to_image(MIDDLE)) @ view.camera_from_virtual
    back = view.focal_px * rays[:, :2] / rays[:, 2:] + SIDE / 2
    assert back == pytest.approx(MIDDLE, abs=1e-3)


@every_lens
@pytest.mark.parametrize("roi", ROIS)
def test_points_come_back_through_skewed_pixels_too(camera, roi):
    matrix = np.array(camera.matrix) + [[0, 9.0, 0], [0, 0, 0], [0, 0, 0]]
    skewed = Camera.from_matrix(matrix, camera.distortion, SIZE_WH, camera.model)
    view = turned_towards(skewed, roi, SIDE)
    found = rays(skewed, view.to_image(MIDDLE))
    known = np.isfinite(found[:, 0])  # beyond 85 degrees there are none
    seen = np.column_stack([found[known], np.ones(known.sum())]) @ view.camera_from_virtual
    assert view.focal_px * seen[:, :2] / seen[:, 2:] + SIDE / 2 == pytest.approx(MIDDLE[known], abs=1e-3)
    assert known.mean() > 0.8


@every_lens
@pytest.mark.parametrize("roi", ROIS)
def test_the_crop_reads_the_image_where_its_points_lie(camera, roi):
    view = turned_towards(camera, roi, SIDE)
    x, y = cv2.convertMaps(*view.maps(), cv2.CV_32FC1)
    column, row = MIDDLE.astype(int).T
    read = np.stack([x[row, column], y[row, column]], axis=1)
    in_crop_px = np.abs(read - view.to_image(MIDDLE)).max() * SIDE / roi.size
    assert in_crop_px < 0.05 + SIDE / roi.size / 32


@every_lens
@pytest.mark.parametrize("roi", ROIS)
def test_a_typical_face_in_the_crop_has_the_region_that_it_was_cut_by(camera, roi):
    in_crop = typical_face()
    flat, turned = (
        region_of(window.to_image(in_crop)) for window in (FlatCrop(roi, SIDE), turned_towards(camera, roi, SIDE))
    )
    assert np.abs(turned.center_xy - flat.center_xy).max() * SIDE / roi.size < REGION_TOLERANCE_PX
    assert turned.size == pytest.approx(flat.size, rel=0.005)
    assert math.remainder(turned.angle - flat.angle, math.tau) == pytest.approx(0.0, abs=0.005)


def typical_face():
    face = reference_face()[:, :2]
    low, high = face.min(axis=0), face.max(axis=0)
    return (face - (low + high) / 2) * SIDE / (1.5 * (high - low).max()) + SIDE / 2


def region_of(points_xy):
    return roi_from_points(np.column_stack([points_xy, np.zeros(len(points_xy))]).astype(np.float32))


@pytest.mark.parametrize("towards_deg", range(0, 360, 45))
def test_a_camera_that_only_turns_gives_the_same_crop(towards_deg):
    camera, noise = LENSES["none"], np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    image = cv2.resize(noise, SIZE_WH, interpolation=cv2.INTER_CUBIC)
    axis = np.cross([0.0, 0.0, 1.0], direction(25, towards_deg))
    turn = cv2.Rodrigues(axis / np.linalg.norm(axis) * math.radians(25))[0]
    turned_from_straight = MATRIX @ turn @ np.linalg.inv(MATRIX)
    turned_image = cv2.warpPerspective(image, turned_from_straight, SIZE_WH, flags=cv2.INTER_CUBIC)
    straight = turned_towards(camera, Roi(MATRIX[:2, 2], 240.0, 0.2), SIDE)
    face = straight.to_image(typical_face())
    region = region_of(face)
    moved = region_of(cv2.perspectiveTransform(face[None], turned_from_straight)[0])
    before, after = (
        crop(image, turned_towards(camera, region, SIDE)),
        crop(turned_image, turned_towards(camera, moved, SIDE)),
    )
    flat = crop(turned_image, FlatCrop(moved, SIDE))
    assert difference(before, after) < 3.0 < 9.0 < difference(before, flat)


def difference(one, other):
    inner = slice(20, -20)
    return np.abs(one[inner, inner].astype(int) - other[inner, inner]).mean()


@pytest.mark.parametrize("bearing_deg", [0.5, 1.0, 2.0])
def test_near_the_axis_virtual_and_flat_crops_agree(bearing_deg):
    camera = LENSES["none"]
    roi = Roi(project(camera, direction(bearing_deg, 30)[None])[0], 150.0, 0.1)
    apart = turned_towards(camera, roi, SIDE).to_image(MIDDLE) - FlatCrop(roi, SIDE).to_image(MIDDLE)
    assert np.abs(apart).max() * SIDE / roi.size < 0.9 * bearing_deg + 0.1


@every_lens
def test_few_looks_are_enough_near_the_axis(camera, monkeypatch):
    looks, missing = [], virtual_camera._missing
    monkeypatch.setattr(virtual_camera, "_missing", lambda *given: looks.append(given) or missing(*given))
    center_xy = camera.matrix[:2, 2]
    for shift_xy, most in (((0.0, 0.0), 1), ((60.0, -40.0), 2), ((-150.0, 90.0), 2)):
        looks.clear()
        assert turned_towards(camera, Roi(center_xy + shift_xy, 220.0, 0.2), SIDE) is not None
        assert len(looks) <= most


def test_nearby_regions_give_nearby_views():
    camera = LENSES["plumb_bob"]
    steps = [turned_towards(camera, Roi((1000 + 0.25 * i, 300), 250.0, 0.2), SIDE).to_image(MIDDLE) for i in range(40)]
    assert np.abs(np.diff(steps, axis=0) - [0.25, 0.0]).max() < REGION_TOLERANCE_PX


@pytest.mark.parametrize(("center_xy", "size"), [((1200, 220), 300.0), ((1150, 720), 600.0), ((1230, 240), 20.0)])
def test_at_the_edge_of_a_strong_lens_the_view_is_found_too(center_xy, size):
    # Turning, rolling and zooming hang together so much there that plain steps do not arrive.
    lens = Camera.from_matrix(MATRIX, [-0.2, 0.05, 1e-3, -1e-3, 0.0], SIZE_WH)
    assert turned_towards(lens, Roi(center_xy, size, 0.7), SIDE) is not None


def test_without_a_camera_the_crop_is_flat():
    assert isinstance(window_on(ROIS[1], SIDE, None), FlatCrop)
    maps, flat = window_on(ROIS[1], SIDE, None).maps(), sampling_maps(image_from_crop(ROIS[1], SIDE), SIDE)
    assert all(np.array_equal(one, other) for one, other in zip(maps, flat, strict=True))


@pytest.mark.parametrize(
    "roi",
    [
        Roi((639.5 + 640 * 0.8, 479.5), 500.0, 0.0),  # reaches over the fold with its middle
        Roi((639.5 + 640 * 0.95, 479.5), 100.0, 0.0),  # lies where the lens shows nothing
        Roi((60000.0, 479.5), 100.0, 0.0),
        Roi((639.5, 479.5), 40000.0, 0.0),
    ],
)
def test_where_the_lens_model_folds_the_crop_is_flat(roi):
    assert isinstance(window_on(roi, SIDE, FOLDING), FlatCrop)


def test_behind_a_perspective_camera_the_crop_is_flat():
    assert isinstance(window_on(Roi((639.5 + 640e3, 479.5), 2e6, 0.0), SIDE, LENSES["none"]), FlatCrop)


def test_a_fold_in_the_corner_of_a_crop_leaves_its_middle_as_it_is():
    center_xy = project(FOLDING, direction(34)[None])[0]
    view = turned_towards(FOLDING, Roi(center_xy, 190.0, 0.0), SIDE)
    assert isinstance(view, VirtualCamera) and view.sound_rim > 0.0
    inside = MIDDLE[(MIDDLE > 32).all(axis=1) & (MIDDLE < 160).all(axis=1)]
    rays = rays_found_by_opencv(FOLDING, view.to_image(inside)) @ view.camera_from_virtual
    assert view.focal_px * rays[:, :2] / rays[:, 2:] + SIDE / 2 == pytest.approx(inside, abs=0.02)
    assert np.isfinite(view.to_image(np.array([[0.0, 0.0], [192.0, 192.0], [-1e4, 1e4]]))).all()


@pytest.mark.filterwarnings("error")
@every_lens
def test_no_region_raises_and_every_point_has_a_place(camera):
    rng = np.random.default_rng(3)
    anywhere = np.array([[0.0, 0.0], [96, 96], [192, 192], [-1e3, 50], [1e5, -1e5]])
    kinds = set()
    for _ in range(300):
        roi = Roi(rng.uniform([-1000, -1000], [2300, 2000]), float(np.exp(rng.uniform(1, 8))), rng.uniform(-7, 7))
        window = window_on(roi, SIDE, camera)
        kinds.add(type(window))
        assert np.isfinite(window.to_image(anywhere)).all()
        assert window.maps()[0].shape == (SIDE, SIDE, 2)
    assert VirtualCamera in kinds


@pytest.mark.filterwarnings("error")
def test_no_calibration_raises_however_absurd():
    rng = np.random.default_rng(0)
    for _ in range(1500):
        model, count = (("plumb_bob", 5), ("rational_polynomial", 14), ("equidistant", 4))[rng.integers(3)]
        (fx, fy), distortion = 10.0 ** rng.uniform(-6, 9, 2), rng.normal(size=count) * 10.0 ** rng.uniform(-4, 8)
        camera = Camera.from_matrix([[fx, 0, 640], [0, fy, 360], [0, 0, 1]], distortion, SIZE_WH, model)
        window = window_on(Roi(rng.uniform(-500, 1800, 2), 10.0 ** rng.uniform(-2, 5), 0.3), SIDE, camera)
        assert np.isfinite(window.to_image(np.array([[0.0, 0.0], [96, 96], [1e6, -1e6]]))).all()
        window.maps()


def test_points_outside_the_crop_go_on_as_in_a_flat_crop():
    view = turned_towards(LENSES["plumb_bob"], ROIS[1], SIDE)
    on_edge, beyond = view.to_image(np.array([[192.0, 100.0], [202.0, 100.0]]))
    flat = to_image(np.array([[192.0, 100.0], [202.0, 100.0]]), image_from_crop(ROIS[1], SIDE))
    assert beyond - on_edge == pytest.approx(flat[1] - flat[0])
