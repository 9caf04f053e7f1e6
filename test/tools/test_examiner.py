"""What the examiner notes of scripted subjects on made-up data."""

from pathlib import Path

import numpy as np
import pytest
from made_faces import (
    Scripted,
    annotated,
    found,
    result,
    write_clip_of,
    write_counted,
    write_gt,
    write_image,
    write_motion,
)

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.head import HEAD_FROM_REFERENCE
from facemesh_ros.tools.evaluation.datasets import read_data
from facemesh_ros.tools.evaluation.examiner import Examiner
from facemesh_ros.tools.evaluation.rotations import Angles, rotation_from_angles
from facemesh_ros.tools.evaluation.subjects import Found

LOST = FaceMeshError("the peer ended")


def examine(folder, *subjects, **how):
    return Examiner(subjects, read_data(folder), **how).examine()


def test_an_annotated_picture_is_judged_for_each_subject(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated((50, 50)), annotated((300, 50), ignore=True)])])
    good = Scripted("good", [result(found((53, 54)), found((500, 50)))])
    blind = Scripted("blind", [result()])
    (record,) = examine(tmp_path, good, blind).annotated
    assert len(record.faces) == 1
    (score,) = record.subjects["good"].scores
    assert score.index == 0 and score.accuracy.nme51_iod == pytest.approx(5.0 / 60.0)
    assert record.subjects["good"].verdict.false == (1,)
    assert record.subjects["blind"].scores == (None,)


def test_a_shift_is_taken_off_before_comparing(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated()])])
    (record,) = examine(tmp_path, Scripted("it", [result(found((53, 53)))]), shift_px=3.0).annotated
    assert record.subjects["it"].scores[0].accuracy.nme51_iod == pytest.approx(0.0, abs=1e-6)


def test_angles_are_those_of_the_mesh_and_of_the_subjects_own_pose(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated()])])
    face = found()
    pose, flip = np.eye(4), np.diag([1.0, -1.0, -1.0])
    pose[:3, :3] = flip @ rotation_from_angles(Angles(25.0, 0.0, 0.0)) @ flip @ HEAD_FROM_REFERENCE.T
    given = Found(face.points, camera_from_head=pose)
    (record,) = examine(tmp_path, Scripted("it", [result(given)]), reference=face.points).annotated
    (score,) = record.subjects["it"].scores
    assert score.angles.yaw == pytest.approx(0.0, abs=1e-4)
    assert score.own_angles.yaw == pytest.approx(25.0)
    (without,) = examine(tmp_path, Scripted("it", [result(face)])).annotated
    assert without.subjects["it"].scores[0].angles is None and without.subjects["it"].scores[0].own_angles is None


def test_duplicates_do_not_count_as_faces(tmp_path):
    write_counted(tmp_path, [("images/b.png", 2, "")])
    (record,) = examine(tmp_path, Scripted("it", [result(found((50, 50)), found((55, 50)), found((300, 50)))])).counted
    assert (record.subjects["it"].distinct, record.subjects["it"].duplicates) == (2, (1,))


def test_a_clip_is_shown_frame_by_frame_with_its_times(tmp_path):
    write_clip_of(tmp_path, 3, rate_hz=10.0)
    subject = Scripted("it", frames=[result(found((50, 50))), result(), result(found((60, 50)), found((61, 50)))])
    (record,) = examine(tmp_path, subject).clips
    assert (record.frames, record.rate_hz) == (3, 10.0)
    assert subject.stamps == pytest.approx([0.0, 0.1, 0.2])
    watched = record.subjects["it"]
    assert watched.chains == [[(0, 0)], [(2, 0)], [(2, 1)]]
    assert watched.duplicates == ((), (), (1,))
    assert watched.segments == ()


def test_a_shift_is_taken_off_in_clips_too(tmp_path):
    write_clip_of(tmp_path, 1)
    (record,) = examine(tmp_path, Scripted("it", frames=[result(found((53, 53)))]), shift_px=3.0).clips
    np.testing.assert_allclose(record.subjects["it"].results[0].faces[0].points, found((50, 50)).points, atol=1e-5)


@pytest.fixture
def moving(tmp_path):
    """A clip of two frames with a known motion."""
    write_motion(write_clip_of(tmp_path, 2).with_name("clip_gt.csv"), [1, 1])
    write_image(tmp_path / "mediapipe_expected" / "portrait.jpg")
    return tmp_path


def test_known_motion_is_compared_with_what_the_same_subject_finds_on_the_picture(moving):
    frames = [result(found((70, 50)))] * 8
    still = Scripted("it", [result(found((70, 50)))], frames)
    shifted = Scripted("other", [result(found((64, 50)), found((400, 50)))], frames)
    (record,) = examine(moving, still, shifted).clips
    assert record.subjects["it"].segments[0].error_mean == pytest.approx(0.0, abs=1e-6)
    assert record.subjects["other"].segments[0].error_mean == pytest.approx(6.0 / 60.0)


