"""A child that answers over pipes; the one here is a stand-in."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.evaluation.worker import Worker

STAND_IN = Path(__file__).with_name("stand_in_peer.py")


@pytest.fixture
def worker(tmp_path):
    with Worker("the peer", [sys.executable, str(STAND_IN)], tmp_path / "log", patience_s=30.0) as made:
        made.ask({"do": "open", "mode": "still", "max_faces": 2})
        yield made


def process(worker, height, width, value=7):
    request = {"do": "process", "mode": "still", "shape": [height, width, 3]}
    return worker.ask(request, bytes([value]) * (height * width * 3))


def test_requests_are_answered_in_order(worker):
    for value in (1, 2, 3):
        assert process(worker, 2, 40, value) == {"shape": [2, 478, 3], "ms": 2.5}
        assert len(worker.read(2 * 478 * 3 * 4)) == 2 * 478 * 3 * 4


def test_images_larger_than_a_pipe_go_through(worker):
    assert process(worker, 2000, 1500)["shape"] == [2, 478, 3]


def test_an_error_is_told_and_the_next_request_is_answered(worker):
    with pytest.raises(FaceMeshError, match="the peer: ValueError: no such picture"):
        process(worker, 3, 13)
    assert process(worker, 1, 40)["shape"] == [1, 478, 3]


def test_a_worker_that_ends_is_told_with_its_last_words(worker):
    with pytest.raises(FaceMeshError, match=r"(?s)the peer ended with status 3; the end of its log.*the last words"):
        process(worker, 1, 13)
    assert not worker.is_running()
    with pytest.raises(FaceMeshError, match="ended with status 3"):
        process(worker, 1, 40)


@pytest.mark.parametrize(
    ("height", "width"), [(2, 13), (4, 13), (4000, 17)], ids=["says nothing", "drips", "does not read"]
)
def test_a_worker_that_is_not_done_in_time_is_ended(tmp_path, height, width):
    with Worker("the peer", [sys.executable, str(STAND_IN)], tmp_path / "log", patience_s=1.0) as worker:
        start_s = time.monotonic()
        with pytest.raises(FaceMeshError, match=r"the peer has not answered for 1 s"):
            process(worker, height, width)
        assert not worker.is_running()
        assert time.monotonic() - start_s < 5.0


def test_a_program_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(FaceMeshError, match="the peer cannot be started"):
        Worker("the peer", [str(tmp_path / "nothing")], tmp_path / "log")


PARENT = """
import sys
from pathlib import Path
from facemesh_ros.tools.evaluation.worker import Worker
worker = Worker("the peer", sys.argv[1:3], Path(sys.argv[3]))
print(worker.ask({"do": "open", "mode": "still", "max_faces": 2})["pid"], flush=True)
worker.ask({"do": "process", "mode": "still", "shape": [2, 13, 3]}, bytes(78))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
def test_a_worker_that_hangs_ends_with_its_parent(tmp_path, number):
    command = [sys.executable, "-c", PARENT, sys.executable, str(STAND_IN), str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        worker = Path("/proc", parent.stdout.readline().strip())
        assert worker.is_dir()
        parent.send_signal(number)
        parent.wait(20.0)
    until(lambda: not worker.is_dir())


def until(condition):
    deadline_s = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_worker_is_out_of_the_terminals_reach(worker):
    assert os.getsid(worker.ask({"do": "open", "mode": "still", "max_faces": 2})["pid"]) != os.getsid(0)


def test_closing_ends_the_worker(tmp_path):
    worker = Worker("the peer", [sys.executable, str(STAND_IN)], tmp_path / "log")
    worker.close()
    assert worker._process.returncode == 0
