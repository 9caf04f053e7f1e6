"""The launch files: their arguments are those of the README, and what they start has the right names and settings.

ROS 2's launch has no wheels: the tests that start processes run where a ROS 2 is sourced. The others read the files.
"""

import ast
import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILES = ("facemesh.launch.py", "demo.launch.py")
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
file, *arguments = sys.argv[1:]
pairs = [argument.split(":=", 1) for argument in arguments]
service = LaunchService()
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=pairs)])
)
sys.exit(service.run())
"""
needs_launch = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("rclpy", "launch", "launch_ros"))),
    reason="ROS 2's launch is not installed here (it has no wheels): source a ROS 2",
)


def declared(file):
    """Return the names of the arguments that a launch file declares, read from its source."""
    calls = [node for node in ast.walk(ast.parse((ROOT / "launch" / file).read_text())) if isinstance(node, ast.Call)]
    return [call.args[0].value for call in calls if getattr(call.func, "id", "") == "DeclareLaunchArgument"]


def test_every_argument_is_in_the_readme():
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("| Launch argument |")[1].split("\n\n")[0]
    assert declared("facemesh.launch.py") == re.findall(r"^\| `(\w+)`", table, re.MULTILINE)


@pytest.mark.parametrize("file", LAUNCH_FILES)
def test_every_argument_is_described_and_every_one_used_is_declared(file):
    text = (ROOT / "launch" / file).read_text(encoding="utf-8")
    assert len(declared(file)) == text.count("description=")
    assert set(re.findall(r'LaunchConfiguration\("(\w+)"\)', text)) <= set(declared(file))


def test_rviz_shows_the_topics_that_the_launch_file_remaps():
    config = yaml.safe_load((ROOT / "config" / "facemesh.rviz").read_text(encoding="utf-8"))["Visualization Manager"]
    shown = [display["Topic"]["Value"] for display in config["Displays"]]
    launch = (ROOT / "launch" / "facemesh.launch.py").read_text(encoding="utf-8")
    assert shown == re.findall(r'\("(/[\w/]+)", ', launch)


@contextlib.contextmanager
def launched(file, *arguments):
    """Run a launch file as `ros2 launch` does; yield the process, which must end cleanly on Ctrl-C."""
    prefixes = [sys.prefix, *filter(None, [os.environ.get("AMENT_PREFIX_PATH")])]
    environment = {
        **os.environ,
        "AMENT_PREFIX_PATH": os.pathsep.join(prefixes),
        "PATH": os.pathsep.join([f"{sys.prefix}/bin", os.environ["PATH"]]),
    }
    command = [sys.executable, "-c", LAUNCH, str(ROOT / "launch" / file), *arguments]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def environment_of_child(process, word):
    """Return the environment variables of the child process whose command line has the word."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == process.pid and word in (folder / "cmdline").read_text():
                return dict(line.partition("=")[::2] for line in (folder / "environ").read_text().split("\0"))
    return {}


@needs_launch
def test_the_node_has_the_names_parameters_and_environment_that_the_arguments_say(rig, tmp_path):
    from lifecycle_msgs.srv import GetState
    from rcl_interfaces.srv import GetParameters

    params = tmp_path / "params.yaml"
    params.write_text("/**: {ros__parameters: {max_faces: 2, autostart: false}}")
    arguments = (f"params_file:={params}", "namespace:=robot", "image:=/cam/image", "use_sim_time:=true")
    with launched("facemesh.launch.py", *arguments) as process:
        names = ["max_faces", "use_sim_time"]
        got = rig.call(GetParameters, "/robot/facemesh_node/get_parameters", GetParameters.Request(names=names))
        state = rig.call(GetState, "/robot/facemesh_node/get_state", GetState.Request())
        environment = environment_of_child(process, "facemesh_node")
    assert (got.values[0].integer_value, got.values[1].bool_value) == (2, True)
    assert state.current_state.label == "unconfigured"
    assert environment["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith("facemesh_ros/ros/fastdds.xml")
    assert environment["MALLOC_TRIM_THRESHOLD_"] == "536870912"


@needs_launch
def test_the_node_listens_to_the_image_topic_and_the_camera_info_beside_it(rig, networks):
    with launched("facemesh.launch.py", "image:=/cam/image"):
        for topic in ("/cam/image", "/cam/camera_info"):
            rig.until(lambda topic=topic: rig.tester.count_subscribers(topic), f"the node on {topic}")


@needs_launch
def test_the_demo_finds_the_moving_face(rig, networks, moving_face):
    from facemesh_ros.msg import FaceMeshArray

    with launched("demo.launch.py"):
        arrays = rig.collect(FaceMeshArray, "/facemesh_node/faces")
        rig.until(lambda: any(array.faces for array in arrays), "a face")
