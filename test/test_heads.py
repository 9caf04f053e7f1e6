import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_pose import CAMERA, POSES, angle_deg, rendered

from facemesh_ros import Camera, Config, Face, FaceMesher
from facemesh_ros.errors import InputError
from facemesh_ros.expressions import TrackExpressions
from facemesh_ros.heads import Heads
from facemesh_ros.lens import project, rays
from facemesh_ros.tools import moving_face
from facemesh_ros.types import Mesh, Roi

SIZE_WH = CAMERA.size_wh
DEPTH = np.zeros(SIZE_WH[::-1], np.float32)


def a_face(track_id=1, pose=POSES[0], **how):
    mesh = Mesh(rendered(*pose, **how), 0.9)
    return Face(track_id, Roi((600.0, 300.0), 200.0, 0.0), mesh, mesh)


def heads(**settings):
    return Heads(Config.from_dotted({name.replace("__", "."): value for name, value in settings.items()}))


def test_no_faces_give_no_heads():
    assert heads().posed([], CAMERA, SIZE_WH, None) == ()


def test_without_a_camera_nothing_is_metric():
    (face,) = heads().posed([a_face()], None, SIZE_WH, None)
    assert face.pose is None and face.points_m is None


def test_with_a_camera_pose_and_points_are_there_and_calibrated():
    (face,) = heads().posed([a_face()], CAMERA, SIZE_WH, None)
    assert face.pose.camera_from_head[:3, 3] == pytest.approx(POSES[0][1], abs=2e-3)
    assert face.points_m.shape == (468, 3) and face.points_m.dtype == np.float32
    assert (face.pose.scale_source, face.pose.head_scale, face.pose.is_calibrated) == ("assumed", 1.0, True)


def test_an_assumed_camera_is_flagged_and_equals_a_given_one():
    assuming = heads(camera__assume_fov_deg=float(np.degrees(1.2)))
    (face,) = assuming.posed([a_face()], None, SIZE_WH, None)
    (given,) = heads().posed([a_face()], CAMERA, SIZE_WH, None)
    assert not face.pose.is_calibrated
    assert face.pose.camera_from_head == pytest.approx(given.pose.camera_from_head)


def test_a_calibration_goes_before_an_assumption():
    (face,) = heads(camera__assume_fov_deg=20.0).posed([a_face()], CAMERA, SIZE_WH, None)
    assert face.pose.is_calibrated


def test_every_face_has_its_rays_where_there_is_a_camera_even_without_poses():
    before = a_face()
    expected = rays(CAMERA, before.smoothed.points[:, :2])
    for settings in ({}, {"pose__enabled": False}):
        (face,) = heads(**settings).posed([before], CAMERA, SIZE_WH, None)
        assert np.array_equal(face.rays, expected) and not face.rays.flags.writeable
    (face,) = heads().posed([before], None, SIZE_WH, None)
    assert face.rays is None


def test_no_calibration_raises_or_warns_however_absurd():
    rng, expressions = np.random.default_rng(0), TrackExpressions(Config())
    for _ in range(150):
        model, count = (("plumb_bob", 5), ("rational_polynomial", 14), ("equidistant", 4))[rng.integers(3)]
        (fx, fy), skew, distortion = 10.0 ** rng.uniform(-6, 9, 2), 10.0 ** rng.uniform(-3, 9), rng.normal(size=count)
        matrix = [[fx, skew, rng.normal() * 1e3], [0, fy, -(10.0 ** rng.uniform(0, 9))], [0, 0, 1]]
        camera = Camera.from_matrix(matrix, distortion * 10.0 ** rng.uniform(-4, 8), SIZE_WH, model)
        (face,) = expressions.read(heads().posed([a_face()], camera, SIZE_WH, DEPTH + 0.7), 0.0)
        assert face.rays.shape == (468, 2) and face.mouth is not None


def test_the_pose_can_be_switched_off():
    (face,) = heads(pose__enabled=False).posed([a_face()], CAMERA, SIZE_WH, None)
    assert face.pose is None


