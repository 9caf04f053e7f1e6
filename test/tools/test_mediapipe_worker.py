"""The worker, in this process, with a stand-in for MediaPipe."""

import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from facemesh_ros.tools.evaluation import mediapipe_worker
from facemesh_ros.tools.evaluation.mediapipe_worker import POINTS, Peer, answer


class Graph:
    """FaceMesh that finds, in each image, as many faces as its first value says; each point is (0.5, 0.25, 0.1)."""

    made: ClassVar = []

    def __init__(self, **options):
        self.options, self.closed, self.sizes = options, False, []
        Graph.made.append(self)

    def process(self, image):
        self.sizes.append(image.shape)
        face = SimpleNamespace(landmark=[SimpleNamespace(x=0.5, y=0.25, z=0.1)] * POINTS)
        return SimpleNamespace(multi_face_landmarks=[face] * int(image[0, 0, 0]) or None)

    def close(self):
        self.closed = True


@pytest.fixture
def peer(monkeypatch):
    Graph.made = []
    solutions = SimpleNamespace(face_mesh=SimpleNamespace(FaceMesh=Graph))
    monkeypatch.setitem(sys.modules, "mediapipe", SimpleNamespace(solutions=solutions, __version__="0.10.21"))
    return Peer()


def process(peer, mode, faces):
    image = np.full((100, 200, 3), faces, np.uint8)
    head, body = answer(peer, {"do": "process", "mode": mode, "shape": image.shape}, io.BytesIO(image.tobytes()))
    return head, np.frombuffer(body, np.float32).reshape(head["shape"])


def test_a_mode_is_opened_with_the_settings_of_the_comparison(peer):
    head, body = answer(peer, {"do": "open", "mode": "still", "max_faces": 7}, io.BytesIO())
    assert (head["version"], body) == ("0.10.21", b"")
    assert head["threads"] >= 1
    assert Graph.made[0].options == {
        "static_image_mode": True,
        "max_num_faces": 7,
        "refine_landmarks": True,
        "min_detection_confidence": 0.5,
        "min_tracking_confidence": 0.5,
    }
    peer.open("stream", 2)
    assert Graph.made[1].options["static_image_mode"] is False


def test_landmarks_are_scaled_by_width_height_width(peer):
    peer.open("still", 4)
    head, points = process(peer, "still", 2)
    assert points.shape == (2, POINTS, 3) and head["ms"] >= 0.0
    assert points[1, 300].tolist() == pytest.approx([100.0, 25.0, 20.0])


def test_no_face_is_an_empty_array(peer):
    peer.open("still", 4)
    assert process(peer, "still", 0)[1].shape == (0, POINTS, 3)


def test_a_new_clip_has_a_new_graph(peer):
    for _ in range(2):
        peer.open("stream", 4)
    process(peer, "stream", 1)
    assert [graph.closed for graph in Graph.made] == [True, False]
    assert Graph.made[1].sizes == [(64, 64, 3), (100, 200, 3)]  # the blank one is not timed


def test_it_runs_on_its_own_and_tells_errors():
    """As a program, isolated from this package, in a Python that perhaps has no MediaPipe."""
    command = [sys.executable, "-I", mediapipe_worker.__file__]
    requests = (
        b'{"do": "process", "mode": "still", "shape": [1, 1, 3]}\nabc{"do": "process", "mode": "x", "shape": [0]}\n'
    )
    done = subprocess.run(command, input=requests, capture_output=True, check=True, timeout=60)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers == [{"error": "KeyError: 'still'"}, {"error": "KeyError: 'x'"}]


def test_what_a_library_prints_does_not_come_between_the_answers(tmp_path):
    (tmp_path / "mediapipe.py").write_text("print('a greeting', flush=True)")
    done = subprocess.run(
        [sys.executable, mediapipe_worker.__file__],
        input=b'{"do": "open", "mode": "still", "max_faces": 1}\n',
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert [list(json.loads(line)) for line in done.stdout.splitlines()] == [["error"]]
    assert b"a greeting" in done.stderr
