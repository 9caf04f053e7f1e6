"""The node as a process of its own: how it starts, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from lifecycle_msgs.srv import ChangeState
from rig import DEADLINE_S, RELIABLE, image_message
from sensor_msgs.msg import Image

from facemesh_ros.ros.environment import large_message_environment

pytestmark = pytest.mark.ros

EMPTY_LIST = str(Path(__file__).with_name("empty_list.yaml"))
SCRIPT = Path(__file__).parents[2] / "scripts" / "facemesh_node"


@pytest.fixture
def start_process():
    """Start the node as a process of its own; ends it with the test."""
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "facemesh_ros.ros.node", "--ros-args", *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_with_code_0_and_without_a_traceback(rig, start_process, number):
    process = start_process("-p", "autostart:=false", "-r", "__ns:=/alone")
    rig.until(lambda: ("facemesh_node", "/alone") in rig.tester.get_node_names_and_namespaces(), "the node")
    process.send_signal(number)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    assert "Traceback" not in output


STARTS = {
    "module": "import runpy; runpy.run_module('facemesh_ros.ros.node', run_name='__main__')",
    "script": f"import runpy; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')",
}
INTERRUPT_THE_IMPORT = """
import signal, sys

class Interrupting:
    @staticmethod
    def find_spec(name, *_):
        if name == "rclpy":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting)
"""


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
def test_a_signal_during_the_imports_ends_the_process_without_a_word(start):
    environment = {**os.environ, **large_message_environment()}  # so that it need not begin again
    command = [sys.executable, "-c", INTERRUPT_THE_IMPORT + start]
    process = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, env=environment, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


def test_a_lifecycle_shutdown_ends_the_process_with_code_0(rig, start_process):
    process = start_process("-p", "autostart:=false")
    client = rig.tester.create_client(ChangeState, "/facemesh_node/change_state")
    rig.until(client.service_is_ready, "the node")
    request = ChangeState.Request()
    request.transition.label = "shutdown"

    def has_ended_after_a_request():  # the first may get lost: a client knows of the node before that knows of it
        client.call_async(request)
        return process.poll() is not None

    rig.until(has_ended_after_a_request, "the process to end")
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    assert "Traceback" not in output


@pytest.mark.models
@pytest.mark.parametrize("executor", ["auto", "single_threaded"])
def test_a_signal_to_an_active_process_publishes_an_empty_array(rig, start_process, networks, face_rgb, executor):
    process = start_process("-p", "input.reliability:=reliable", "-p", f"executor:={executor}")
    images, arrays = rig.publisher(Image, "/image", RELIABLE), rig.faces()
    images.publish(image_message(1.0, face_rgb))
    rig.until(lambda: arrays, "faces")
    assert len(arrays[0].faces) == 1
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    rig.until(lambda: len(arrays) == 2, "an empty array")
    assert arrays[1].faces == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("-p", "max_faces:=0"), "max_faces"),
        (("-p", "max_faces"), "max_faces"),
        (("--params-file", "nowhere.yaml"), "nowhere.yaml"),
        (("-p", "detector.range:=far"), "detector.range"),
        (("-p", "filter.beta:=quick"), "filter.beta"),
        (("-p", "cameras:=[front,front]"), "cameras"),
        (("-p", "cameras:=front"), "cameras"),
        (("--params-file", EMPTY_LIST), "cameras"),
    ],
)
def test_a_bad_parameter_ends_the_process_with_code_1_and_is_named(start_process, arguments, named):
    output, _ = (process := start_process(*arguments)).communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert named in output
    assert "Traceback" not in output