def test_the_size_of_the_head_scales_distance_mesh_and_doubt_alone():
    (one,), (large,) = (heads(pose__head_scale=s).posed([a_face()], CAMERA, SIZE_WH, None) for s in (1.0, 1.2))
    assert large.pose.camera_from_head[:3, 3] == pytest.approx(1.2 * one.pose.camera_from_head[:3, 3])
    assert large.pose.camera_from_head[:3, :3] == pytest.approx(one.pose.camera_from_head[:3, :3])
    assert large.points_m == pytest.approx(1.2 * one.points_m, rel=1e-5)
    assert large.pose.covariance[:3, :3] == pytest.approx(1.44 * one.pose.covariance[:3, :3])
    assert large.pose.covariance[3:, 3:] == pytest.approx(one.pose.covariance[3:, 3:])
    assert large.pose.error_px == one.pose.error_px


@pytest.mark.parametrize("pose", [POSES[0], POSES[1], POSES[4]])
def test_the_doubt_about_the_distance_is_that_about_the_size_and_lies_along_the_line_of_sight(pose):
    (face,) = heads().posed([a_face(pose=pose)], CAMERA, SIZE_WH, None)
    position, covariance = face.pose.camera_from_head[:3, 3], face.pose.covariance[:3, :3]
    sight = position / np.linalg.norm(position)
    assert np.sqrt(sight @ covariance @ sight) == pytest.approx(0.05 * np.linalg.norm(position), rel=0.05)
    aside = np.cross(sight, [0.3, 0.8, 0.5])
    assert np.sqrt(aside @ covariance @ aside) < 0.01 * np.linalg.norm(position)


def test_a_track_begins_where_it_was_and_comes_to_the_same_pose():
    stream = heads()
    for seed in range(5):
        (face,) = stream.posed([a_face(noise_px=0.5, seed=seed)], CAMERA, SIZE_WH, None)
        (fresh,) = heads().posed([a_face(noise_px=0.5, seed=seed)], CAMERA, SIZE_WH, None)
        assert angle_deg(face.pose.camera_from_head[:3, :3], fresh.pose.camera_from_head[:3, :3]) < 0.05


def test_tracks_do_not_mix_and_those_that_leave_are_forgotten():
    stream, both = heads(), [a_face(1, POSES[1]), a_face(2, POSES[2])]
    for _ in range(3):
        first, second = stream.posed(both, CAMERA, SIZE_WH, None)
    assert stream._known[1] is not stream._known[2]
    assert angle_deg(first.pose.camera_from_head[:3, :3], POSES[1][0]) < 0.2
    assert angle_deg(second.pose.camera_from_head[:3, :3], POSES[2][0]) < 0.2
    stream.posed(both[:1], CAMERA, SIZE_WH, None)
    assert set(stream._known) == {1, 2}, "one may return"
    stream.keep([1])
    assert set(stream._known) == {1}
    stream.keep(())
    assert not stream._known


def test_an_empty_depth_image_leaves_the_assumption():
    (face,) = heads().posed([a_face()], CAMERA, SIZE_WH, DEPTH)
    assert face.pose.scale_source == "assumed" and not face.pose.scale_disagrees


def test_depth_goes_before_irises_and_assumption():
    depth = np.full_like(DEPTH, 0.66)
    (face,) = heads(pose__scale="iris").posed([a_face()], CAMERA, SIZE_WH, depth)
    assert face.pose.scale_source == "depth" and face.pose.head_scale == pytest.approx(1.1, abs=0.05)
    assert face.points_m[:, 2].mean() == pytest.approx(0.66, abs=0.03)


def size_and_source(face):
    return face.pose.scale_source, round(face.pose.head_scale, 6)


def flat(metres):
    return np.full_like(DEPTH, metres)


@pytest.mark.parametrize("hole", [None, DEPTH, flat(np.nan), flat(200.0)], ids=["none", "holes", "NaN", "out of range"])
def test_without_depth_for_a_while_a_head_stays_where_it_is(hole):
    stream = heads()
    (measured,) = stream.posed([a_face()], CAMERA, SIZE_WH, flat(0.66))
    for _ in range(100):
        (face,) = stream.posed([a_face()], CAMERA, SIZE_WH, hole)
        assert size_and_source(face) == size_and_source(measured) and face.pose.scale_source == "depth"
        assert face.pose.camera_from_head == pytest.approx(measured.pose.camera_from_head, abs=1e-4)
        assert face.points_m == pytest.approx(measured.points_m, abs=1e-4)


