"""Which cases are shown, in which order, and why."""

import numpy as np
from made_faces import Scripted, annotated, found, result, write_clip_of, write_counted, write_gt

from facemesh_ros.tools.evaluation.contact_sheet import contact_sheet
from facemesh_ros.tools.evaluation.datasets import read_data
from facemesh_ros.tools.evaluation.examiner import Examiner
from facemesh_ros.tools.evaluation.records import Evaluation
from facemesh_ros.tools.evaluation.worst import MOST, tiles, worst


def cases(folder, *subjects):
    evaluation = Examiner(subjects, read_data(folder)).examine()
    return worst(evaluation, subjects[0].name)


def told(found_cases):
    return [(case.path.name, *case.why) for case in found_cases]


def test_nothing_evaluated_has_no_worst():
    assert worst(Evaluation(), "ours") == {}


def test_a_good_result_has_only_its_errors_to_show(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated(bbox_size=60.0)])])
    assert list(cases(tmp_path, Scripted("ours", [result(found())]))) == ["nme"]


def test_missed_faces_come_by_size_in_turn_with_pictures_by_number(tmp_path):
    pose = {"yaw": 20.0, "pitch": 0.0, "roll": 0.0}
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated(bbox_size=30.0), annotated(bbox_size=90.0, pose=pose)])])
    write_counted(tmp_path, [("images/b.png", 1, "one"), ("images/c.png", 3, "three"), ("images/d.png", None, "")])
    ours, peer = Scripted("ours", [result()] * 4), Scripted("peer", [result(found())] * 4)
    assert told(cases(tmp_path, ours, peer)["missed"]) == [
        ("a.png", "missed: 90 px, yaw +20 deg", ""),
        ("c.png", "found 0 of 3: three", "peer 1"),
        ("a.png", "missed: 30 px", "found by peer"),
        ("b.png", "found 0 of 1: one", "peer 1"),
    ]


def test_a_crowd_is_shown_large(tmp_path):
    write_counted(tmp_path, [("images/b.png", 7, "a few"), ("images/c.png", 8, "a crowd")])
    made = tiles(cases(tmp_path, Scripted("ours", [result()] * 2))["missed"])
    assert [(tile.caption[0], tile.columns) for tile in made] == [("c.png", 4), ("b.png", 1)]


def test_false_faces_and_faces_found_twice(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated(bbox_size=60.0)])])
    write_counted(tmp_path, [("images/b.png", 0, "dogs"), ("images/c.png", 1, "one")])
    write_clip_of(tmp_path, 30)
    twice = result(found(), found((52, 50)))
    stills = [result(found((400, 50)), found(), found((51, 50))), result(found()), twice]
    shown = cases(tmp_path, Scripted("ours", stills, [twice] * 30))["false"]
    assert told(shown)[:4] == [
        ("a.png", "no face annotated here", ""),
        ("b.png", "found 1 of 0: dogs", ""),
        ("a.png", "found twice", ""),
        ("c.png", "found twice", ""),
    ]
    assert [case.frame for case in shown[4:]] == [0, 5, 10, 15, 20, 25]


def test_errors_come_the_largest_first(tmp_path):
    write_gt(tmp_path, [(f"gt/{n}.png", "s", True, [annotated(bbox_size=60.0)]) for n in range(3)])
    stills = [result(found((50 + x, 50))) for x in (3, 9, 6)]
    shown = cases(tmp_path, Scripted("ours", stills))["nme"]
    assert told(shown)[0] == ("1.png", "NME51/iod 0.150, /box 0.150", "60 px")
    assert [case.path.name for case in shown] == ["1.png", "2.png", "0.png"]


def test_ids_that_change_return_or_come_late(tmp_path):
    write_clip_of(tmp_path, 6)
    frames = [result(found(identity=1)), result(found(identity=2)), result(), result(found((500, 50), identity=1)),
              result(found((500, 50), identity=1), found((800, 50), identity=3)),
              result(found((500, 50), identity=1), found((890, 50), identity=4))]  # fmt: skip
    shown = cases(tmp_path, Scripted("ours", frames=frames))["ids"]
    assert [(case.frame, case.why[0]) for case in shown] == [
        (1, "id 1 becomes 2"),
        (5, "id 3 comes back as 4"),
        (3, "id 1 returns"),
        (4, "id 3 is new"),
    ]
    assert "ids" not in cases(tmp_path, Scripted("peer", frames=[result(found())] * 6))


def test_a_sheet_has_no_more_than_its_tiles(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated(bbox_size=60.0)] * 20)])
    assert len(cases(tmp_path, Scripted("ours", [result()]))["missed"]) == MOST


def test_tiles_show_the_frame_that_they_name(tmp_path):
    write_clip_of(tmp_path, 4, frame_bgr=lambda frame: np.full((120, 160, 3), 60 * frame, np.uint8))
    frames = [
        result(found(identity=1)),
        result(found(identity=1)),
        result(found(identity=2)),
        result(found(identity=5)),
    ]
    made = tiles(cases(tmp_path, Scripted("ours", frames=frames))["ids"])
    assert [tile.caption[:2] for tile in made] == [
        ("clip.avi frame 2", "id 1 becomes 2"),
        ("clip.avi frame 3", "id 2 becomes 5"),
    ]
    assert [round(float(tile.image_rgb.mean()) / 60) for tile in made] == [2, 3]
    assert made[0].labels == ("2",)
    assert contact_sheet(made).ndim == 3


def test_tiles_of_pictures_have_the_truth_and_no_labels(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated(bbox_size=60.0)])])
    (tile,) = tiles(cases(tmp_path, Scripted("ours", [result(found(identity=7))]))["nme"])
    assert tile.truth.shape == (68, 2) and tile.labels == ("",) and tile.image_rgb.shape == (120, 160, 3)
