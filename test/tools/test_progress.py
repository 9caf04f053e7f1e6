"""The bar of an evaluation."""

import io
import struct

import cv2
import pytest
from made_faces import Scripted, result, write_clip_of, write_counted
from rich.console import Console
from rich.progress import Progress

from facemesh_ros.tools.evaluation.datasets import read_data
from facemesh_ros.tools.evaluation.examiner import Examiner
from facemesh_ros.tools.evaluation.progress import progress


@pytest.fixture
def data(tmp_path):
    write_counted(tmp_path, [("images/a.png", 1, "")])
    clip = write_clip_of(tmp_path, 6)
    content = bytearray(clip.read_bytes())
    for chunk, place in ((b"avih", 16), (b"strh", 32)):  # where an AVI says how many frames it has
        start = content.index(chunk) + 8 + place
        assert content[start : start + 4] == struct.pack("<I", 6)
        content[start : start + 4] = struct.pack("<I", 16)
    clip.write_bytes(content)
    assert cv2.VideoCapture(str(clip)).get(cv2.CAP_PROP_FRAME_COUNT) == 16
    return read_data(tmp_path)


def examine(data, advance):
    return Examiner([Scripted("it", [result()], [result()] * 6)], data, advance=advance).examine()


def test_the_bar_is_full_at_the_end_however_long_a_container_says_its_clip_is(data, monkeypatch):
    bars = []
    enter = Progress.__enter__
    monkeypatch.setattr(Progress, "__enter__", lambda bar: bars.append(bar) or enter(bar))
    with progress(Console(force_terminal=True, file=io.StringIO()), data) as advance:
        done = examine(data, advance)
        (task,) = bars[0].tasks
        assert (task.completed, task.total, done.clips[0].frames) == (7, 7, 6)
        assert task.description == "clip.avi"


def test_there_is_no_bar_in_a_file(data):
    written = io.StringIO()
    with progress(Console(file=written), data) as advance:
        examine(data, advance)
    assert written.getvalue() == ""