def test_a_single_image_with_a_wrong_depth_does_not_move_a_head():
    stream = heads()
    before = [stream.posed([a_face()], CAMERA, SIZE_WH, flat(0.66))[0] for _ in range(5)][-1]
    (during,) = stream.posed([a_face()], CAMERA, SIZE_WH, flat(0.8))
    assert during.pose.camera_from_head == pytest.approx(before.pose.camera_from_head, abs=1e-3)
    assert not during.pose.scale_disagrees


def test_a_head_whose_size_is_known_moves_as_it_moves_in_the_image():
    stream = heads()
    stream.posed([a_face()], CAMERA, SIZE_WH, flat(0.66))
    (near,) = stream.posed([a_face(pose=(POSES[0][0], [0.0, 0.0, 0.4]))], CAMERA, SIZE_WH, None)
    assert near.pose.camera_from_head[2, 3] == pytest.approx(0.4 * near.pose.head_scale, abs=2e-3)
    assert near.pose.head_scale == pytest.approx(1.1, abs=0.05)


def test_another_lens_begins_the_size_anew_and_another_part_of_the_sensor_does_not():
    for camera, source in (
        (Camera.from_fov(SIZE_WH, 1.6), "assumed"),
        (Camera.from_matrix(CAMERA.matrix, [0.01, 0.0, 0.0, 0.0], SIZE_WH), "assumed"),
        (Camera.from_matrix(CAMERA.matrix + [[0, 0, 9], [0, 0, -5], [0, 0, 0]], None, SIZE_WH), "depth"),
    ):
        stream = heads()
        (before,) = stream.posed([a_face()], CAMERA, SIZE_WH, flat(0.7))
        (after,) = stream.posed([a_face()], camera, SIZE_WH, None)
        assert (before.pose.scale_source, after.pose.scale_source) == ("depth", source)


def test_each_track_has_its_own_size_and_loses_it_when_it_is_forgotten():
    stream, both = heads(), [a_face(1, POSES[1]), a_face(2, POSES[3])]  # 1 m and 0.8 m away
    first, second = stream.posed(both, CAMERA, SIZE_WH, flat(0.9))
    assert first.pose.head_scale < 0.95 < 1.05 < second.pose.head_scale
    stream.keep([1, 2])
    stream.posed(both[1:], CAMERA, SIZE_WH, None)
    again, _ = stream.posed(both, CAMERA, SIZE_WH, None)
    assert size_and_source(again) == size_and_source(first), "it was lost, and is back"
    stream.keep([2])
    anew, kept = stream.posed(both, CAMERA, SIZE_WH, None)
    assert size_and_source(anew) == ("assumed", 1.0)
    assert size_and_source(kept) == size_and_source(second)


def test_a_face_that_no_lens_could_see_has_no_pose():
    outside = Camera.from_matrix(CAMERA.matrix, [-3.0, 0.0, 0.0, 0.0], SIZE_WH)
    (face,) = heads().posed([a_face(pose=(POSES[0][0], np.array([0.4, 0.0, 0.6])))], outside, SIZE_WH, None)
    assert face.pose is None and face.points_m is None


FOCAL_PX, FACE_XY = 900.0, (225.0, 124.0)
"""Of a camera that took the astronaut's picture with the face on its axis: any will do, the turn is what is known."""


def turned_picture(picture_bgr, camera, degrees, axis):
    """What another camera in the same place, turned by degrees about an axis, sees; and the turn. RGB."""
    turn = Rotation.from_rotvec(np.radians(degrees) * np.array(axis)).as_matrix()
    inverse = np.linalg.inv([[FOCAL_PX, 0, FACE_XY[0]], [0, FOCAL_PX, FACE_XY[1]], [0, 0, 1]])
    seen = cv2.warpPerspective(picture_bgr, camera.matrix @ turn @ inverse, camera.size_wh, flags=cv2.INTER_AREA)
    return np.ascontiguousarray(seen[..., ::-1]), turn