def test_the_settled_mesh_is_the_same_face_in_the_last_of_eight_frames_of_a_new_stream(moving):
    frames = [result(found((70, 50)))] * 7 + [result(found((400, 50)), found((67, 54)))]
    subject = Scripted("it", [result(found((70, 50)))], frames)
    (record,) = examine(moving, subject).clips
    (segment,) = record.subjects["it"].segments
    assert (segment.error_mean, segment.settled_mean) == (pytest.approx(0.0, abs=1e-6), pytest.approx(5.0 / 60.0))
    assert subject.stamps == pytest.approx([0.0, 0.1, *(0.1 * frame for frame in range(8))])
    blind = Scripted("blind", [result(found())], [result(found())] * 7 + [result()])
    assert examine(moving, blind).clips[0].subjects["blind"].segments[0].settled_mean is None


def test_a_failure_leaves_out_one_picture_of_one_subject(tmp_path):
    write_counted(tmp_path, [("images/a.png", 1, ""), ("images/b.png", 1, "")])
    subjects = [Scripted("weak", [LOST, result(found())]), Scripted("well", [result(found()), result(found())])]
    done = examine(tmp_path, *subjects)
    assert [sorted(record.subjects) for record in done.counted] == [["well"], ["weak", "well"]]
    (failure,) = done.failures
    assert (failure.name, failure.subject, failure.message) == ("images/a.png", "weak", "the peer ended")


def test_a_picture_that_cannot_be_read_is_left_out_and_named(tmp_path):
    write_counted(tmp_path, [("images/a.png", 1, ""), ("images/b.png", 1, "")])
    (tmp_path / "images" / "a.png").write_bytes(b"no picture")
    done = examine(tmp_path, Scripted("it", [result()]))
    assert [bool(record.subjects) for record in done.counted] == [False, True]
    assert [failure.name for failure in done.failures] == ["images/a.png"]


def test_a_subject_that_fails_on_a_frame_is_out_for_this_clip_only(tmp_path):
    write_clip_of(tmp_path, 2, "a.avi")
    write_clip_of(tmp_path, 2, "b.avi")
    once = iter([LOST, result(), result()])

    class Once(Scripted):
        def frame(self, image_rgb, stamp):
            return self._answer(once)

    done = examine(tmp_path, Once("weak"), Scripted("well", frames=[result(), result()]))
    assert [sorted(record.subjects) for record in done.clips] == [["well"], ["weak", "well"]]
    assert [(failure.name, failure.subject) for failure in done.failures] == [("video/a.avi", "weak")]


def test_a_bad_clip_is_left_out_and_named(tmp_path):
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "b.avi").write_bytes(b"no video")
    done = examine(tmp_path, Scripted("it", frames=[result(), result()]))
    assert [failure.name for failure in done.failures] == ["video/b.avi"]
    assert done.clips == []


@pytest.mark.parametrize("bad", ["video/clip_gt.csv", "mediapipe_expected/portrait.jpg"])
def test_a_motion_that_cannot_be_read_leaves_out_the_motion_only(moving, bad):
    (moving / bad).write_text("nonsense")
    done = examine(moving, Scripted("it", frames=[result(found())] * 2))
    ((failure,), (record,)) = done.failures, done.clips
    assert failure.name == "video/clip.avi" and Path(bad).name in failure.message
    assert len(record.subjects["it"].results) == 2 and record.subjects["it"].segments == ()


def test_a_motion_of_another_length_is_judged_as_far_as_it_goes_and_named(moving):
    write_motion(moving / "video" / "clip_gt.csv", [1, 1, 1])
    done = examine(moving, Scripted("it", [result(found())], [result(found())] * 8))
    assert (done.clips[0].subjects["it"].segments[0].found, done.clips[0].subjects["it"].segments[0].frames) == (2, 3)
    assert [failure.message.partition(":")[0] for failure in done.failures] == [
        "it has 2 frames, and its motion is known for 3"
    ]


def test_a_picture_in_which_a_subject_finds_no_face_is_named(moving):
    done = examine(moving, Scripted("blind", [result()], [result()] * 8))
    assert [(failure.subject, failure.message) for failure in done.failures] == [
        ("blind", "its motion is left out: there is no face in the picture")
    ]


def test_each_subject_is_first_in_its_turn(tmp_path):
    write_counted(tmp_path, [(f"images/{n}.png", 1, "") for n in range(4)])
    order = []

    class Noting(Scripted):
        def still(self, image_rgb):
            order.append(self.name)
            return result()

    examine(tmp_path, Noting("a"), Noting("b"))
    assert sorted(order[:2]) == sorted(order[2:4]) == ["a", "b"]
    assert {order[0], order[2]} == {"a", "b"}


def test_progress_is_told_for_pictures_and_frames(tmp_path):
    write_counted(tmp_path, [("images/a.png", 1, "")])
    write_clip_of(tmp_path, 2)
    told = []
    examine(tmp_path, Scripted("it", [result()], [result(), result()]), advance=told.append)
    assert told == ["images/a.png", "video/clip.avi", "", ""]
