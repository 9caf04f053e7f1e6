"""Figures of evaluations that are put together by hand."""

import json

import numpy as np
import pytest
from made_faces import Scripted, annotated, found, result, write_clip_of, write_counted, write_gt

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.evaluation.datasets import read_data
from facemesh_ros.tools.evaluation.examiner import Examiner
from facemesh_ros.tools.evaluation.figures import figures, timing
from facemesh_ros.tools.evaluation.records import Evaluation
from facemesh_ros.tools.evaluation.subjects import Found

YAW = {"pitch": 0.0, "roll": 0.0}
OFF_5_PX = (53.0, 54.0)


def measured(folder, *subjects, **how):
    evaluation = Examiner(subjects, read_data(folder), **how).examine()
    got = figures(evaluation, [subject.name for subject in subjects])
    json.dumps(got)  # plain values only
    return got


@pytest.fixture
def gt(tmp_path):
    """Two strong faces, of which one subject finds both and the other the second, and one of a weak source."""
    write_gt(
        tmp_path,
        [
            ("gt/a.png", "strong one", True, [annotated(bbox_size=50.0, pose={"yaw": 40.0, **YAW})]),
            ("gt/b.png", "strong one", True, [annotated(bbox_size=80.0, pose_approx={"yaw": -20.0, **YAW})]),
            ("gt/c.png", "YouTube Faces (test)", False, [annotated(bbox_size=80.0)]),
        ],
    )
    ours = Scripted("ours", [result(found(OFF_5_PX)), result(found()), result(found(), found((300, 50)), found())])
    peer = Scripted("peer", [result(found((400, 50))), result(found(OFF_5_PX)), result(ms=9.0)])
    return measured(tmp_path, ours, peer)["gt"]


def group(gt, name):
    return next(one for one in gt["groups"] if one["group"] == name)


def test_nothing_evaluated_has_no_figures():
    assert figures(Evaluation(), ["ours"]) == {"gt": None, "images": None, "videos": [], "failures": []}


def test_recall_is_by_group(gt):
    recalls = {
        one["group"]: (one["faces"], one["subjects"]["ours"]["found"], one["subjects"]["peer"]["found"])
        for one in gt["groups"]
    }
    assert recalls == {
        "all": (3, 3, 1),
        "strong": (2, 2, 1),
        "strong one": (2, 2, 1),
        "YouTube Faces (test)": (1, 1, 0),
        "size 40–60 px": (1, 1, 0),
        "size 60–100 px": (1, 1, 1),
        "size all < 60 px": (1, 1, 0),
        "size all ≥ 60 px": (1, 1, 1),
        "|yaw| 15–30°": (1, 1, 1),
        "|yaw| 30–45°": (1, 1, 0),
        "|yaw| all ≥ 30°": (1, 1, 0),
    }
    assert group(gt, "strong")["subjects"]["peer"]["recall"] == 0.5


def test_errors_are_over_the_faces_found_and_over_those_that_all_found(gt):
    strong = group(gt, "strong")
    assert strong["subjects"]["ours"]["nme51_iod"]["mean"] == pytest.approx(0.5 * 5 / 60)
    assert strong["common"]["faces"] == 1
    assert strong["common"]["subjects"]["ours"]["nme51_iod"]["mean"] == pytest.approx(0.0, abs=1e-6)
    assert strong["common"]["subjects"]["peer"]["nme51_iod"]["mean"] == pytest.approx(5 / 60)
    assert strong["common"]["subjects"]["peer"]["nme51_bbox"]["mean"] == pytest.approx(5 / 80)
    assert group(gt, "YouTube Faces (test)")["subjects"]["peer"]["nme51_iod"] is None


def test_false_faces_count_where_all_are_annotated_and_duplicates_everywhere(gt):
    ours, peer = gt["pictures"]["ours"], gt["pictures"]["peer"]
    assert (ours["pictures"], ours["complete_pictures"], ours["false"], ours["duplicates"]) == (3, 2, 0, 1)
    assert (peer["false"], peer["duplicates"]) == (1, 0)
    assert peer["ms"]["median"] == 1.0


def test_a_picture_on_which_a_subject_failed_is_not_held_against_it(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated()]), ("gt/b.png", "s", True, [annotated()])])
    ours = Scripted("ours", [FaceMeshError("no"), result(found())])
    got = measured(tmp_path, ours)
    everything = group(got["gt"], "all")
    assert (everything["faces"], everything["subjects"]["ours"]["seen"]) == (2, 1)
    assert everything["subjects"]["ours"]["recall"] == 1.0
    assert got["failures"] == [{"name": "gt/a.png", "subject": "ours", "message": "no"}]