@pytest.mark.slow
def test_the_pose_of_a_real_face_follows_a_turn_of_the_camera(networks):
    camera = Camera.from_fov((1280, 720), np.radians(85.0))
    mesher, picture = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1})), moving_face.picture_bgr()
    (straight,) = mesher.process_still(turned_picture(picture, camera, 0.0, [0, 1, 0])[0], camera)
    before = straight.pose.camera_from_head
    for degrees, axis in [(-34, [0, 1, 0]), (-20, [0, 1, 0]), (20, [0, 1, 0]), (34, [0, 1, 0]), (15, [1, 0, 0])]:
        image_rgb, turn = turned_picture(picture, camera, degrees, axis)
        (face,) = mesher.process_still(image_rgb, camera)
        after = face.pose.camera_from_head
        assert angle_deg(after[:3, :3], turn @ before[:3, :3]) < 2.0
        assert np.linalg.norm(after[:3, 3]) == pytest.approx(np.linalg.norm(before[:3, 3]), rel=0.02)
        off_px = project(camera, face.points_m) - face.smoothed.points[:, :2]
        assert np.sqrt((off_px**2).sum(axis=1).mean()) < 1.0


def test_the_distance_by_irises_follows_a_real_face_that_comes_nearer(networks):
    camera = Camera.from_fov((640, 480), 1.0)
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1, "pose.scale": "iris"}))
    distances = []
    for zoom in (1.0, 1.4, 2.0, 2.6):
        frame = moving_face.render_bgr(moving_face.similarity(zoom, 0.0, FACE_XY, (320.0, 240.0)), (640, 480))
        (face,) = mesher.process_still(np.ascontiguousarray(frame[..., ::-1]), camera)
        assert face.pose.scale_source == "iris"
        distances.append(zoom * np.linalg.norm(face.pose.camera_from_head[:3, 3]))
    assert distances == pytest.approx([np.mean(distances)] * 4, rel=0.05)


def test_a_stream_has_poses_and_takes_depth(networks, face_rgb):
    size_wh = face_rgb.shape[1::-1]
    camera, mesher = Camera.from_fov(size_wh, 1.0), FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1}))
    (assumed,) = mesher.process(face_rgb, 0.0, camera)
    metres = np.full(face_rgb.shape[:2], 1.1 * assumed.points_m[:, 2].mean(), np.float32)
    (measured,) = mesher.process(face_rgb, 0.1, camera, metres)
    assert (assumed.pose.scale_source, measured.pose.scale_source) == ("assumed", "depth")
    assert measured.pose.head_scale == pytest.approx(1.1, abs=0.05)
    assert mesher.process(face_rgb, 0.2)[0].pose is None


@pytest.mark.parametrize("depth", [np.zeros((2, 2), np.float32), np.zeros((480, 640)), [[1.0]]])
def test_a_depth_image_that_is_not_the_image_s_is_refused(networks, depth):
    with pytest.raises(InputError, match=r"depth_m has shape .* it must be \(480, 640\) float32"):
        FaceMesher(Config.from_dotted({"device": "cpu"})).process(np.zeros((480, 640, 3), np.uint8), 0.0, None, depth)


def test_an_assumed_camera_is_that_which_was_given_or_is_assumed():
    assert heads().camera_of(CAMERA, SIZE_WH) is CAMERA
    assert heads().camera_of(None, SIZE_WH) is None
    assumed = Heads(Config.from_dotted({"camera.assume_fov_deg": 60.0})).camera_of(None, SIZE_WH)
    assert assumed.size_wh == SIZE_WH and 2 * np.degrees(
        np.arctan(0.5 * SIZE_WH[0] / assumed.matrix[0, 0])
    ) == pytest.approx(60)


def test_single_pictures_do_not_remember_the_size_of_a_head(networks, face_rgb):
    camera, metres = Camera.from_fov(face_rgb.shape[1::-1], 1.0), np.full(face_rgb.shape[:2], 0.5, np.float32)
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1}))
    sources = [mesher.process_still(face_rgb, camera, depth)[0].pose.scale_source for depth in (metres, None)]
    assert sources == ["depth", "assumed"]
