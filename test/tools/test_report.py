"""The tables, of figures of a made-up evaluation."""

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
from rich.console import Console

from facemesh_ros.tools.evaluation.datasets import read_data
from facemesh_ros.tools.evaluation.examiner import Examiner
from facemesh_ros.tools.evaluation.figures import figures
from facemesh_ros.tools.evaluation.records import Evaluation
from facemesh_ros.tools.evaluation.report import LEAST_WIDTH, Sheet, sheets
from facemesh_ros.tools.evaluation.subjects import Found

OFF_5_PX = (53.0, 54.0)
TITLES = [
    "Annotated faces: found, and how far off",
    "The faces that all have found: the fair comparison of points",
    "Annotated pictures: false faces, duplicates, time",
    "Head pose",
    "Pictures with a known number of faces",
    "Clips: faces and time",
    "Clips: ids",
    "Clips: jitter, as a share of the distance of the eyes' outer corners",
    "Clips with known motion",
]


@pytest.fixture
def data(tmp_path):
    pose = {"yaw": 10.0, "pitch": 0.0, "roll": 0.0}
    write_gt(tmp_path, [("gt/a.png", "a [source]", True, [annotated(pose=pose), annotated((500, 50))])])
    write_counted(tmp_path, [("images/b.png", 2, "two"), ("images/c.png", 0, "none")])
    write_motion(write_clip_of(tmp_path, 3).with_name("clip_gt.csv"), [1, 1, 1])
    write_image(tmp_path / "mediapipe_expected" / "portrait.jpg")
    return tmp_path


def made(folder, *subjects):
    evaluation = Examiner(subjects, read_data(folder), reference=found().points).examine()
    names = [subject.name for subject in subjects]
    return {sheet.title: sheet for sheet in sheets(figures(evaluation, names), names)}


def subject(name="ours", center=OFF_5_PX, identity=1):
    face = Found(found(center).points, found(center).points if identity else None, identity)
    return Scripted(name, [result(face, ms=4.0)] * 4, [result(face)] * 8)


def rows(sheet):
    return [list(row) for row in sheet.rows]


def test_two_subjects_stand_one_above_the_other(data):
    tables = made(data, subject(), subject("peer", (50.0, 50.0), identity=None))
    assert list(tables) == TITLES
    error = "8.33 / 8.33"
    assert [row[:5] for row in rows(tables[TITLES[0]])[:2]] == [
        ["all", "ours", "1/2", "50 %", error],
        ["all", "peer", "1/2", "50 %", "0.00 / 0.00"],
    ]
    assert [row[:4] for row in rows(tables[TITLES[1]])[:2]] == [
        ["all", "ours", "1", error],
        ["all", "peer", "1", "0.00 / 0.00"],
    ]
    assert rows(tables[TITLES[2]])[0] == ["1 pictures", "ours", "0 in 1", "0", "4.0", "4.0"]
    assert rows(tables[TITLES[3]])[0] == [
        "rotation of the mesh",
        "ours",
        "1",
        "10.0 (0.0; -10.0)",
        "0.0 (0.0; +0.0)",
        "0.0 (0.0; +0.0)",
    ]
    assert rows(tables[TITLES[4]])[0] == ["2 pictures", "ours", "1/2", "0/2", "0", "0", "1 on 1", "4.0", "4.0"]
    assert rows(tables[TITLES[5]])[0] == ["clip", "ours", "3/3", "1:3", "0", "1", "0", "1.0", "1.0"]
    assert rows(tables[TITLES[6]]) == [
        ["clip", "ours", "1", "0", "0", "0", "0"],
        ["clip", "peer", "no ids", "–", "–", "–", "–"],
    ]
    assert rows(tables[TITLES[7]])[1] == ["clip", "peer", "0.0000", "0.0000", "0.0000", "–", "–", "–"]
    assert rows(tables[TITLES[8]])[1] == [
        "clip: present 1",
        "peer",
        "3/3",
        "0.0000 / 0.0000",
        "0.0000 / 0.0000",
        "–",
        "0",
        "–",
    ]


def test_a_face_that_is_never_found_again_is_told_from_one_that_was_never_away(data):
    write_motion(data / "video" / "clip_gt.csv", [1, 0, 1])
    blind = Scripted("blind", [result(found())] * 4, [result()] * 9)
    tables = made(data, subject(), blind)
    assert [row[-1] for row in rows(tables[TITLES[8]])] == ["–", "–", "–", "–", "0", "never"]


def test_one_subject_has_no_table_of_what_all_have_found(data):
    assert TITLES[1] not in made(data, subject())


def test_nothing_evaluated_has_no_tables():
    assert sheets(figures(Evaluation(), ["ours"]), ["ours"]) == []


SHEET = Sheet("A [title]", "A note.", ("what", "", "n"), (("a | b", "x", "1"), ("a | b", "y", "2"), ("c", "x", "–")))


def test_a_sheet_as_markdown():
    assert SHEET.to_markdown() == (
        "## A [title]\n\nA note.\n\n| what |  | n |\n| --- | --- | ---: |\n"
        "| a \\| b | x | 1 |\n| a \\| b | y | 2 |\n| c | x | – |\n"
    )


def test_figures_are_never_cut(data):
    """At the least width, with the longest names and counts that fit."""
    cells = ("100/100", "100 %", "15.08 / 15.08", "15.08 / 15.08", "15.08 / 15.08", "15.08 / 15.08")
    headings = made(data, subject())[TITLES[0]].headings
    console = Console(width=LEAST_WIDTH)
    with console.capture() as capture:
        console.print(Sheet("t", "", headings, (("a source with a long name " * 3, "facemesh_ros", *cells),)).to_rich())
    assert " ".join(cells) in " ".join(capture.get().split())


def test_a_sheet_in_a_terminal_names_what_repeats_once():
    console = Console(width=80)
    with console.capture() as capture:
        console.print(SHEET.to_rich())
    text = capture.get()
    assert "A [title]" in text and "A note." in text
    assert text.count("a | b") == 1 and text.count("x") == 2
