"""Folders to evaluate, made up in a few pixels."""

import json

import cv2
import numpy as np
import pytest
from made_faces import annotated, points68_at, write_clip_of, write_counted, write_gt, write_image, write_motion

from facemesh_ros.errors import InputError
from facemesh_ros.tools.evaluation.datasets import read_data, read_image_rgb, read_motion
from facemesh_ros.tools.evaluation.rotations import Angles

POSE = {"yaw": 20.0, "pitch": -5.0, "roll": 1.0}


def test_all_kinds_are_read(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "some source", True, [annotated(pose=POSE), annotated(ignore=True)])])
    write_counted(tmp_path, [("images/b.png", 3, "three"), ("images/c.png", None, "drawn")])
    write_motion(write_clip_of(tmp_path, 2, "one.avi").with_name("one_gt.csv"), [1, 1])
    write_clip_of(tmp_path, 2, "two.avi")
    data = read_data(tmp_path)
    (image,) = data.annotated
    assert (image.name, image.source, image.complete) == ("gt/a.png", "some source", True)
    assert [face.ignore for face in image.faces] == [False, True]
    np.testing.assert_allclose(image.faces[0].points68, points68_at())
    assert image.path.is_file()
    assert [(one.name, one.count) for one in data.counted] == [("images/b.png", 3), ("images/c.png", None)]
    assert [(clip.name, clip.truth is not None) for clip in data.clips] == [
        ("video/one.avi", True),
        ("video/two.avi", False),
    ]


@pytest.mark.parametrize(
    ("given", "pose", "yaw"),
    [
        ({}, None, None),
        ({"pose_approx": POSE}, None, 20.0),
        ({"pose": POSE, "pose_approx": {**POSE, "yaw": 9.0}}, Angles(20.0, -5.0, 1.0), 20.0),
    ],
)
def test_an_estimated_pose_serves_for_bins_only(tmp_path, given, pose, yaw):
    write_gt(tmp_path, [("gt/a.png", "s", False, [annotated(**given)])])
    (face,) = read_data(tmp_path).annotated[0].faces
    assert (face.pose, face.yaw) == (pose, yaw)


def test_the_size_is_the_tables_or_else_that_of_the_points(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", False, [annotated(), annotated(bbox_size=77.0)])])
    own, given = read_data(tmp_path).annotated[0].faces
    width, height = np.ptp(points68_at(), axis=0)
    assert (own.size_px, given.size_px) == (pytest.approx((width * height) ** 0.5), 77.0)


def test_kinds_and_number_can_be_limited(tmp_path):
    write_gt(tmp_path, [(f"gt/{n}.png", "s", False, []) for n in range(3)])
    write_counted(tmp_path, [("images/b.png", 1, "")])
    assert [one.name for one in read_data(tmp_path, limit=2).annotated] == ["gt/0.png", "gt/1.png"]
    only = read_data(tmp_path, ("images",))
    assert (len(only.annotated), len(only.counted)) == (0, 1)


def test_a_mapping_and_the_picture_of_the_motion_are_taken_where_they_are(tmp_path):
    write_counted(tmp_path, [("images/b.png", 1, "")])
    assert read_data(tmp_path).picture is None
    (tmp_path / "mapping68.json").write_text(json.dumps({"maps": {"R": [[7]] * 68}}))
    write_image(tmp_path / "mediapipe_expected" / "portrait.jpg")
    data = read_data(tmp_path)
    assert data.mapping.groups[0] == (7,) and data.picture.is_file()


def test_a_folder_with_the_name_of_a_video_is_none(tmp_path):
    (tmp_path / "video" / "x.mp4").mkdir(parents=True)
    with pytest.raises(InputError, match="nothing to evaluate"):
        read_data(tmp_path)


def test_a_folder_with_nothing_to_evaluate_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        InputError, match=r"no folder .*nowhere; DATA is a folder with gt/gt.json or images/images.json"
    ):
        read_data(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"nothing to evaluate; looked for gt/gt.json or .*video/\*.*\.mp4"):
        read_data(tmp_path)
    write_counted(tmp_path, [("images/b.png", 1, "")])
    with pytest.raises(InputError, match=r"looked for gt/gt.json: check the name"):
        read_data(tmp_path, ("gt",))


def test_a_face_whose_eyes_are_one_point_is_refused(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", False, [{"pts68": [[1, 2]] * 68}])])
    with pytest.raises(InputError, match="36 and 45 of pts68, are the same point"):
        read_data(tmp_path)


@pytest.mark.parametrize(
    "table",
    ["{", "[]", '{"items": [{"image": "a.png"}]}', '{"items": [{"image": "a", "faces": [{"pts68": [[1, 2]]}]}]}'],
)
def test_a_bad_table_is_named(tmp_path, table):
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.json").write_text(table)
    with pytest.raises(InputError, match=r"gt\.json is not as it should be"):
        read_data(tmp_path)


def test_motion_is_read_in_the_order_of_its_frames(tmp_path):
    head = "frame,present,a00,a01,a02,a10,a11,a12,brightness\n"
    (tmp_path / "m.csv").write_text(head + "1,0,1,0,0,0,1,0,1\n0,1,0.5,-0.1,7,0.1,0.5,9,1\n")
    motion = read_motion(tmp_path / "m.csv")
    assert motion.present.tolist() == [True, False]
    assert motion.frame_from_picture[0].tolist() == [[0.5, -0.1, 7.0], [0.1, 0.5, 9.0]]


@pytest.mark.parametrize(
    "text", ["", "frame,present\n0,1\n", "frame,present,a00,a01,a02,a10,a11,a12\n3,1,1,0,0,0,1,0\n", "frame\nx\n"]
)
def test_bad_motion_is_named(tmp_path, text):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError, match=r"m\.csv is not as it should be"):
        read_motion(tmp_path / "m.csv")


def test_colours_are_rgb_and_alpha_is_dropped(tmp_path):
    for channels in ([10, 20, 30], [10, 20, 30, 99]):
        write_image(tmp_path / "a.png", np.full((2, 3, len(channels)), channels, np.uint8))
        assert read_image_rgb(tmp_path / "a.png").tolist() == [[[30, 20, 10]] * 3] * 2


def test_gray_becomes_three_channels(tmp_path):
    write_image(tmp_path / "a.png", np.array([[5, 6]], np.uint8))
    assert read_image_rgb(tmp_path / "a.png").tolist() == [[[5, 5, 5], [6, 6, 6]]]


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (128, 0), (129, 1), (257, 1), (65535, 255), (65406, 254)])
def test_16_bit_is_divided_by_257_and_rounded(tmp_path, value, expected):
    write_image(tmp_path / "a.png", np.full((2, 2), value, np.uint16))
    assert (read_image_rgb(tmp_path / "a.png") == expected).all()


def test_the_exif_tag_does_not_turn_the_picture(tmp_path):
    jpeg = cv2.imencode(".jpg", np.zeros((40, 60, 3), np.uint8))[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    assert cv2.imread(str(tmp_path / "a.jpg")).shape == (60, 40, 3)  # it would
    assert read_image_rgb(tmp_path / "a.jpg").shape == (40, 60, 3)


def test_a_picture_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("bad.png", "empty.png", "missing.png"):
        with pytest.raises(InputError, match=f"{name} cannot be read: [^\n]*$") as told:
            read_image_rgb(tmp_path / name)
        assert "OpenCV(" not in str(told.value)
