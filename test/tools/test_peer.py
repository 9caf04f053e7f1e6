"""The peer as a subject, with a stand-in for it; and the real one where its environment is at hand."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.evaluation import peer
from facemesh_ros.tools.evaluation.peer import MediaPipe, cache_folder, peer_python

STAND_IN = Path(__file__).with_name("stand_in_peer.py")
DIES, FAILS = np.zeros((1, 13, 3), np.uint8), np.zeros((3, 13, 3), np.uint8)


def image(faces, value=7):
    return np.full((faces, 40, 3), value, np.uint8)


@pytest.fixture
def stand_in(tmp_path):
    subject = MediaPipe(Path(sys.executable), 3, 2, tmp_path / "log", STAND_IN)
    yield subject
    subject.close()


def test_faces_come_as_arrays_with_no_ids(stand_in):
    result = stand_in.still(image(2, value=9))
    assert result.ms == 2.5
    assert [face.points.shape for face in result.faces] == [(478, 3), (478, 3)]
    assert [float(face.points[0, 0]) for face in result.faces] == [9.0, 10.0]
    assert result.faces[0].identity is None and result.faces[0].smoothed is None


def test_no_face_is_an_empty_result(stand_in):
    stand_in._max_faces["stream"] = 0
    stand_in.begin_stream()
    assert stand_in.frame(image(5), 0.0).faces == ()


def test_pictures_and_streams_have_their_own_number_of_faces(stand_in):
    stand_in.begin_stream()
    assert len(stand_in.still(image(9)).faces) == 3
    assert len(stand_in.frame(image(9), 0.0).faces) == 2


def test_an_image_that_is_not_contiguous_is_sent_as_it_looks(stand_in):
    mirrored = image(2, value=1)[:, ::-1]
    mirrored[:, 0] = 50
    assert float(stand_in.still(mirrored).faces[0].points[0, 0]) == 50.0


def test_a_failure_concerns_one_picture(stand_in):
    with pytest.raises(FaceMeshError, match="no such picture"):
        stand_in.still(FAILS)
    assert len(stand_in.still(image(1)).faces) == 1


def test_a_peer_that_died_is_started_again(stand_in):
    before = stand_in.about()["pid"]
    with pytest.raises(FaceMeshError, match="ended with status 3"):
        stand_in.still(DIES)
    assert len(stand_in.still(image(1)).faces) == 1
    assert stand_in.about()["pid"] != before


def test_a_peer_that_died_in_a_clip_is_there_for_the_next_and_for_pictures(stand_in):
    stand_in.begin_stream()
    with pytest.raises(FaceMeshError, match="ended"):
        stand_in.frame(DIES, 0.0)
    stand_in.begin_stream()
    assert len(stand_in.frame(image(1), 0.0).faces) == 1
    assert len(stand_in.still(image(1)).faces) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"thank you",
        b"\xff\xfe",
        b"[1, 2]",
        b'{"ms": 1.0}',
        b'{"shape": 3, "ms": 1.0}',
        b'{"shape": [1, 5, 3], "ms": 1.0}',
        b'{"shape": [-1, 478, 3], "ms": 1.0}',
        b'{"shape": [4, 478, 3], "ms": 1.0}',
        b'{"shape": [1, 478, 3]}',
        b'{"shape": [1, 478, 3], "ms": NaN}',
        b'{"shape": [1, 478, 3], "ms": "soon"}',
    ],
)
def test_an_answer_that_makes_no_sense_concerns_one_picture(stand_in, line):
    before = stand_in.about()["pid"]
    with pytest.raises(FaceMeshError, match="gives an answer that makes no sense"):
        stand_in.still(spelt(line))
    assert len(stand_in.still(image(1)).faces) == 1
    assert stand_in.about()["pid"] != before


def test_points_that_are_not_finite_are_refused(stand_in):
    head = b'{"shape": [1, 478, 3], "ms": 1.0}\n' + np.full(478 * 3, np.nan, np.float32).tobytes()
    with pytest.raises(FaceMeshError, match="points that are not finite"):
        stand_in.still(spelt(head))


def spelt(text):
    """A picture at which the stand-in answers with this."""
    pixels = np.zeros((-(-len(text) // 57), 19, 3), np.uint8)
    pixels.reshape(-1)[: len(text)] = np.frombuffer(text, np.uint8)
    return pixels


def test_a_python_without_the_peer_is_told_at_the_start(tmp_path):
    with pytest.raises(FaceMeshError, match="name the python of .* No module named 'mediapipe'"):
        MediaPipe(Path(sys.executable), 1, 1, tmp_path / "log")


def test_a_peer_that_says_nothing_has_an_empty_log(tmp_path):
    (tmp_path / "log").write_text("an earlier run")
    with pytest.raises(FaceMeshError, match=r"with status 0; its log, .*log, is empty$"):
        MediaPipe(Path("/bin/true"), 1, 1, tmp_path / "log")


def test_a_log_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(FaceMeshError, match=r"cannot be started.*Is a directory"):
        MediaPipe(Path(sys.executable), 1, 1, tmp_path, STAND_IN)


def test_the_peer_is_isolated_from_the_modules_around_it(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('not the library json')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    MediaPipe(Path(sys.executable), 1, 1, tmp_path / "log", STAND_IN).close()


def test_a_python_that_is_named_is_taken(tmp_path):
    assert peer_python(Path(sys.executable)) == Path(sys.executable)
    with pytest.raises(FaceMeshError, match="there is no file"):
        peer_python(tmp_path / "python")


class Commands(list):
    """Commands run, and the status of the next ones."""


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """An empty cache, an environment quickly made, and a pip that only notes what it is told."""
    commands = Commands()
    commands.status = 0

    def run(command, **how):
        commands.append(command)
        return subprocess.CompletedProcess(command, commands.status, "", "so\nERROR: No matching distribution")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(peer.venv, "create", lambda folder, **_: (folder / "bin").mkdir(parents=True))
    monkeypatch.setattr(peer.subprocess, "run", run)
    return commands


def test_the_environment_is_made_once(pip, tmp_path):
    python = peer_python(None)
    assert python == tmp_path / "cache" / "facemesh_ros" / "peer-mediapipe-0.10.21" / "bin" / "python"
    assert python.parent.is_dir() and pip[0][-1] == "mediapipe==0.10.21"
    assert peer_python(None) == python
    assert len(pip) == 1
    assert [path.name for path in cache_folder().iterdir()] == ["peer-mediapipe-0.10.21"]


def test_an_environment_that_was_cut_short_is_made_anew(pip):
    pip.status = 1
    with pytest.raises(FaceMeshError, match=r"(?s)Python 3\.9 to 3\.12.*--peer-python PATH.*No matching distribution"):
        peer_python(None)
    assert list(cache_folder().iterdir()) == []
    pip.status = 0
    peer_python(None)
    assert len(pip) == 2


def test_two_runs_may_make_the_environment_at_once(pip, monkeypatch):
    """The second one begins and ends while the first one waits for pip, and neither takes away what the other has."""
    slow = peer.subprocess.run

    def run(command, **how):
        monkeypatch.setattr(peer.subprocess, "run", slow)
        Path(command[0]).write_text("the first one's")
        peer_python(None).write_text("the second one's")
        assert Path(command[0]).read_text() == "the first one's"
        return slow(command, **how)

    monkeypatch.setattr(peer.subprocess, "run", run)
    assert peer_python(None).read_text() == "the second one's"
    assert len(pip) == 2


def test_a_cache_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(FaceMeshError, match="no virtual environment can be made .*XDG_CACHE_HOME"):
        peer_python(None)


def test_the_cache_is_where_the_user_has_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_folder() == tmp_path / ".cache" / "facemesh_ros"


@pytest.fixture
def real(tmp_path):
    python = os.environ.get("FACEMESH_PEER_PYTHON")
    if python is None:
        pytest.skip("FACEMESH_PEER_PYTHON does not name a python that has mediapipe 0.10.21")
    subject = MediaPipe(Path(python), 4, 4, tmp_path / "log")
    yield subject
    subject.close()


def test_the_real_peer_finds_the_moving_face(real, moving_face):
    frame = np.ascontiguousarray(moving_face.frame_bgr(0)[..., ::-1])
    assert real.about()["version"] == "0.10.21"
    (still,) = real.still(frame).faces
    real.begin_stream()
    (tracked,) = real.frame(frame, 0.0).faces
    assert np.abs(still.points - tracked.points).mean() < 1.0
    assert real.still(np.zeros_like(frame)).faces == ()
