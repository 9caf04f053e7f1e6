import numpy as np
import pytest
from test_pose import CAMERA, POSES, angle_deg, rendered

from facemesh_ros import Camera, Config, Face
from facemesh_ros.heads import Heads
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


def test_the_doubt_about_the_distance_is_that_about_the_size():
    (face,) = heads().posed([a_face()], CAMERA, SIZE_WH, None)
    position = face.pose.camera_from_head[:3, 3]
    sight = position / np.linalg.norm(position)
    sd = np.sqrt(sight @ face.pose.covariance[:3, :3] @ sight)
    assert sd == pytest.approx(0.05 * np.linalg.norm(position), rel=0.05)


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
    assert angle_deg(first.pose.camera_from_head[:3, :3], POSES[1][0]) < 0.2
    assert angle_deg(second.pose.camera_from_head[:3, :3], POSES[2][0]) < 0.2
    stream.posed(both[:1], CAMERA, SIZE_WH, None)
    assert set(stream._known) == {1}
    stream.forget()
    assert not stream._known


def test_an_empty_depth_image_leaves_the_assumption():
    (face,) = heads().posed([a_face()], CAMERA, SIZE_WH, DEPTH)
    assert face.pose.scale_source == "assumed" and not face.pose.scale_disagrees


def test_depth_goes_before_irises_and_assumption():
    depth = np.full_like(DEPTH, 0.66)
    (face,) = heads(pose__scale="iris").posed([a_face()], CAMERA, SIZE_WH, depth)
    assert face.pose.scale_source == "depth" and face.pose.head_scale == pytest.approx(1.1, abs=0.05)
    assert face.points_m[:, 2].mean() == pytest.approx(0.66, abs=0.03)


def test_a_face_that_no_lens_could_see_has_no_pose():
    outside = Camera.from_matrix(CAMERA.matrix, [-3.0, 0.0, 0.0, 0.0], SIZE_WH)
    (face,) = heads().posed([a_face(pose=(POSES[0][0], np.array([0.4, 0.0, 0.6])))], outside, SIZE_WH, None)
    assert face.pose is None and face.points_m is None
