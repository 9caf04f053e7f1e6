"""Heads and gazes as TF frames."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import a_face, image_message, placed

from facemesh_ros.ros.convert import face_message
from facemesh_ros.ros.transforms import FaceTransforms, frames_of
from facemesh_ros.types import Gaze

pytestmark = pytest.mark.ros

AHEAD = Gaze((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), "iris")


def header(seconds):
    return image_message(seconds).header


def frames(message):
    """Return (parent, child) of every transform."""
    return [(one.header.frame_id, one.child_frame_id) for one in message.transforms]


def matrix(stamped):
    """Return parent_from_child, (4, 4)."""
    place, turn = stamped.transform.translation, stamped.transform.rotation
    parent_from_child = np.eye(4)
    parent_from_child[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    parent_from_child[:3, 3] = place.x, place.y, place.z
    return parent_from_child


def quaternion(stamped):
    turn = stamped.transform.rotation
    return np.array([turn.x, turn.y, turn.z, turn.w])


def looking(direction, head_direction, origin_m=(0.0, 0.0, 1.0), is_looking=True):
    return Gaze(direction, head_direction, "iris", origin_m=origin_m, angle_rad=0.1, is_looking=is_looking)


@pytest.mark.parametrize("faces", [(), (a_face(),)], ids=["no face", "a face without a pose"])
def test_nothing_is_sent_of_what_has_no_place(faces):
    assert FaceTransforms().message(faces, header(1.0)) is None


def test_a_head_is_a_child_of_the_camera_and_a_gaze_of_its_head():
    message = FaceTransforms().message([placed(a_face())], header(1.5))
    assert frames(message) == [("camera_optical", "face_1"), ("face_1", "gaze_1")]
    assert {one.header.stamp.nanosec for one in message.transforms} == {500_000_000}


def test_the_head_is_where_the_message_says():
    turn = Rotation.from_rotvec([0.3, -2.0, 1.0])
    face = placed(a_face(), (0.1, -0.2, 1.5), turn)
    camera_from_head = matrix(FaceTransforms().message([face], header(1.0)).transforms[0])
    np.testing.assert_allclose(camera_from_head, face.pose.camera_from_head, atol=1e-12)
    said = face_message(face).head_pose.pose
    np.testing.assert_allclose(camera_from_head[:3, 3], [said.position.x, said.position.y, said.position.z], atol=1e-12)
    other = Rotation.from_quat([said.orientation.x, said.orientation.y, said.orientation.z, said.orientation.w])
    assert (other.inv() * turn).magnitude() < 1e-9


@pytest.mark.parametrize("gaze", [None, AHEAD], ids=["no gaze", "straight ahead"])
def test_a_gaze_ahead_is_turned_as_rep_155_says(gaze):
    _, of_gaze = FaceTransforms().message([replace(placed(a_face()), gaze=gaze)], header(1.0)).transforms
    np.testing.assert_allclose(
        matrix(of_gaze)[:3, :3], Rotation.from_euler("xyz", [-np.pi / 2, 0, -np.pi / 2]).as_matrix(), atol=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_gazes_z_is_where_the_person_looks_and_its_x_lies_across_the_head(seed):
    random = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed)
    in_head = random.normal(size=3)
    in_head /= np.linalg.norm(in_head)
    in_camera = turn.apply(in_head)
    face = replace(placed(a_face(), turn=turn), gaze=Gaze(in_camera, in_head, "iris"))
    camera_from_head, head_from_gaze = map(matrix, FaceTransforms().message([face], header(1.0)).transforms)
    np.testing.assert_allclose((camera_from_head @ head_from_gaze)[:3, 2], in_camera, atol=1e-12)
    assert head_from_gaze[2, 0] == pytest.approx(0.0)
    assert head_from_gaze[2, 1] <= 0.0
    assert np.linalg.det(head_from_gaze[:3, :3]) == pytest.approx(1.0)


def test_a_gaze_straight_up_is_still_a_rotation():
    face = replace(placed(a_face()), gaze=Gaze((0.0, -1.0, 0.0), (0.0, 0.0, 1.0), "iris"))
    of_gaze = FaceTransforms().message([face], header(1.0)).transforms[1]
    assert np.linalg.norm(quaternion(of_gaze)) == pytest.approx(1.0)


def test_who_looks_at_the_camera_has_the_focus_there():
    facing = Rotation.from_matrix([[0, 1, 0], [0, 0, -1], [-1, 0, 0]])
    face = placed(a_face(), (0.0, 0.0, 2.0), facing)
    face = replace(face, gaze=looking((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, 0.0, 2.0)))
    message = FaceTransforms().message([face], header(1.0))
    assert frames(message)[2] == ("gaze_1", "focus_1")
    chain = np.linalg.multi_dot([matrix(one) for one in message.transforms])
    np.testing.assert_allclose(chain[:3, 3], 0.0, atol=1e-12)


def test_the_focus_lies_on_the_gaze_beside_the_target():
    gaze = looking((0.0, 0.6, -0.8), (1.0, 0.0, 0.0))
    message = FaceTransforms().message([replace(placed(a_face()), gaze=gaze)], header(1.0), np.array([0.0, 1.0, 1.0]))
    assert message.transforms[2].transform.translation.z == pytest.approx(0.6)


def test_who_looks_elsewhere_has_no_focus():
    gaze = looking((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), is_looking=False)
    assert len(FaceTransforms().message([replace(placed(a_face()), gaze=gaze)], header(1.0)).transforms) == 2


def test_no_frame_is_sent_twice_at_one_time():
    transforms, face = FaceTransforms(), placed(a_face())
    sent = [transforms.message([face], header(seconds)) for seconds in (1.0, 1.0, 1.5, 0.2)]
    assert [message is not None for message in sent] == [True, False, True, True]


def test_nothing_is_sent_of_an_image_whose_frame_has_no_name():
    transforms, face = FaceTransforms(), placed(a_face())
    assert transforms.message([face], image_message(1.0, frame_id="").header) is None
    assert transforms.message([face], header(1.0)) is not None


def test_quaternions_do_not_change_their_sign_while_a_head_turns_round():
    transforms, last = FaceTransforms(), None
    for number, degrees in enumerate(range(0, 720, 20)):
        face = placed(a_face(), turn=Rotation.from_euler("y", degrees, degrees=True))
        turn = quaternion(transforms.message([face], header(number)).transforms[0])
        assert last is None or last @ turn > 0.9
        last = turn


def test_names_may_have_a_prefix():
    message = FaceTransforms().message([placed(a_face())], header(1.0), prefix="f")
    assert frames(message) == [("camera_optical", "face_f1"), ("face_f1", "gaze_f1")]


@pytest.mark.parametrize(("id_prefix", "published"), [("", ""), ("", "f"), ("left_", "left_"), ("f", "f")])
def test_the_frames_of_a_node_are_told_by_its_prefix(id_prefix, published):
    face = replace(placed(a_face()), gaze=looking((0.0, 0.0, -1.0), (1.0, 0.0, 0.0)), track_id=107)
    children = [child for _, child in frames(FaceTransforms().message([face], header(1.0), prefix=published))]
    assert len(children) == 3 and all(map(frames_of(id_prefix), children))


def test_a_nodes_frames_are_none_of_another_prefix():
    assert not any(map(frames_of("right_"), ["face_left_7", "face_7", "face_f7", "face_right_", "face_xright_7"]))
    assert not any(map(frames_of(""), ["face_left_7", "face_", "face_7a", "camera", "", "my_face_7"]))