def test_head_pose_is_over_faces_with_a_measured_one(tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated(pose={"yaw": 10.0, **YAW})]),
                        ("gt/b.png", "s", True, [annotated(pose_approx={"yaw": 90.0, **YAW})])])  # fmt: skip
    got = measured(tmp_path, Scripted("it", [result(found())] * 2), reference=found().points)["gt"]["pose"]["it"]
    assert got["mesh"]["faces"] == 1
    assert got["mesh"]["yaw"]["mae"] == pytest.approx(10.0, abs=1e-3)
    assert got["mesh"]["yaw"]["bias"] == pytest.approx(-10.0, abs=1e-3)
    assert got["own"] is None


def test_counts(tmp_path):
    items = [("images/0.png", 0, ""), ("images/1.png", 2, ""), ("images/2.png", 1, ""), ("images/3.png", None, "")]
    write_counted(tmp_path, items)
    far = [found((100 * n, 50)) for n in range(1, 8, 2)]
    stills = [result(far[0]), result(far[0], far[0], far[1]), result(*far[:3]), result(far[0], far[0])]
    got = measured(tmp_path, Scripted("it", stills))["images"]["subjects"]["it"]
    assert (got["pictures"], got["faces"], got["found"], got["exact"]) == (3, 3, 3, 0)
    assert (got["extra"], got["duplicates"], got["negatives"], got["false_on_negatives"]) == (2, 2, 1, 1)


def test_an_exact_count_is_one_without_duplicates(tmp_path):
    write_counted(tmp_path, [("images/0.png", 0, ""), ("images/1.png", 1, "")])
    got = measured(tmp_path, Scripted("it", [result(), result(found())]))["images"]["subjects"]["it"]
    assert (got["exact"], got["found"], got["false_on_negatives"]) == (2, 1, 0)


@pytest.fixture
def clip(tmp_path):
    write_clip_of(tmp_path, 6)

    def face(x, smoothed_x, identity):
        return Found(found((x, 50)).points, found((smoothed_x, 50)).points, identity)

    frames = [
        result(face(50, 50, 1)),
        result(face(56, 53, 1)),
        result(face(50, 50, 2)),
        result(),
        result(face(50, 50, 1), ms=2.0),
        result(face(50, 50, 1), face(51, 51, 3)),
    ]
    nameless = [result(*(Found(one.points) for one in frame.faces)) for frame in frames]
    return measured(tmp_path, Scripted("ours", frames=frames), Scripted("peer", frames=nameless))["videos"][0]


def test_a_clip_has_faces_chains_and_duplicates(clip):
    ours = clip["subjects"]["ours"]
    assert (clip["frames"], ours["frames_with_face"], ours["reappearances"]) == (6, 5, 1)
    assert ours["faces_histogram"] == {"0": 1, "1": 4, "2": 1}
    assert (ours["chains"], ours["duplicates"]) == (3, 1)


def test_a_clip_has_what_became_of_the_ids(clip):
    assert clip["subjects"]["ours"]["ids"] == {"used": 3, "switches": 1, "renamed": 1, "returned": 1, "late": 2}
    assert clip["subjects"]["peer"]["ids"] is None


def test_jitter_is_of_raw_and_of_smoothed_meshes(clip):
    ours, peer = clip["subjects"]["ours"], clip["subjects"]["peer"]
    assert ours["jitter"]["mean"] == pytest.approx(12 / 60)
    assert ours["jitter_smoothed"]["mean"] == pytest.approx(6 / 60)
    assert peer["jitter"] == ours["jitter"] and peer["jitter_smoothed"] is None


def test_jitter_is_mean_median_and_95th_percentile_over_its_frames(tmp_path):
    write_clip_of(tmp_path, 5)
    frames = [result(found((50 + x, 50))) for x in (0, 10, 0, 20, 0)]
    got = measured(tmp_path, Scripted("it", frames=frames))["videos"][0]["subjects"]["it"]["jitter"]
    values = [20 / 60, 30 / 60, 40 / 60]
    assert got["mean"] == pytest.approx(0.5)
    assert (got["median"], got["p95"]) == pytest.approx(tuple(np.percentile(values, (50, 95))))


def test_times_are_median_and_95th_percentile():
    assert timing([]) is None
    assert timing([result(ms=float(ms)) for ms in range(101)]) == {"median": 50.0, "p95": 95.0}
