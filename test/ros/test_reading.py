"""Faces rebuilt from their messages."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from dataclasses import replace

from rclpy.serialization import deserialize_message, serialize_message
from rig import a_face, placed
from scipy.spatial.transform import Rotation

from facemesh_ros.errors import InputError
from facemesh_ros.msg import FaceMesh, FaceMeshArray
from facemesh_ros.ros.convert import face_message
from facemesh_ros.ros.reading import face_of, faces_of
from facemesh_ros.types import Eyes, Gaze, Mouth

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("_message_support")]

TURN = Rotation.from_euler("xyz", [0.3, -0.2, 1.1])


def whole(points=478):
    """A face with everything."""
    face = placed(a_face(points), (0.1, -0.2, 0.7), TURN, scale_source="iris", head_scale=1.25, is_calibrated=False)
    metres = np.random.default_rng(1).normal(0.7, 0.1, (points, 3)).astype(np.float32)
    direction = np.array([0.6, 0.0, -0.8])
    gaze = Gaze(
        direction, TURN.as_matrix().T @ direction, "iris", origin_m=(0.1, -0.2, 0.7), angle_rad=0.25, is_looking=True
    )
    eyes = Eyes(0.25, 0.125, False, True, True, 0.5)
    return replace(face, points_m=metres, eyes=eyes, mouth=Mouth(0.5), gaze=gaze)


FACES = {
    "with everything": whole(),
    "of 468 points": whole(468),
    "without a camera": a_face(),
    "with a pose alone": placed(a_face(), turn=TURN),
    "with a gaze but no pose": replace(a_face(), gaze=Gaze((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), "head")),
}
every_face = pytest.mark.parametrize("face", FACES.values(), ids=FACES)


@every_face
def test_a_face_that_was_read_gives_the_same_message_again(face):
    message = face_message(face)
    sent = deserialize_message(serialize_message(message), FaceMesh)
    again = face_message(face_of(sent))
    for name in FaceMesh.get_fields_and_field_types():
        if name != "head_pose":
            assert getattr(again, name) == getattr(sent, name), name
    turn, turn_again = (np.array([q.x, q.y, q.z, q.w]) for q in (m.head_pose.pose.orientation for m in (sent, again)))
    assert np.allclose(turn, turn_again, atol=1e-12)
    assert again.head_pose.pose.position == sent.head_pose.pose.position
    assert np.array_equal(again.head_pose.covariance, sent.head_pose.covariance)


@every_face
def test_a_gaze_comes_back_in_the_heads_axes_too(face):
    read = face_of(face_message(face))
    if face.gaze is None:
        assert read.gaze is None
    else:
        assert np.allclose(read.gaze.head_direction, face.gaze.head_direction, atol=1e-6)
        assert (read.gaze.origin_m is None) == (face.pose is None)


def broken(**fields):
    message = face_message(whole())
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def turned(x):
    message = face_message(whole())
    orientation = message.head_pose.pose.orientation
    orientation.x = orientation.y = orientation.z = orientation.w = x
    return message


@pytest.mark.parametrize(
    "message",
    [
        FaceMesh(),
        broken(landmarks=[1.0] * 478 * 3 + [0.0]),
        broken(landmarks=[float("nan")] * 478 * 3),
        broken(points=[1.0] * 468 * 3),
        broken(presence=1.5),
        broken(id=0),
        broken(scale_source="guess"),
        broken(gaze_source="guess"),
        turned(0.0),
        turned(float("nan")),
    ],
)
def test_a_message_that_holds_no_proper_face_is_refused(message):
    with pytest.raises(InputError):
        faces_of(FaceMeshArray(faces=[face_message(whole()), message]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("field", "unknown"),
    [
        ("right_eye_openness", {"eyes"}),
        ("left_eye_openness", {"eyes"}),
        ("blink_duration", {"eyes"}),
        ("mouth_openness", {"mouth"}),
        ("target_angle", set()),
    ],
)
def test_what_is_not_finite_is_unknown_and_the_rest_of_the_face_is_read(field, unknown, value):
    face = face_of(broken(**{field: value}))
    assert {name for name in ("eyes", "mouth", "gaze", "pose", "points_m") if getattr(face, name) is None} == unknown
    assert (face.gaze.angle_rad is None) == (field == "target_angle")
